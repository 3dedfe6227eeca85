"""An agent's process: it registers, says that it is there, and does what its machine wants done.

Registered or not, a machine that has an attempt on disk keeps it: a server that was killed and resumed says what became
of it. The server's silence ends nothing, it is waited for.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from fl.control import agent_machine
from fl.control.agent_state import AgentMachine, Phase
from fl.control.events import Action, Attempt, Done, Save, Send, Start, Task, Welcomed, Write, said
from fl.control.frames import Received, encode
from fl.control.messages import (
    NO_ROUND,
    Ask,
    Bye,
    Followed,
    Grant,
    Heartbeat,
    Message,
    Open,
    Radio,
    Ready,
    Refuse,
    Register,
    Sent,
    Sound,
    Welcome,
)
from fl.control.sockets import AgentSocket
from fl.control_config import Control
from fl.testbed.agent_store import Kept, in_run
from fl.testbed.agent_work import AgentWork
from fl.testbed.driver import LOG, Driver
from fl.testbed.translate import grant_of, report_fields, sent_fields, slot_of
from fl.uplink.roles import BeaconReport, TransmitReport

Joined = Callable[[str, int], None]
"""Called with the run's id and the number of the start of the server that takes an agent in; may raise."""
REMEMBERED = 4  # attempts whose messages are kept
DONE = "the run is done"
WRITING = 5.0  # seconds that a disk may take for the last round


class RefusedError(RuntimeError):
    """The server does not take this agent in, and will not unless somebody does something."""


@dataclass(frozen=True)
class Credentials:
    """What an agent says of itself when it registers.

    Args:
        version: of airmeta.
        config: resolved, as JSON.
        radio: its radio; None: the uplink has none.
    """

    version: str
    config: str
    radio: Radio | None


