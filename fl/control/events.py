"""What the machines of a round are told, and what they want done: plain frozen data, no clock, no socket, no array.

An attempt is a round as one start of the server opened it. Attempts are ordered: those of a later start come after all
of an earlier one, also where the round is an earlier one because the server went back to an older checkpoint.
"""

from dataclasses import dataclass
from enum import StrEnum

from fl.control.messages import Answer, Close, Followed, Message, Ready, Sent


@dataclass(frozen=True, order=True)
class Attempt:
    """A round as one start of the server opened it.

    Args:
        sequence: starts of the server so far.
        round: index of the round.
    """

    sequence: int
    round: int


class Task(StrEnum):
    """What is done in a thread of its own: radio, learning, estimation."""

    CALL = "call"  # server: queue beacon, markers and trigger; then everybody can be told when they leave
    SOUND = "sound"  # server: receive the soundings
    DECIDE = "decide"  # server: channels, who sends, and how
    RECEIVE = "receive"  # server: receive the payload, and see who was there
    DECODE = "decode"  # server: the sum, and the next θ
    LEARN = "learn"  # agent: Δ; v = m + Δ, or v = m where Δ is in m already; its symbols
    FOLLOW = "follow"  # agent: find the beacon, put the soundings on the air
    PREPARE = "prepare"  # agent: the payload as granted, and c, what of the update it carries
    TRANSMIT = "transmit"  # agent: wait for the trigger, put the payload on the air


class Write(StrEnum):
    """What goes to disk, whole or not at all."""

    COMMIT = "commit"  # server: θ, the optimiser, the round, who was heard last in which attempt
    OFFER = "offer"  # agent: m, v, g, the attempt they are for; nothing is on the air
    MARK = "mark"  # agent: the same and c; it is on the air, or will be next
    SETTLE = "settle"  # agent: m = v − c·g or m = v, and the attempt that is settled


@dataclass(frozen=True)
class Begin:
    """The server is to do a round with these agents (ids, ascending)."""

    round: int
    scheduled: tuple[int, ...]


@dataclass(frozen=True)
class Joined:
    """An agent has registered; `same` if it is the process that was there before, and remembers."""

    agent: int
    same: bool = False


@dataclass(frozen=True)
class Left:
    """An agent is gone."""

    agent: int
    reason: str


@dataclass(frozen=True)
class Welcomed:
    """The server has taken the agent in; `sequence` counts its starts."""

    sequence: int


@dataclass(frozen=True)
class Said:
    """A message has arrived.

    Args:
        kind: its type.
        agent: who said it, or to whom it was said.
        attempt: which it is about.
        well: `ready`, `followed`, `sent`: nothing failed; `close`, `answer`: heard.
        reason: why not.
    """

    kind: type[Message]
    agent: int
    attempt: Attempt
    well: bool = True
    reason: str = ""


@dataclass(frozen=True)
class Done:
    """A task has ended.

    Args:
        task: which.
        attempt: which it was for.
        agents: `decide`: granted; `receive`: whose payload was there; `decode`: counted.
        excluded: of the others, id and reason.
        well: `learn`: the update is finite.
    """

    task: Task
    attempt: Attempt
    agents: frozenset[int] = frozenset()
    excluded: tuple[tuple[int, str], ...] = ()
    well: bool = True


@dataclass(frozen=True)
class Failed:
    """A task has failed."""

    task: Task
    attempt: Attempt
    reason: str


@dataclass(frozen=True)
class Written:
    """Something is on disk."""

    write: Write
    attempt: Attempt


@dataclass(frozen=True)
class NotWritten:
    """Something could not be written; the disk is as it was."""

    write: Write
    attempt: Attempt
    reason: str


@dataclass(frozen=True)
class Expired:
    """A deadline has passed; `phase` and `attempt` are those it was set with."""

    phase: str
    attempt: Attempt


Event = Begin | Joined | Left | Welcomed | Said | Done | Failed | Written | NotWritten | Expired


@dataclass(frozen=True)
class Send:
    """Send a message; what else it says, the driver knows. Fields as in `Said`."""

    kind: type[Message]
    agent: int
    attempt: Attempt
    well: bool = True
    reason: str = ""


@dataclass(frozen=True)
class Start:
    """Start a task.

    Args:
        task: which.
        attempt: which it is for.
        agents: `call`, `sound`: in the order of their slots; `decide`: those to choose from; `receive`: granted;
            `decode`: to be counted.
        repeated: `learn`: Δ of this round is in m already.
    """

    task: Task
    attempt: Attempt
    agents: tuple[int, ...] = ()
    repeated: bool = False


@dataclass(frozen=True)
class Cancel:
    """Whatever this task brings comes too late."""

    task: Task
    attempt: Attempt


@dataclass(frozen=True)
class Save:
    """Write to disk.

    Args:
        write: what.
        attempt: which it is about.
        heard: `commit`: whose updates were counted; `settle`: the agent itself, if its was.
        excluded: `commit`: id and reason of the others.
        failure: `commit`: why the round failed; empty: it did not.
    """

    write: Write
    attempt: Attempt
    heard: frozenset[int] = frozenset()
    excluded: tuple[tuple[int, str], ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class SetDeadline:
    """Set the deadline, in the place of the one before; how long it is, the driver knows."""

    phase: str
    attempt: Attempt


@dataclass(frozen=True)
class CancelDeadline:
    """There is nothing to wait for."""


@dataclass(frozen=True)
class Finish:
    """The round is over and committed: begin the next one."""

    attempt: Attempt


@dataclass(frozen=True)
class Stop:
    """The run cannot go on here; it can be resumed."""

    reason: str


@dataclass(frozen=True)
class Log:
    """Something that a person may want to know."""

    attempt: Attempt | None
    agent: int | None
    text: str


Action = Send | Start | Cancel | Save | SetDeadline | CancelDeadline | Finish | Stop | Log


def said(message: Message) -> Said:
    """Return a message as the machines see it."""
    well, reason = True, ""
    match message:
        case Ready(failure=failure) | Followed(failure=failure) | Sent(failure=failure):
            well, reason = not failure, failure
        case Close(heard=heard) | Answer(heard=heard):
            well = heard
        case _:
            pass
    return Said(type(message), message.agent, Attempt(message.sequence, message.round), well, reason)
