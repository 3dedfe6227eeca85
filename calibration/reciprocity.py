"""The ratio of two radios' chains, so that what an agent hears of the server says what the server hears of the agent.

    H_up = t_i·h·r_s,   H_down = t_s·h·r_i,   c = H_up/H_down = (t_i/r_i)/(t_s/r_s)

The air h is the same both ways, so c stays while neither radio is restarted or its gains are changed, whatever the
channel does. Shepard et al., "Argos: practical many-antenna base stations", MobiCom 2012; there all chains share one
clock, and so they must here: c turns with twice the phase between two oscillators, e^{2j(θ_i − θ_s)}, which no beacon
can tell from the channel. With a common clock the agent's counter is the server's plus a constant. It is set from one
beacon and kept: taken anew from each, the strongest path of the day would decide, and c would hold a ramp of twice its
delay. So both H_down and what the agent sends refer to the stored constant, and what the radios are late is in c.
"""

import numpy as np
from scipy.stats import chi2

from calibration.exchange import Signals, meet
from calibration.measurement import NORMAL_95, CalibrationError, Measurement, NotApplicable, Quantity, Verdict
from calibration.ratio import PER_NEPER
from calibration.ratio_exchange import FALSE_ALARM, SIGNIFICANT, audible, exchanges, still, turn_of
from calibration.ratio_fit import Fit, Turning, fit, turning
from radio.base import Radio

EXCHANGES = 16
LEAST_OFFSET = 300.0  # Hz, of a carrier as one beacon shows it, phase noise included; exchanges tell smaller ones
LEAST_TURN = 0.05  # Hz, of a carrier as the ratio shows it: half a turn of c in 5 s
MOST_SCATTER = np.deg2rad(3.0)  # of the ratio's phase, beyond noise
MOST_GAIN_ERROR, MOST_PHASE_ERROR = 0.1, 1.0  # dB, degrees


def measure(server: Radio, agent: Radio, signals: Signals) -> Measurement:
    """Return c of an agent, with `server` as its partner.

        gain_db, phase_deg (at the carrier), delay_samples   of c[k] = G·e^{j(φ − 2πkτ/N)}
        clock_samples    agent's counter less server's, to which all of this refers: chosen, so without uncertainty
        ripple_db        rms over the subcarriers of what the model leaves, noise taken out

    Raises:
        CalibrationError: nothing is heard, a radio is at full scale, the carriers differ, or the channel moves.
        RadioError: a radio failed.
    """
    clock = _meet(server, agent, signals)
    found = audible(exchanges(server, agent, signals, clock, EXCHANGES), server, agent, signals)
    turned = turn_of(found)
    chosen = still(found, turned, signals, agent)
    rate = -2 * turned / (2 * found[0].step) * signals.sample_rate
    _check_turning(turning(chosen, rate, signals.numerology), server, agent)
    result = fit(chosen, signals.numerology)
    quantities = _quantities(result, clock)
    curves = {
        "subcarrier_hz": signals.numerology.subcarriers * signals.sample_rate / signals.numerology.n_fft,
        "left_db": PER_NEPER * np.log(np.maximum(np.abs(1 + result.left), 1e-6)),
        "left_deg": np.rad2deg(np.angle(1 + result.left)),
    }
    verdict = _verdict(quantities, agent)
    return Measurement("reciprocity", agent.serial, server.serial, quantities, verdict, curves)


def _meet(server: Radio, agent: Radio, signals: Signals) -> int:
    """Return the agent's counter less the server's, as of a beacon; carriers and lateness are fit for more."""
    if agent.settings.clock_trim_ppm or server.settings.clock_trim_ppm:
        raise _no_common_clock("are trimmed, so each radio has an oscillator of its own", server, agent)
    down, up = meet(server, agent, signals), meet(agent, server, signals)
    std = float(np.hypot(down.beacon.cfo_std, up.beacon.cfo_std))
    least, there, back = max(SIGNIFICANT * std, LEAST_OFFSET), down.beacon.cfo, up.beacon.cfo
    if abs(there + back) > least:
        raise CalibrationError(
            f"radio {agent.serial} receives {server.serial} at {there:.0f} Hz, which receives it at {back:.0f} Hz, not "
            "the opposite; look for an interferer in the band, and calibrate again",
            "too noisy",
        )
    if abs(there - back) / 2 > least:
        raise _no_common_clock(f"differ by {(there - back) / 2:.4g} ± {std:.2g} Hz", server, agent)
    clock = round(down.hearer - down.sender)
    late = up.hearer - (up.sender - clock)
    most = signals.numerology.n_fft / 2 - signals.delay_spread
    if abs(late) > most:
        raise CalibrationError(
            f"bursts of radio {agent.serial} arrive {late:.0f} samples after the server's own clock says, at most "
            f"{most:.0f} can be told from a period of {signals.numerology.n_fft}; run airmeta calibrate latency and "
            "use it",
            "unstable",
        )
    return clock


def _check_turning(found: Turning, server: Radio, agent: Radio) -> None:
    """Check that the ratio stands still.

    Raises:
        CalibrationError: it turns, or wanders.
    """
    cfo, std = -found.rate / (4 * np.pi), found.rate_std / (4 * np.pi)
    if abs(cfo) > max(SIGNIFICANT * std, LEAST_TURN):
        raise _no_common_clock(f"differ by {cfo:.4g} ± {2 * std:.2g} Hz", server, agent)
    if found.excess > chi2.isf(FALSE_ALARM, found.freedom) / found.freedom and found.scatter > MOST_SCATTER:
        scatter = f"wander: the ratio's phase scatters by {np.rad2deg(found.scatter):.1f}° rms"
        raise _no_common_clock(scatter, server, agent)


def _no_common_clock(seen: str, server: Radio, agent: Radio) -> NotApplicable:
    return NotApplicable(
        f"the carriers of {server.serial} and {agent.serial} {seen}; the ratio of two chains turns with twice the "
        "phase between them, so both need a common clock; give them one 10 MHz reference, or stay with "
        'waveform.channel_from = "uplink"',
        "unstable",
    )


def _quantities(result: Fit, clock: int) -> dict[str, Quantity]:
    errors = NORMAL_95 * result.stds
    left = PER_NEPER * np.log1p(result.ripple)
    return {
        "gain_db": Quantity(PER_NEPER * result.log_gain, PER_NEPER * float(errors[0]), "dB"),
        "phase_deg": Quantity(
            float(np.rad2deg((result.phase + np.pi) % (2 * np.pi) - np.pi)), float(np.rad2deg(errors[1])), "°"
        ),
        "delay_samples": Quantity(result.delay, float(errors[2]), "samples"),
        "clock_samples": Quantity(float(clock), 0.0, "samples"),
        "ripple_db": Quantity(float(left), PER_NEPER * result.ripple_error, "dB"),
    }


def _verdict(quantities: dict[str, Quantity], agent: Radio) -> Verdict:
    gain, phase = quantities["gain_db"].uncertainty, quantities["phase_deg"].uncertainty
    if gain <= MOST_GAIN_ERROR and phase <= MOST_PHASE_ERROR:
        return Verdict()
    return Verdict(
        "too noisy",
        f"the ratio of radio {agent.serial} is known to ± {gain:.2g} dB and ± {phase:.2g}°, wanted are "
        f"{MOST_GAIN_ERROR} dB and {MOST_PHASE_ERROR:g}°; raise the levels (airmeta calibrate levels), or look "
        "for an interferer in the band",
    )
