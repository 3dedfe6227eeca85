"""`airmeta radio emulate`: virtual Plutos for any client of libiio."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from tools.options import readable_errors, set_option


@click.command("emulate")
@click.option("--units", "-n", type=click.IntRange(1, 254), default=2, show_default=True, help="How many.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; all units share it.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=30431,
    show_default=True,
    help="Port of the first unit, the others follow; 0: any free ones.",
)
@click.option("--addresses", is_flag=True, help="127.0.0.1, 127.0.0.2, … on one port, in place of one port each.")
@click.option(
    "--real-time/--lock-step",
    default=False,
    help="Sample time is the time of day, or waits for all clients (the default: deterministic).",
)
@click.option("--tdd", is_flag=True, help="Firmware with the TDD controller, which starts streams at a pulse.")
@click.option("--seed", type=click.IntRange(min=0), help="Of everything random; default: that of the configuration.")
@click.option(
    "--noise-dbfs", type=float, default=-60.0, show_default=True, help="Of a receiver at a gain of 40 dB; -inf: none."
)
@set_option
def emulate(units: int, host: str, port: int, addresses: bool, **chosen: Any) -> None:
    """Serve virtual PlutoSDRs that share one simulated air, until Ctrl-C.

    Prints a URI for each, one a line. They speak the protocol of libiio: use them with pyadi-iio, GNU Radio, iio_info.
    Unit 0 is what the configuration calls the server. But for the noise of the receivers, the air is perfect unless
    `--set radio.loopback.KEY=VALUE` says otherwise.

    \b
    Examples:
        airmeta radio emulate --units 2
        airmeta radio emulate --units 4 --real-time --set radio.loopback.offset_ppm=20
        iio_info -u ip:127.0.0.1:30431
    """
    if addresses and host != "127.0.0.1":
        raise click.UsageError("--addresses uses 127.0.0.1 and those after it; leave out --host")
    if addresses and not port:
        raise click.UsageError("--addresses needs one port for all; give --port 30431")
    if port + units - 1 > 65535 and not addresses:
        raise click.UsageError(f"{units} ports from {port} on end beyond 65535; lower --port")
    endpoints = [
        (f"127.0.0.{number + 1}", port) if addresses else (host, port + number if port else 0)
        for number in range(units)
    ]
    with readable_errors():
        bench = _bench(units, **chosen)
        asyncio.run(_serve(bench, endpoints))


def _bench(units: int, seed: int | None, noise_dbfs: float, overrides: Sequence[str], **flags: bool) -> Any:
    """Return the units, on an air with noise, the impairments that are asked for, and no others."""
    from fl.config import parse
    from fl.radios import simulated_air
    from radio.emulation.bench import Bench
    from radio.emulation.clock import LockStep, RealTime

    perfect = ("radio.loopback.profile=flat", "radio.loopback.fading=false", "radio.loopback.gain_db=0")
    experiment = parse("", [*perfect, *overrides])
    config, drawn = experiment.radio.loopback, experiment.seed if seed is None else seed
    redraw = experiment.waveform.round_period_s if config.redraw else 0.0
    clock, noise_var = RealTime() if flags["real_time"] else LockStep(), 10 ** (noise_dbfs / 10)

    def air_at(rate: float) -> Any:
        return simulated_air(config, rate, noise_var, redraw, drawn)

    return Bench(units, air_at, clock, drawn, has_tdd=flags["tdd"])


async def _serve(bench: Any, endpoints: list[tuple[str, int]]) -> None:
    from radio.emulation.clock import LockStep
    from radio.emulation.server import Server, is_loopback

    server, stop = Server(bench, endpoints), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    try:
        if not is_loopback(endpoints[0][0]):
            click.echo("These radios can be reached from other machines; anybody there may use them.", err=True)
        click.echo("\n".join(server.uris))
        if sys.stderr.isatty():
            example = _example(server.uris, bench.air_at(4e6).carrier)
            waits = isinstance(bench.clock, LockStep)
            mode = "waits for clients (lock-step); a run needs --real-time" if waits else "runs on (real time)"
            click.echo(f"Sample time {mode}.", err=True)
            click.echo(f"Look at them with: {example}\nThen airmeta calibrate all, with the same arguments.", err=True)
        await stop.wait()
    finally:
        await server.stop()


def _example(uris: Sequence[str], carrier: float) -> str:
    """Return a command that uses virtual radios as if they were real."""
    band = f"radio.tx.authorised_band=[{carrier - 10e6:.12g},{carrier + 10e6:.12g}]"
    keys = f"radio.pluto.carrier_hz={carrier:.12g}", "radio.tx.medium=cable", band
    words = [word for uri in uris for word in ("--radio", uri)] + [word for key in keys for word in ("--set", key)]
    return shlex.join(["airmeta", "doctor", *words])
