"""D2: the time of closed-form training against that of FedAvg to the same accuracy, same network, same data."""

import statistics
from pathlib import Path
from typing import Any

from fl.config import Config
from tools.bench.analytic.experiment import FEDAVG, Trained, changed, train

ROUNDS = 60
RATES = 0.1, 0.2, 0.3
"""Of FedAvg's agents; the fastest is compared."""
CLAIMED = 0.17


def race(config: Config, cache: Path, seeds: int) -> dict[str, Any]:
    """Return both times and their ratio, medians over seeds, FedAvg's at its fastest rate; runs alternate.

    Args:
        config: of closed-form training, over error-free links.
        cache: folder of the data caches.
        seeds: 1, 2, ...
    """
    rows = []
    for seed in range(1, seeds + 1):
        ours = train(changed(config, {"seed": seed}), cache)
        tried = {rate: _fedavg(config, cache, seed, rate, float(ours.accuracy[0])) for rate in RATES}
        rate, theirs = min(tried.items(), key=lambda one: (not one[1].reached, one[1].seconds))
        rows.append(
            {
                "seed": seed,
                "accuracy": float(ours.accuracy[0]),
                "seconds": ours.seconds,
                "fedavg_lr": rate,
                "fedavg_rounds": theirs.rounds,
                "fedavg_seconds": theirs.seconds,
                "reached": theirs.reached,
                "fedavg_accuracy": float(theirs.accuracy[0]),
                "ratio": ours.seconds / theirs.seconds,
                "processor_ratio": ours.processor_seconds / theirs.processor_seconds,
            }
        )
    names = "seconds", "fedavg_seconds", "ratio", "fedavg_rounds", "accuracy"
    return {"rows": rows, **{name: statistics.median(row[name] for row in rows) for name in names}}


def _fedavg(config: Config, cache: Path, seed: int, rate: float, target: float) -> Trained:
    other = {"seed": seed, "rounds": ROUNDS, "algorithm": FEDAVG | {"local_lr": rate}}
    return train(changed(config, other), cache, target)


def sentence(found: dict[str, Any]) -> str:
    """Return what was found, for people."""
    missed = sum(not row["reached"] for row in found["rows"])
    return (
        f"D2: {found['seconds']:.2f} s against {found['fedavg_seconds']:.2f} s of FedAvg ({found['fedavg_rounds']:.0f} "
        f"rounds) to {found['accuracy']:.1%}: {found['ratio']:.1%} (claim: at most {CLAIMED:.0%}); medians of "
        f"{len(found['rows'])} seeds, ratios {', '.join(format(row['ratio'], '.1%') for row in found['rows'])}"
        + (f"; FedAvg did not get there in {missed} of them, so they are bounds" if missed else "")
    )
