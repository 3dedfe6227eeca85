"""The table `control`: how long server and agents of a testbed wait for each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from fl.section import Positive, Section

if TYPE_CHECKING:
    from fl.config import Config


class Control(Section):
    """Rounds between processes (`airmeta serve`, `device`, `testbed`). Nothing here changes the result of a round."""

    quorum: PositiveInt = Field(1, description="agents without which a round is not opened, or fails")
    gather_s: Positive = Field(120.0, description="for agents that have not registered since the server was started")
    ready_s: Positive = Field(300.0, description="for the agents' updates")
    sound_s: Positive = Field(60.0, description="for the soundings, and what the agents say of the beacon")
    grant_s: Positive = Field(60.0, description="for the server's decision")
    payload_s: Positive = Field(60.0, description="for the payload, and what the agents say they sent")
    close_s: Positive = Field(300.0, description="for estimate, evaluation and checkpoint; between two tries to write")
    heartbeat_s: Positive = Field(1.0, description="between two signs of life, both ways")
    patience_s: Positive = Field(10.0, description="of silence after which the other side is taken for gone")

    def seconds(self, phase: str) -> float:
        """Return how long a phase of a round may take."""
        return {
            "open": self.gather_s,
            "ready": self.ready_s,
            "sound": self.sound_s,
            "grant": self.grant_s,
            "payload": self.payload_s,
            "close": self.close_s,
        }[phase]


def control_conflicts(config: "Config") -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what contradicts itself in this table."""
    control, scheduled = config.control, config.agents.scheduled
    if control.quorum > scheduled:
        yield (
            ("control.quorum", "agents.count", "agents.per_round"),
            f"control.quorum: a round has {scheduled} agents, got {control.quorum}; every round would fail",
        )
    if control.patience_s < 3 * control.heartbeat_s:
        yield (
            ("control.patience_s", "control.heartbeat_s"),
            f"control.patience_s: at least 3 heartbeats ({3 * control.heartbeat_s:g} s), got {control.patience_s:g}",
        )
