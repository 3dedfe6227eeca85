"""The server's end of the control plane: it lets agents in, hands on what they say, and notices who has gone."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
import numpy as np

from fl.config import Config
from fl.control.claims import Peer
from fl.control.events import Attempt
from fl.control.frames import Received, encode
from fl.control.messages import (
    NO_ROUND,
    AskStatus,
    AskTime,
    Bye,
    Heartbeat,
    Message,
    Refuse,
    Register,
    Status,
    Time,
    Welcome,
)
from fl.control.sockets import ServerSocket
from fl.testbed.driver import LOG
from fl.testbed.identity import Identity
from fl.testbed.registry import Progress, Refusal, Registry
from radio.base import RadioError
from radio.usrp.shared_time import FirstHost

Observer = Callable[[str, dict[str, Any]], None]
"""Called with what has happened (listening, round, joined, left, refused, status, stopping) and its details."""
UNKNOWN = Refusal("not registered with this server", "it registers again", again=True)
NO_COMMON_TIME = "its radio has a time of its own: no USRP with radio.usrp.time_source = external or gpsdo"
READING = 0.2  # seconds that agents have to read the last message


class Host(Protocol):
    """Who is told of agents."""

    @property
    def committed(self) -> int:
        """Rounds that are done."""
        ...

    @property
    def phase(self) -> str:
        """Where the round is."""
        ...

    def last_heard(self, agent: int) -> Attempt | None:
        """Return the last attempt in which an agent was heard."""
        ...

    @property
    def first_host(self) -> FirstHost | None:
        """Whose time other hosts may join; None: its radio has a time of its own."""
        ...

    def joined(self, message: Register, same: bool) -> None:
        """Note that an agent is there; `same` if it is the process that was there before."""
        ...

    def left(self, agent: int, reason: str) -> None:
        """Note that an agent is gone."""
        ...

    def said(self, message: Message, received: Received) -> None:
        """Note what a registered agent has said."""
        ...


class Reception:
    """Where agents come and go. To be made and used in one event loop.

    Args:
        socket: where they connect.
        registry: who takes part.
        identity: of the run.
        config: of the run.
        observe: is told what happens.
    """

    def __init__(
        self, socket: ServerSocket, registry: Registry, identity: Identity, config: Config, observe: Observer
    ) -> None:
        self.registry = registry
        self.identity = identity
        self._socket = socket
        self._config = config
        self._observe = observe

    async def listen(self, host: Host) -> None:
        """Hand on everything that is said, until cancelled."""
        while True:
            peer, received = await self._socket.receive()
            await self._hear(host, peer, received)

    async def live(self, host: Host) -> None:
        """Give agents signs of life, and notice who gives none, until cancelled."""
        while True:
            for agent, seconds in self.registry.silent():
                self.gone(host, agent, f"silent for {seconds:.1f} s")
            for agent in [agent for agent, about in self.registry.known.items() if about.is_present]:
                if not await self.say(agent, Heartbeat(state=host.phase, **self._about(agent))):
                    self.gone(host, agent, "the connection is lost")
            self._observe("status", msgspec.to_builtins(self._status(host, 0)))
            await asyncio.sleep(self._config.control.heartbeat_s)

    async def say(self, agent: int, message: Message, tensors: Mapping[str, np.ndarray] | bytes = b"") -> bool:
        """Say something to an agent; return whether it was taken: not, if the agent is gone or has stopped reading."""
        route = self.registry.route(agent)
        return route is not None and await self._socket.send(route, encode(message, tensors))

    async def farewell(self, done: bool) -> None:
        """Tell those that are there that the server leaves, and give them time to read it."""
        for agent in list(self.registry.known):
            await self.say(agent, Bye(done=done, reason="" if done else "stopped", **self._about(agent)))
        await asyncio.sleep(READING)

    def gone(self, host: Host, agent: int, reason: str) -> None:
        """Note that an agent is gone, once."""
        if self.registry.lose(agent):
            LOG.info("gone: %s", reason, extra={"agent": agent})
            self._observe("left", {"agent": agent, "reason": reason})
            host.left(agent, reason)

    async def _hear(self, host: Host, peer: Peer, received: Received) -> None:
        message = received.message
        if isinstance(message, Register):
            await self._register(host, peer, message)
        elif isinstance(message, AskStatus):
            await self._socket.send(peer.route, encode(self._status(host, message.agent)))
        elif isinstance(message, AskTime):
            await self._socket.send(peer.route, encode(await self._time(host, message)))
        elif not self.registry.hears(message.agent, peer, message.state if isinstance(message, Heartbeat) else None):
            await self._refuse(peer, message.agent, UNKNOWN)
        elif isinstance(message, Bye):
            self.gone(host, message.agent, message.reason or "it has said so")
        elif not isinstance(message, Heartbeat) and message.run == self.identity.run:
            host.said(message, received)

    async def _register(self, host: Host, peer: Peer, message: Register) -> None:
        allowed = None if self._socket.allowed is None else self._socket.allowed.entry(peer.key)
        same, before = self.registry.is_same(message), self.registry.route(message.agent)
        progress = Progress(host.committed, host.last_heard(message.agent))
        refusal = self.registry.register(message, peer, allowed, progress)
        if refusal is not None:
            await self._refuse(peer, message.agent, refusal)
            return
        control = self._config.control
        welcome = Welcome(
            rounds=self._config.rounds,
            committed=host.committed,
            heartbeat_s=control.heartbeat_s,
            patience_s=control.patience_s,
            **self._about(message.agent),
        )
        await self.say(message.agent, welcome)
        if before is None or not same:
            LOG.info("registered", extra={"agent": message.agent})
            self._observe("joined", {"agent": message.agent})
        host.joined(message, same)

    async def _refuse(self, peer: Peer, agent: int, refusal: Refusal) -> None:
        if refusal is not UNKNOWN:
            lines = "".join(f"; {line}" for line in refusal.details)
            self._socket.refusals.note(f"agent {agent} ({peer})", f"{refusal.reason}{lines}; {refusal.remedy}", agent)
        if not refusal.again:
            self._observe("refused", {"agent": agent, "reason": refusal.reason})
        words: dict[str, Any] = {"reason": refusal.reason[:1000], "remedy": refusal.remedy[:1000]}
        message = Refuse(details=refusal.details, again=refusal.again, **words, **self._about(agent))
        await self._socket.send(peer.route, encode(message))

    def _status(self, host: Host, agent: int) -> Status:
        return Status(
            phase=host.phase,
            committed=host.committed,
            rounds=self._config.rounds,
            agents=self.registry.status(),
            **self._about(agent),
        )

    async def _time(self, host: Host, message: AskTime) -> Time:
        about: dict[str, Any] = {"asked": message.asked, **self._about(message.agent)}
        first = host.first_host
        if first is None:
            now = time.monotonic()
            return Time(heard=now, answered=now, problem=NO_COMMON_TIME, **about)
        heard = first.now()
        try:
            epoch = await asyncio.to_thread(first.epoch)  # a device that has gone answers late
        except RadioError as error:
            return Time(heard=heard, answered=first.now(), problem=str(error)[:1000], **about)
        return Time(heard=heard, answered=first.now(), zero=epoch.zero, doubt=epoch.doubt, **about)

    def _about(self, agent: int) -> dict[str, Any]:
        """Return what every message outside of rounds says."""
        return {"run": self.identity.run, "round": NO_ROUND, "agent": agent, "sequence": self.identity.sequence}
