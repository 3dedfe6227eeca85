"""What theory says of a run, beside what was measured: cards for the statements that apply to it (docs/theory.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from dsp.metrics import db
from dsp.sensing import padded_length
from fl.data.files import DataError
from fl.dimension import message_length
from fl.theory.floors import phase_only_floor, shrunk, truncation_floor
from fl.theory.generalisation import generalisation_bound
from fl.theory.information import information_of
from fl.theory.recovery import expected_nmse_db
from fl.theory.tasks import chance_sigma, training_tasks
from fl.uplink.settings import codec, fading_law
from tools.report.figures import axes, colour, legend
from tools.report.frame import Card
from tools.report.series import RunSeries

MOST_ROUNDS = 40  # for which state evolution is computed: 20 ms each


@dataclass(frozen=True)
class GapBound:
    """A bound on the meta-generalisation gap of a run, with what it was made from.

    Args:
        bound: after each round, shape (rounds,).
        sigma: σ_ℓ.
        tasks: n.
        nats: of the information of the whole run.
    """

    bound: np.ndarray
    sigma: float
    tasks: int
    nats: float


def cards(runs: Sequence[RunSeries]) -> list[Card]:
    """Return the figures for which one of the runs has what it takes."""
    found = []
    bounds = {index: bound for index, run in enumerate(runs) if (bound := gap_bound(run)) is not None}
    if bounds:
        found.append(Card("Gap beside its bound", _about_bounds(runs, bounds), partial(gap_beside_bound, runs, bounds)))
    expected = {index: curve for index, run in enumerate(runs) if (curve := state_evolution(run)) is not None}
    if expected:
        found.append(
            Card(
                "State evolution",
                "NMSE of the sum, measured (oracle), and at the fixed point of state evolution for Gaussian entries on "
                "the measured union support, given the measured error of the symbols (oracle; the receive SNR where "
                "there is none). Real updates have heavier tails, so OAMP may end below; where errors are not white, "
                "as those of phase_only, which lie on the entries themselves, it ends above.",
                partial(nmse_beside_state_evolution, runs, expected),
            )
        )
    return found + [
        Card(f"Floor: {run.name}", about, partial(floor, run)) for run in runs if (about := about_floor(run))
    ]


def gap_bound(run: RunSeries) -> GapBound | None:
    """Return the bound of a run; None if there is no gap, or no channel with noise that bounds it."""
    if not run.evaluations:
        return None
    nats = information_of(run.records)
    try:
        tasks, sigma = training_tasks(run.config), chance_sigma(run.config)
    except DataError:  # the file of a partition is elsewhere: a report needs no data
        return None
    if not np.isfinite(nats).all() or not nats[-1] > 0:
        return None
    return GapBound(generalisation_bound(nats, tasks, sigma), sigma, tasks, float(nats[-1]))


def gap_beside_bound(runs: Sequence[RunSeries], bounds: dict[int, GapBound]) -> Figure:
    """Return |loss on new agents − loss on training images| and its bound, on a log axis."""
    figure, axis = axes("round", "|loss difference|")
    axis.set_yscale("log")
    for index, found in bounds.items():
        run = runs[index]
        gap = [abs(one["new_agent_loss"] - one["train_agent_loss"]) for one in run.evaluations]
        axis.plot(run.rounds, found.bound, color=colour(index), label=f"{run.name}, bound")
        where = [one["round"] + 1 for one in run.evaluations]
        axis.plot(where, gap, "o:", color=colour(index), markersize=4, label=f"{run.name}, measured")
    sigma = min(found.sigma for found in bounds.values())
    axis.axhline(2 * sigma, color="#999999", linewidth=0.8, linestyle="--", label="2σ: beyond, a bound says nothing")
    return legend(figure, axis)


def state_evolution(run: RunSeries) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rounds and the NMSE that state evolution expects there, in dB; None if its receiver is no OAMP."""
    uplink = run.config.uplink
    if uplink.kind not in ("symbol", "waveform") or (uplink.receiver, uplink.sensing) != ("oamp", "partial_dft"):
        return None
    error = run.values("oracle_symbol_nmse_db")
    error = np.where(np.isfinite(error), error, -run.values("receive_snr_db"))
    union = run.values("union_support")
    good = np.flatnonzero(np.isfinite(error) & (union > 0) & np.isfinite(run.values("oracle_nmse_db")))
    try:
        length = message_length(run.config)
    except DataError:
        return None
    if not good.size:
        return None
    ratio = 2 * codec(run.config, length).n_symbols / padded_length(length)
    chosen = good[np.unique(np.linspace(0, good.size - 1, MOST_ROUNDS).round().astype(int))]
    return run.rounds[chosen], np.array([expected_nmse_db(union[i], ratio, error[i]) for i in chosen])


