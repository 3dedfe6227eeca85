"""The virtual Plutos of an experiment, served to several processes, and the unit that each of them opens."""

from collections.abc import Iterator
from contextlib import contextmanager

from dsp.metrics import from_db
from fl.config import Config, ConfigError
from fl.pluto_radios import scene, shared_pluto
from fl.radios import Bench, modem
from fl.shared_air import shape as air_shape
from radio.base import RadioError
from radio.emulation.clock import LockStep, RealTime
from radio.emulation.host import serving
from radio.shared_air.messages import Scalar
from radio.shared_plutos.desk import PlutoDesk, SharedPlutos
from radio.shared_plutos.seat import PlutoSeat

PLUTO = ("clock", "carrier_hz", "block")
"""Keys of virtual Plutos that all must share."""


def are_shared(config: Config) -> bool:
    """Return whether the radios of an experiment are virtual Plutos."""
    return config.uplink.kind == "waveform" and config.radio.kind == "pluto" and config.radio.pluto.emulate


@contextmanager
def shared_plutos(config: Config) -> Iterator[PlutoDesk]:
    """Serve the virtual Plutos of `airmeta run`, and yield where processes ask for theirs.

    Raises:
        ConfigError: the experiment has none.
    """
    if not are_shared(config):
        raise ConfigError(["radio.pluto.emulate: these are no virtual Plutos; set it, and radio.kind = pluto"])
    if config.radio.pluto.trigger == "external":
        raise ConfigError(
            ["radio.pluto.trigger: nobody fires the external pulse for virtual radios of several processes; set "
             "radio.pluto.trigger = auto"]
        )  # fmt: skip
    air, about = config.radio.loopback, modem(config.waveform, config.radio.carrier)
    redraw = config.waveform.round_period_s if air.redraw else 0.0
    noise_var = about.level**2 * from_db(air.gain_db) / from_db(config.uplink.snr_db)
    waits, timeout = config.radio.pluto.waits, air.step_timeout_s
    units = scene(config.radio, config.agents.count, about, noise_var, redraw, config.seed)
    with serving(units.bench(LockStep(timeout, 0.0) if waits else RealTime())) as host:
        yield PlutoDesk(SharedPlutos(host, shape(config), timeout))


def open_shared_pluto(config: Config, uri: str, unit: int) -> tuple[Bench, PlutoSeat]:
    """Return a virtual Pluto of another process, as the server of a bench that has no agents, and its seat.

    Args:
        config: of this process; the other must have the same experiment.
        uri: `plutos:tcp://127.0.0.1:PORT`.
        unit: 0 for the server, i + 1 for agent i.

    Raises:
        RadioError: the unit cannot be had.
    """
    seat = PlutoSeat(uri, unit, shape(config))
    about = modem(config.waveform, config.radio.carrier)
    try:
        bench = shared_pluto(config.radio, config.agents.count, about, seat)
        seat.settle()
    except RadioError:
        seat.close()
        raise
    return bench, seat


def shape(config: Config) -> dict[str, Scalar]:
    """Return the keys and values of an experiment that shape its virtual Plutos; all must have the same."""
    content = config.radio.pluto.model_dump(mode="json")
    return {**air_shape(config), **{f"radio.pluto.{key}": content[key] for key in PLUTO}}
