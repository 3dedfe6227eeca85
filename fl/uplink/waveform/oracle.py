"""What only a simulation knows of a link, for the genie that a receiver is compared with. No receiver uses it.

The genie knows channels, clocks, phase trajectories and the linear gain of each front end, and has the same front ends.
"""

from dataclasses import dataclass

import numpy as np

from dsp.frame import SHORT_REPEATS, Frame
from dsp.sync import Reference
from fl.uplink.waveform.agent import Clock, Follower
from fl.uplink.waveform.settings import Modem
from radio.air import Air


@dataclass(frozen=True)
class Oracle:
    """The truth about the links of an air.

    Args:
        air: the simulated air.
        modem: the waveform.
        server: unit of the server.
    """

    air: Air
    modem: Modem
    server: int = 0

    def follower(self, unit: int, beacon_at: int, frame: Frame) -> Follower:
        """Return an agent's knowledge of the server without error; it turns no carrier, `turn` does all of it."""
        own, server = self.air.unit_of(unit), self.air.unit_of(self.server)
        offset = server.rate / own.rate - 1
        time = float(server.time(beacon_at))
        clock = Clock(own.index(time), beacon_at, offset)
        nothing = Reference(np.zeros(self.modem.numerology.n_subcarriers, complex), 0.0)
        opened = beacon_at + SHORT_REPEATS * self.modem.numerology.n_fft // 16
        return Follower(clock, 0.0, 0.0, clock.index(opened), nothing, opened)

    def channel(self, unit: int, at: float) -> np.ndarray:
        """Return H on each subcarrier at an index of the server, oscillators left out, shape (2K,)."""
        own, server = self.air.unit_of(unit), self.air.unit_of(self.server)
        delays, gains = self.air.oracle_taps(unit, self.server, np.atleast_1d(np.asarray(server.time(at))))
        numerology = self.modem.numerology
        late = delays + own.timing_offset
        ramps = np.exp(-2j * np.pi * np.multiply.outer(late, numerology.subcarriers) / numerology.n_fft)
        return (gains[0] @ ramps) * server.receive.gain

    def turn(self, unit: int, samples: np.ndarray, first: int) -> np.ndarray:
        """Return samples that arrive with no phase: turned back by θ_u − θ_s at the instant of each."""
        own = self.air.unit_of(unit)
        index = first + own.timing_offset + np.arange(samples.size)
        theta = self.air.oracle_phase(unit, self.server, np.asarray(own.time(index)))
        return samples * np.exp(-1j * theta)

    def front_end_gain(self, unit: int, samples: np.ndarray) -> complex:
        """Return the linear gain of a transmitter for these samples: <x, y>/<x, x>."""
        sent = self.air.unit_of(unit).transmit.apply(samples.astype(np.complex64))
        return complex(np.vdot(samples, sent) / max(float(np.vdot(samples, samples).real), 1e-30))
