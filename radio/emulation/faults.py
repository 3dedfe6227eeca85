"""What a test may do to a virtual Pluto: unplug it, make it slow, forgetful, or untruthful."""

from collections.abc import Callable
from dataclasses import dataclass, field

from radio.emulation.protocol import Address


@dataclass
class Faults:
    """Faults of one unit; all may be changed while it runs.

    Args:
        late: seconds by which every answer is late.
        read_back: what attributes read, whatever was written to them.
        missing: attributes that this firmware does not have.
        plugged: whether it can be reached.
        drop: set by the server: cuts all connections, from any thread.
        raise_flag: set by the unit: raises `overflow` or `underflow` in its status register.
    """

    late: float = 0.0
    read_back: dict[Address, str] = field(default_factory=dict)
    missing: set[Address] = field(default_factory=set)
    plugged: bool = True
    drop: Callable[[], None] = lambda: None
    raise_flag: Callable[[str], None] = lambda _: None

    def unplug(self) -> None:
        """Cut every connection, and refuse new ones until `plug`; the unit loses its buffers, not its settings."""
        self.plugged = False
        self.drop()

    def plug(self) -> None:
        """Allow connections again."""
        self.plugged = True

    def overflow(self) -> None:
        """Raise the flag of a receiver that lost samples."""
        self.raise_flag("overflow")

    def underflow(self) -> None:
        """Raise the flag of a transmitter that ran dry."""
        self.raise_flag("underflow")
