"""From `[CONFIG] --radio URI --set KEY=VALUE` to the radios that are to be calibrated.

loopback                                  a simulated bench with the faults that CONFIG plants, or none
loopback:offset_ppm=20,agents=10,seed=3   the same, with keys of radio.loopback, agents.count and seed set
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.exchange import Signals
    from calibration.station import Station
    from fl.config import Config
    from fl.uplink.waveform.settings import Modem

SHORT = {"agents": "agents.count", "seed": "seed", "snr_db": "uplink.snr_db"}
MEASURED = (  # whatever a run of the same experiment does
    "uplink.kind=waveform",
    "waveform.channel_from=uplink",
    "radio.loopback.redraw=false",  # new channels are for rounds; a calibration lies within one of them
)


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
    from fl import config as configuration

    settings = (*_settings(config is not None, uris), *overrides, *MEASURED)
    text = "" if config is None else _read(config)
    experiment = configuration.parse(text, settings, str(config or "defaults"))
    chosen = _chosen(agents, experiment.agents.count)
    words = [*([] if config is None else [str(config)]), *(f"--radio {uri}" for uri in uris)]
    return bench_of(experiment, " ".join([*words, *(f"--set {item}" for item in overrides)]), chosen)


def bench_of(experiment: "Config", again: str, agents: list[int] | None = None) -> Bench:
    """Return the radios of a checked configuration.

    Args:
        experiment: whose uplink is a waveform.
        again: arguments of the command line that mean the same radios.
        agents: the ones meant; None: all.
    """
    from calibration.exchange import Signals
    from calibration.station import Station
    from fl.setup import open_radios

    modem, bench = open_radios(experiment)
    signals = Signals(
        modem.numerology,
        modem.carrier,
        modem.level,
        modem.delay_spread,
        false_alarm=modem.false_alarm,
        round_span_s=_round_span(experiment, modem),
        turnaround_s=modem.turnaround / modem.sample_rate,
    )
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


def _round_span(experiment: "Config", modem: "Modem") -> float:
    """Return the seconds from an agent's last sounding to the end of the payload, at most."""
    from fl.models import parameter_count
    from fl.setup import codec

    model = experiment.model
    symbols = codec(experiment, parameter_count(model.kind, model.width, experiment.task.ways)).n_symbols
    frame = modem.frame(experiment.agents.scheduled, symbols, first=False)
    return (frame.end - frame.cycle_starts[-1]) / modem.sample_rate


def _read(config: Path) -> str:
    from fl.config import ConfigError

    try:
        return config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{config}: cannot be read ({error}); give the path of a TOML file"]) from error


def _settings(has_config: bool, uris: tuple[str, ...]) -> list[str]:
    """Return the overrides that URIs stand for."""
    from fl.config import ConfigError

    if not uris and not has_config:
        raise ConfigError(["no radio: name an experiment, or --radio URI, for example --radio loopback"])
    if not uris:
        return []
    if len(uris) > 1:
        raise ConfigError([f"--radio: one simulated bench at a time, got {', '.join(uris)}; set agents=N in its URI"])
    kind, _, options = uris[0].partition(":")
    if kind != "loopback":
        raise ConfigError([f"--radio {uris[0]}: this version knows loopback only; write --radio loopback"])
    keys = ["radio.kind=loopback", *([] if has_config else ["task.partition=class_overlap"])]
    for item in filter(None, options.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError([f"--radio {uris[0]}: expected KEY=VALUE after the colon, got {item!r}"])
        keys.append(f"{SHORT.get(key, f'radio.loopback.{key}')}={value}")
    return keys


def _chosen(agents: tuple[int, ...], count: int) -> list[int]:
    from fl.config import ConfigError

    unknown = [agent for agent in agents if not 0 <= agent < count]
    if unknown:
        raise ConfigError([f"--agent {unknown[0]}: this bench has agents 0 to {count - 1}"])
    return sorted(set(agents)) or list(range(count))
