"""From where clock and time of USRPs come: what is offered, what is chosen, and that it reads back."""

from dataclasses import dataclass
from typing import Literal

from radio.base import RadioError
from radio.usrp.device import Device

Source = Literal["internal", "external", "mimo", "gpsdo"]
CABLES = {
    "external": "the cable at REF IN and that its distributor is on (10 MHz, 0 to 15 dBm)",
    "gpsdo": "the GPSDO's antenna, and that it has power and time to warm up and to find its satellites",
    "mimo": "the MIMO cable",
}


@dataclass(frozen=True)
class Sources:
    """From where clock and time come.

    Args:
        clock: the 10 MHz.
        time: the pulse per second.

    Raises:
        ValueError: only one of both is the MIMO cable.
    """

    clock: Source
    time: Source

    def __post_init__(self) -> None:
        if (self.clock == "mimo") != (self.time == "mimo"):
            raise ValueError(
                f"radio.usrp: a MIMO cable carries clock and time, got clock_source = {self.clock}, time_source = "
                f"{self.time}; set both to mimo"
            )

    @property
    def is_common(self) -> bool:
        """Whether all boards of a host have one time."""
        return self.time != "internal"

    def of(self, board: int) -> tuple[Source, Source]:
        """Return the sources of a motherboard; the first one at a MIMO cable is the one that the other one follows."""
        return ("internal", "internal") if self.clock == "mimo" and board == 0 else (self.clock, self.time)


def locks(of_board: tuple[Source, Source], is_alone: bool) -> list[str]:
    """Return the sensors of a motherboard that must be true with these sources.

    The pulses of a GPSDO that is not locked come at any time, so they are no common ones.

    Args:
        of_board: its sources.
        is_alone: whether there is no other one.
    """
    clock, second = of_board
    needed = {"internal": [], "mimo": ["ref_locked", "mimo_locked"]}.get(clock, ["ref_locked"])
    return needed + ["gps_locked"] * ("gpsdo" in (clock, second) and not is_alone)


def check_sources(devices: list[Device], sources: Sources) -> None:
    """Return if these devices can have a common time from these sources.

    Raises:
        RadioError: a board has no such source, or boards of one device would each have their own time.
    """
    for device in devices:
        boards = len(device.serials)
        if boards > 1 and not sources.is_common:
            raise RadioError(
                f"radio {device.args}: {boards} motherboards of one device must share their time, got time_source = "
                "internal; set radio.usrp.time_source to external, gpsdo or mimo"
            )
        if sources.clock == "mimo" and (boards != 2 or len(devices) != 1):
            raise RadioError(
                f"radio {device.args}: a MIMO cable joins the two motherboards of one device, got {boards} of "
                f"{len(devices)} devices; name both in one device string (addr0=…,addr1=…), or use external sources"
            )
        for board in device.boards:
            _check_board(device, board, sources.of(board))


def _check_board(device: Device, board: int, wanted: tuple[Source, Source]) -> None:
    with device.asking("clock sources", device.name(board)):
        offered = device.usrp.get_clock_sources(board), device.usrp.get_time_sources(board)
    for kind, source, known in zip(("clock_source", "time_source"), wanted, offered, strict=True):
        if source not in known:
            raise RadioError(
                f"radio {device.name(board)}: radio.usrp.{kind} must be one of {', '.join(known)}, got {source}; this "
                "motherboard has no other"
            )


def choose_sources(device: Device, sources: Sources) -> None:
    """Set the sources of all boards of a device, and read them back.

    Raises:
        RadioError: one does not read back.
    """
    usrp = device.usrp
    for board in device.boards:
        clock, second = sources.of(board)
        with device.asking("clock and time sources", device.name(board)):
            usrp.set_clock_source(clock, board)
            usrp.set_time_source(second, board)
            found = usrp.get_clock_source(board), usrp.get_time_source(board)
        if found != (clock, second):
            raise RadioError(
                f"radio {device.name(board)}: clock_source and time_source must read back {clock}, {second}, got "
                f"{found[0]}, {found[1]}; update its firmware, or choose other sources"
            )
