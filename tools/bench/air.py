"""`airmeta bench air`: the simulated air on one core, and GNU Radio's `channels.dynamic_channel_model` beside it.

Both send every agent's complex64 samples over three Rayleigh taps one sample apart, with Doppler, a carrier and a
sample clock that are off, phase noise, and white noise. Their models differ:

                    this air                                        dynamic_channel_model
agents              one receiver hears their sum                    one model each, run one after the other, not summed
taps                16 waves, anew every 896 samples, any delay     8 waves, anew every sample; whole samples of delay
                    up to 64 samples                                (fractional ones cost more)
carrier and clock   one oscillator a unit, constant offset;         two random walks from 0 within bounds, each of its
                    clock and carrier scale together                own; phase from a table
phase noise         linewidth, random walk of frequency, PLL        the random walk of the carrier alone
resampling          in frequency, exact to −77 dB at 40 ppm         8-tap interpolator in 128 steps
noise               one draw a receiver, from a counter             a pool of 8,192 values, one draw an agent
spans               any order, any pieces, the same samples         a stream
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from radio.air import Air
from radio.fading import Fading, Profile
from radio.oscillator import Wander
from radio.unit import Unit
from tools.options import json_option

AGENTS, COMPARED = (1, 2, 5, 10, 20), 10
PARTS = (0.125, 0.25, 0.5, 1.0)
CLAIMED_RATE, CLAIMED_RATIO = 8e6, 3.0
SAMPLE_RATE, CARRIER = 4e6, 2.4e9
OFFSET_PPM, DOPPLER, NOISE_VAR = 20.0, 10.0, 1e-4
WANDER = Wander(linewidth=1.0, frequency_walk=0.17, pll_rms=0.02)
DELAYS, POWERS = (0.0, 1.0, 2.0), (0.5, 0.3, 0.2)
SCRIPT = Path(__file__).with_name("gnuradio_channel.py")
LATEST = 600  # seconds for one run of GNU Radio


@dataclass(frozen=True)
class Times:
    """Seconds of a piece of work, by the clock and of processor time."""

    wall: float
    cpu: float


@click.command("air")
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True, help="Timed runs of each.")
@click.option("--samples", type=click.IntRange(min=8000), default=400_000, show_default=True, help="Of each agent.")
@json_option
def air(repeats: int, samples: int, as_json: bool) -> None:
    """Time the simulated air on one core, for several numbers of agents and samples, in turn with GNU Radio: medians.

    \b
    Example:
        airmeta bench air --repeats 3
    """
    cases = [(agents, samples) for agents in AGENTS] + [(COMPARED, round(part * samples)) for part in PARTS[:-1]]
    interpreter, theirs, version = find_gnuradio(), [], ""
    measured: dict[tuple[int, int], list[Times]] = {case: [] for case in cases}
    with one_core():
        _superpose(COMPARED, samples)
        for _ in range(repeats):
            for case, times in measured.items():
                times.append(_superpose(*case))
            if interpreter:
                version, seconds = _gnuradio(interpreter, samples)
                theirs.append(seconds)
    rows = [_row(*case, times) for case, times in measured.items()]
    result = {
        "rows": rows,
        "linear_in_agents": linear([row for row in rows if row["samples"] == samples]),
        "linear_in_samples": linear([row for row in rows if row["agents"] == COMPARED]),
        "gnuradio": _compare(measured[COMPARED, samples], theirs, version, samples),
    }
    if as_json:
        click.echo(json.dumps(result))
    else:
        _show(result, click.echo)


def find_gnuradio() -> str | None:
    """Return a Python that can import GNU Radio's channel models, None if neither of two can."""
    for python in (shutil.which("python3"), "/usr/bin/python3"):
        if python and Path(python).exists():
            probe = [python, "-c", "from gnuradio import blocks, channels, gr"]
            if subprocess.run(probe, capture_output=True, timeout=LATEST, check=False).returncode == 0:
                return python
    return None


@contextmanager
def one_core() -> Iterator[None]:
    """Hold all threads of this process, and what it starts, on one core; elsewhere than on Linux, do nothing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    try:
        _pin({max(allowed)})
        yield
    finally:
        _pin(allowed)


def linear(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the line seconds = fixed + each·agents·samples with the least relative errors, and the largest of them."""
    work = np.array([row["agents"] * row["samples"] for row in rows])
    seconds = np.array([row["cpu_seconds"] for row in rows])
    each, fixed = np.polyfit(work, seconds, 1, w=1 / seconds)
    largest = np.abs((fixed + each * work) / seconds - 1).max()
    return {"fixed": float(fixed), "each": float(each), "deviation": float(largest)}


def _pin(cores: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cores)