def nmse_beside_state_evolution(
    runs: Sequence[RunSeries], expected: dict[int, tuple[np.ndarray, np.ndarray]]
) -> Figure:
    """Return the measured NMSE of the sum of each round, and what state evolution expects."""
    figure, axis = axes("round", "NMSE of the sum (dB)")
    for index, (where, curve) in expected.items():
        run = runs[index]
        measured = run.values("oracle_nmse_db")
        axis.plot(
            run.rounds, measured, ".-", color=colour(index), linewidth=0.8, markersize=3, label=f"{run.name}, oracle"
        )
        axis.plot(where, curve, "x--", color=colour(index), markersize=4, label=f"{run.name}, state evolution")
    return legend(figure, axis)


def about_floor(run: RunSeries) -> str:
    """Return what the floor of a run is and comes from; nothing: it has none, or a channel of unknown law."""
    found = _floor(run)
    if found is None:
        return ""
    name, value = found
    return (
        f"{name} leaves {db(value):.1f} dB of error whatever the SNR, in the mean over fading, for updates that are "
        f"orthogonal; those that point the same way have less. That is of the symbols; a receiver that knows of it "
        f"shrinks what it reads, {db(shrunk(value)):.1f} dB for a linear one. Means are of powers."
    )


def floor(run: RunSeries) -> Figure:
    """Return the error of symbols and sum of each round, and the floor that fading alone sets."""
    figure, axis = axes("round", "NMSE (dB)")
    for place, (key, label) in enumerate((("oracle_symbol_nmse_db", "symbols"), ("oracle_nmse_db", "sum"))):
        values = run.values(key)
        mean = float(db(np.nanmean(10 ** (values / 10))))
        axis.plot(run.rounds, values, color=colour(place), linewidth=1, label=f"{label}, oracle, mean {mean:.1f} dB")
    found = _floor(run)
    if found is not None:
        axis.axhline(float(db(found[1])), color="#444444", linewidth=0.9, linestyle="--", label="floor")
        axis.axhline(float(db(shrunk(found[1]))), color="#444444", linewidth=0.9, linestyle=":", label="floor, shrunk")
    return legend(figure, axis)


def _floor(run: RunSeries) -> tuple[str, float] | None:
    uplink = run.config.uplink
    if uplink.kind != "symbol" or uplink.fading.kind == "none" or not np.isfinite(run.values("oracle_nmse_db")).any():
        return None
    if uplink.power_rule == "phase_only":
        return "Amplitudes that are not inverted: Var|h|/μ_h²", phase_only_floor(fading_law(run.config))
    in_blocks = uplink.power_rule == "inversion" and uplink.fading.kind == "rayleigh" and uplink.fading.blocks > 1
    if in_blocks and uplink.min_gain is not None:
        return f"Truncation below |h|² = {uplink.min_gain:g}: 1 − e^(−g)", truncation_floor(uplink.min_gain)
    return None


def _about_bounds(runs: Sequence[RunSeries], bounds: dict[int, GapBound]) -> str:
    constants = "; ".join(
        f"{runs[index].name}: I = {found.nats:.2g} nats, n = {found.tasks} tasks, σ = {found.sigma:.2f}"
        for index, found in bounds.items()
    )
    return (
        "√(2σ²I/n), where I bounds what the server received, in nats: Σ M·log(1 + receive SNR) and 64 bits of each "
        f"agent's power report. {constants}. σ is that of a loss cut at chance, half of log(classes); measured losses "
        f"are not cut. {_verdict(bounds)} New agents are assumed to be drawn like those of training."
    )


def _verdict(bounds: dict[int, GapBound]) -> str:
    if all(found.bound[-1] >= 2 * found.sigma for found in bounds.values()):
        return "The bound is vacuous: a loss so cut never has a gap beyond 2σ."
    return "Below the dashed line the bound says something: a loss so cut never has a gap beyond 2σ."
