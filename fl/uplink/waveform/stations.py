"""The radios of a run, and what the server remembers of it from round to round.

On a simulated air, time stands while agents learn: the beacon of a round leaves at an instant of its own. Radios whose
time runs on may be past that instant; then the beacon leaves in the next period that can still be reached. Their
streams are looked after ahead of the beacon: one that broke while agents learned is started again and costs no round.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dsp.phase_tracking import Track
from fl.uplink.waveform.settings import Modem
from radio.base import Radio, RadioError

FIRST_BEACON = 0.2  # of a period, before the beacon in it


@dataclass
class Stations:
    """The radios of a run in one process.

    Args:
        modem: the waveform.
        server: the server's radio.
        radio_of: the radio of an agent; raises a `RadioError` if it cannot be had.
        runs_on: whether their time runs on while nobody sends or receives.
        breaks: how often streams of these radios have broken so far.
        renew: measures anew what restarts have voided of some agents.
    """

    modem: Modem
    server: Radio
    radio_of: Callable[[int], Radio]
    runs_on: bool = False
    breaks: Callable[[], int] = lambda: 0
    renew: Callable[[Sequence[int]], bool] = lambda _agents: False


@dataclass
class ServerStation:
    """The server's radio, and what the server remembers from round to round.

    Args:
        modem: the waveform.
        radio: returns the server's radio.
        runs_on: whether its time runs on while nobody sends or receives.
        breaks: how often streams have broken so far.
        renew: measures anew what restarts have voided of some agents, where one process can.
        tracks: of each agent's carrier offset before correction.
        met: agents that have been called before, heard or not.
    """

    modem: Modem
    radio: Callable[[], Radio]
    runs_on: bool = False
    breaks: Callable[[], int] = lambda: 0
    renew: Callable[[Sequence[int]], bool] = lambda _agents: False
    tracks: dict[int, Track] = field(default_factory=dict)
    met: set[int] = field(default_factory=set)
    _period: int = -1
    _passed: int = 0
    _counted: int = 0

    def begin(self, round_index: int, agents: Sequence[int]) -> int:
        """Return the index of the server at which the beacon of a round leaves.

        Raises:
            RadioError: the server's radio has failed, and cannot be opened again.
        """
        if self.runs_on:
            look_after(self.radio())
            self.renew(agents)
            self._period = max(self._period + 1, self._reachable())
            return self.due(self._period)
        self.renew(agents)
        # an instant that has gone by does not come back: this round and all after it are as many periods later
        self._passed = max(self._passed, self._reachable() - round_index)
        return self.due(round_index + self._passed)

    def _reachable(self) -> int:
        """Return the next period whose beacon can still be handed over."""
        radio = self.radio()
        return math.ceil((radio.now() + radio.lead_time) / self.modem.period - FIRST_BEACON)

    def due(self, period: int) -> int:
        """Return the index of the server at which the beacon of a period leaves."""
        return round(self.modem.period * (period + FIRST_BEACON))

    def new_breaks(self) -> int:
        """Return how often streams have broken since this was asked last."""
        before, self._counted = self._counted, self.breaks()
        return self._counted - before


def look_after(radio: Radio) -> None:
    """Open a radio again if its streams have broken.

    Raises:
        RadioError: it cannot be opened.
    """
    try:
        radio.receive(1, radio.now())
    except RadioError:
        radio.now()
