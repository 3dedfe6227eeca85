"""What the server knows of a round, and how far it and its agents have come: the state of its machine."""

from dataclasses import dataclass
from enum import StrEnum

from fl.control.events import Attempt, Save, Task


class Phase(StrEnum):
    """Where a round is."""

    IDLE = "idle"
    OPEN = "open"
    READY = "ready"
    SOUND = "sound"
    GRANT = "grant"
    PAYLOAD = "payload"
    CLOSE = "close"
    STOPPED = "stopped"


class Stage(StrEnum):
    """How far an agent has come in a round."""

    ABSENT = "absent"
    OPENED = "opened"
    READY = "ready"
    FOLLOWED = "followed"
    GRANTED = "granted"
    SENT = "sent"
    OUT = "out"


@dataclass(frozen=True)
class Rules:
    """What holds for all rounds of a run.

    Args:
        quorum: agents without which a round is not opened, or fails.
        on_air: whether updates go through radios: there are soundings, and the server hears who was there.
    """

    quorum: int = 1
    on_air: bool = True


@dataclass(frozen=True)
class Participant:
    """A scheduled agent; `reason` says why it is absent or out."""

    agent: int
    stage: Stage
    reason: str = ""


@dataclass(frozen=True)
class ServerMachine:
    """What the server knows.

    Args:
        rules: of the run.
        sequence: starts of the server, this one included.
        committed: rounds that are on disk.
        last_heard: each agent with the last attempt in which it was heard, as on disk.
        present: agents that are registered.
        seen: agents that have been, since this start.
        waited: whether agents that were never seen have been waited for.
        phase: where the round is.
        attempt: the round; None between two.
        scheduled: its agents.
        participants: how far they have come, in the order of `scheduled`.
        running: tasks.
        there: whose payload arrived; None: not known yet.
        outcome: what is being committed.
        writes: how often that was tried.
        writing: whether a write is under way.
    """

    rules: Rules
    sequence: int
    committed: int = 0
    last_heard: frozenset[tuple[int, Attempt]] = frozenset()
    present: frozenset[int] = frozenset()
    seen: frozenset[int] = frozenset()
    waited: bool = False
    phase: Phase = Phase.IDLE
    attempt: Attempt | None = None
    scheduled: tuple[int, ...] = ()
    participants: tuple[Participant, ...] = ()
    running: frozenset[Task] = frozenset()
    there: frozenset[int] | None = None
    outcome: Save | None = None
    writes: int = 0
    writing: bool = False

    def at(self, *stages: Stage) -> tuple[int, ...]:
        """Return the agents at these stages."""
        return tuple(one.agent for one in self.participants if one.stage in stages)

    @property
    def now(self) -> Attempt:
        """The attempt that is under way."""
        return Attempt(self.sequence, self.committed) if self.attempt is None else self.attempt
