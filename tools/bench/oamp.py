"""`airmeta bench oamp`: accuracy and cost of the receiver, against the published table and its own FFTs."""

import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch

from dsp import lmmse
from dsp.denoise import BernoulliGaussian
from dsp.metrics import db, nmse_db, union_support
from dsp.oamp import recover
from dsp.sensing import PartialDFT
from dsp.sparsify import top_k
from dsp.state_evolution import predict
from tools.options import json_option

LENGTH = 8192
SNRS_DB = 10, 19, 30
ITERATIONS = 20


@dataclass(frozen=True)
class Row:
    """One row of the reference table: n agents, k/d, M/d; OAMP and LMMSE in dB at each receive SNR."""

    agents: int
    sparsity: float
    measurements: float
    oamp: tuple[float, ...]
    lmmse: tuple[float, ...]
    near_transition: bool


TABLE = (
    Row(10, 0.04, 0.4, (-9.1, -21.3, -32.6), (-5.6, -6.8, -6.9), near_transition=False),
    Row(10, 0.04, 0.2, (-2.0, -2.3, -2.3), (-2.0, -2.2, -2.2), near_transition=False),
    Row(10, 0.01, 0.2, (-12.4, -23.6, -35.1), (-2.0, -2.2, -2.2), near_transition=False),
    Row(20, 0.04, 0.4, (-5.9, -7.5, -7.9), (-5.6, -6.7, -6.9), near_transition=True),
    Row(20, 0.01, 0.2, (-2.6, -3.2, -3.3), (-2.0, -2.2, -2.2), near_transition=True),
    Row(50, 0.01, 0.4, (-7.1, -20.5, -31.7), (-5.7, -6.9, -7.1), near_transition=False),
)


@click.command("oamp")
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Problems of each cell.")
@click.option("--quick", is_flag=True, help="Five seeds, no large problems.")
@json_option
def oamp(seeds: int, quick: bool, as_json: bool) -> None:
    """Measure the NMSE table, the cost of 20 iterations in their own FFTs, large problems, and torch against NumPy.

    \b
    Example:
        airmeta bench oamp --quick
    """
    say = (lambda text: None) if as_json else click.echo
    say("NMSE in dB, median: OAMP measured / reference / predicted by the receiver; LMMSE measured / reference")
    cells = [cell for row in TABLE for cell in _measure_row(row, 5 if quick else seeds, say)]
    evolution = [
        _evolution(sparsity, snr_db, 5 if quick else seeds, say) for sparsity in (0.1, 0.2, 0.3) for snr_db in SNRS_DB
    ]
    result: dict[str, Any] = {
        "table": cells,
        "state_evolution": evolution,
        "cost": _cost(say),
        "torch_difference": _torch_difference(say),
    }
    if not quick:
        result["large"] = [_large(length, say) for length in (100_000, 1_000_000, 10_000_000)]
    if as_json:
        click.echo(json.dumps(result))


def problem(agents: int, sparsity: float, measurements: float, snr_db: float, seed: int, length: int = LENGTH) -> tuple:
    """Return (x, A, y, σ²): the sum of top-k Gaussian vectors seen at a receive SNR of the sum."""
    rng = np.random.default_rng(seed)
    kept = top_k(rng.standard_normal((agents, length)).astype(np.float32), round(sparsity * length))
    x = kept.sum(0)
    sensing = PartialDFT(length, round(measurements * length), seed)
    clean = sensing.forward(x)
    noise_var = float(np.mean(np.abs(clean) ** 2)) / 10 ** (snr_db / 10)
    noise = rng.standard_normal((2, clean.size)) * np.sqrt(noise_var / 2)
    return x, sensing, (clean + noise[0] + 1j * noise[1]).astype(np.complex64), noise_var, union_support(kept)


@dataclass(frozen=True)
class Solved:
    """What receivers make of one problem.

    Args:
        oamp_db: NMSE of OAMP.
        lmmse_db: NMSE of LMMSE.
        predicted_db: NMSE that OAMP predicts for itself.
        iterations: of OAMP.
    """

    oamp_db: float
    lmmse_db: float
    predicted_db: float
    iterations: int


def solve(row: Row, snr_db: float, seed: int) -> Solved:
    """Return what both receivers make of a problem of a row of the table."""
    x, sensing, received, noise_var, _ = problem(row.agents, row.sparsity, row.measurements, snr_db, seed)
    found = recover(received, sensing, noise_var)
    linear = lmmse.recover(received, sensing, noise_var)
    predicted = float(db(float(found.predicted_nmse)))
    return Solved(float(nmse_db(found.estimate, x)), float(nmse_db(linear.estimate, x)), predicted, found.iterations)


