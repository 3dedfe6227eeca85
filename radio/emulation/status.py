"""The registers of the two DMA cores that clients ask about lost samples."""

import errno
from dataclasses import dataclass, field

from radio.emulation.layout import Attribute
from radio.emulation.protocol import RefusedError

STATUS = 0x80000088
UNDERFLOW, OVERFLOW = 1, 4
"""Bits that libiio's tools and gr-iio read in the status of the transmitting and of the receiving core."""


@dataclass
class Registers:
    """Registers of one core; flags in `STATUS` stay until a client writes them back.

    Args:
        values: by address, 0 unless written.
        selected: what a read answers for.
    """

    values: dict[int, int] = field(default_factory=dict)
    selected: int = 0

    def flag(self, bit: int) -> None:
        """Raise a flag in the status."""
        self.values[STATUS] = self.values.get(STATUS, 0) | bit

    @property
    def status(self) -> int:
        """The status as it is now."""
        return self.values.get(STATUS, 0)

    def attribute(self) -> Attribute:
        """Return `direct_reg_access`: write `address` and read its value, or write `address value`."""
        return Attribute(lambda: f"0x{self.values.get(self.selected, 0):X}", self._write)

    def _write(self, text: str) -> None:
        try:
            words = [int(word, 0) for word in text.split()]
        except ValueError as error:
            raise RefusedError(errno.EINVAL) from error
        if len(words) not in (1, 2) or not all(0 <= word < 1 << 32 for word in words) or words[0] % 4:
            raise RefusedError(errno.EINVAL)
        self.selected = words[0]
        if len(words) == 2 and self.selected == STATUS:
            self.values[STATUS] = self.status & ~words[1]
        elif len(words) == 2 and (self.selected in self.values or len(self.values) < 4096):
            self.values[self.selected] = words[1]
