"""The settings of a Pluto: from what is wished to attributes that were read back, and what can be set at all."""

import logging
from dataclasses import dataclass, fields
from typing import Any

from radio.base import RadioError
from radio.pluto.attributes import Attributes
from radio.pluto.safety import MOST_ATTENUATION_DB
from radio.settings import Change, Limits, Range, Settings

LO_TOLERANCE = 16.0  # Hz: the divider's step is 2·f_ref/8388593 at most
RATE_TOLERANCE = 2.0
CRYSTAL = 40_000_000
MOST_CRYSTAL = 8_000  # Hz by which the driver takes a correction of it
MOST_LO_OFFSET = 10e6  # Hz
CALIBRATES = 100e6  # Hz by which the transmitter's mixer is tuned without the chip calibrating itself, at full drive

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuning:
    """What a radio is opened with.

    Args:
        carrier: in Hz.
        sample_rate: in Hz.
        bandwidth: of the analogue filters, in Hz.
        tx_attenuation_db: while it sends.
        rx_gain_db: set by hand; no automatic control.
        occupied: bandwidth of what will be sent, in Hz; None: the sample rate, which nothing can exceed.
    """

    carrier: float
    sample_rate: float
    bandwidth: float
    tx_attenuation_db: float = MOST_ATTENUATION_DB
    rx_gain_db: float = 40.0
    occupied: float | None = None

    @property
    def settings(self) -> Settings:
        """As settings of a radio."""
        return Settings(self.carrier, self.sample_rate, self.bandwidth, self.tx_attenuation_db, self.rx_gain_db)


def limits_of(attributes: Attributes) -> Limits:
    """Return what a radio can do at the carrier to which it is tuned.

    Raises:
        RadioError: its firmware does not say.
    """
    low, step, high = _gain_range(attributes)
    nominal = crystal(attributes)
    return Limits(
        tx_attenuation_db=Range(0.0, MOST_ATTENUATION_DB, 0.25),
        rx_gain_db=Range(low, high, step),
        clock_trim_ppm=Range(_trim_ppm(nominal, CRYSTAL + MOST_CRYSTAL), _trim_ppm(nominal, CRYSTAL - MOST_CRYSTAL)),
        has_tracking=True,
        lo_offset_hz=Range(-MOST_LO_OFFSET, MOST_LO_OFFSET),
    )


def _gain_range(attributes: Attributes) -> tuple[float, float, float]:
    text = attributes.read("rx_gain_range")
    try:
        low, step, high = (float(word) for word in text.strip("[]").split())
    except ValueError as error:
        raise RadioError(
            f"radio {attributes.label}: rx_gain_range must read as [low step high], got {text!r}; update the firmware"
        ) from error
    return low, step, high


def crystal(attributes: Attributes) -> float:
    """Return the frequency in Hz that the crystal has by the maker's measurement.

    Raises:
        RadioError: the radio says something else.
    """
    text = attributes.context.attrs.get("ad9361-phy,xo_correction", CRYSTAL)
    try:
        return float(text)
    except ValueError as error:
        raise RadioError(
            f"radio {attributes.label}: ad9361-phy,xo_correction of its context must be the crystal's frequency in Hz, "
            f"got {text!r}; correct xo_correction in the firmware's environment (fw_printenv, fw_setenv)"
        ) from error


def _trim_ppm(nominal: float, believed: float) -> float:
    """Return by how much a clock becomes faster if its crystal is believed to be slower: (f/f_believed − 1)·1e6."""
    return (nominal / believed - 1) * 1e6


def apply_rate(sdr: Any, attributes: Attributes, tuning: Tuning) -> None:
    """Set sample rate and bandwidths, by pyadi-iio: it knows which rates need the chip's FIR.

    Raises:
        SettingError: refused, or they read back differently.
    """
    with attributes.asking("sample_rate", f"{tuning.sample_rate:g}"):
        sdr.sample_rate = round(tuning.sample_rate)
    attributes.put("sample_rate", round(tuning.sample_rate), RATE_TOLERANCE)
    for setting in ("rx_bandwidth", "tx_bandwidth"):
        attributes.put(setting, round(tuning.bandwidth), 0.01 * tuning.bandwidth)


