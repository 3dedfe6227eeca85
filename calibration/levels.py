"""Levels of an agent: how strong it arrives, where its amplifier bends, what noise it meets, and how it hears.

link gain      server's amplitude over the agent's digital amplitude without attenuation, at the server's gain as found
1 dB point     digital level less attenuation: what enters the amplifier, relative to full scale
linear range   from 10 dB above the noise of a sample to the 1 dB point
SNR            of a resource element at power P, small signals, no attenuation: snr_unattenuated_db
"""

from dataclasses import dataclass

import numpy as np

from calibration.compression import Linear, compression_point, is_bent_throughout, most_lost, small_signal
from calibration.downlink import downlink
from calibration.exchange import Signals
from calibration.measurement import CalibrationError, Measurement, Quantity, Verdict, no_less
from calibration.receive_sweep import ReceiveSweep, receive_sweep
from calibration.spectrum import SURE, Silence, check_quiet, listen
from calibration.sweep import AMPLITUDE, STEP_DB, Link, approach, gauge, kept
from calibration.transmit_sweep import TransmitSweep, transmit_sweep
from dsp.metrics import db
from radio.base import Radio
from radio.settings import Change

CLEAR_DB = 10.0  # above noise: where the linear range begins
BACKOFF_DB = 10.0  # below the 1 dB point: level of the receive sweep
LEAST_SNR_DB = 5.0  # of a resource element
MOST_SCATTER = 3.0  # standard deviations by which the gains of a link that stands still do not differ


@dataclass(frozen=True)
class Found:
    """The parts of a measurement, before they are put together."""

    silence: Silence
    sweep: TransmitSweep
    linear: Linear
    point: Quantity | None
    receive: ReceiveSweep


def measure(agent: Radio, server: Radio, signals: Signals, reference_dbm: float | None = None) -> Measurement:
    """Return the levels of an agent at the server, and of the server's beacon at the agent; settings stay as they were.

    Args:
        agent: whose level rises from its lowest.
        server: who hears it.
        signals: what is sent otherwise.
        reference_dbm: power at the server's antenna connector of the agent's chirp without attenuation; None: unknown.

    Raises:
        CalibrationError: no agent, an interferer, full scale, or the agent fell silent.
        RadioError: a radio failed, or refused a setting.
    """
    with kept(server), kept(agent):
        heard = downlink(agent, server, signals)
    with kept(server), kept(agent):
        found = _sweeps(agent, server, signals)
    amplitude_db = float(db(signals.amplitude**2))
    quantities = _uplink(found, amplitude_db) | heard
    if reference_dbm is not None:
        quantities["full_scale_dbm"] = _full_scale(found, reference_dbm)
    quantities["at_rx_gain_db"] = Quantity(server.settings.rx_gain_db, 0.0, "dB")
    quantities["heard_at_rx_gain_db"] = Quantity(agent.settings.rx_gain_db, 0.0, "dB")
    verdict = _verdict(found, quantities["snr_unattenuated_db"].value, agent, server)
    return Measurement("levels", agent.serial, server.serial, quantities, verdict, _curves(found))


def _sweeps(agent: Radio, server: Radio, signals: Signals) -> Found:
    """Return what both sweeps say; gains and attenuation are left anywhere."""
    silence = listen(server, signals)
    check_quiet(silence, server)
    link = Link(agent, server, signals, approach(agent, server, signals, silence))
    sweep = transmit_sweep(link, silence)
    if is_bent_throughout(sweep.gains):
        raise CalibrationError(
            f"the amplifier of {agent.serial} bends already where radio {server.serial} hardly hears it: its gain "
            f"falls by {sweep.gains.gain[0] - sweep.gains.gain.min():.1f} dB above {sweep.gains.level[0]:.1f} dBFS, 9 "
            "dB below the noise; move the two nearer to each other, or use an amplifier with more output"
        )
    linear = small_signal(sweep.gains)
    point = compression_point(sweep.gains, linear)
    wanted = 0.0 if point is None else float(db(AMPLITUDE**2)) - point.value + BACKOFF_DB
    limits = agent.limits.tx_attenuation_db
    agent.configure(Change(tx_attenuation_db=limits.nearest(max(wanted, sweep.least))))
    peak = gauge(link, listen(server, signals)).peak
    return Found(silence, sweep, linear, point, receive_sweep(link, peak))