class AgentProcess(Driver[AgentMachine]):
    """One agent at work. To be made and used in one event loop.

    Args:
        work: what it does.
        socket: its way to the server.
        credentials: what it says of itself.
        control: waiting times, until the server says its own.
        joined: is told when the server takes this agent in.
    """

    def __init__(
        self, work: AgentWork, socket: AgentSocket, credentials: Credentials, control: Control,
        joined: Joined = lambda _run, _start: None,
    ) -> None:  # fmt: skip
        machine, actions = agent_machine.resumed(work.agent, work.kept.disk)
        machine = replace(machine, sequence=max(machine.sequence, work.kept.sequence))
        super().__init__(machine, agent_machine.step, lambda _phase: self._patience)
        self.work_of = work
        self.is_registered = False
        self._early: list[Received] = []  # what has overtaken the welcome to a run
        self._socket = socket
        self._credentials = credentials
        self._joined = joined
        self._process = secrets.token_hex(8)
        self._beat, self._patience = control.heartbeat_s, control.patience_s
        self._last = self.loop.time()
        self._told: dict[tuple[type[Message], Attempt], Received] = {}
        self._made: Kept | None = None
        self._report: BeaconReport | TransmitReport | None = None
        self._problem = ""
        self._gets_through, self._is_done = True, False
        for action in actions:
            self.carry_out(action)

    async def run(self) -> str:
        """Take part until the run is done; return why it ended.

        Raises:
            RefusedError: the server does not take this agent in.
            VersionError: the server speaks another version.
        """
        loops = [self.begin(self._listen()), self.begin(self._live())]
        try:
            return await self.ended
        finally:
            for one in loops:
                one.cancel()
            await self._say(Bye, round=NO_ROUND, sequence=self.machine.sequence, reason="stopped")
            self.close()

    def carry_out(self, action: Action) -> None:
        """Do what the machine wants done."""
        match action:
            case Send():
                self._send(action)
            case Start():
                self._start(action)
            case Save():
                if action.write is Write.SETTLE:
                    self.aside(self.work_of.give_way)
                kept = self._content(action)
                self.write(action, lambda: self.work_of.save(kept), lambda: self._written(action, kept))
            case _:
                super().carry_out(action)

    def _start(self, start: Start) -> None:
        match start.task:
            case Task.LEARN:
                theta = self._told[Open, start.attempt].tensors["theta"]
                self.work(start, lambda: self.work_of.learn(start, theta), lambda kept: self._learnt(start, kept))
            case Task.FOLLOW:
                slot = slot_of(self._heard(Sound, start.attempt))
                self.work(start, lambda: self.work_of.follow(slot), lambda report: self._reported(start, report))
            case Task.PREPARE:
                told = self._told[Grant, start.attempt]
                grant = grant_of(msgspec.convert(told.message, Grant, from_attributes=True), told.tensors)
                self.work(start, lambda: self.work_of.prepare(grant), lambda kept: self._learnt(start, kept))
            case _:
                self.work(start, self.work_of.transmit, lambda report: self._reported(start, report))

    def _learnt(self, start: Start, kept: Kept | None) -> Done | None:
        if start.attempt == self.machine.attempt:
            self._made = kept
        return Done(start.task, start.attempt, well=kept is not None)

    def _reported(self, start: Start, report: BeaconReport | TransmitReport) -> Done:
        if start.attempt == self.machine.attempt:
            self._report = report
        return Done(start.task, start.attempt)

    def _written(self, save: Save, kept: Kept) -> None:
        self.work_of.kept = kept
        if save.write is Write.SETTLE:
            text = "settled: counted" if save.heard else "settled: not counted, the update stays in the residual"
            LOG.info("%s", text, extra={"round": save.attempt.round, "agent": self.work_of.agent})
            if self._is_done:
                self.end(DONE)

    def _content(self, save: Save) -> Kept:
        """Return what is to be on disk."""
        if save.write is Write.SETTLE:
            return self.work_of.settled(bool(save.heard))
        if self.machine.phase is Phase.UNMARKING or self._made is None:
            return replace(self.work_of.kept, carried=None)
        return self._made

    def _send(self, send: Send) -> None:
        about = {"round": send.attempt.round, "sequence": send.attempt.sequence}
        fields: dict[str, Any] = {}
        tensors: Mapping[str, np.ndarray] = {}
        if send.kind is Ready:
            kept = self._made if self._made is not None and self._made.pending == send.attempt else self.work_of.kept
            fields = {"loss": kept.loss, "symbol_power": self.work_of.symbol_power or 0.0}
            fields["failure"] = send.reason[:1000]
            fields["learn_s"] = self.work_of.learn_s
        elif send.kind is Followed:
            report = self._report if send.well and isinstance(self._report, BeaconReport) else BeaconReport()
            fields, tensors = report_fields(report)
            fields["failure"] = send.reason[:1000]
        elif send.kind is Sent:
            if not send.well:
                self.aside(self.work_of.give_way)
            sent = self._report if send.well and isinstance(self._report, TransmitReport) else TransmitReport(0.0)
            fields, tensors = sent_fields(sent)
            fields["failure"] = send.reason[:1000]
        text = send.kind.__name__.lower() + (f": {send.reason}" if send.reason else "")
        if send.kind is not Ask:  # that may go on for days
            LOG.info("%s", text, extra={"round": send.attempt.round, "agent": send.agent})
        self.begin(self._say(send.kind, tensors, **about, **fields))

    async def _say(self, kind: type[Message], tensors: Mapping[str, np.ndarray] | None = None, **fields: Any) -> None:
        message = kind(run=self.work_of.kept.run, agent=self.work_of.agent, **fields)
        taken = await self._socket.send(encode(message, tensors or {}))
        if not taken and self._gets_through:  # a server may be away for days: once is enough
            LOG.warning("%s not sent: nothing gets through to the server", kind.__name__.lower())
        self._gets_through = taken

    async def _listen(self) -> None:
        while True:
            received = await self._socket.receive()
            self._last = self.loop.time()
            self._hear(received)

    def _hear(self, received: Received) -> None:
        message = received.message
        if message.agent != self.work_of.agent or isinstance(message, Heartbeat):
            return
        if isinstance(message, Refuse):
            self._refused(message)
        elif isinstance(message, Welcome):
            self._welcomed(message)
        elif isinstance(message, Bye):
            self._left(message)
        elif message.run == self.work_of.kept.run:
            event = said(message)
            self._told.setdefault((event.kind, event.attempt), received)
            for old in sorted({attempt for _, attempt in self._told})[:-REMEMBERED]:
                self._told = {key: value for key, value in self._told.items() if key[1] != old}
            self.feed(event)
        elif not self.work_of.kept.run:
            self._early = [*self._early, received][-REMEMBERED:]

    def _heard(self, kind: type[Message], attempt: Attempt) -> Any:
        return self._told[kind, attempt].message

    def _welcomed(self, message: Welcome) -> None:
        mine = self.work_of.kept.run
        if mine and mine != message.run:
            self.end(RefusedError(
                f"this agent holds what is left of run {mine}, the server runs {message.run}; give it another --state "
                "folder, or resume the server of that run"
            ))  # fmt: skip
            return
        self.work_of.kept = in_run(self.work_of.kept, message.run, message.sequence)
        self._joined(message.run, message.sequence)
        if not self.is_registered:
            LOG.info("registered: round %d of %d", message.committed + 1, message.rounds)
        self.is_registered, self._problem = True, ""
        self._beat, self._patience = message.heartbeat_s, message.patience_s
        self.feed(Welcomed(message.sequence))
        early, self._early = self._early, []
        for received in early:
            self._hear(received)

    def _refused(self, message: Refuse) -> None:
        self.is_registered = False
        if not message.again:
            lines = "".join(f"\n  {line}" for line in message.details)
            self.end(
                RefusedError(f"the server refuses agent {message.agent}: {message.reason}; {message.remedy}{lines}")
            )
        elif message.reason != self._problem:
            self._problem = message.reason
            LOG.warning("not taken in yet: %s; %s", message.reason, message.remedy)

    def _left(self, message: Bye) -> None:
        self.is_registered = False
        if message.done and self.machine.phase is Phase.SETTLING:
            self._is_done = True  # what became of the last round is being written
            self.loop.call_later(WRITING, self.end, DONE)
        elif message.done:
            self.end(DONE)
        else:
            LOG.warning("the server has left (%s); waiting for it to be resumed", message.reason)

    async def _live(self) -> None:
        """Say that this agent is there; register if the server does not know, or is not there."""
        said_problem = ""
        while True:
            if self.is_registered and self.loop.time() - self._last > self._patience:
                LOG.warning("nothing heard from the server for %.1f s; registering again", self._patience)
                self.is_registered = False
            if self.is_registered:
                await self._say(
                    Heartbeat, round=NO_ROUND, sequence=self.machine.sequence, state=str(self.machine.phase)
                )
            else:
                await self._register()
            if self._socket.problem and self._socket.problem != said_problem:
                LOG.warning("no connection: %s", self._socket.problem)
            said_problem = self._socket.problem
            await asyncio.sleep(self._beat)

    async def _register(self) -> None:
        kept = self.work_of.kept
        newest = kept.pending or kept.settled or Attempt(0, NO_ROUND)
        await self._say(
            Register,
            round=newest.round,
            sequence=newest.sequence,
            settled=kept.pending is None,
            starts=max(self.machine.sequence, kept.sequence),
            version=self._credentials.version,
            process=self._process,
            config=self._credentials.config,
            weight=self.work_of.weight,
            radio=self._credentials.radio,
        )
