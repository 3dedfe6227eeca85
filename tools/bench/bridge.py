"""`airmeta bench gnuradio`: samples per second through the bridge to a flowgraph of GNU Radio and back.

Each unit hands over its samples in one PUSH socket and fetches as many from a PULL socket, through the channel
flowgraph of one path a link, in another process; what arrives is compared with what was sent, to the last sample.
"""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from radio.air import Air
from radio.fading import Fading, profile
from radio.gnuradio import channel
from radio.gnuradio.controls import Digital
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.interpreter import find
from radio.gnuradio.plan import Plan
from radio.gnuradio.radio import FlowgraphRadio
from radio.unit import Unit
from tools.options import json_option, readable_errors

RATE, CARRIER, STEADY = 4e6, 2.4e9, 1e12
CLAIMED = 5e6
PIECE = 1_000_000


@click.command("gnuradio")
@click.option("--samples", type=click.IntRange(min=10_000), default=4_000_000, show_default=True, help="Of each unit.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Timed runs.")
@click.option("--units", type=click.IntRange(2, 64), multiple=True, default=(2, 4), show_default=True, help="How many.")
@click.option("--python", help="A Python that has GNU Radio; default: the first that is found.")
@json_option
def bridge(samples: int, repeats: int, units: tuple[int, ...], python: str | None, as_json: bool) -> None:
    """Time samples through a flowgraph and back, for several numbers of units: medians.

    \b
    Example:
        airmeta bench gnuradio --units 2 --repeats 3
    """
    with readable_errors():
        interpreter = find(python, channel.MODULES)
        rows = [_measure(interpreter.path, count, samples, repeats) for count in units]
    result = {"gnuradio": interpreter.version, "samples": samples, "repeats": repeats, "claimed": CLAIMED, "rows": rows}
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"GNU Radio {interpreter.version}, {samples / 1e6:g} MS of each unit out and back, median of {repeats}")
    for row in rows:
        click.echo(
            f"{row['units']} units: {row['rate'] / 1e6:.1f} MS/s each way and unit, {row['total'] / 1e6:.1f} MS/s each "
            f"way in all; processor time {1e9 * row['cpu']:.0f} ns a sample here, {1e9 * row['cpu_flowgraph']:.0f} ns "
            "in the flowgraph"
        )


def _measure(python: str, units: int, samples: int, repeats: int) -> dict[str, Any]:
    air = Air(lambda _: Unit(), Fading(profile("flat"), 0.0, RATE, k_factor=STEADY), CARRIER, RATE, 0)
    command = (python, str(channel.SCRIPT))
    plan = Plan("gnuradio channel", units, RATE, command, channel.wanted(air, units))
    graph = Flowgraph(plan, [Digital(f"unit {unit}", CARRIER, RATE) for unit in range(units)])
    try:
        radios = [FlowgraphRadio(graph, unit) for unit in range(units)]
        gain = air.oracle_taps(1, 0, np.zeros(1))[1][0, 0]
        _through(graph, radios, gain, PIECE // 10)
        runs = [_timed(graph, radios, gain, samples) for _ in range(repeats)]
    finally:
        graph.close()
    wall, here, there = (statistics.median(column) for column in zip(*runs, strict=True))
    total = units * samples
    return {"units": units, "rate": samples / wall, "total": total / wall, "cpu": here / total,
            "cpu_flowgraph": there / total}  # fmt: skip


def _timed(graph: Flowgraph, radios: list[FlowgraphRadio], gain: complex, samples: int) -> np.ndarray:
    """Return seconds by the clock, and of processor time here and there."""
    pieces = range(0, samples, PIECE)
    return np.sum([_through(graph, radios, gain, min(PIECE, samples - first)) for first in pieces], axis=0)


def _through(graph: Flowgraph, radios: list[FlowgraphRadio], gain: complex, samples: int) -> np.ndarray:
    """Send samples with one radio, hear them with another, and return the seconds as above.

    All others send and hear as many; comparing what came with what was sent does not count.
    """
    wave = np.full(samples, 0.5, np.complex64)
    wave[:: 1 << 10] = 0.25j  # so that no sample can be mistaken for its neighbours unnoticed
    at, begun = radios[1].now() + radios[1].lead_time, _clocks(graph)
    radios[1].transmit(wave, at)
    heard = radios[0].receive(samples, at).data
    seconds = _clocks(graph) - begun
    if not np.allclose(heard, wave * np.complex64(gain), atol=1e-4):
        raise click.ClickException("what came back is not what was sent; report this with the version of GNU Radio")
    return seconds


def _clocks(graph: Flowgraph) -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time(), _cpu_of(graph.process_id)])


def _cpu_of(process: int | None) -> float:
    """Return seconds of processor time of a process, where Linux tells them."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return float("nan")
    user, system = path.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
