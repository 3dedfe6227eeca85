"""`airmeta bench inner-steps`: what training with ν inner steps gives agents that take as many to personalise (B1, B2).

B1: at ν steps of personalisation, models trained with ν steps against those trained with one. B2: rounds until they
reach 90 % of the best accuracy that either of the two reaches with ν steps. Both on the training agents' own test data,
paired over seeds.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from fl.config import Config, check, load
from fl.evaluation import interval
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import assemble
from fl.tasks import Group, score
from fl.threads import use_threads
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

STEPS = 1, 2, 3, 5  # ν
SHARE = 0.9  # of the best accuracy
LEVEL = 0.95


@click.command("inner-steps")
@config_argument
@set_option
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Seeds 1, 2, ... of each ν.")
@cache_option
@json_option
def inner_steps(config: Path, overrides: tuple[str, ...], seeds: int, cache: Path, as_json: bool) -> None:
    """Train with ν = 1, 2, 3 and 5 inner steps, and personalise with as many.

    \b
    Example:
        airmeta bench inner-steps experiments/class-skew.toml --set data_root=FOLDER
    """
    with readable_errors():
        about = load(config, overrides)
        use_threads(about.run.threads)
        found = {(seed, nu): curve(_with(about, seed, nu), cache) for seed in range(1, seeds + 1) for nu in STEPS}
    evaluated, runs = found[1, 1][0], {run: accuracy for run, (_, accuracy) in found.items()}
    rows = [compare(runs, nu, seeds, evaluated) for nu in STEPS[1:]]
    if as_json:
        click.echo(json.dumps({"rows": rows, "curves": {f"{s} {nu}": c.tolist() for (s, nu), c in runs.items()}}))
        return
    for row in rows:
        click.echo(
            f"ν = {row['nu']}: {row['accuracy']:.2%} against {row['accuracy_of_one']:.2%} with ν = 1, difference "
            f"{row['gain']:+.2%} [{row['gain_low']:+.2%}, {row['gain_high']:+.2%}]; {SHARE:.0%} of the best after "
            f"{row['rounds']} against {row['rounds_of_one']} rounds (medians)"
        )


def curve(config: Config, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return rounds, (evaluations,), and the accuracy on training agents' test data, (evaluations, steps + 1).

    Raises:
        DataError, ConfigError: the experiment cannot be run.
    """
    parts, rounds, rows = assemble(config, cache), [], []
    state = ServerState.start(parts.first_theta())
    with TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder), config.run.device)
        for index in range(config.rounds):
            state = run_round(parts, state, residuals, index).state
            if config.evaluation.due(index + 1, config.rounds):
                rounds.append(index + 1)
                scores, _ = score(parts, state.theta, Group.HELDOUT, config.evaluation.tasks)
                rows.append(scores.accuracy.mean(0))
    return np.array(rounds), np.stack(rows)


def compare(runs: dict[tuple[int, int], np.ndarray], nu: int, seeds: int, rounds: np.ndarray) -> dict[str, Any]:
    """Return B1 and B2 for one ν.

    Args:
        runs: accuracy by seed and ν of training, shape (evaluations, steps + 1).
        nu: ν, more than 1.
        seeds: 1..seeds.
        rounds: done at each evaluation, shape (evaluations,).
    """
    many = np.stack([runs[seed, nu][:, nu] for seed in range(1, seeds + 1)])
    one = np.stack([runs[seed, 1][:, nu] for seed in range(1, seeds + 1)])
    target = SHARE * np.maximum(many.max(1), one.max(1))
    low, high = interval(many[:, -1] - one[:, -1], LEVEL)
    return {
        "nu": nu,
        "accuracy": float(many[:, -1].mean()),
        "accuracy_of_one": float(one[:, -1].mean()),
        "gain": float((many - one)[:, -1].mean()),
        "gain_low": low,
        "gain_high": high,
        "rounds": _first(many, target, rounds),
        "rounds_of_one": _first(one, target, rounds),
    }


def _first(accuracy: np.ndarray, target: np.ndarray, rounds: np.ndarray) -> float | None:
    """Return the median over seeds of the first evaluated round at the target; None: not all reached it."""
    there = accuracy >= np.asarray(target)[:, None]
    return None if not there.any(1).all() else float(np.median(rounds[there.argmax(1)]))


def _with(config: Config, seed: int, nu: int) -> Config:
    raw = config.model_dump(mode="json", exclude_none=True)
    raw["seed"], raw["algorithm"]["inner_steps"] = seed, nu
    raw["evaluation"]["steps"] = max(STEPS)
    return check(raw)
