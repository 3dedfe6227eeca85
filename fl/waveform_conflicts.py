"""Settings of the waveform and of the simulated air that contradict each other; `fl.conflicts` asks for them.

cyclic prefix >= delay spread + timing uncertainty        coherence time 0.032/f_D >= from sounding to payload
round <= period between two beacons                       |carrier offset| <= 8·fs/N, the pull-in of a beacon
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from calibration.use import RESIDUAL
from dsp.frame import Frame, beacon, sounding
from dsp.resample import WIDEST_BAND
from fl.radio_config import Loopback
from fl.radios import modem
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.settings import Modem, check_radio
from fl.uplink.waveform.stations import FIRST_BEACON
from radio.fading import profile
from radio.propagation import LONGEST_DELAY

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]
MOST_WANDER = 1.0  # rad²: beyond it a sum is mostly noise
COHERENCE = 0.032  # coherence time times largest Doppler shift: J0(2π·0.032) = 0.99, an error of -17 dB


def waveform_conflicts(config: "Config", n_symbols: int) -> Iterator[Conflict]:
    """Yield every conflict of a configuration whose uplink is a waveform of M symbols."""
    air = config.radio.air
    yield from _power(config)
    yield from _air(air)
    try:
        about = modem(config.waveform, config.radio.carrier)
        scheduled, sounded = config.agents.scheduled, config.waveform.channel_from == "uplink"
        frame = about.frame(scheduled, n_symbols, True) if sounded else about.downlink_frame(scheduled, n_symbols)
        about.check_period(frame)
    except ValueError as error:
        yield ("waveform", "agents", "uplink.measurements"), f"waveform: {error}"
        return
    yield from _radio(config, about)
    yield from _calibration(config)
    yield from _level(config, about)
    yield from _times(config, about, frame)
    if sounded:
        yield from _answers(config, about)
        yield from _wander(config, about, frame)
    else:
        yield from _common_clock(config)


def _calibration(config: "Config") -> Iterator[Conflict]:
    air = config.radio.air
    if config.calibration.uses("levels") and air.fading and air.redraw:
        yield (
            ("calibration.use", "radio.loopback.redraw"),
            "calibration.use: levels that were chosen for one channel do not fit channels drawn anew every round; set "
            "radio.loopback.redraw = false, or leave levels and iq out of calibration.use",
        )
    if config.calibration.uses("iq") and not config.calibration.uses("levels"):
        yield (
            ("calibration.use",),
            "calibration.use: imbalance is measured at the gains that levels chose, so iq needs levels; add levels, or "
            "leave iq out",
        )


def _power(config: "Config") -> Iterator[Conflict]:
    if config.uplink.power_rule == "none":
        yield (
            ("uplink.power_rule", "uplink.kind"),
            "uplink.power_rule: none leaves the phases of every path, the sum would be noise; take inversion or mmse",
        )


def _air(air: Loopback) -> Iterator[Conflict]:
    if not air.fading and (air.profile != "flat" or air.k_factor_db is not None or air.doppler_hz):
        yield (
            tuple(f"radio.loopback.{key}" for key in ("fading", "profile", "k_factor_db", "doppler_hz")),
            "radio.loopback.fading: a link that does not fade has one path of gain 1; set radio.loopback.profile = "
            "flat and leave out k_factor_db and doppler_hz",
        )


def _radio(config: "Config", about: Modem) -> Iterator[Conflict]:
    air, fs = config.radio.air, about.sample_rate
    widest = int(WIDEST_BAND * about.numerology.n_fft / 2)
    if about.numerology.half_width > widest:
        yield (
            ("waveform.half_width", "waveform.n_fft"),
            f"waveform.half_width: sample clocks are corrected in {WIDEST_BAND:.0%} of the band, at most {widest} "
            f"subcarriers on each side of {about.numerology.n_fft}, got {about.numerology.half_width}",
        )
    try:
        uncertain = RESIDUAL if config.calibration.uses("latency") else config.radio.timing_uncertainty
        check_radio(about, uncertain, air.timing_jitter)
    except ValueError as error:
        yield ("waveform", "radio.loopback.timing_offset", "radio.loopback.timing_jitter"), f"waveform: {error}"
    longest = float(profile(air.profile).delays.max()) * air.delay_spread_s * fs
    keys = "radio.loopback.delay_spread_s", "radio.loopback.profile", "waveform.delay_spread_s"
    if longest > LONGEST_DELAY:
        yield (
            keys,
            f"radio.loopback.delay_spread_s: the last path of {air.profile} comes after {longest:.1f} samples, the "
            f"simulated air covers {LONGEST_DELAY}; at most {air.delay_spread_s * LONGEST_DELAY / longest:.2g} s",
        )
    elif longest > about.delay_spread:
        yield (
            keys,
            f"radio.loopback.delay_spread_s: the last path of {air.profile} comes after {longest / fs:.2g} s, the "
            f"receiver allows for {about.delay_spread / fs:.2g} s; set waveform.delay_spread_s >= {longest / fs:.2g}",
        )
    offset, reach = 2e-6 * air.offset_ppm * air.carrier_hz, 8 * fs / about.numerology.n_fft
    if offset > reach:
        yield (
            ("radio.loopback.offset_ppm", "radio.loopback.carrier_hz", "waveform.sample_rate", "waveform.n_fft"),
            f"radio.loopback.offset_ppm: two radios may differ by {offset / 1e3:.0f} kHz, a beacon is found up to "
            f"{reach / 1e3:.0f} kHz (8·sample_rate/n_fft); at most {5e5 * reach / air.carrier_hz:.2g} ppm, a smaller "
            "waveform.n_fft, or a higher waveform.sample_rate",
        )


def _level(config: "Config", about: Modem) -> Iterator[Conflict]:
    waves = beacon(about.numerology), sounding(about.numerology)
    peak_db = 20 * math.log10(about.level * max(float(np.abs(wave).max()) for wave in waves))
    if peak_db > 0:
        level = config.waveform.level_dbfs
        yield (
            ("waveform.level_dbfs",),
            f"waveform.level_dbfs: beacon and soundings would exceed full scale by {peak_db:.1f} dB, got {level}; set "
            f"it to {math.floor(level - peak_db)} or lower",
        )


def _times(config: "Config", about: Modem, frame: Frame) -> Iterator[Conflict]:
    air, fs = config.radio.air, about.sample_rate
    # the server's clock counts the beacons, the air's the channels
    left = (1 - FIRST_BEACON - 1e-6 * air.offset_ppm * config.rounds) * about.period
    if air.redraw and frame.end > left:
        yield (
            ("waveform.round_period_s", "radio.loopback.redraw", "agents.count"),
            f"waveform.round_period_s: channels are drawn anew {left / fs:.3f} s after a "
            f"beacon, a round lasts {frame.end / fs:.3f} s; set it to {frame.end / left * about.period / fs:.3g} or "
            "more, or radio.loopback.redraw = false",
        )
    if air.doppler_hz:
        coherence, since = COHERENCE / air.doppler_hz, (frame.end - (frame.cycle_starts or (0,))[-1]) / fs
        if coherence < since:
            yield (
                ("radio.loopback.doppler_hz", "waveform.turnaround_s", "agents.count"),
                f"radio.loopback.doppler_hz: channels stay alike to 0.99 for {coherence:.2g} s, a payload ends "
                f"{since:.2g} s after its sounding or beacon; at most {COHERENCE / since:.2g} Hz, or a shorter "
                "waveform.turnaround_s",
            )


def _answers(config: "Config", about: Modem) -> Iterator[Conflict]:
    air = config.radio.air
    fs, uncertain = about.sample_rate, math.ceil(air.timing_offset) + 8 * math.ceil(air.timing_jitter)
    if about.response < LISTENING + uncertain:
        yield (
            ("waveform.response_s", "waveform.sample_rate"),
            f"waveform.response_s: agents need {LISTENING + uncertain} samples after a beacon to answer, got "
            f"{about.response}; set it to {(LISTENING + uncertain) / fs:.2g} or more",
        )
    if about.trigger_lead is not None and about.trigger_lead <= uncertain:
        yield (
            ("waveform.trigger_lead_s", "radio.loopback.timing_offset"),
            f"waveform.trigger_lead_s: agents hear the trigger to its end and may send {uncertain} samples early, got "
            f"{about.trigger_lead} samples; set it to {(uncertain + 1) / fs:.2g} or more",
        )


def _wander(config: "Config", about: Modem, frame: Frame) -> Iterator[Conflict]:
    air, fs = config.radio.air, about.sample_rate
    span = frame.payload_length + (about.turnaround if about.trigger_lead is None else about.trigger_lead)
    wander = 4 * math.pi * air.linewidth_hz * span / fs
    if wander > MOST_WANDER:
        yield (
            ("radio.loopback.linewidth_hz", "waveform.trigger"),
            f"radio.loopback.linewidth_hz: two oscillators drift apart by {math.degrees(wander**0.5):.0f} "
            f"degrees rms until the payload ends, after {span / fs:.2g} s; at most "
            f"{MOST_WANDER * fs / (4 * math.pi * span):.2g} Hz each"
            + ("" if about.trigger_lead is not None else ", or waveform.trigger = true"),
        )


def _common_clock(config: "Config") -> Iterator[Conflict]:
    for key in ("offset_ppm", "linewidth_hz", "frequency_walk"):
        value = getattr(config.radio.air, key)
        if value:
            yield (
                (f"radio.loopback.{key}", "waveform.channel_from"),
                f"radio.loopback.{key}: what agents hear says what the server hears only with a common clock, got "
                f"{value:g}; set it to 0, or waveform.channel_from = uplink",
            )
    if config.calibration.table is None:
        yield (
            ("waveform.channel_from", "calibration.table"),
            "waveform.channel_from: downlink needs the chain ratio of every agent; run airmeta calibrate reciprocity "
            "and set calibration.table, or waveform.channel_from = uplink",
        )
