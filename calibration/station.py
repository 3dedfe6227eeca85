"""A radio, and how its user calls it."""

from dataclasses import dataclass

from calibration.entry import Subject
from radio.base import Radio


@dataclass(frozen=True)
class Station:
    """A radio on a bench.

    Args:
        name: "server" or "agent 3".
        uri: arguments of the command line that mean it.
        radio: itself.
    """

    name: str
    uri: str
    radio: Radio

    @property
    def subject(self) -> Subject:
        """What a table needs to know of it, as it is now."""
        return Subject.of(self.radio, self.uri)
