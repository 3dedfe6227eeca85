"""IQ imbalance, DC offset and carrier leakage of two radios, from what each hears of the other.

One exchange shows the transmitter of one and the receiver of the other (`calibration.iq_exchange`): the image that a
transmitter makes turns with the carrier offset, the one that a receiver makes turns against it. Where the carriers are
too near to tell, one radio is detuned for the moment. A second exchange shows what the digital correction is worth.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from calibration.constellation import equalised, error_db, payload_wave
from calibration.corrected import CorrectedRadio
from calibration.exchange import Meeting, Signals, meet
from calibration.iq_correction import Imbalance
from calibration.iq_exchange import UNITS, Exchange, exchange, hear
from calibration.iq_fit import ORDER, REPEATS
from calibration.measurement import CalibrationError, Measurement, Quantity, Verdict
from dsp.metrics import db
from radio.base import Radio
from radio.settings import Change, SettingError

WIDEST = {"gain_db": 0.1, "phase_deg": 0.5}
LEAST_CYCLES = 3  # of the carrier offset over the training, for images to be told apart
DETUNED_HZ = 10e3
MOST_WORSE_DB = 3.0  # error of the check payload with the correction over that without: noise
ABSENT_DB = 8.0  # its error were nothing sent is 14 dB and more, at 0 dB over noise -1 dB
MOST_MOTION = 0.03  # of a channel's energy during a training
LOUDER = "lower the sender's attenuation while it has any, then move the antennas nearer to each other"
TRACKING_WARNING = (
    "quadrature tracking disturbs signals of near-equal carriers, which is what agents send; and the calibration of "
    "the transmit quadrature that follows a retune by more than 100 MHz emits at maximum drive: terminate the antenna "
    "port before such a retune"
)


def measure(sender: Radio, hearer: Radio, signals: Signals, movable: tuple[Radio, ...] = ()) -> Exchange:
    """Return the imbalance of a sender's transmitter and of a hearer's receiver.

    Args:
        sender: one radio.
        hearer: the other.
        signals: what is sent.
        movable: which of them is tuned aside first where carriers coincide; empty: the sender.

    Raises:
        CalibrationError: nothing was heard, the hearer was at full scale, the training was cut off or changed, or the
            carriers coincide and neither radio can be detuned.
        RadioError: a radio failed.
    """
    meeting = meet(sender, hearer, signals)
    if not _coincide(meeting, signals):
        return exchange(sender, hearer, signals, meeting)
    with _detuned(movable or (sender, hearer), signals) as moved:
        meeting = meet(sender, hearer, signals)
        if _coincide(meeting, signals):
            raise _too_near(sender, hearer, meeting)
        # mixers that were tuned aside say nothing of the clocks
        aside = 0.0 if moved is None else DETUNED_HZ * (1 if moved is sender else -1)
        meeting = replace(meeting, offset=(meeting.beacon.cfo - aside) / signals.carrier)
        return exchange(sender, hearer, signals, meeting)


def imbalances_of(
    server: Radio, agent: Radio, signals: Signals, tracking: bool | None = None
) -> tuple[Measurement, Measurement]:
    """Return the imbalances of an agent and of the server, by one exchange each way and one more with both corrected.

    Args:
        server: one radio.
        agent: the other.
        signals: what is sent.
        tracking: set quadrature tracking of the radios that have it, and leave it so; what is measured is what it
            leaves. None: as it is.

    Raises:
        SettingError: tracking was asked for, and neither radio has it.
        CalibrationError: as `measure`.
        RadioError: a radio failed.
    """
    if tracking is not None:
        _track((server, agent), tracking)
    movable = agent, server
    up, down = measure(agent, server, signals, movable), measure(server, agent, signals, movable)
    of_agent, of_server = up.transmit | down.receive, down.transmit | up.receive
    straight = {radio.serial: _straight(radio, of) for radio, of in ((agent, of_agent), (server, of_server))}
    after_up = _received(straight[agent.serial], straight[server.serial], signals)
    after_down = _received(straight[server.serial], straight[agent.serial], signals)
    return (
        _measurement(agent, of_agent, (up, down), after_up, signals),
        _measurement(server, of_server, (down, up), after_down, signals),
    )


def imbalances(quantities: Mapping[str, Quantity]) -> tuple[Imbalance, Imbalance]:
    """Return the imbalances of a transmitter and of a receiver that a measurement holds.

    Raises:
        CalibrationError: quantities are missing.
    """
    return _imbalance(quantities, "tx"), _imbalance(quantities, "rx")


def _imbalance(quantities: Mapping[str, Quantity], chain: str) -> Imbalance:
    names = [f"{chain}_{name}" for name in ("gain_db", "phase_deg", "dc_i", "dc_q")]
    missing = [name for name in names if name not in quantities]
    if missing:
        raise CalibrationError(f"an iq measurement must hold {', '.join(missing)}; calibrate iq again")
    gain, phase, real, imaginary = (quantities[name].value for name in names)
    return Imbalance(gain, phase, complex(real, imaginary))


def _received(sender: CorrectedRadio, hearer: CorrectedRadio, signals: Signals) -> np.ndarray:
    """Return the test payload as one radio hears it from another, equalised; it is sent at the level of the first."""
    meeting = meet(sender, hearer, signals)
    amplitude = signals.amplitude * 10 ** (sender.sending.cost_db / 20)
    heard = hear(sender, hearer, payload_wave(signals.numerology, amplitude), meeting)
    return equalised(heard, 0, meeting.beacon.cfo, meeting.offset, signals.numerology)


def _coincide(meeting: Meeting, signals: Signals) -> bool:
    """Return whether images of sender and hearer turn too nearly alike."""
    span = len(ORDER) * REPEATS * signals.numerology.n_fft / signals.sample_rate
    return abs(meeting.beacon.cfo) * span < LEAST_CYCLES


@contextmanager
def _detuned(radios: tuple[Radio, ...], signals: Signals) -> Iterator[Radio | None]:
    """Tune the mixers of one radio up by `DETUNED_HZ` and yield it; else let an oscillator run off, and yield None."""
    for radio in radios:
        before = radio.settings.lo_offset_hz
        if not radio.limits.lo_offset_hz.holds(before + DETUNED_HZ):
            continue
        try:
            radio.configure(Change(lo_offset_hz=before + DETUNED_HZ))
            yield radio
        finally:
            radio.configure(Change(lo_offset_hz=before))
        return
    with _trimmed_aside(radios, signals):
        yield None


@contextmanager
def _trimmed_aside(radios: tuple[Radio, ...], signals: Signals) -> Iterator[None]:
    shift = DETUNED_HZ / signals.carrier * 1e6
    for radio in radios:
        before, allowed = radio.settings.clock_trim_ppm, radio.limits.clock_trim_ppm
        after = max((allowed.nearest(before + sign * shift) for sign in (1, -1)), key=lambda trim: abs(trim - before))
        if abs(after - before) < shift / 2:
            continue
        try:
            radio.configure(Change(clock_trim_ppm=after))
            yield
        finally:
            radio.configure(Change(clock_trim_ppm=before))
        return
    raise _too_near(radios[0], radios[1], None)


def _too_near(sender: Radio, hearer: Radio, meeting: Meeting | None) -> CalibrationError:
    seen = "neither can be tuned or trimmed" if meeting is None else f"{meeting.beacon.cfo:.0f} Hz remain"
    return CalibrationError(
        f"the carriers of {sender.serial} and {hearer.serial} coincide, so that images of transmitter and receiver "
        f"look alike, and {seen}; tune them to carriers at least {DETUNED_HZ / 1e3:g} kHz apart, and calibrate again",
        "too noisy",
    )


def _track(radios: tuple[Radio, ...], tracking: bool) -> None:
    able = [radio for radio in radios if radio.limits.has_tracking]
    if not able:
        names = " and ".join(radio.serial for radio in radios)
        raise SettingError(f"quadrature_tracking: {names} do not track their quadrature; leave the setting out")
    for radio in able:
        radio.configure(Change(quadrature_tracking=tracking))


def _straight(radio: Radio, quantities: Mapping[str, Quantity]) -> CorrectedRadio:
    return CorrectedRadio(radio, 0, *imbalances(quantities), radio.timing_uncertainty)


def _measurement(
    radio: Radio,
    quantities: dict[str, Quantity],
    exchanges: tuple[Exchange, Exchange],
    after: np.ndarray,
    signals: Signals,
) -> Measurement:
    """Return what was found about a radio, which sent in the first exchange and heard in the second."""
    before, numerology = exchanges[0].received, signals.numerology
    curves = {
        "received": before,
        "corrected": after,
        "evm_before_db": error_db(before, numerology),
        "evm_after_db": error_db(after, numerology),
        "image_db": _image_db(exchanges[0]),
    }
    verdict = _verdict(quantities, exchanges)
    _check_payload(float(curves["evm_before_db"]), float(curves["evm_after_db"]), verdict, exchanges)
    if radio.settings.quadrature_tracking:
        left = "quadrature tracking is on: what was measured is what it leaves"
        verdict = replace(verdict, reason="; ".join(filter(None, (verdict.reason, left, TRACKING_WARNING))))
    return Measurement("iq", radio.serial, None, quantities, verdict, curves)


def _image_db(made: Exchange) -> np.ndarray:
    """Return what images of sender and hearer alone make of the error of a payload that is not corrected."""
    rejections = made.transmit["tx_rejection_db"].value, made.receive["rx_rejection_db"].value
    return np.array(db(sum(10 ** (-rejection / 10) for rejection in rejections)))


def _check_payload(before: float, after: float, verdict: Verdict, exchanges: tuple[Exchange, Exchange]) -> None:
    """Check that the payload that was sent with the correction was heard, at least as well as the one without.

    What a verdict finds fault with (a channel that moves, an interferer) may make it worse.

    Raises:
        CalibrationError: it was not.
    """
    made, other = exchanges
    names = f"radio {made.hearer}", other.hearer
    if after > ABSENT_DB:
        raise CalibrationError(
            f"the check payload was not heard: {names[0]} receives it from {names[1]} with an error of {after:.1f} dB "
            f"(limit {ABSENT_DB:g} dB, {before:.1f} dB before the correction); see whether {names[1]} still sends, and "
            "calibrate iq again"
        )
    if verdict.word == "good" and after > before + MOST_WORSE_DB:
        raise CalibrationError(
            f"the check payload was not heard as well as before the correction: {names[0]} receives it from {names[1]} "
            f"with an error of {after:.1f} dB, {before:.1f} dB before (at most {MOST_WORSE_DB:g} dB more is noise); "
            "keep antennas, levels and settings as they are, and calibrate iq again",
            "unstable",
        )


def _verdict(quantities: Mapping[str, Quantity], exchanges: tuple[Exchange, Exchange]) -> Verdict:
    for chain, made in zip(("tx", "rx"), exchanges, strict=True):
        wide = [
            f"{chain}_{name} is known to ±{quantities[f'{chain}_{name}'].uncertainty:.2g} {UNITS[name]} (limit {limit})"
            for name, limit in WIDEST.items()
            if not quantities[f"{chain}_{name}"].uncertainty <= limit
        ]
        seen = f"the training is {made.snr_db:.1f} dB above noise and interference"
        if made.tone_hz is not None:
            tone = f"a tone {made.tone_hz / 1e3:+.1f} kHz from the carrier of {made.hearer} is in its band"
            return Verdict("too noisy", "; ".join([*wide, seen, f"{tone}: remove it, or choose another carrier"]))
        if made.motion > MOST_MOTION:
            moved = f"{100 * made.motion:.0f} % of the channel's energy changed within the training (limit 3 %)"
            return Verdict("unstable", "; ".join([*wide, f"{moved}: keep antennas, people and settings still"]))
        if wide:
            return Verdict("too noisy", f"{'; '.join(wide)}: {seen}; {LOUDER}")
    return Verdict()
