"""What lies between any two units of the air: taps and oscillators, and how a burst comes to the blocks of a receiver.

Both directions of a link have the same taps. Everything random here is tied to the seed, the two units, and air time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.fading import Fading
from radio.oscillator import Oscillator
from radio.propagation import BLOCK, MIDDLE, RAMP, Passage
from radio.unit import Unit


@dataclass(frozen=True)
class Burst:
    """Samples on the air.

    Args:
        unit: who sends.
        first: index, of that unit's counter, at which they leave the antenna.
        samples: after the transmitter.
        begin: air time from which on it can be heard, the interpolator's ringing included.
        end: air time after which it cannot, echoes included.
        until: samples of it after which its unit was cut off.
        tuned_hz: `transmit_hz` of its unit when it was sent.
        continues: whether it goes on where the burst before it ended, so that the interpolator rings into that.
    """

    unit: int
    first: float
    samples: np.ndarray
    begin: float
    end: float
    until: float = np.inf
    tuned_hz: float = 0.0
    continues: bool = False


@dataclass
class Links:
    """The links of an air.

    Args:
        unit: returns a unit as it is now.
        fading: law of every link.
        carrier: in Hz.
        sample_rate: nominal, in Hz.
        seed: of everything random here.
    """

    unit: Callable[[int], Unit]
    fading: Fading
    carrier: float
    sample_rate: float
    seed: int
    _oscillators: dict[int, Oscillator] = field(default_factory=dict)

    def phase(self, sender: int, receiver: int, times: np.ndarray, beat: float = 0.0) -> np.ndarray:
        """Return θ_u − θ_r in radians at air times; `beat` is what their tuning adds, in turns per nominal sample."""
        turns = 1e-6 * (self.unit(sender).offset_ppm - self.unit(receiver).offset_ppm)
        steady = self.carrier / self.sample_rate * turns * times
        if beat:
            steady += beat * times
        steady -= np.floor(steady)
        return 2 * np.pi * steady + self.oscillator(sender).phase(times) - self.oscillator(receiver).phase(times)

    def taps(self, sender: int, receiver: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return delays in samples, shape (L,), and gains at air times, shape (T, L)."""
        low, high = sorted((sender, receiver))
        gains = self.fading.gains((self.seed, 1, low, high), times / self.sample_rate)
        loss_db = self.unit(sender).path_loss_db + self.unit(receiver).path_loss_db
        return self.fading.delays, gains if loss_db == 0 else gains * 10 ** (-loss_db / 20)

    def passage(self, burst: Burst, unit: int, blocks: np.ndarray) -> Passage:
        """Return how a burst comes to these blocks of a receiver."""
        sender, receiver = self.unit(burst.unit), self.unit(unit)
        middles = blocks * BLOCK + MIDDLE
        drift = (sender.rate - receiver.rate) / receiver.rate
        elapsed = middles - receiver.start
        where = elapsed + elapsed * drift + (sender.start - burst.first - MIDDLE)
        whole = np.rint(where)
        if burst.unit == unit:
            leak = 10 ** ((sender.leakage_db or 0.0) / 20) * receiver.receive.gain
            return Passage(whole.astype(np.int64), where - whole, drift, np.array([[leak]]), None, None)
        _, gains = self.taps(burst.unit, unit, np.asarray(receiver.time(middles)))
        if (gains == gains[0]).all():
            gains = gains[:1]
        gains = gains * receiver.receive.gain
        return Passage(whole.astype(np.int64), where - whole, drift, gains, *self._turning(burst, unit, blocks))

    def _turning(
        self, burst: Burst, receiver: int, blocks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        """Return θ_u − θ_r at every 32nd sample of the blocks and its advance until the next, None if it stands."""
        about, other = self.unit(receiver), self.unit(burst.unit)
        beat = (burst.tuned_hz * other.rate - about.receive_hz * about.rate) / self.sample_rate
        is_still = about.wander.is_still and other.wander.is_still
        if about.offset_ppm == other.offset_ppm and is_still and not beat:
            return None, None
        points = blocks[:, None] * BLOCK + np.arange(0, BLOCK + 1, RAMP)
        theta = self.phase(burst.unit, receiver, np.maximum(np.asarray(about.time(points)), 0.0), beat)
        # The phase is known but for multiples of 2π; the mean advance says which.
        turns = 1e-6 * (other.offset_ppm - about.offset_ppm)
        mean = 2 * np.pi * (self.carrier / self.sample_rate * turns + beat) * RAMP / about.rate
        step = np.diff(theta)
        step -= 2 * np.pi * np.rint((step - mean) / (2 * np.pi))
        start = theta[:, :-1] - 2 * np.pi * np.floor(theta[:, :-1] / (2 * np.pi))
        return start.astype(np.float32), (step / RAMP).astype(np.float32)

    def oscillator(self, unit: int) -> Oscillator:
        """Return the oscillator of a unit."""
        if unit not in self._oscillators:
            self._oscillators[unit] = Oscillator(self.unit(unit).wander, self.sample_rate, (self.seed, 2, unit))
        return self._oscillators[unit]
