"""What an agent knows of a round, and what it is doing: the state of its machine."""

from dataclasses import dataclass
from enum import StrEnum

from fl.control.events import Attempt


class Phase(StrEnum):
    """What an agent is doing."""

    IDLE = "idle"
    LEARNING = "learning"
    KEEPING = "keeping"  # the offer is being written
    OFFERED = "offered"
    FOLLOWING = "following"
    FOLLOWED = "followed"
    PREPARING = "preparing"
    MARKING = "marking"  # what will be on the air is being written
    SENDING = "sending"
    UNMARKING = "unmarking"  # it was not on the air after all
    SENT = "sent"
    ASKING = "asking"  # started again, with an attempt that is not settled
    SETTLING = "settling"


@dataclass(frozen=True)
class Disk:
    """What an agent has on disk, beside its vectors.

    Args:
        settled: the last attempt that was.
        pending: the attempt that is not; None: there is none.
        on_air: whether its payload may have left.
    """

    settled: Attempt | None = None
    pending: Attempt | None = None
    on_air: bool = False


@dataclass(frozen=True)
class AgentMachine:
    """What an agent knows.

    Args:
        agent: its id.
        sequence: starts of the server, as far as it has heard.
        phase: what it is doing.
        disk: what is on disk.
        attempt: which it is taking part in; None: in none.
        following: the newest attempt that was opened meanwhile.
        verdict: whether it was heard, where that could not be settled yet.
        failure: why it does not send in this attempt.
        stuck: why what became of the attempt could not be written, so far.
    """

    agent: int
    sequence: int = 0
    phase: Phase = Phase.IDLE
    disk: Disk = Disk()
    attempt: Attempt | None = None
    following: Attempt | None = None
    verdict: bool | None = None
    failure: str = ""
    stuck: str = ""

    @property
    def now(self) -> Attempt:
        """The attempt that is under way.

        Raises:
            ValueError: none is.
        """
        if self.attempt is None:
            raise ValueError(f"agent {self.agent} takes part in no attempt")
        return self.attempt
