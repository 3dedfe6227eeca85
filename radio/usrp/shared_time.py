"""Devices of several hosts get one time: the first host begins it at an edge of the PPS, others join it at a later one.

first host      sets t = 0 at the next edge            epoch: when that was, by its clock
joining host    sees an edge -> its number by the epoch -> sets the next one -> sees another edge: is it called so?
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from radio.usrp import clock
from radio.usrp.device import Device
from radio.usrp.epoch import SAME, Edge, Epoch, EpochError, Offset
from radio.usrp.sources import Sources

Pause = Callable[[float], None]
TRIES = 3
READINGS = 3


@dataclass
class FirstHost:
    """Whose devices have t = 0 at the edge at which they are set.

    Args:
        now: a clock of this host that cannot jump, in seconds.
    """

    now: Callable[[], float] = time.monotonic
    _device: Device | None = field(default=None, init=False)

    def set_time(self, devices: list[Device], sources: Sources, pause: Pause) -> None:
        """Give all boards one time, which is 0 at the next edge.

        Raises:
            RadioError: a PPS is absent, or boards differ.
        """
        clock.synchronise(devices, sources, pause)
        self._device = devices[0]

    def epoch(self) -> Epoch:
        """Return when t = 0 was, by this host's clock; asked anew each time, because that clock drifts.

        Raises:
            EpochError: no time was set.
            RadioError: the device does not say its time.
        """
        if self._device is None:
            raise EpochError("the time of the first host must be set before others join it; open its radio first")
        return min((self._read(self._device) for _ in range(READINGS)), key=lambda epoch: epoch.doubt)

    def _read(self, device: Device) -> Epoch:
        with device.asking("its time"):
            before = self.now()
            second = float(device.usrp.get_time_now(0).get_real_secs())
            after = self.now()
        return Epoch((before + after) / 2 - second, (after - before) / 2)


@dataclass(frozen=True)
class JoiningHost:
    """Whose devices take over the time of the first host's.

    Args:
        name: of this host, for errors.
        epoch: of the first host, by its clock.
        offset: by which this host's clock is ahead of that one.
        now: this host's clock, in seconds.
    """

    name: str
    epoch: Epoch
    offset: Offset = SAME
    now: Callable[[], float] = time.monotonic

    def set_time(self, devices: list[Device], sources: Sources, pause: Pause) -> None:
        """Give all boards the first host's time, and return when an edge has come that they call as it does.

        Raises:
            EpochError: what is known of the clocks does not tell one edge from the next, or the devices call it
                otherwise, however often that is tried.
            RadioError: a PPS is absent, or boards differ.
        """
        for _ in range(TRIES - 1):
            try:
                self._set_once(devices, sources, pause)
            except EpochError:
                continue
            return
        self._set_once(devices, sources, pause)

    def _set_once(self, devices: list[Device], sources: Sources, pause: Pause) -> None:
        edge = self._see(devices, pause)
        clock.set_next_edge(devices, self.epoch.next_second(self.name, edge, self.now()))
        pause(clock.NEXT_EDGE)
        edge = self._see(devices, pause)
        for device in devices:
            for board in device.boards:
                self.epoch.confirm(self.name, edge, clock.last_edge(device, board))
        clock.check_synchronised(devices, sources)

    def _see(self, devices: list[Device], pause: Pause) -> Edge:
        return replace(clock.await_edge(devices, pause, self.now), offset=self.offset)
