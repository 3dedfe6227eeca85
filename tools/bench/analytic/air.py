"""Accuracy of closed-form training over the air against SNR, with and without what bears the noise."""

from pathlib import Path
from typing import Any

import numpy as np

from fl.config import Config
from fl.evaluation import interval
from tools.bench.analytic.experiment import changed, train

SNRS_DB = 0.0, 10.0, 20.0, 30.0, 40.0, 50.0
VARIANTS: dict[str, dict[str, Any]] = {
    "clipped, and γ at the noise scale": {},
    "γ at the noise scale": {"clip_eigenvalues": False},
    "clipped": {"noise_ridge": 0.0},
    "neither": {"noise_ridge": 0.0, "clip_eigenvalues": False},
}
FALL = 0.05
"""Below the error-free accuracy, at which the threshold is stated."""


def air(config: Config, cache: Path, seeds: int) -> dict[str, Any]:
    """Return accuracy before personalisation by variant, SNR and seed, and the error-free one.

    Args:
        config: of closed-form training.
        cache: folder of the data caches.
        seeds: 1, 2, ...
    """
    exact = [_accuracy(config, cache, {"seed": s, "uplink": {"kind": "ideal"}}) for s in range(1, seeds + 1)]
    curves = {}
    for name, keys in VARIANTS.items():
        algorithm = config.algorithm.model_dump() | keys
        curves[name] = [
            [
                _accuracy(config, cache, {"seed": s, "algorithm": algorithm, "uplink": over(snr)})
                for s in range(1, seeds + 1)
            ]
            for snr in SNRS_DB
        ]
    return {"snrs_db": SNRS_DB, "exact": exact, "curves": curves}


def over(snr_db: float) -> dict[str, Any]:
    """Return the uplink `symbol` as it is here: block Rayleigh fading, truncated inversion."""
    return {"kind": "symbol", "snr_db": snr_db, "min_headroom_db": min(3.0, snr_db - 3)}


def threshold(found: dict[str, Any], name: str) -> float | None:
    """Return the SNR in dB from which the mean stays within `FALL` of the error-free one; None: nowhere it does."""
    means = np.mean(found["curves"][name], axis=1)
    good = means >= np.mean(found["exact"]) - FALL
    first = len(good) - int(np.argmin(good[::-1])) if not good.all() else 0
    return None if first == len(good) else float(found["snrs_db"][first])


def sentences(found: dict[str, Any]) -> list[str]:
    """Return what was found, for people."""
    lines = [f"error-free: {np.mean(found['exact']):.1%}"]
    for name, curve in found["curves"].items():
        values = ", ".join(
            f"{snr:.0f} dB {np.mean(row):.1%} [{low:.1%}, {high:.1%}]"
            for snr, row in zip(found["snrs_db"], curve, strict=True)
            for low, high in [interval(np.array(row))]
        )
        limit = threshold(found, name)
        lines.append(f"{name}: {values}; threshold {'none' if limit is None else f'{limit:.0f} dB'}")
    return lines


def _accuracy(config: Config, cache: Path, tables: dict[str, Any]) -> float:
    return float(train(changed(config, tables), cache).accuracy[0])
