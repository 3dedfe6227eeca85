"""From the tables `waveform` and `radio` to a modem and radios: a server and any number of agents on one air."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from dsp.metrics import from_db
from dsp.ofdm import Numerology
from fl.pluto_config import Tx
from fl.radio_config import Loopback, Waveform
from fl.streams import Purpose, stream
from fl.uplink.waveform.settings import Modem
from radio.air import Air
from radio.base import Radio
from radio.fading import Fading, profile
from radio.impairments import ReceiveChain, TransmitChain
from radio.loopback import LoopbackRadio
from radio.oscillator import Wander
from radio.safety import Authorisation
from radio.unit import Unit

SERVER = 0
STEADY = 1e12  # K of a link that does not fade
FAULTS = (
    "offset_ppm", "iq_gain_db", "iq_phase_deg", "dc_offset_db", "pa_saturation_dbfs", "pa_smoothness",
    "converter_bits", "level_error_db", "path_loss_db",
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """The radios of a run.

    Args:
        carrier: in Hz.
        server: the server's radio.
        radio_of: the radio of an agent.
        air: the simulated air; None on hardware, virtual or not.
        close: gives the radios back; done at the end of the process, too.
        runs_on: whether their time runs on while nobody sends or receives.
        breaks: how often streams of these radios have broken so far.
    """

    carrier: float
    server: Radio
    radio_of: Callable[[int], Radio]
    air: Air | None
    close: Callable[[], None] = lambda: None
    runs_on: bool = False
    breaks: Callable[[], int] = lambda: 0


def authorised(config: Tx) -> Authorisation | None:
    """Return what may be sent; None: nothing."""
    if config.medium is None or config.authorised_band is None:
        return None
    return Authorisation(config.medium, *config.authorised_band)


def modem(wave: Waveform, carrier: float) -> Modem:
    """Return the waveform that a table describes, on a carrier in Hz.

    Raises:
        ValueError: its numbers do not fit each other.
    """
    numerology = Numerology(wave.n_fft, wave.cyclic_prefix, wave.half_width, wave.window_lead, wave.sample_rate)
    fs = wave.sample_rate
    return Modem(
        numerology=numerology,
        carrier=carrier,
        level=10 ** (wave.level_dbfs / 20) / float(np.sqrt(numerology.crest_power)),
        delay_spread=wave.delay_spread_s * fs,
        pilots=wave.pilots,
        first_soundings=wave.first_soundings,
        soundings=wave.soundings,
        response=round(wave.response_s * fs),
        turnaround=round(wave.turnaround_s * fs),
        trigger_lead=round(wave.trigger_lead_s * fs) if wave.trigger else None,
        period=round(wave.round_period_s * fs),
        search=round(wave.search_s * fs),
        false_alarm=wave.false_alarm,
        presence_false_alarm=wave.presence_false_alarm,
        linewidth=wave.linewidth_hz,
        frequency_walk=wave.frequency_walk,
    )


def simulated_air(config: Loopback, sample_rate: float, noise_var: float, redraw: float, seed: int) -> Air:
    """Return an air with the impairments of a configuration.

    Args:
        config: impairments.
        sample_rate: in Hz.
        noise_var: σ² of a received sample.
        redraw: seconds after which channels are drawn anew; 0: never.
        seed: of the run.
    """
    k_factor = STEADY if not config.fading else None if config.k_factor_db is None else from_db(config.k_factor_db)
    fading = Fading(profile(config.profile), config.delay_spread_s, sample_rate, config.doppler_hz, k_factor, redraw)
    hardware = seed if config.hardware_seed is None else config.hardware_seed

    @cache
    def unit_of(unit: int) -> Unit:
        return _unit(config, unit, noise_var, hardware)

    air_seed = int(np.random.SeedSequence(seed, spawn_key=(int(Purpose.RADIO),)).generate_state(1)[0])
    return Air(unit_of, fading, config.carrier_hz, sample_rate, air_seed)


def loopback(config: Loopback, sample_rate: float, level: float, snr: float, redraw: float, seed: int) -> Bench:
    """Return a server and agents on a simulated air.

    Args:
        config: impairments.
        sample_rate: in Hz.
        level: amplitude of a resource element at power P, relative to full scale.
        snr: P/σ² of a resource element at |h| = 1, in both directions.
        redraw: seconds after which channels are drawn anew; 0: never.
        seed: of the run.
    """
    air, radio = loopback_units(config, sample_rate, level, snr, redraw, seed)
    return Bench(config.carrier_hz, radio(SERVER), cache(lambda agent: radio(agent + 1)), air)


def loopback_units(
    config: Loopback, sample_rate: float, level: float, snr: float, redraw: float, seed: int
) -> tuple[Air, Callable[[int], LoopbackRadio]]:
    """Return a simulated air, and what makes a radio for a unit of it; the arguments are those of `loopback`."""
    hardware = seed if config.hardware_seed is None else config.hardware_seed
    air = simulated_air(config, sample_rate, level**2 * from_db(config.gain_db) / snr, redraw, seed)

    def radio(unit: int) -> LoopbackRadio:
        uncertain = math.ceil(config.timing_offset)
        return LoopbackRadio(air, unit, uncertain, _serial(config, unit, hardware), _session(config))

    return air, radio


def _serial(config: Loopback, unit: int, hardware: int) -> str:
    """Return a name that is another one as soon as the radio is another one: other seed, unit, or faults."""
    faults = config.model_dump(include=set(FAULTS))
    digest = hashlib.sha256(repr((hardware, unit, sorted(faults.items()))).encode()).hexdigest()
    return f"loopback-{unit}-{digest[:8]}"


def _session(config: Loopback) -> str:
    """Return a name that is another one as soon as anything is that a start of the streams decides."""
    started = config.model_dump(include={"timing_offset", "latency", "mixer_phases"})
    digest = hashlib.sha256(repr(sorted(started.items())).encode()).hexdigest()
    return f"start {config.restarts}, {digest[:4]}"


def _unit(config: Loopback, unit: int, noise_var: float, hardware: int) -> Unit:
    """Return a unit with its own draw of everything that differs between two radios of a kind."""
    rng, chains = (stream(hardware, Purpose.RADIO, purpose, unit) for purpose in (0, 1))
    start = stream(hardware, Purpose.RADIO, 2 + config.restarts, unit)
    ppm, timing, *signs = rng.uniform(-1, 1, 6)
    if config.restarts:
        timing = start.uniform(-1, 1)
    latency, *mixers = start.uniform(0, [config.latency, *([360.0 * config.mixer_phases] * 2)])
    send_error, hear_error = config.level_error_db * chains.uniform(-1, 1, 2)
    dc = 0j if config.dc_offset_db is None else 10 ** (config.dc_offset_db / 20) * np.exp(2j * np.pi * rng.random(2))
    send, hear = np.broadcast_to(dc, 2)
    gain, phase = config.iq_gain_db * np.sign(signs), config.iq_phase_deg * np.sign(signs[::-1])
    loss = rng.uniform(0, config.path_loss_db) if unit != SERVER else 0.0
    saturation = None if config.pa_saturation_dbfs is None else 10 ** (config.pa_saturation_dbfs / 20)
    return Unit(
        offset_ppm=config.offset_ppm * ppm,
        timing_offset=(0.0 if unit == SERVER else config.timing_offset * timing) + latency,
        timing_jitter=config.timing_jitter,
        wander=Wander(
            config.linewidth_hz, config.frequency_walk, math.radians(config.pll_rms_deg), config.pll_bandwidth_hz
        ),
        transmit=TransmitChain(
            float(gain[0]), float(phase[0]), complex(send), saturation, config.pa_smoothness, config.converter_bits,
            config.tx_attenuation_db, float(send_error), float(mixers[0]),
        ),
        receive=ReceiveChain(
            config.gain_db, float(gain[1]), float(phase[1]), complex(hear), config.converter_bits,
            float(mixers[1]), float(hear_error),
        ),
        noise_var=noise_var * from_db(hear_error),
        path_loss_db=float(loss),
        leakage_db=config.leakage_db,
        tone=0.0 if unit != SERVER or config.interferer_dbfs is None else 10 ** (config.interferer_dbfs / 20),
        tone_hz=config.interferer_hz,
    )  # fmt: skip
