"""P4, everything that was measured: on the models of the sweeps, and by measurements that are no runs, after them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fl.config import Config, digest
from fl.threads import use_threads
from tools.bench.analytic.air import VARIANTS
from tools.bench.analytic.experiment import changed
from tools.bench.analytic.race import race
from tools.reproduce.p4_exact import IMAGES, backward_work, distances, scarce
from tools.reproduce.p4_kept import kept
from tools.reproduce.p4_skew import METHODS, measure
from tools.reproduce.paper import Material

CLASSES = {f"task.classes_per_agent={count}": count for count in (10, 5, 2, 1)}
DIRICHLET = ("task.alpha=0.3", "task.alpha=0.1")
SIZES: Mapping[str, Mapping[str, Any]] = {
    "200 images an agent, 8 filters": {},
    "400 images an agent, 16 filters": {"task": {"samples": 400}, "model": {"width": 16}},
}
"""For which training is timed."""
TRIALS = {True: 15, False: 60}
"""Of D1, of the short form and of the long one."""
RIDGES = 1e-5, 1e-3
"""γ with which the weights of too few images are compared."""


@dataclass(frozen=True)
class Measured:
    """What the verdicts are about.

    Args:
        distances: of D1, `rows`, one for each drawn setting, and `scarce`, by γ where images are too few.
        races: of D2, by size.
        skew: accuracy by way of dealing classes, then by method, shape (seeds,).
        backward: kernels of backward passes, by method.
        air: SNRs, accuracy at each by variant, and that of error-free links.
    """

    distances: Mapping[str, Any]
    races: Mapping[str, Any]
    skew: Mapping[str, Mapping[str, np.ndarray]]
    backward: Mapping[str, int]
    air: Mapping[str, Any]


def measured(material: Material) -> Measured:
    """Return everything, measuring what this folder does not hold yet; times last, when nothing else is left to do."""
    config = base(material)
    use_threads(config.run.threads)
    about = digest(config)
    skew = {
        **_skew(material, "classes", tuple(CLASSES)),
        **_skew(material, "dirichlet", DIRICHLET),
    }
    trials = TRIALS[material.quick]

    def exact() -> Any:
        material.say("p4: comparing with least squares in one place")
        return {
            "rows": distances(config, material.cache, trials),
            "scarce": dict(zip(map(str, RIDGES), scarce(config, material.cache, RIDGES), strict=True)),
        }

    def gradients() -> Any:
        material.say("p4: looking for gradients")
        return backward_work(config, material.cache)

    far = kept(material.folder, "distances", f"{about} {trials} {IMAGES} {RIDGES}", exact)
    backward = kept(material.folder, "backward", about, gradients)
    races = {name: _race(material, name) for name in SIZES}
    return Measured(far, races, skew, backward, over_the_air(material))


def base(material: Material) -> Config:
    """Return the experiment on which all is measured: closed form, two classes an agent, error-free links."""
    return material.sweeps["classes"].of("FedACnnL, task.classes_per_agent=2")[0].config


def over_the_air(material: Material) -> dict[str, Any]:
    """Return accuracy of new agents before personalisation, over SNR by variant, as `tools.bench.analytic.air` does."""
    results, found = material.sweeps["air"], dict[str, list[list[float]]]()
    snrs = sorted({float(point.split(" dB")[0]) for point in results.points})
    exact = material.sweeps["exact"].by_step("error-free")[:, 0].tolist()
    for name, keys in VARIANTS.items():
        ridge, clip = keys.get("noise_ridge", 1.0), str(keys.get("clip_eigenvalues", True)).lower()
        variant = f"algorithm.noise_ridge={ridge}, algorithm.clip_eigenvalues={clip}"
        points = [f"{snr:.0f} dB, {variant}" for snr in snrs]
        if set(points) <= set(results.points):
            found[name] = [results.by_step(point)[:, 0].tolist() for point in points]
    return {"snrs_db": snrs, "exact": exact, "curves": found}


def _skew(material: Material, sweep: str, settings: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    results, found = material.sweeps[sweep], {}
    for setting in settings:
        keys = " ".join(job.key for job in results.jobs if job.point.endswith(f", {setting}"))
        take = partial(measure, results, setting, material.cache, material.say)
        rows = kept(material.folder, setting.replace("=", "-"), keys, take)
        found[setting] = dict(zip(METHODS, np.array(rows).T, strict=True))
    return found


def _race(material: Material, name: str) -> Any:
    config = changed(base(material), SIZES[name])
    seeds = len(material.sweeps["classes"].of("FedACnnL, task.classes_per_agent=2"))

    def timed() -> dict[str, Any]:
        material.say(f"p4: timing training, {name}: leave the machine alone")
        return race(config, material.cache, seeds)

    return kept(material.folder, f"race-{name.split(maxsplit=1)[0]}", f"{digest(config)} {seeds}", timed)