def _superpose(agents: int, samples: int) -> Times:
    """Let agents send at once and one receiver hear them all, on a new air."""
    fading = Fading(Profile("three", np.array(DELAYS), np.array(POWERS)), 1 / SAMPLE_RATE, SAMPLE_RATE, DOPPLER)
    offsets = np.linspace(-OFFSET_PPM, OFFSET_PPM, agents + 1)[1:]
    units = [Unit(wander=WANDER, noise_var=NOISE_VAR)]
    units += [Unit(float(ppm), timing_offset=0.1 * place, wander=WANDER) for place, ppm in enumerate(offsets)]
    sky = Air(units.__getitem__, fading, CARRIER, SAMPLE_RATE, seed=0)
    parts = 0.1 * np.random.default_rng(0).standard_normal((samples, 2), np.float32)
    burst = parts.view(np.complex64).ravel()
    started, cpu_started = time.perf_counter(), time.process_time()
    for unit in range(1, agents + 1):
        sky.transmit(unit, burst, at=1000)
    sky.receive(0, samples, at=1000)
    return Times(time.perf_counter() - started, time.process_time() - cpu_started)


def _gnuradio(interpreter: str, samples: int) -> tuple[str, Times]:
    """Return GNU Radio's version, and how long it takes over as many agents one after the other."""
    parameters = {
        "agents": COMPARED, "samples": samples, "sample_rate": SAMPLE_RATE, "carrier": CARRIER,
        "offset_ppm": OFFSET_PPM, "frequency_walk": WANDER.frequency_walk, "waves": 8, "doppler": DOPPLER,
        "delays": DELAYS, "powers": POWERS, "noise_var": NOISE_VAR,
    }  # fmt: skip
    command = [interpreter, str(SCRIPT), json.dumps(parameters)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LATEST, check=False)
    if run.returncode != 0:
        raise click.ClickException(f"GNU Radio failed ({interpreter}): {run.stderr.strip()[-500:]}")
    answer = json.loads(run.stdout.splitlines()[-1])
    return answer["version"], Times(answer["seconds"], answer["cpu_seconds"])


def _row(agents: int, samples: int, times: list[Times]) -> dict[str, Any]:
    middle = _median(times)
    rates = {"rate": agents * samples / middle.wall, "cpu_rate": agents * samples / middle.cpu}
    return {"agents": agents, "samples": samples, "seconds": middle.wall, "cpu_seconds": middle.cpu} | rates


def _median(times: list[Times]) -> Times:
    return Times(statistics.median(each.wall for each in times), statistics.median(each.cpu for each in times))


def _compare(ours: list[Times], theirs: list[Times], version: str, samples: int) -> dict[str, Any]:
    if not theirs:
        return {"skipped": "neither python3 nor /usr/bin/python3 has GNU Radio; install it: apt install gnuradio"}
    row = _row(COMPARED, samples, theirs)
    ratio, cpu_ratio = row["seconds"] / _median(ours).wall, row["cpu_seconds"] / _median(ours).cpu
    return {"version": version} | row | {"ratio": ratio, "cpu_ratio": cpu_ratio}


def _show(result: dict[str, Any], say: Callable[[str], None]) -> None:
    say("One core, 3 taps, Doppler, carrier and clock offset, phase noise, AWGN; million agent-samples a second")
    for row in result["rows"]:
        say(
            f"{row['agents']:3d} agents x {row['samples']:7d} samples {1e3 * row['seconds']:8.1f} ms   "
            f"{row['rate'] / 1e6:6.1f} by the clock   {row['cpu_rate'] / 1e6:6.1f} of processor time"
        )
    say(f"(claimed: at least {CLAIMED_RATE / 1e6:.0f})")
    for name in ("agents", "samples"):
        line = result[f"linear_in_{name}"]
        say(
            f"with the number of {name}: {1e3 * line['fixed']:.1f} ms + {1e9 * line['each']:.1f} ns an agent-"
            f"sample of processor time, within {100 * line['deviation']:.0f} %"
        )
    theirs = result["gnuradio"]
    if "skipped" in theirs:
        say(f"GNU Radio: skipped, {theirs['skipped']}")
        return
    say(
        f"GNU Radio {theirs['version']}, dynamic_channel_model, {COMPARED} agents one after the other: "
        f"{theirs['rate'] / 1e6:.2f} by the clock, {theirs['cpu_rate'] / 1e6:.2f} of processor time"
    )
    say(
        f"this air is {theirs['ratio']:.1f} times as fast (of processor time {theirs['cpu_ratio']:.1f}; claimed: at "
        f"least {CLAIMED_RATIO:.0f}); it draws taps every 896 samples instead of every one, and noise once for all"
    )
