"""From the settings of a virtual Pluto to the unit of the air that it is."""

from dataclasses import dataclass, replace

from radio.emulation import synthesis
from radio.emulation.transceiver import Transceiver
from radio.unit import Unit

REFERENCE_GAIN_DB = 40
"""Gain of the receiver at which it is as sensitive and as noisy as the unit of the air is said to be."""
CONVERTER_BITS = 12
TRACKED = 0.1
"""Part of an imbalance and of a DC offset that the chip's own tracking leaves; an assumption."""
DEAF_DB = -200.0
RUNNING = ("fdd", "pinctrl", "pinctrl_fdd_indep")


@dataclass(frozen=True)
class Phases:
    """Phases of the two mixers in degrees, drawn anew at every retune.

    Args:
        send: of the transmitter.
        hear: of the receiver.
    """

    send: float
    hear: float


def is_sending(chip: Transceiver) -> bool:
    """Return whether the transmitter's mixer runs."""
    return not chip.tx_lo_down and chip.ensm in RUNNING


def offset_ppm(about: Unit, chip: Transceiver) -> float:
    """Return by how much carrier and sample clock are off, with the crystal as the driver believes it to be.

    1 + ε = (1 + ε₀)·f_ref/f_believed
    """
    return ((1 + 1e-6 * about.offset_ppm) * synthesis.REFERENCE / chip.crystal - 1) * 1e6


def as_set(about: Unit, chip: Transceiver, phases: Phases, carrier: float) -> Unit:
    """Return a unit of the air with the settings of a chip.

    Args:
        about: the unit at 0 dB attenuation, `REFERENCE_GAIN_DB` and an untrimmed crystal.
        chip: its settings.
        phases: of its mixers.
        carrier: of the air, in Hz.
    """
    more = chip.gain_db - REFERENCE_GAIN_DB
    hears = not chip.rx_lo_down and chip.ensm in RUNNING
    left = TRACKED if chip.tracking["quadrature_tracking_en"] else 1.0
    return replace(
        about,
        offset_ppm=offset_ppm(about, chip),
        transmit=replace(
            about.transmit,
            attenuation_db=about.transmit.attenuation_db + chip.attenuation_mdb / 1000,
            phase_deg=about.transmit.phase_deg + phases.send,
            bits=None,  # the samples have had their 12 bits taken
        ),
        receive=replace(
            about.receive,
            gain_db=about.receive.gain_db + (more if hears else DEAF_DB),
            phase_deg=about.receive.phase_deg + phases.hear,
            iq_gain_db=about.receive.iq_gain_db * left,
            iq_phase_deg=about.receive.iq_phase_deg * left,
            dc=about.receive.dc * (TRACKED if chip.tracking["rf_dc_offset_tracking_en"] else 1.0),
            bits=CONVERTER_BITS,
        ),
        noise_var=about.noise_var * 10 ** (more / 10),
        transmit_hz=float(chip.tx_lo - carrier),
        receive_hz=float(chip.rx_lo - carrier),
    )
