"""Clock and time of USRPs: that they hold, and the second that a PPS begins.

The order is UHD's for several motherboards: choose both sources, wait until the reference is locked, set the rates (a
new master clock moves a time that was set), see a PPS edge, set the time of the next one on all boards before it comes,
wait for it, and compare what all boards say.
"""

import time
from collections.abc import Callable
from functools import partial

from radio.base import RadioError
from radio.usrp.device import Device
from radio.usrp.epoch import Edge
from radio.usrp.sources import CABLES, Sources, choose_sources, locks

PULSED = ("external", "gpsdo")
POLL = 0.01  # seconds
LOCK_TIMEOUT, EDGE_TIMEOUT, MIMO_TIME = 5.0, 2.5, 0.2
NEXT_EDGE = 1.1  # seconds: the edge for which a time was set has come by then


def lock(devices: list[Device], sources: Sources, pause: Callable[[float], None] = time.sleep) -> None:
    """Set the sources of all boards, and return when each holds what these need.

    Raises:
        RadioError: a source does not read back, or a board does not lock to it.
    """
    for device in devices:
        choose_sources(device, sources)
    is_alone = sum(len(device.serials) for device in devices) == 1
    for device in devices:
        for board in device.boards:
            for sensor in locks(sources.of(board), is_alone):
                _await_lock(device, board, sensor, sources, pause)


def _await_lock(device: Device, board: int, sensor: str, sources: Sources, pause: Callable[[float], None]) -> None:
    clock, second = sources.of(board)
    chosen = f"clock_source = {clock}, time_source = {second}"
    with device.asking(sensor, device.name(board)):
        has_sensor = sensor in device.usrp.get_mboard_sensor_names(board)
    if not has_sensor:
        raise RadioError(
            f"radio {device.name(board)}: a board with {chosen} must have the sensor {sensor}, got none; whether it "
            "holds cannot be known, so choose other sources, such as internal"
        )
    if not _becomes(partial(is_locked, device, board, sensor), LOCK_TIMEOUT, pause):
        cable = CABLES["gpsdo" if sensor == "gps_locked" else clock]
        raise RadioError(
            f"radio {device.name(board)}: {sensor} must be true within {LOCK_TIMEOUT:g} s with {chosen}, got false; "
            f"check {cable}, or set radio.usrp.clock_source and time_source to others"
        )


def is_locked(device: Device, board: int, sensor: str = "ref_locked") -> bool:
    """Return what a sensor of a board says: by default, whether its clock is locked to its reference."""
    with device.asking(sensor, device.name(board)):
        return bool(device.usrp.get_mboard_sensor(sensor, board).to_bool())


def last_edge(device: Device, board: int) -> float:
    """Return the time in seconds that a board had at the last edge of its PPS."""
    with device.asking("the time of the last PPS", device.name(board)):
        return float(device.usrp.get_time_last_pps(board).get_real_secs())


def await_edge(
    devices: list[Device], pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Edge:
    """Return an edge of the PPS that all boards have just seen, by a clock of the host.

    Raises:
        RadioError: a board sees none.
    """
    looks = [clock()]
    before = {(device.args, board): last_edge(device, board) for device in devices for board in device.boards}
    waiting = [(device, board) for device in devices for board in device.boards]

    def all_saw() -> bool:
        looks.append(clock())
        waiting[:] = [(device, board) for device, board in waiting
                      if last_edge(device, board) == before[device.args, board]]  # fmt: skip
        return not waiting

    if not _becomes(all_saw, EDGE_TIMEOUT, pause):
        device, board = waiting[0]
        raise RadioError(
            f"radio {device.name(board)}: a PPS must come every second, got none in {EDGE_TIMEOUT:g} s; check the "
            "cable at PPS IN and that the distributor has a PPS, or set radio.usrp.time_source"
        )
    first, last = looks[-2], clock()  # the look before the last one began ahead of the edge
    return Edge((first + last) / 2, (last - first) / 2)


def synchronise(devices: list[Device], sources: Sources, pause: Callable[[float], None] = time.sleep) -> None:
    """Give all boards one time, which is 0 at a PPS edge, or about now where there is no PPS.

    Sources and rates are set before.

    Raises:
        RadioError: a PPS is absent, or boards differ.
    """
    if sources.time in PULSED:
        await_edge(devices, pause)
        set_next_edge(devices, 0)
        pause(NEXT_EDGE)
    else:
        for device in devices:
            with device.asking("its time"):
                device.usrp.set_time_now(device.uhd.types.TimeSpec(0.0), 0)
        pause(MIMO_TIME)
    check_synchronised(devices, sources)


def set_next_edge(devices: list[Device], second: int) -> None:
    """Say which second begins at the next edge, on all boards; done just after an edge."""
    for device in devices:
        with device.asking("the time of the next PPS"):
            device.usrp.set_time_next_pps(device.uhd.types.TimeSpec(second, 0.0))


def check_synchronised(devices: list[Device], sources: Sources) -> None:
    """Return if all boards have one time, with whole seconds at the edges; asked well before the next edge.

    UHD itself takes boards of a device for synchronised that are up to 10 ms apart, and knows of no other devices.

    Raises:
        RadioError: they differ.
    """
    edges = [last_edge(device, board) for device in devices for board in device.boards if sources.time in PULSED]
    is_one = len(set(edges)) <= 1 and all(edge == round(edge) for edge in edges)
    told = f", times at the last PPS: {', '.join(f'{edge:.9f} s' for edge in edges)}" if edges else ""
    for device in devices:
        with device.asking("get_time_synchronized"):
            is_same = len(device.serials) == 1 or device.usrp.get_time_synchronized()
        if not (is_same and is_one):
            raise RadioError(
                f"radio {device.args}: all motherboards must have one time, got get_time_synchronized() = {is_same}"
                f"{told}; give all of them the PPS of one distributor by cables of equal length, and start again"
            )


def _becomes(condition: Callable[[], bool], timeout: float, pause: Callable[[float], None]) -> bool:
    """Return whether a condition becomes true before the timeout, in seconds."""
    for _ in range(round(timeout / POLL)):
        if condition():
            return True
        pause(POLL)
    return condition()
