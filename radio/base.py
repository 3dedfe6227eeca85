"""The seam to hardware: what every radio offers, and how it fails.

A radio's clock counts samples, and every instant is a sample index of that clock. A `Receiver` hears, a `Radio` also
sends. Samples are complex64, relative to full scale: |x| <= 1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from radio.settings import Change, Limits, Settings


class RadioError(RuntimeError):
    """The world's fault: a radio, or the air, did not do what was asked; the message says what to do."""


class LostRadioError(RadioError):
    """The radio had failed and could not be opened again."""


class ContactError(RadioError):
    """The radio does not answer: the connection to it is of no use any more."""


class LateError(RadioError):
    """Samples were handed over after the instant at which they should have left."""


class OverrunError(RadioError):
    """Samples that were asked for were lost, or are no longer kept."""


class FullScaleError(ValueError):
    """Samples beyond full scale: the caller has to scale them, no radio clips them silently."""


@dataclass(frozen=True)
class Samples:
    """What a receiver heard.

    Args:
        data: complex64, shape (count,).
        start: index of the first one.
        lost: samples missing inside, 0 unless the receiver says so.
        clipped: samples at the limit of the converter.
    """

    data: np.ndarray
    start: int
    lost: int = 0
    clipped: int = 0


class Receiver(Protocol):
    """Something that hears: a radio, or a recording of one."""

    sample_rate: float

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on.

        Raises:
            OverrunError: some of them are lost.
            RadioError: the receiver failed, or holds no such samples.
        """
        ...

    def close(self) -> None:
        """Give the receiver back; a second call does nothing."""
        ...


class Radio(Receiver, Protocol):
    """A transceiver.

    Attributes:
        timing_uncertainty: samples by which a burst may leave early or late; constant while the stream runs.
        timing_repeatability: rms samples by which that offset changes between two bursts.
        lead_time: samples by which `transmit` must come before `at`.
        serial: which radio it is, the same after a restart.
        limits: what can be set.
    """

    timing_uncertainty: int
    timing_repeatability: float
    lead_time: int
    serial: str
    limits: "Limits"

    @property
    def session(self) -> str:
        """Changes when streams are started or a mixer is tuned again: phases and delays from before are void."""
        ...

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet."""
        ...

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on, and return at once.

        Raises:
            LateError: that instant has gone by, or is nearer than `lead_time`.
            FullScaleError: a sample has |x| > 1.
        """
        ...

    @property
    def settings(self) -> "Settings":
        """How the radio is set, as it says itself."""
        ...

    def configure(self, change: "Change") -> "Settings":
        """Set something, between bursts, and return all settings as read back: values are those nearest to the wish.

        Samples from `now()` on are heard as the radio is set then.

        Raises:
            SettingError: a value is beyond the radio's limits, or the radio did not take it; nothing was changed.
        """
        ...

    def mute(self) -> None:
        """Stop sending: nothing leaves the antenna after this returns, until `unmute`."""
        ...

    def unmute(self) -> None:
        """Allow sending again."""
        ...


def check_burst(samples: np.ndarray) -> np.ndarray:
    """Return the samples of a burst as complex64.

    Raises:
        ValueError: not one finite complex series.
        FullScaleError: a sample has |x| > 1.
    """
    if samples.ndim != 1 or not np.iscomplexobj(samples):
        raise ValueError(f"samples must be one complex series, got {samples.dtype} of shape {samples.shape}")
    burst = samples.astype(np.complex64)
    magnitude = np.abs(burst)
    if not np.isfinite(magnitude).all():
        raise ValueError("samples must be finite; a burst with NaN or inf cannot be sent")
    peak = float(magnitude.max(initial=0.0))
    if peak > 1 + 1e-6:
        count = int((magnitude > 1).sum())
        raise FullScaleError(
            f"{count} of {burst.size} samples exceed full scale (largest {peak:.3f}, limit 1); lower the level by "
            f"{20 * np.log10(peak):.1f} dB"
        )
    return burst
