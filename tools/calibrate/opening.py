"""From `[CONFIG] --radio URI --set KEY=VALUE` to the radios that are to be calibrated."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.exchange import Signals
    from calibration.station import Station
    from fl.config import Config
    from fl.uplink.waveform.settings import Modem


@dataclass(frozen=True)
class Bench:
    """Radios to be calibrated.

    Args:
        server: the reference.
        agents: by id.
        signals: what is sent.
        again: arguments with which a user calls the same radios again.
        config: of the experiment.
    """

    server: "Station"
    agents: dict[int, "Station"]
    signals: "Signals"
    again: str
    config: "Config"


def open_bench(
    config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...], agents: tuple[int, ...] = ()
) -> Bench:
    """Return the radios of a configuration, or those that URIs name.

    Args:
        config: file of an experiment; None: the defaults.
        uris: of radios.
        overrides: `key=value`.
        agents: the ones meant; empty: all.

    Raises:
        ConfigError: something of this is wrong.
    """
    from tools.calibrate.uris import is_alone

    experiment = parsed(config, uris, overrides)
    count = 0 if is_alone(uris) else experiment.agents.count
    words = [*([] if config is None else [str(config)])]
    words += [word for uri in uris for word in ("--radio", uri)]
    words += [word for item in overrides for word in ("--set", item)]
    bench = bench_of(experiment, shlex.join(words), _chosen(agents, count))
    return replace(bench, signals=replace(bench.signals, for_rounds=config is not None))


def parsed(config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...]) -> "Config":
    """Return the configuration that the arguments of a verb mean.

    Raises:
        ConfigError: something of this is wrong; for real radios with a whole command that would do.
    """
    from fl import config as configuration
    from tools.calibrate import uris as called
    from tools.command_line import command_line

    settings = (*called.settings_of(uris, config is not None), *overrides, *called.MEASURED)
    text = "" if config is None else _read(config)
    unneeded = called.unneeded(uris, config is not None)
    try:
        folder = None if config is None else config.parent
        return configuration.parse(text, settings, str(config or "defaults"), unneeded, folder)
    except configuration.ConfigError as error:
        *others, last = error.problems
        missing = called.unstated(error.problems, overrides)
        if missing and uris and not any(problem.startswith("radio.pluto.uris:") for problem in error.problems):
            added = [word for item in missing for word in ("--set", item)]
            last += f"\n  the whole command, for you to fill in: {shlex.join([*command_line(), *added])}"
        raise configuration.ConfigError([*others, last]) from error


def bench_of(experiment: "Config", again: str, agents: list[int] | None = None) -> Bench:
    """Return the radios of a checked configuration.

    Args:
        experiment: whose uplink is a waveform.
        again: arguments of the command line that mean the same radios.
        agents: the ones meant; None: all.
    """
    from calibration.station import Station
    from fl.radios import modem
    from fl.setup import open_radios

    signals = signals_of(experiment, modem(experiment.waveform, experiment.radio.carrier))
    _, bench = open_radios(experiment)
    return Bench(
        Station("server", again, bench.server),
        {
            agent: Station(f"agent {agent}", f"{again} --agent {agent}", bench.radio_of(agent))
            for agent in (range(experiment.agents.count) if agents is None else agents)
        },
        signals,
        again,
        experiment,
    )


def signals_of(experiment: "Config", modem: "Modem") -> "Signals":
    """Return what calibration sends, for the waveform of an experiment."""
    from calibration.exchange import Signals

    return Signals(
        modem.numerology,
        modem.carrier,
        modem.level,
        modem.delay_spread,
        false_alarm=modem.false_alarm,
        round_span_s=_round_span(experiment, modem),
        turnaround_s=modem.turnaround / modem.sample_rate,
    )


def _round_span(experiment: "Config", modem: "Modem") -> float:
    """Return the seconds from an agent's last sounding to the end of the payload, at most."""
    from fl.dimension import message_length
    from fl.uplink.settings import codec

    symbols = codec(experiment, message_length(experiment)).n_symbols
    frame = modem.frame(experiment.agents.scheduled, symbols, first=False)
    return (frame.end - frame.cycle_starts[-1]) / modem.sample_rate


def _read(config: Path) -> str:
    from fl.config import ConfigError

    try:
        return config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{config}: cannot be read ({error}); give the path of a TOML file"]) from error


def _chosen(agents: tuple[int, ...], count: int) -> list[int]:
    from fl.config import ConfigError

    unknown = [agent for agent in agents if not 0 <= agent < count]
    if unknown and not count:
        raise ConfigError([f"--agent {unknown[0]}: one radio is the server's; name that of the agent with --radio"])
    if unknown:
        raise ConfigError([f"--agent {unknown[0]}: this bench has agents 0 to {count - 1}"])
    return sorted(set(agents)) or list(range(count))
