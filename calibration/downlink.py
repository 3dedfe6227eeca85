"""How an agent hears the server's beacon: the server's attenuation falls from its largest, 3 dB at a time.

It falls to what the server had if the agent hears the beacon well there, further if it does not, and no further than
6 dB below full scale of the agent's converter. Where the next step could pass that, the agent's gain is lowered first.

    level = mean |H|² − σ²/R,  SNR = level/σ²      (an element of the beacon; R repeats, σ² of a sample in silence)
"""

import numpy as np

from calibration.exchange import Signals, meet
from calibration.measurement import CalibrationError, Quantity
from calibration.spectrum import DECIBEL, SURE, Silence, check_quiet, listen
from calibration.sweep import HIGHEST_PEAK, STEP_DB, listen_for, rising
from dsp.frame import LONG_REPEATS
from dsp.metrics import db
from dsp.sync import Reference
from radio.base import Radio
from radio.settings import Change

BEACON_REPEATS = LONG_REPEATS - 1
WELL_DB = 15.0  # SNR of an element of a beacon that is heard well
# a peak falls between two samples, and noise adds to the next one as it did not to this one: 0.9 dB
ROOM = 0.9 * HIGHEST_PEAK


def downlink(agent: Radio, server: Radio, signals: Signals) -> dict[str, Quantity]:
    """Return level in dBFS and SNR of the server's beacon at the agent, and the server's attenuation then.

    The level is as if at the agent's gain as found: where that had to be lowered, its scale is taken at its word. The
    agent's gain and the server's attenuation are left anywhere.

    Raises:
        CalibrationError: the beacon is not heard, or an interferer is, or the agent is at full scale in silence.
        RadioError: a radio failed, or refused a setting.
    """
    found = agent.settings.rx_gain_db
    silence = _ramp(agent, server, signals)
    reference = meet(server, agent, signals).beacon.reference
    power, noise = _power(reference, silence), silence.noise_var / BEACON_REPEATS
    spread = np.sqrt((2 * noise / power + (noise / power) ** 2) / reference.spectrum.size)
    level = float(db(power * signals.numerology.crest_power)) + found - agent.settings.rx_gain_db
    own = float(SURE * DECIBEL * spread)
    ratio = float(db(power / silence.noise_var))
    return {
        "downlink_dbfs": Quantity(level, own, "dBFS"),
        "downlink_snr_db": Quantity(ratio, float(np.hypot(own, silence.floor.uncertainty)), "dB"),
        "heard_at_tx_attenuation_db": Quantity(server.settings.tx_attenuation_db, 0.0, "dB"),
    }


def _ramp(agent: Radio, server: Radio, signals: Signals) -> Silence:
    """Return the agent's silence at its present gain, with the server's attenuation where the agent hears it well.

    That is the one the server had, or the first below it; the least if the beacon is heard well at none.
    """
    limits, nominal = server.limits.tx_attenuation_db, server.settings.tx_attenuation_db
    falling = rising(limits, limits.high, nominal, STEP_DB) + rising(limits, nominal, limits.low, STEP_DB)[1:]
    silence, peak, before = _quiet(agent, signals), 0.0, limits.high
    for attenuation in falling:
        gain = agent.settings.rx_gain_db
        if not _make_room(agent, peak * 10 ** ((before - attenuation) / 20)):
            break
        if agent.settings.rx_gain_db != gain:
            server.configure(Change(tx_attenuation_db=limits.high))  # its carrier leaks, and is no interferer
            silence = _quiet(agent, signals)
        server.configure(Change(tx_attenuation_db=attenuation))
        burst = listen_for(server, agent, signals, silence)
        peak, before = burst.peak, attenuation
        if attenuation <= nominal and burst.is_clear and _is_well(agent, server, signals, silence):
            break
    return silence


def _quiet(agent: Radio, signals: Signals) -> Silence:
    """Return what the agent hears in silence; while it is at full scale, its gain falls in steps of 3 dB."""
    limits = agent.limits.rx_gain_db
    while True:
        gain = agent.settings.rx_gain_db
        try:
            silence = listen(agent, signals)
        except CalibrationError as error:
            if error.word != "too strong" or gain <= limits.low + 1e-6:
                raise
            agent.configure(Change(rx_gain_db=limits.nearest(max(gain - STEP_DB, limits.low))))
            continue
        check_quiet(silence, agent)
        return silence


def _make_room(agent: Radio, peak: float) -> bool:
    """Lower the agent's gain, in steps of 3 dB, for a peak to stay 6 dB below full scale; return whether it does."""
    if peak <= ROOM:
        return True
    limits, present = agent.limits.rx_gain_db, agent.settings.rx_gain_db
    excess = 20 * np.log10(peak / ROOM)
    if present - limits.low < excess:
        return False
    lower = present - STEP_DB * np.ceil(excess / STEP_DB)
    agent.configure(Change(rx_gain_db=limits.nearest(max(lower, limits.low))))
    return True


def _is_well(agent: Radio, server: Radio, signals: Signals, silence: Silence) -> bool:
    try:
        reference = meet(server, agent, signals).beacon.reference
    except CalibrationError as error:
        if error.word == "too strong":
            raise
        return False  # too weak still, or somebody else's burst was taken for it
    return float(db(_power(reference, silence) / silence.noise_var)) >= WELL_DB


def _power(reference: Reference, silence: Silence) -> float:
    """Return mean |H|² of a beacon without its noise."""
    return max(float(np.mean(np.abs(reference.spectrum) ** 2)) - silence.noise_var / BEACON_REPEATS, 1e-30)
