"""From the tables `radio.gnuradio` and `radio.tx` to radios: a server and its agents behind a flowgraph."""

import atexit
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from fl.gnuradio_config import OURS, Gnuradio
from fl.pluto_radios import pluto_tuning
from fl.radio_config import Radio as RadioConfig
from fl.radios import Bench, authorised, simulated_air
from fl.uplink.waveform.settings import Modem
from fl.usrp_radios import usrp_tuning
from radio.base import RadioError
from radio.gnuradio import channel, device
from radio.gnuradio.controls import Controls, Digital
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.interpreter import find
from radio.gnuradio.plan import Plan
from radio.gnuradio.radio import FlowgraphRadio
from radio.pluto.controls import PlutoControls
from radio.usrp.sources import Sources


def gnuradio(config: RadioConfig, agents: int, about: Modem, noise_var: float, seed: int) -> Bench:
    """Return a server and agents behind a flowgraph, which runs.

    Args:
        config: the flowgraph, what may be sent, and the air of the channel flowgraph.
        agents: how many.
        about: the waveform.
        noise_var: σ² of a received sample in the channel flowgraph.
        seed: of that.

    Raises:
        RadioError: the flowgraph cannot be started, or is another one than configured.
    """
    units = 1 + agents
    flowgraph = Flowgraph(plan_of(config, units, about, noise_var, seed), _controls(config, units, about))
    ending = ExitStack()
    atexit.register(ending.close)
    ending.callback(flowgraph.close)
    epoch = "start 0" if config.is_simulated else ""
    radios = [FlowgraphRadio(flowgraph, unit, config.timing_uncertainty, epoch) for unit in range(units)]
    for radio in radios:
        ending.callback(radio.close)
    return Bench(about.carrier, radios[0], lambda agent: radios[agent + 1], None, ending.close,
                 flowgraph.is_timed, lambda: flowgraph.sessions - 1)  # fmt: skip


def plan_of(config: RadioConfig, units: int, about: Modem, noise_var: float, seed: int) -> Plan:
    """Return what is to be run; arguments as of `gnuradio`, the server counted in."""
    table, rate = config.gnuradio, about.sample_rate
    block = config.pluto.block if config.table == "pluto" else table.block
    plan = Plan(f"gnuradio {table.flowgraph}", units, rate, block=block, timeout=table.timeout_s)
    if table.flowgraph == "channel":
        wanted = channel.wanted(simulated_air(config.loopback, rate, noise_var, 0.0, seed), units)
        return replace(plan, command=_command(table, channel.MODULES), wanted=wanted)
    if table.flowgraph == "pluto":
        return replace(plan, command=_command(table, ("iio",)), wanted=device.pluto(config.pluto.uris[:units]))
    if table.flowgraph == "usrp":
        sources = Sources(config.usrp.clock_source, config.usrp.time_source)
        tuning = asdict(usrp_tuning(config.usrp, about))
        wanted = device.usrp(config.usrp.devices[:units], tuning, sources.clock, sources.time)
        return replace(plan, command=_command(table, ("uhd",)), wanted=wanted)
    command = () if table.flowgraph == "running" else _own(table)
    return replace(plan, command=command, send=table.send[:units], hear=table.hear[:units], delay=table.delay,
                   real_time=table.real_time, held=table.held)  # fmt: skip


def _command(table: Gnuradio, modules: tuple[str, ...]) -> tuple[str, ...]:
    """Return interpreter and script of a flowgraph of ours."""
    return find(table.python, modules).path, str(device.SCRIPTS / f"{table.flowgraph}.py")


def _own(table: Gnuradio) -> tuple[str, ...]:
    """Return interpreter, script and arguments of a flowgraph of the user's."""
    script = Path(table.flowgraph)
    if script.suffix == ".grc":
        raise RadioError(
            f"radio.gnuradio.flowgraph must be the script that GNU Radio Companion writes, got {script}; run "
            f"grcc {script}, or Generate (F5), and name the .py file"
        )
    if not script.is_file():
        raise RadioError(
            f"radio.gnuradio.flowgraph must be {', '.join(OURS)}, running or the path of a script, got "
            f"{table.flowgraph}: no such file in {Path.cwd()}; give the path as seen from there"
        )
    return find(table.python).path, table.flowgraph, *table.arguments


def _controls(config: RadioConfig, units: int, about: Modem) -> list[Controls]:
    allowed, table = authorised(config.tx), config.gnuradio
    if table.flowgraph == "pluto":
        tuning = pluto_tuning(config.pluto, about)
        return [
            PlutoControls(uri, tuning, config.pluto.timeout_s, config.pluto.antenna_delay, allowed)
            for uri in config.pluto.uris[:units]
        ]
    devices = config.usrp.devices if table.flowgraph == "usrp" else ()
    names = devices or table.hear or [f"channel {unit}" for unit in range(units)]
    bandwidth = max(config.bandwidth(about.sample_rate), about.numerology.bandwidth)
    return [
        Digital(f"gnuradio {name}", about.carrier, about.sample_rate, bandwidth, table.radiates, allowed)
        for name in names[:units]
    ]
