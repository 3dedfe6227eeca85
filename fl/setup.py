"""From a configuration to the parts of an experiment: the one place where keys become objects."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from calibration.exchange import Signals
from dsp.metrics import from_db
from fl.calibrated import Used, calibrated, check_lead
from fl.config import Config, ConfigError, check, dump
from fl.dimension import dimension, message_length
from fl.gnuradio_radios import gnuradio
from fl.learning import Learning, learning
from fl.pluto_radios import pluto
from fl.radios import Bench, loopback, modem
from fl.uplink.base import Uplink
from fl.uplink.in_process import InProcessUplink
from fl.uplink.settings import codec, kept_entries, power_control
from fl.uplink.table import OFF_AIR
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.downlink import downlink
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.recording import Recorder
from fl.uplink.waveform.settings import Modem
from fl.uplink.waveform.stations import Stations
from fl.usrp_radios import usrp


@dataclass(frozen=True)
class Parts(Learning):
    """Everything an experiment is made of.

    Args:
        uplink: the way from the agents to the server.
        calibration: what its radios use of a calibration table; None: nothing.
    """

    uplink: Uplink
    calibration: Used | None = None


def assemble(config: Config, cache: Path) -> Parts:
    """Return the parts of an experiment.

    Raises:
        DataError: its images are missing or damaged.
        ValueError: the data cannot serve the task.
    """
    learned = learning(config, cache)
    uplink, used = _uplink(config, learned.message_length)
    return Parts(**vars(learned), uplink=uplink, calibration=used)


def unopened(config: Config) -> dict[str, int]:
    """Return the sizes of an experiment without its parts: nothing is opened."""
    length = message_length(config)
    kept, symbols = kept_entries(config, length), codec(config, length).n_symbols
    return {"parameters": dimension(config), "kept_entries": kept, "channel_uses_per_round": symbols}


def build_uplink(config: Config, length: int) -> Uplink:
    """Return the uplink of updates of d entries.

    Raises:
        TableError: a calibration is asked for and does not hold.
    """
    return _uplink(config, length)[0]


def _uplink(config: Config, length: int) -> tuple[Uplink, Used | None]:
    kind = OFF_AIR.get(config.uplink.kind)
    if kind is not None:
        agent, uses = partial(kind.agent, config, length, True), kind.channel_uses(config, length)
        return InProcessUplink(agent().kept_entries, uses, partial(kind.server, config, length), agent), None
    on_air, used = _stations(config)
    manner = Manner()
    if config.waveform.channel_from == "downlink":
        manner = downlink({} if used is None else used.ratios)
    k, symbols, control = kept_entries(config, length), codec(config, length), power_control(config)
    return WaveformUplink(symbols, k, control, on_air, manner), used


def stations(config: Config) -> Stations:
    """Return the radios of a waveform run, calibrated if that is asked for, and nothing that they remember yet.

    Raises:
        ConfigError: the uplink has no radios.
        TableError: the calibration does not hold.
    """
    if config.uplink.kind != "waveform":
        raise _without_radios(config)
    return _stations(config)[0]


def _stations(config: Config) -> tuple[Stations, Used | None]:
    about, bench = open_radios(config)
    ratios = config.waveform.channel_from == "downlink"
    signals = Signals(about.numerology, about.carrier, about.level, about.delay_spread, false_alarm=about.false_alarm)
    bench, used = calibrated(bench, config.agents.count, config.calibration, datetime.now(UTC), ratios, signals)
    on_air = Stations(about, bench.server, bench.radio_of, bench.runs_on, bench.breaks)
    if used is not None:
        check_lead(bench, config.agents.count, about.response - LISTENING, about.sample_rate)
        on_air.renew = used.renew
    return on_air, used


def open_radios(config: Config) -> tuple[Modem, Bench]:
    """Return the waveform of a configuration and its radios, as they come."""
    air, snr = config.radio.loopback, from_db(config.uplink.snr_db)
    about = modem(config.waveform, config.radio.carrier)
    redraw = config.waveform.round_period_s if air.redraw else 0.0
    noise_var = about.level**2 * from_db(air.gain_db) / snr
    if config.radio.kind == "pluto":
        return about, pluto(config.radio, config.agents.count, about, noise_var, redraw, config.seed)
    if config.radio.kind == "usrp":
        return about, usrp(config.radio, config.agents.count, about)
    if config.radio.kind == "gnuradio":
        return about, gnuradio(config.radio, config.agents.count, about, noise_var, config.seed)
    return about, loopback(air, about.sample_rate, about.level, snr, redraw, config.seed)


def record_rounds(parts: Parts, folder: Path, every: int) -> None:
    """Let the server keep in `folder` what it receives in every `every`-th round.

    Raises:
        ConfigError: the uplink has no radios.
    """
    if not isinstance(parts.uplink, WaveformUplink):
        raise _without_radios(parts.config)
    carrier = parts.uplink.stations.modem.carrier
    parts.uplink.observe = Recorder(folder, every, dump(parts.config), carrier)


def _without_radios(config: Config) -> ConfigError:
    kind = config.uplink.kind
    return ConfigError([f"uplink.kind: only waveform goes through radios, got {kind}; set uplink.kind = waveform"])


def with_evaluation(parts: Parts, changed: dict[str, int]) -> Parts:
    """Return the parts with other evaluation settings, checked like those of a file.

    Raises:
        ConfigError: the settings do not fit the task.
    """
    content = parts.config.model_dump(mode="json")
    content["evaluation"] |= changed
    return replace(parts, config=check(content))