def _measure_row(row: Row, seeds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    cells = []
    for place, snr_db in enumerate(SNRS_DB):
        solved = [solve(row, snr_db, seed) for seed in range(seeds)]
        cell = {
            "agents": row.agents, "sparsity": row.sparsity, "measurements": row.measurements, "snr_db": snr_db,
            "oamp_db": statistics.median(one.oamp_db for one in solved), "reference_db": row.oamp[place],
            "predicted_db": statistics.median(one.predicted_db for one in solved),
            "lmmse_db": statistics.median(one.lmmse_db for one in solved),
            "iterations": statistics.median(one.iterations for one in solved), "near_transition": row.near_transition,
        }  # fmt: skip
        good = row.near_transition or abs(cell["oamp_db"] - cell["reference_db"]) <= 1
        say(
            f"n {row.agents:2d}  k/d {row.sparsity:.2f}  M/d {row.measurements:.1f}  {snr_db:2d} dB   "
            f"{cell['oamp_db']:6.1f} /{cell['reference_db']:6.1f} /{cell['predicted_db']:6.1f}   "
            f"{cell['lmmse_db']:5.1f} /{row.lmmse[place]:5.1f}   {cell['iterations']:3.0f} iterations   "
            f"{'near the transition' if row.near_transition else 'within 1 dB' if good else 'OFF'}"
        )
        cells.append(cell)
    return cells


def _evolution(sparsity: float, snr_db: float, seeds: int, say: Callable[[str], None]) -> dict[str, float]:
    """Compare with state evolution where it applies: entries of x drawn from the prior, M/d = .4."""
    measured, own, ratio = [], [], 0.0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal(LENGTH) * (rng.random(LENGTH) < sparsity)).astype(np.float32)
        sensing = PartialDFT(LENGTH, round(0.4 * LENGTH), seed)
        ratio, noise_var = sensing.gain, 2 * sparsity / 10 ** (snr_db / 10)
        noise = rng.standard_normal((2, sensing.n_symbols)) * np.sqrt(noise_var / 2)
        found = recover((sensing.forward(x) + noise[0] + 1j * noise[1]).astype(np.complex64), sensing, noise_var)
        measured.append(float(nmse_db(found.estimate, x)))
        own.append(float(db(float(found.predicted_nmse))))
    prior = BernoulliGaussian(np.array([sparsity]), np.array([1.0]))
    theory = float(db(predict(prior, ratio, noise_var)[-1]))
    row = {"sparsity": sparsity, "snr_db": snr_db, "measured_db": statistics.median(measured)}
    row |= {"state_evolution_db": theory, "predicted_db": statistics.median(own)}
    say(
        f"state evolution, support {sparsity:.1f}  {snr_db:2.0f} dB   measured {row['measured_db']:6.1f}   theory "
        f"{theory:6.1f}   receiver's own {row['predicted_db']:6.1f}"
    )
    return row


def _cost(say: Callable[[str], None]) -> dict[str, float]:
    """Return the cost of 20 fixed iterations at d = 112,005 over that of their 40 real FFTs, in turn, medians."""
    x, sensing, received, noise_var, _ = problem(10, 0.04, 0.4, 25.0, 0, 112_005)
    vector = np.zeros(sensing.padded_length, np.float32)
    vector[: x.size] = x
    costs = {}
    for name, y, v, library in (
        ("numpy", received, vector, np.fft),
        ("torch", torch.from_numpy(received), torch.from_numpy(vector), torch.fft),
    ):
        spectrum = library.rfft(v)

        def transforms(library: Any = library, v: Any = v, spectrum: Any = spectrum) -> None:
            for _ in range(ITERATIONS):
                library.rfft(v)
                library.irfft(spectrum, n=sensing.padded_length)

        def receiver(y: Any = y) -> None:
            recover(y, sensing, noise_var, max_iterations=ITERATIONS, tolerance=0)

        ratios = []
        for _ in range(9):
            ratios.append(_seconds(receiver) / _seconds(transforms))
        costs[name] = statistics.median(ratios[1:])
        say(f"d = 112,005, {ITERATIONS} iterations, {name}: {costs[name]:.2f} times the cost of their FFTs")
    costs["iterations"] = recover(received, sensing, noise_var).iterations
    say(f"d = 112,005: stops by itself after {costs['iterations']} iterations")
    return costs


def _large(length: int, say: Callable[[str], None]) -> dict[str, float]:
    _, sensing, received, noise_var, _ = problem(2, 0.04, 0.4, 25.0, 0, length)
    recover(received, sensing, noise_var, max_iterations=1)
    seconds = _seconds(lambda: recover(received, sensing, noise_var, max_iterations=10, tolerance=0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(f"d = {length:10,d}: {1e9 * seconds / 10 / length:6.1f} ns an entry and iteration, peak memory {peak:.1f} GiB")
    return {"length": length, "seconds_per_iteration": seconds / 10, "peak_gib": peak}


def _torch_difference(say: Callable[[str], None]) -> float:
    _, sensing, received, noise_var, _ = problem(10, 0.04, 0.4, 19, 0)
    mine = recover(received, sensing, noise_var).estimate
    theirs = recover(torch.from_numpy(received), sensing, noise_var).estimate.numpy()
    difference = float(np.linalg.norm(mine - theirs) / np.linalg.norm(mine))
    say(f"torch against NumPy: relative difference {difference:.1e} (claimed: at most 1e-4)")
    return difference


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