def apply_settings(attributes: Attributes, settings: Settings, may_send: bool) -> None:
    """Set mixers, gain and crystal, all that `configure` can change but the attenuation.

    Args:
        attributes: of the radio.
        settings: their values.
        may_send: whether the transmitter's mixer may be tuned.

    Raises:
        SettingError: refused, or something reads back differently.
    """
    attributes.choose("gain_control_mode", "manual")
    trim(attributes, settings.clock_trim_ppm)
    _tune(attributes, settings, may_send)
    attributes.put("rx_gain_db", settings.rx_gain_db)
    attributes.put("quadrature_tracking", float(bool(settings.quadrature_tracking)))


def _tune(attributes: Attributes, settings: Settings, may_send: bool) -> None:
    """Tune both mixers, or the receiver's only: a transmitter that was never allowed to send is left where it is."""
    lo = round(settings.carrier + settings.lo_offset_hz)
    attributes.put("rx_lo", lo, LO_TOLERANCE)
    if not may_send:
        return
    before = attributes.number("tx_lo")
    if abs(lo - before) > CALIBRATES:
        _log.warning(
            "radio %s: its transmitter is tuned from %.6g to %.6g MHz; by more than 100 MHz, it calibrates itself at "
            "full drive meanwhile, whatever its attenuation; disconnect antennas before the carrier is changed",
            attributes.label,
            before / 1e6,
            lo / 1e6,
        )
    attributes.put("tx_lo", lo, LO_TOLERANCE)


def apply_change(
    attributes: Attributes, change: Change, wished: Settings, is_sending: bool, may_send: bool
) -> Settings:
    """Set what a change has, read it back, and return all settings.

    Args:
        attributes: of the radio.
        change: says which settings.
        wished: their values.
        is_sending: whether the attenuation is to be the one wished, not the largest.
        may_send: whether the transmitter's mixer may be tuned.

    Raises:
        SettingError: refused, or something reads back differently.
    """
    names = {field.name for field in fields(change) if getattr(change, field.name) is not None}
    if "tx_attenuation_db" in names:
        attributes.put("tx_gain_db", -wished.tx_attenuation_db)
        if not is_sending:
            attributes.put("tx_gain_db", -MOST_ATTENUATION_DB)
    if "rx_gain_db" in names:
        attributes.put("rx_gain_db", wished.rx_gain_db)
    if "clock_trim_ppm" in names:
        trim(attributes, wished.clock_trim_ppm)
    if "quadrature_tracking" in names:
        attributes.put("quadrature_tracking", float(bool(wished.quadrature_tracking)))
    if "lo_offset_hz" in names:
        _tune(attributes, wished, may_send)
    return read_settings(attributes, wished, is_sending)


def trim(attributes: Attributes, clock_trim_ppm: float) -> None:
    """Make the oscillator faster by ppm."""
    attributes.put("xo_correction", round(crystal(attributes) / (1 + 1e-6 * clock_trim_ppm)))


def read_settings(attributes: Attributes, wished: Settings, is_sending: bool) -> Settings:
    """Return the settings as the radio says them.

    Args:
        attributes: of the radio.
        wished: what was set; the carrier is the wish, of which the mixers are a few Hz short.
        is_sending: whether the attenuation is the one wished, not the largest.
    """
    attenuation = -attributes.number("tx_gain_db") if is_sending else wished.tx_attenuation_db
    return Settings(
        carrier=wished.carrier,
        sample_rate=wished.sample_rate,
        bandwidth=attributes.number("tx_bandwidth"),
        tx_attenuation_db=attenuation,
        rx_gain_db=attributes.number("rx_gain_db"),
        clock_trim_ppm=_trim_ppm(crystal(attributes), attributes.number("xo_correction")),
        quadrature_tracking=bool(attributes.number("quadrature_tracking")),
        lo_offset_hz=wished.lo_offset_hz,
    )
