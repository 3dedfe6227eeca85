"""The server's process: it does what its machine wants done, and writes every round down.

agents  --messages-->  Reception  -->  ServerMachine  --actions-->  messages, tasks (ServerWork), commits, timers
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fl.control import server_machine
from fl.control.events import (
    Action,
    Attempt,
    Begin,
    Done,
    Finish,
    Joined,
    Left,
    Said,
    Save,
    Send,
    Start,
    Stop,
    Task,
    said,
)
from fl.control.frames import Received, pack_for
from fl.control.messages import Close, Followed, Grant, Message, Open, Ready, Register, Sent, Sound
from fl.control.server_state import Phase, ServerMachine, Stage
from fl.round import schedule
from fl.testbed.driver import LOG, Driver
from fl.testbed.radios import OneRadio
from fl.testbed.reception import Observer, Reception
from fl.testbed.server_work import Gathered, ServerWork
from fl.testbed.translate import grant_fields, report_of, sent_of, slot_fields
from fl.uplink.base import Delivery
from fl.uplink.roles import Decision, IncompleteError, SoundingSlot
from radio.base import LostRadioError, RadioError
from radio.usrp.shared_time import FirstHost

Result = TypeVar("Result")
EXPECTED = {Ready: Stage.OPENED, Followed: Stage.READY, Sent: Stage.GRANTED}


class ServerProcess(Driver[ServerMachine]):
    """The server of a run. To be made and used in one event loop.

    Args:
        work: what it does.
        reception: where agents come and go.
        radio: of the server.
        machine: where the run is.
        observe: is told what happens.
    """

    def __init__(
        self, work: ServerWork, reception: Reception, radio: OneRadio, machine: ServerMachine, observe: Observer
    ) -> None:
        control = work.learning.config.control
        super().__init__(machine, server_machine.step, control.seconds)
        self.work_of = work
        self._reception = reception
        self._radio = radio
        self._observe = observe
        self._ready_s = control.ready_s
        self._gathered = Gathered(())
        self._theta = b""
        self._stopping = ""
        self._lost: RadioError | None = None

    @property
    def committed(self) -> int:
        """Rounds that are done."""
        return self.machine.committed

    @property
    def phase(self) -> str:
        """Where the round is."""
        return str(self.machine.phase)

    def last_heard(self, agent: int) -> Attempt | None:
        """Return the last attempt in which an agent was heard; None: in none."""
        return next((attempt for one, attempt in self.machine.last_heard if one == agent), None)

    @property
    def first_host(self) -> FirstHost | None:
        """Whose time other hosts may join; None: its radio has a time of its own."""
        hosts = self._radio.hosts
        return hosts if isinstance(hosts, FirstHost) else None

    async def run(self) -> str:
        """Do the rounds that are left; return why it ended: "" when all are done.

        Raises:
            LostRadioError: the server's radio is lost; all rounds before are written.
        """
        loops = [self.begin(self._reception.listen(self)), self.begin(self._reception.live(self))]
        self._begin()
        try:
            return await self.ended
        finally:
            for one in loops:
                one.cancel()
            await self._reception.farewell(self.committed >= self.work_of.learning.config.rounds)
            self.close()

    def stop(self, reason: str) -> None:
        """Stop when the round that is under way is written; at once, if none has been opened."""
        self._stopping = reason
        self._observe("stopping", {"reason": "finishing this round, then saving; once more to stop at once"})
        if self.machine.phase in (Phase.IDLE, Phase.OPEN):
            self.end(reason)

    def joined(self, message: Register, same: bool) -> None:
        """Let an agent take part."""
        self.work_of.weights[message.agent] = message.weight
        self.feed(Joined(message.agent, same))

    def left(self, agent: int, reason: str) -> None:
        """Go on without an agent."""
        self.feed(Left(agent, reason))

    def said(self, message: Message, received: Received) -> None:
        """Take note of what an agent says, if it is what is waited for."""
        event = said(message)
        expected = self.machine.at(EXPECTED.get(type(message), Stage.OUT))
        if event.attempt == self.machine.attempt and message.agent in expected:
            try:
                self._note(message, received)
            except ValueError as error:
                event = Said(event.kind, event.agent, event.attempt, False, f"said what cannot be: {error}")
        self.feed(event)

    def carry_out(self, action: Action) -> None:
        """Do what the machine wants done."""
        match action:
            case Send():
                self.begin(self._send(action))
            case Start():
                self._start(action)
            case Save():
                self._commit(action)
            case Finish():
                self._observe("round", self.work_of.line)
                self._reception.registry.count(self.work_of.line.get("agents_heard", ()))
                self.loop.call_soon(self._begin)
            case Stop(reason):
                self.end(reason)
            case _:
                super().carry_out(action)

    def failed(self, start: Start, error: Exception) -> None:
        """Tell the machine that a task has failed; a radio that is lost ends the run when the round is written."""
        if isinstance(error, LostRadioError):
            self._lost = error
        super().failed(start, error)

    def _begin(self) -> None:
        if self._lost is not None:
            self.end(self._lost)
        elif self.committed >= self.work_of.learning.config.rounds:
            self.end("")
        elif self._stopping:
            self.end(self._stopping)
        else:
            scheduled = schedule(self.work_of.learning, self.committed)
            self._gathered = Gathered(scheduled)
            self._theta = pack_for(Open, {"theta": self.work_of.state.theta.cpu().numpy()})
            self.feed(Begin(self.committed, scheduled))

    def _start(self, start: Start) -> None:
        gathered, work, radio, index = self._gathered, self.work_of, self._radio, start.attempt.round
        reasons = {one.agent: one.reason for one in self.machine.participants if one.reason}
        absent = {agent: reason for agent, reason in reasons.items() if agent in gathered.rows}

        def timed(stage: Callable[[], Result]) -> Result:
            with gathered.clock.stage(str(start.task)):
                return stage()

        def call() -> Mapping[int, SoundingSlot]:
            slots = timed(partial(work.call, gathered, start.agents, index))
            radio.expect(start.agents)
            now = radio.now()
            return {agent: replace(slot, now=now) for agent, slot in slots.items()}

        def decide() -> Decision:
            decision = work.decide(gathered, absent, index)
            if work.role.on_air:
                radio.expect(decision.grants)
            return decision

        match start.task:
            case Task.CALL:
                self.work(start, call, lambda slots: _called(start, gathered, slots))
            case Task.SOUND:
                self.work(start, partial(timed, work.role.sound), lambda _: Done(start.task, start.attempt))
            case Task.DECIDE:
                gathered.rows = gathered.rows or start.agents
                self.work(start, decide, lambda decision: _decided(start, gathered, decision))
            case Task.RECEIVE:
                self.work(start, partial(timed, work.role.receive), lambda found: _done(start, *found))
            case _:
                decode = partial(work.decode, gathered, start.agents, absent)
                self.work(start, decode, lambda found: _decoded(start, gathered, *found))

    def _commit(self, save: Save) -> None:
        gathered, states = self._gathered, []
        others = {one for one in self.machine.last_heard if one[0] not in save.heard}
        last_heard = frozenset(others | {(agent, save.attempt) for agent in save.heard})

        def commit() -> None:
            states.append(self.work_of.commit(gathered, save, last_heard))

        def done() -> None:
            self.work_of.state, self.work_of.committed = states[-1], save.attempt.round + 1
            told = {agent: f"left out: {reason}" for agent, reason in save.excluded} | dict.fromkeys(
                save.heard, "heard"
            )
            for agent, text in sorted(told.items()):
                LOG.info("%s", text, extra={"round": save.attempt.round, "agent": agent})
            LOG.info("written: %s", save.failure or self.work_of.line["outcome"], extra={"round": save.attempt.round})

        self.write(save, commit, done)

    async def _send(self, send: Send) -> None:
        fields, tensors = self._content(send)
        attempt = {"round": send.attempt.round, "sequence": send.attempt.sequence}
        message = send.kind(run=self._reception.identity.run, agent=send.agent, **attempt, **fields)
        if not await self._reception.say(send.agent, message, tensors):
            self._reception.gone(self, send.agent, "the connection is lost, or it has stopped reading")

    def _content(self, send: Send) -> tuple[dict[str, Any], Mapping[str, np.ndarray] | bytes]:
        if send.kind is Open:
            return {"deadline_s": self._ready_s, "oracle": True}, self._theta
        if send.kind is Sound:
            return slot_fields(self._gathered.slots[send.agent]), b""
        if send.kind is Grant and self._gathered.decision is not None:
            return grant_fields(self._gathered.decision.grants[send.agent])
        if send.kind is Close:
            return {"heard": send.well, "reason": send.reason[:1000]}, b""
        return {"heard": send.well}, b""

    def _note(self, message: Message, received: Received) -> None:
        """Keep what a message says for the task that needs it.

        Raises:
            ValueError: it cannot be true.
        """
        gathered, learning, agent = self._gathered, self.work_of.learning, message.agent
        match message:
            case Ready(loss=loss, symbol_power=power, learn_s=seconds):
                gathered.power[agent] = power
                gathered.clock.learnt(seconds)
                if loss is not None:
                    gathered.losses[agent] = loss
            case Followed():
                gathered.reports[agent] = report_of(message, received.tensors)
            case Sent():
                device = learning.config.run.device
                report = sent_of(message, received.tensors, learning.message_length, device)
                carries = self.work_of.role.carries
                if carries is not None and getattr(report, carries) is None and not message.failure:
                    raise IncompleteError(f"sent, and nothing of it came: {carries} must be beside the message")
                gathered.sent[agent] = report
            case _:
                pass


def _called(start: Start, gathered: Gathered, slots: Mapping[int, SoundingSlot]) -> Done:
    gathered.slots = slots
    return Done(start.task, start.attempt)


def _decided(start: Start, gathered: Gathered, decision: Decision) -> Done:
    gathered.decision = decision
    return _done(start, decision.grants, decision.excluded)


def _decoded(start: Start, gathered: Gathered, delivery: Delivery, heard: frozenset[int]) -> Done:
    gathered.delivery = delivery
    return _done(start, heard, {})


def _done(start: Start, agents: Iterable[int], excluded: Mapping[int, str]) -> Done:
    return Done(start.task, start.attempt, frozenset(agents), tuple(sorted(excluded.items())))
