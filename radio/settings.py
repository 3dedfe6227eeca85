"""What can be set on a radio, within which limits, and what a setting that it refuses looks like."""

import math
from dataclasses import dataclass, fields, replace

from radio.base import RadioError


class SettingError(RadioError):
    """The radio refused a setting, or did not take it; nothing was changed."""


@dataclass(frozen=True)
class Range:
    """Values that a setting may have: low, low + step, … high.

    Args:
        low: least.
        high: largest; equal to `low` for what cannot be changed.
        step: between two values; 0: any value.
    """

    low: float
    high: float
    step: float = 0.0

    def nearest(self, value: float) -> float:
        """Return the permitted value nearest to one.

        Raises:
            ValueError: it is not a number.
        """
        if not math.isfinite(value):
            raise ValueError(f"a setting must be a finite number, got {value}")
        inside = min(max(value, self.low), self.high)
        return min(self.low + round((inside - self.low) / self.step) * self.step, self.high) if self.step else inside

    def holds(self, value: float) -> bool:
        """Return whether a value lies between the ends."""
        return self.low - 1e-9 <= value <= self.high + 1e-9


@dataclass(frozen=True)
class Limits:
    """What a radio can do.

    Args:
        tx_attenuation_db: of its transmitter.
        rx_gain_db: of its receiver.
        clock_trim_ppm: of its oscillator, carrier and sample clock alike; (0, 0) if it cannot be trimmed.
        has_tracking: whether it corrects its quadrature by itself, if told to.
        lo_offset_hz: of its mixers beside the carrier, the sample clock left alone; a retune begins a new session.
    """

    tx_attenuation_db: Range
    rx_gain_db: Range
    clock_trim_ppm: Range = Range(0.0, 0.0)
    has_tracking: bool = False
    lo_offset_hz: Range = Range(0.0, 0.0)


@dataclass(frozen=True)
class Settings:
    """How a radio is set, as it says itself.

    Args:
        carrier: in Hz, the same for both directions.
        sample_rate: in Hz.
        bandwidth: of its analogue filters, in Hz.
        tx_attenuation_db: below its largest level.
        rx_gain_db: as the radio counts it.
        clock_trim_ppm: by which its oscillator was made faster.
        quadrature_tracking: whether the radio tracks its own imbalance; None: it cannot.
        lo_offset_hz: by which both mixers are tuned above the carrier.
    """

    carrier: float
    sample_rate: float
    bandwidth: float
    tx_attenuation_db: float = 0.0
    rx_gain_db: float = 0.0
    clock_trim_ppm: float = 0.0
    quadrature_tracking: bool | None = None
    lo_offset_hz: float = 0.0


@dataclass(frozen=True)
class Change:
    """What is to be set; None leaves a setting as it is.

    Args:
        tx_attenuation_db: as in `Settings`.
        rx_gain_db: as in `Settings`.
        clock_trim_ppm: as in `Settings`.
        quadrature_tracking: as in `Settings`.
        lo_offset_hz: as in `Settings`.
    """

    tx_attenuation_db: float | None = None
    rx_gain_db: float | None = None
    clock_trim_ppm: float | None = None
    quadrature_tracking: bool | None = None
    lo_offset_hz: float | None = None


def is_heard(change: Change) -> bool:
    """Return whether a change makes a difference to what is received."""
    return any(
        value is not None
        for value in (change.rx_gain_db, change.clock_trim_ppm, change.quadrature_tracking, change.lo_offset_hz)
    )


def is_retuned(change: Change) -> bool:
    """Return whether a change tunes the mixers: a new session begins."""
    return change.lo_offset_hz is not None


def changed(settings: Settings, change: Change, limits: Limits) -> Settings:
    """Return settings after a change, each value the nearest that the radio has.

    Raises:
        SettingError: a value is outside of what the radio can do.
    """
    wanted = {field.name: getattr(change, field.name) for field in fields(change)}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if "quadrature_tracking" in wanted and not limits.has_tracking:
        raise SettingError("quadrature_tracking: this radio does not track its quadrature; leave the setting out")
    for name, value in wanted.items():
        if name == "quadrature_tracking":
            continue
        allowed: Range = getattr(limits, name)
        if not allowed.holds(value):
            raise SettingError(
                f"{name} must be between {allowed.low:g} and {allowed.high:g} in steps of {allowed.step:g}, got "
                f"{value:g}; choose a value inside"
            )
        wanted[name] = allowed.nearest(value)
    return replace(settings, **wanted)
