"""A transceiver on the simulated air: its clock, its chains, and what only it hears."""

from dataclasses import dataclass, field

import numpy as np

from radio.impairments import ReceiveChain, TransmitChain
from radio.oscillator import Wander


@dataclass(frozen=True)
class Unit:
    """A transceiver on the air.

    Args:
        offset_ppm: ε, of carrier and sample clock alike.
        start: s, the unit's counter at air time 0.
        timing_offset: samples by which its bursts leave late, constant while the stream runs.
        timing_jitter: rms samples by which that changes from burst to burst.
        wander: law of its oscillator's phase.
        transmit: its transmitter.
        receive: its receiver.
        noise_var: σ² of a received sample, relative to full scale.
        path_loss_db: by which every link of this unit is weaker, both ways.
        leakage_db: gain from its own transmitter to its own receiver; None: it does not hear itself.
        tone: amplitude at its antenna of an interferer that always sends.
        tone_hz: frequency of that, beside its carrier.
        transmit_hz: by which its transmitter's mixer is tuned beside the air's carrier.
        receive_hz: by which its receiver's is.
    """

    offset_ppm: float = 0.0
    start: float = 0
    timing_offset: float = 0.0
    timing_jitter: float = 0.0
    wander: Wander = field(default_factory=Wander)
    transmit: TransmitChain = field(default_factory=TransmitChain)
    receive: ReceiveChain = field(default_factory=ReceiveChain)
    noise_var: float = 0.0
    path_loss_db: float = 0.0
    leakage_db: float | None = None
    tone: float = 0.0
    tone_hz: float = 0.0
    transmit_hz: float = 0.0
    receive_hz: float = 0.0

    @property
    def rate(self) -> float:
        """Samples that its counter advances in one nominal sample."""
        return 1 + 1e-6 * self.offset_ppm

    def time(self, index: float | np.ndarray) -> float | np.ndarray:
        """Return the air time of an index of its counter."""
        return (index - self.start) / self.rate

    def index(self, time: float) -> float:
        """Return the index of its counter at an air time."""
        return time * self.rate + self.start
