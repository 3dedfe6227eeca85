"""A radio with what calibration found put right: its bursts leave on time, its mixers are straight."""

from dataclasses import dataclass, field

import numpy as np

from calibration.iq_correction import Imbalance, corrected, predistorted
from radio.base import LateError, Radio, Samples, check_burst
from radio.settings import Change, Limits, Settings

STRAIGHT = Imbalance()


@dataclass
class CorrectedRadio:
    """A transceiver around another one.

    Args:
        radio: the other one.
        latency: samples by which its bursts leave late; negative: early.
        sending: imbalance and leakage of its transmitter.
        hearing: imbalance and offset of its receiver.
        timing_uncertainty: samples by which a burst may still leave early or late.
    """

    radio: Radio
    latency: int = 0
    sending: Imbalance = STRAIGHT
    hearing: Imbalance = STRAIGHT
    timing_uncertainty: int = 1
    sample_rate: float = field(init=False)
    timing_repeatability: float = field(init=False)
    lead_time: int = field(init=False)
    serial: str = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        self._state()

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet."""
        return self.radio.now()

    @property
    def session(self) -> str:
        """As the radio says: its streams may be started again at any time."""
        return self.radio.session

    @property
    def settings(self) -> Settings:
        """How the radio is set."""
        return self.radio.settings

    def configure(self, change: Change) -> Settings:
        """Set something, as the radio does; corrections stay, whether or not they still hold.

        Raises:
            SettingError: as the radio says.
        """
        settings = self.radio.configure(change)
        self._state()
        return settings

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on, without image and offset.

        Raises:
            OverrunError, RadioError: as the radio says.
        """
        heard = self.radio.receive(count, at)
        return Samples(corrected(heard.data, self.hearing), heard.start, heard.lost, heard.clipped)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on: `latency` samples earlier than the radio would be told.

        Raises:
            LateError, FullScaleError: as their names say.
        """
        burst, first = check_burst(samples), self.radio.now() + self.lead_time
        if at < first:
            raise LateError(
                f"samples for index {at} come {first - at} samples too late, radio {self.serial} can send from {first} "
                f"on; hand them over {self.lead_time} samples ahead of now(), or start them at {first}"
            )
        self.radio.transmit(predistorted(burst, self.sending), at - self.latency)

    def mute(self) -> None:
        """Stop sending until `unmute`."""
        self.radio.mute()

    def unmute(self) -> None:
        """Allow sending again."""
        self.radio.unmute()

    def close(self) -> None:
        """Give the radio back."""
        self.radio.close()

    def _state(self) -> None:
        """Take over what the radio says of itself."""
        self.sample_rate, self.timing_repeatability = self.radio.sample_rate, self.radio.timing_repeatability
        self.lead_time = max(self.radio.lead_time + self.latency, 0)
        self.serial, self.limits = self.radio.serial, self.radio.limits
