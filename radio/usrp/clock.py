"""Clock and time of USRPs: from where they come, that they hold, and the second that a PPS begins.

The order is UHD's for several motherboards: choose both sources, wait until the reference is locked, see a PPS edge,
set the time of the next one on all boards before it comes, wait for it, and compare what all boards say.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from radio.base import RadioError
from radio.usrp.device import Device

Source = Literal["internal", "external", "mimo", "gpsdo"]
POLL = 0.01  # seconds
LOCK_TIMEOUT, EDGE_TIMEOUT, MIMO_TIME = 5.0, 2.5, 0.2
NEXT_EDGE = 1.1  # seconds: the edge for which a time was set has come by then
CABLES = {
    "external": "the cable at REF IN and that its distributor is on (10 MHz, 0 to 15 dBm)",
    "gpsdo": "that the GPSDO has power and time to warm up",
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


def await_lock(device: Device, sources: Sources, pause: Callable[[float], None] = time.sleep) -> None:
    """Return when every board that has an external reference is locked to it.

    Raises:
        RadioError: one does not lock.
    """
    for board in device.boards:
        clock, _ = sources.of(board)
        if clock == "internal":
            continue  # some boards say then that they are not locked, to nothing
        with device.asking("ref_locked", device.name(board)):
            has_sensor = "ref_locked" in device.usrp.get_mboard_sensor_names(board)
        if not has_sensor:
            raise RadioError(
                f"radio {device.name(board)}: a board with clock_source = {clock} must have the sensor ref_locked, got "
                "none; whether its clock holds cannot be known, so set radio.usrp.clock_source = internal"
            )
        if not _becomes(partial(is_locked, device, board), LOCK_TIMEOUT, pause):
            raise RadioError(
                f"radio {device.name(board)}: ref_locked must be true within {LOCK_TIMEOUT:g} s with clock_source = "
                f"{clock}, got false; check {CABLES[clock]}, or set radio.usrp.clock_source = internal"
            )


def is_locked(device: Device, board: int) -> bool:
    """Return whether a board's clock is locked to its reference."""
    with device.asking("ref_locked", device.name(board)):
        return bool(device.usrp.get_mboard_sensor("ref_locked", board).to_bool())


def last_edge(device: Device, board: int) -> float:
    """Return the time in seconds that a board had at the last edge of its PPS."""
    with device.asking("the time of the last PPS", device.name(board)):
        return float(device.usrp.get_time_last_pps(board).get_real_secs())


def await_edge(devices: list[Device], pause: Callable[[float], None] = time.sleep) -> None:
    """Return just after an edge of the PPS that all boards have seen.

    Raises:
        RadioError: a board sees none.
    """
    before = {(device.args, board): last_edge(device, board) for device in devices for board in device.boards}
    waiting = [(device, board) for device in devices for board in device.boards]

    def all_saw() -> bool:
        waiting[:] = [(device, board) for device, board in waiting
                      if last_edge(device, board) == before[device.args, board]]  # fmt: skip
        return not waiting

    if not _becomes(all_saw, EDGE_TIMEOUT, pause):
        device, board = waiting[0]
        raise RadioError(
            f"radio {device.name(board)}: a PPS must come every second, got none in {EDGE_TIMEOUT:g} s; check the "
            "cable at PPS IN and that the distributor has a PPS, or set radio.usrp.time_source"
        )


def synchronise(devices: list[Device], sources: Sources, pause: Callable[[float], None] = time.sleep) -> None:
    """Give all boards one time, which is 0 at a PPS edge, or about now where there is no PPS.

    Raises:
        RadioError: a reference is not locked, a PPS is absent, or boards differ.
    """
    for device in devices:
        choose_sources(device, sources)
    for device in devices:
        await_lock(device, sources, pause)
    if sources.time in ("external", "gpsdo"):
        await_edge(devices, pause)
        set_next_edge(devices, 0)
        pause(NEXT_EDGE)
    else:
        for device in devices:
            with device.asking("its time"):
                device.usrp.set_time_now(device.uhd.types.TimeSpec(0.0), 0)
        pause(MIMO_TIME)
    for device in devices:
        check_synchronised(device, sources)


def set_next_edge(devices: list[Device], second: int) -> None:
    """Say which second begins at the next edge, on all boards; done just after an edge."""
    for device in devices:
        with device.asking("the time of the next PPS"):
            device.usrp.set_time_next_pps(device.uhd.types.TimeSpec(second, 0.0))


def check_synchronised(device: Device, sources: Sources) -> None:
    """Return if all boards of a device have one time, with whole seconds at the edges.

    Raises:
        RadioError: they differ.
    """
    with device.asking("get_time_synchronized"):
        is_same = len(device.serials) == 1 or device.usrp.get_time_synchronized()
    edges = [last_edge(device, board) for board in device.boards] if sources.time in ("external", "gpsdo") else []
    if not is_same or any(edge != round(edge) for edge in edges) or len(set(edges)) > 1:
        told = f", times at the last PPS: {', '.join(f'{edge:.9f} s' for edge in edges)}" if edges else ""
        raise RadioError(
            f"radio {device.args}: its motherboards must have one time, got get_time_synchronized() = {is_same}{told}; "
            "give all of them the PPS of one distributor by cables of equal length, and start again"
        )


def _becomes(condition: Callable[[], bool], timeout: float, pause: Callable[[float], None]) -> bool:
    """Return whether a condition becomes true before the timeout, in seconds."""
    for _ in range(round(timeout / POLL)):
        if condition():
            return True
        pause(POLL)
    return condition()
