"""The simulated air of an experiment, served to several processes, and the units of it that they open."""

from typing import Any

from dsp.metrics import from_db
from fl.config import Config, ConfigError
from fl.radios import loopback_units, modem
from radio.shared_air.desk import Shared
from radio.shared_air.messages import Scalar
from radio.shared_air.radio import SharedAirRadio

WAVEFORM = ("sample_rate", "n_fft", "cyclic_prefix", "half_width", "window_lead", "level_dbfs", "round_period_s")
"""Keys of the waveform that the air depends on: its rate, the noise beside a resource element, when channels change."""


def shared_air(config: Config) -> Shared:
    """Return the air of an experiment, to be served: that of `airmeta run`, to the bit.

    Raises:
        ConfigError: its uplink has no simulated air.
    """
    check_simulated(config)
    air, wave = config.radio.loopback, modem(config.waveform, config.radio.carrier)
    redraw = config.waveform.round_period_s if air.redraw else 0.0
    simulated, radio_of = loopback_units(
        air, wave.sample_rate, wave.level, from_db(config.uplink.snr_db), redraw, config.seed
    )
    return Shared(simulated, radio_of, 1 + config.agents.count, shape(config), air.step_timeout_s)


def open_unit(config: Config, uri: str, unit: int) -> SharedAirRadio:
    """Return a unit of an air that another process serves.

    Args:
        config: of this process; the air must be that of the same experiment.
        uri: `air:tcp://127.0.0.1:PORT`.
        unit: 0 for the server, i + 1 for agent i.

    Raises:
        ConfigError: its uplink has no simulated air.
        RadioError: the unit cannot be had.
    """
    check_simulated(config)
    return SharedAirRadio(uri, unit, shape(config))


def shape(config: Config) -> dict[str, Scalar]:
    """Return the keys and values of an experiment that shape its air; all who share one must have the same."""
    content = config.model_dump(mode="json")
    impairments: dict[str, Any] = content["radio"]["loopback"]
    impairments.pop("step_timeout_s")
    return {
        "seed": config.seed,
        "agents.count": config.agents.count,
        "uplink.snr_db": config.uplink.snr_db,
        **{f"waveform.{key}": content["waveform"][key] for key in WAVEFORM},
        **{f"radio.loopback.{key}": value for key, value in impairments.items()},
    }


def check_simulated(config: Config) -> None:
    """Refuse an experiment whose uplink has no simulated air.

    Raises:
        ConfigError: it is such a one.
    """
    if config.uplink.kind != "waveform":
        kind = config.uplink.kind
        raise ConfigError([f"uplink.kind: only waveform goes over the air, got {kind}; set uplink.kind = waveform"])
    if config.radio.kind != "loopback":
        raise ConfigError(
            [f"radio.kind: the air that is shared is that of loopback, got {config.radio.kind}; set it to loopback"]
        )