def _uplink(found: Found, amplitude_db: float) -> dict[str, Quantity]:
    """Return what the sweeps say of the agent and the server."""
    gain, floor = found.linear.quantity, found.silence.floor
    both = float(np.hypot(gain.uncertainty, floor.uncertainty))
    quantities = {
        "link_gain_db": gain,
        "noise_floor_dbfs": floor,
        "snr_unattenuated_db": Quantity(gain.value + amplitude_db - floor.value, both, "dB"),
        "linear_low_dbfs": Quantity(floor.value + CLEAR_DB - gain.value, both, "dBFS"),
    }
    if found.point is None:
        quantities["linear_high_at_least_dbfs"] = no_less(float(found.sweep.gains.level[-1]), "dBFS")
    else:
        quantities |= {"linear_high_dbfs": found.point, "compression_dbfs": found.point}
    if found.receive.slope is not None:
        quantities["rx_gain_slope"] = found.receive.slope
    if np.isfinite(found.receive.converter_gain):
        quantities["converter_gain_db"] = Quantity(found.receive.converter_gain, STEP_DB, "dB")
    return quantities


def _full_scale(found: Found, reference_dbm: float) -> Quantity:
    """Return the power of a tone at full scale: that of the reference, and by how much it lies below full scale.

    What the sweep did not reach is taken to be as the last level was.
    """
    gains = found.sweep.gains
    received = float(db(AMPLITUDE**2)) + float(gains.gain[-1])
    return Quantity(reference_dbm - received, float(SURE * gains.std[-1]), "dBm")


def _verdict(found: Found, snr_db: float, agent: Radio, server: Radio) -> Verdict:
    """Return what to think of it; an amplifier that stays linear is worth a word, and no fault."""
    sweep = found.sweep
    if sweep.is_stopped and found.point is None:
        return Verdict(
            "too strong",
            f"at its lowest gain ({server.limits.rx_gain_db.low:g} dB) radio {server.serial} is 6 dB below full scale "
            f"with {agent.serial} at {sweep.least:g} dB of attenuation; put at least {np.ceil(sweep.least):.0f} dB "
            "ahead of the receiver to measure all of the agent's range",
        )
    present, needed = server.settings.rx_gain_db, found.receive.converter_gain
    if found.linear.scatter > MOST_SCATTER and needed > present:
        wanted = f"at least {needed:g} dB" if np.isfinite(needed) else "more"
        return Verdict("too weak", f"radio {server.serial} hears its own converter at {present:g} dB; set {wanted}")
    if found.linear.scatter > MOST_SCATTER:
        return Verdict(
            "unstable",
            f"gains scatter by {found.linear.scatter:.1f} times their noise below the knee: the link moves; hold "
            "antennas and people still, and calibrate again",
        )
    if snr_db < LEAST_SNR_DB:
        return Verdict(
            "too weak",
            f"a resource element has an SNR of {snr_db:.1f} dB at most, {LEAST_SNR_DB:g} dB are needed; move the agent "
            "nearer, or raise its amplifier",
        )
    if found.point is None:
        lost, level = max(most_lost(sweep.gains, found.linear), 0.0), sweep.gains.level[-1]
        return Verdict(
            "good", f"no 1 dB point: at a drive of {level:.1f} dBFS the gain has fallen by {lost:.2f} dB at most"
        )
    return Verdict()


def _curves(found: Found) -> dict[str, np.ndarray]:
    gains, receive = found.sweep.gains, found.receive
    return {
        "transmit_in_dbfs": gains.level,
        "transmit_out_dbfs": gains.level + gains.gain,
        "transmit_gain_db": gains.gain,
        "receive_gain_db": receive.gain,
        "receive_out_dbfs": receive.level,
        "receive_noise_dbfs": receive.noise,
    }
