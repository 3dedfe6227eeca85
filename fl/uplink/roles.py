"""The two sides of an uplink, for a server and agents that are separate processes.

    server   call -> SoundingSlot       receive soundings, decide -> AgentGrant      receive, decode -> Delivery
    agent    offer -> mean|s|²    follow -> BeaconReport        prepare -> carried,    transmit -> TransmitReport

A side knows only what it has measured itself and what it was told: the dataclasses below are all that goes from one to
the other besides what is on the air; of an agent that failed the server is told why. What a payload carries of an
update, `prepare` says to the agent alone, which keeps the rest. Uplinks without soundings (`on_air` is false) skip
`call`, `sound`, `follow` and `receive`; what their agents send travels in the `TransmitReport`, and the server's side
is the air as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np

from dsp.phase_tracking import Track
from fl.uplink.base import Array, Delivery


class IncompleteError(ValueError):
    """What the other side said lacks something: it was cut short on its way."""


@dataclass(frozen=True)
class SoundingSlot:
    """Where an agent's soundings lie in a round.

    Args:
        start: index of the server at which the beacon leaves.
        slot: row of the agent, in frame and pilots.
        agents: that sound in this round.
        first: whether one of them has not sounded before: more cycles.
        session: of the server's radio; its counter begins anew with every one.
        now: index of the server when this was said, where counters did not begin together; None: they did.
    """

    start: int
    slot: int
    agents: int
    first: bool
    session: str
    now: int | None = None


@dataclass(frozen=True)
class BeaconReport:
    """What an agent made of the beacon.

    Args:
        cfo: of the server's carrier as received, in Hz; an agent that sounds takes it back.
        cfo_std: its standard deviation.
        downlink: H_down, complex, shape (2K,), where nobody sounds.
        downlink_var: error of `downlink` on each subcarrier.
    """

    cfo: float = 0.0
    cfo_std: float = 0.0
    downlink: np.ndarray | None = None
    downlink_var: float | None = None


@dataclass(frozen=True)
class AgentGrant:
    """The server's decision on one agent.

    Args:
        fraction: factor <= 1 on an update whose norm is an outlier.
        weights: b on each block, complex, shape (blocks,); zero: silent there.
        pilot_weights: of the agent's pilots, complex, shape (2K,).
        sounded_at: index of the server in the middle of the agent's last slot.
        residual: phase and frequency that the agent's own correction has left.
        bits: that it may send, where it does not send symbols.
    """

    fraction: float
    weights: np.ndarray | None = None
    pilot_weights: np.ndarray | None = None
    sounded_at: float | None = None
    residual: Track | None = None
    bits: int | None = None


@dataclass(frozen=True)
class TransmitReport:
    """What an agent has sent.

    Args:
        fraction: c_i <= 1, by which all of the update was scaled.
        power: mean |x_i|² of the data over P.
        papr_db: of the payload.
        innovation: radians that nobody predicted, seen in the trigger.
        track: of what its own correction has left, after the trigger.
        symbols: x_i, shape (M,), for an air that the server simulates.
        update: by wire: w_i·g_i or what was coded of it, shape (d,).
        oracle_kept: w_i·g_i, shape (d,), which only a simulation may ask for.
        bits: of the payload, where that is not symbols.
    """

    fraction: float
    power: float | None = None
    papr_db: float | None = None
    innovation: float | None = None
    track: Track | None = None
    symbols: Array | None = None
    update: Array | None = None
    oracle_kept: Array | None = None
    bits: int | None = None


@dataclass(frozen=True)
class Decision:
    """Who sends, and how.

    Args:
        grants: of those who do, by id.
        excluded: reason of each of the others, by id.
    """

    grants: Mapping[int, AgentGrant]
    excluded: Mapping[int, str] = field(default_factory=dict)


NOBODY: Mapping[int, str] = MappingProxyType({})


def scaled(kept: Array, fraction: float) -> Array:
    """Return c·g, what is carried of an update that was sent whole, but scaled down."""
    return kept if fraction == 1 else float(fraction) * kept


def reason_of(error: Exception) -> str:
    """Return what is said of an agent, or of a round, that an error has ended."""
    return f"{type(error).__name__}: {error}"


def in_order(agents: tuple[int, ...], excluded: Mapping[int, str]) -> dict[int, str]:
    """Return reasons in the order of the rows, not that in which they became known."""
    return {agent: excluded[agent] for agent in agents if agent in excluded}


def powers_of(agents: tuple[int, ...], heard: np.ndarray, sent: Mapping[int, TransmitReport]) -> dict[int, float]:
    """Return the power of each agent heard that has reported it, by id, in the order of the rows."""
    powers = {agent: sent[agent].power for agent, there in zip(agents, heard, strict=True) if there and agent in sent}
    return {agent: power for agent, power in powers.items() if power is not None}


class ServerRole(Protocol):
    """The server's side of an uplink: the stages of a round, called in the order in which they are written.

    A round ends with `decode`, or after an error, whatever the stage, with `give_up`. `carries` names what a
    `TransmitReport` must have, "symbols" or "update"; None: it is on the air.
    """

    on_air: ClassVar[bool]
    carries: ClassVar[str | None]

    def call(self, agents: tuple[int, ...], round_index: int) -> Mapping[int, SoundingSlot]:
        """Queue beacon, markers and trigger, and return where the soundings of the agents lie.

        Raises:
            RadioError: the radio cannot send.
        """
        ...

    def sound(self) -> None:
        """Receive the soundings; may be left out where nobody follows.

        Raises:
            RadioError: that failed.
        """
        ...

    def decide(
        self,
        agents: tuple[int, ...],
        round_index: int,
        symbol_power: Mapping[int, float],
        reports: Mapping[int, BeaconReport],
        absent: Mapping[int, str] = NOBODY,
    ) -> Decision:
        """Return who sends, from what the agents have reported and what was sounded.

        Args:
            agents: of the round, all that were called or some of them.
            round_index: of the run.
            symbol_power: mean|s_i|², by id.
            reports: of those that follow, by id.
            absent: why each of the others does not, by id.

        Raises:
            RadioError: nobody follows, or the air was silent.
        """
        ...

    def receive(self) -> tuple[frozenset[int], Mapping[int, str]]:
        """Receive the payload; return whose was there, and why not of the others.

        Raises:
            RadioError: that failed.
        """
        ...

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return what was delivered; its rows are the agents that `decide` was asked about.

        Where nobody was granted anything, or nobody who was is there any more, it is called without `receive`.

        Args:
            sent: of those that have sent, by id.
            absent: why each of the others that were to send has not, by id.
        """
        ...

    def give_up(self, failure: str, absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return a round in which nothing was received.

        Args:
            failure: why.
            absent: what is known of agents that failed before.
        """
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        ...


class AgentRole(Protocol):
    """An agent's side of an uplink."""

    on_air: ClassVar[bool]
    kept_entries: int

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update w_i·g_i, shape (d,), of a round; return mean|s_i|² of its symbols."""
        ...

    def follow(self, slot: SoundingSlot) -> BeaconReport:
        """Find the beacon, and put the soundings on the air.

        Raises:
            NotDetected: no beacon came.
            RadioError: the radio failed.
        """
        ...

    def prepare(self, grant: AgentGrant) -> Array:
        """Make the payload as granted; return what it carries of the update, shape (d,): the rest stays here.

        Raises:
            IncompleteError: the grant lacks something.
        """
        ...

    def transmit(self) -> TransmitReport:
        """Wait for the trigger, put the payload on the air, and return what was sent.

        Raises:
            RadioError: nothing was sent.
        """
        ...
