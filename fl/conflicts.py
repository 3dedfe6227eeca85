"""Settings that are each allowed but contradict each other, found before a run starts.

`conflicts` yields pairs (keys involved, what is wrong and what to do), so that a conflict that rests on a key already
known to be wrong is not reported twice.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsp.sparsify import count
from fl.data.base import SHAPES
from fl.models import parameter_count

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]


def conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield every conflict of a configuration."""
    yield from _population(config)
    yield from _images(config)
    yield from _algorithm(config)
    yield from _idle_radios(config)
    if config.uplink.kind == "ideal":
        return
    yield from _measurements(config)
    yield from _receiver(config)
    if config.uplink.kind == "symbol":
        yield from _channel(config)
        yield from _silence(config)
    else:
        from fl.radio_conflicts import radio_conflicts
        from fl.waveform_conflicts import waveform_conflicts

        yield from radio_conflicts(config)
        yield from waveform_conflicts(config, _n_symbols(config))


def _population(config: "Config") -> Iterator[Conflict]:
    agents = config.agents
    if agents.scheduled > agents.count:
        yield (
            ("agents.per_round", "agents.count"),
            f"agents.per_round: at most agents.count ({agents.count}), got {agents.per_round}",
        )


def _images(config: "Config") -> Iterator[Conflict]:
    task, shape = config.task, SHAPES[config.task.dataset]
    here = "task.dataset", "task.ways"
    if task.ways > shape.new_classes:
        yield here, f"task.ways: {task.dataset} has {shape.new_classes} classes for new agents, got {task.ways} ways"
    if task.partition == "class" and config.agents.count * task.ways > shape.train_classes:
        yield (
            (*here, "agents.count"),
            f"agents.count: {shape.train_classes} classes of {task.dataset} serve at most "
            f"{shape.train_classes // task.ways} agents of {task.ways} ways, got {config.agents.count}; "
            "set task.partition = class_overlap",
        )
    if task.partition == "class_overlap" and not task.ways <= task.classes_per_agent <= shape.train_classes:
        yield (
            (*here, "task.classes_per_agent"),
            f"task.classes_per_agent: between task.ways ({task.ways}) and {shape.train_classes} classes of "
            f"{task.dataset}, got {task.classes_per_agent}",
        )
    counts = "task.shots", "task.queries", "task.holdout", "task.dataset"
    needed, available = images_per_class(config), shape.images_per_class - task.holdout
    if needed > available:
        yield (
            (*counts, "algorithm.batches", "algorithm.inner_steps"),
            f"task.shots: a training episode takes {needed} images of a class ({_recipe(config)}), {task.dataset} has "
            f"{available} left after task.holdout; take fewer shots or queries, or algorithm.batches = shared",
        )
    tested = task.shots + config.evaluation.queries
    if tested > shape.images_per_class:
        yield (
            (*counts, "evaluation.queries"),
            f"evaluation.queries: shots + queries of a class are {tested}, {task.dataset} has "
            f"{shape.images_per_class}; take at most {shape.images_per_class - task.shots}",
        )
    elif task.shots >= available:
        yield counts, f"task.holdout: leaves {available} images of a class, no more than task.shots ({task.shots})"


def images_per_class(config: "Config") -> int:
    """Return the images of one class that a training episode takes, all its batches together."""
    task, algorithm = config.task, config.algorithm
    if algorithm.batches == "shared":
        return task.shots + task.queries
    sets = 1 if algorithm.order == "first" else 2
    return sets * algorithm.inner_steps * task.shots + task.queries


def _recipe(config: "Config") -> str:
    task, algorithm = config.task, config.algorithm
    if algorithm.batches == "shared":
        return f"{task.shots} shots + {task.queries} queries"
    hessian = "" if algorithm.order == "first" else " inner and Hessian"
    return f"ν = {algorithm.inner_steps}{hessian} batches of {task.shots} shots + {task.queries} queries"


def _algorithm(config: "Config") -> Iterator[Conflict]:
    if config.run.precision == "bfloat16" and config.algorithm.order == "hessian_free":
        yield (
            ("run.precision", "algorithm.order"),
            "run.precision: the step δ = 1e-3 of hessian_free is below the resolution of bfloat16; set "
            "algorithm.order = exact or first, or run.precision = float32",
        )
    if config.server.optimizer == "adam" and config.algorithm.local_steps > 1 and config.server.lr >= 1:
        yield (
            ("server.optimizer", "server.lr"),
            f"server.lr: adam moves every parameter by about the rate each round, got {config.server.lr}; try 0.003",
        )


def _idle_radios(config: "Config") -> Iterator[Conflict]:
    """Radios that the uplink would leave aside, with every key that is about them."""
    kind, uplink = config.radio.kind, config.uplink.kind
    if kind != "loopback" and uplink != "waveform":
        yield (
            ("radio.kind", "uplink.kind"),
            f"radio.kind: only a waveform is sent by radios, got radio.kind = {kind} and uplink.kind = {uplink}; set "
            "uplink.kind = waveform, or leave radio.kind out",
        )


def _measurements(config: "Config") -> Iterator[Conflict]:
    uplink = config.uplink
    keys = "uplink.measurements", "uplink.sensing"
    length = parameter_count(config.model.kind, config.model.width, config.task.ways)
    if uplink.sensing == "partial_dft" and uplink.measurements > 0.5:
        yield (
            keys,
            f"uplink.measurements: partial_dft has d/2 complex symbols, so at most 0.5, got {uplink.measurements}; "
            "uplink.sensing = random_rows goes to 1",
        )
    if uplink.sensing == "identity" and uplink.measurements != 1:
        yield keys, f"uplink.measurements: identity sends every entry, so it must be 1, got {uplink.measurements}"
    if uplink.measurements * length < 1:
        yield keys, f"uplink.measurements: less than one channel use for {length} parameters"


def _n_symbols(config: "Config") -> int:
    """Return M."""
    length = parameter_count(config.model.kind, config.model.width, config.task.ways)
    return length if config.uplink.sensing == "identity" else max(count(config.uplink.measurements, length), 1)


def _receiver(config: "Config") -> Iterator[Conflict]:
    uplink = config.uplink
    if uplink.min_gain is not None and uplink.power_rule != "inversion":
        yield (
            ("uplink.min_gain", "uplink.power_rule"),
            f"uplink.min_gain: only inversion is truncated, uplink.power_rule is {uplink.power_rule}",
        )
    if uplink.prior == "gaussian_mixture" and uplink.receiver == "lmmse":
        yield ("uplink.prior", "uplink.receiver"), "uplink.prior: lmmse has no prior; leave it out, or take oamp"


def _channel(config: "Config") -> Iterator[Conflict]:
    uplink, fading = config.uplink, config.uplink.fading
    if fading.k_factor_db is not None and fading.kind != "rician":
        yield (
            ("uplink.fading.k_factor_db", "uplink.fading.kind"),
            f"uplink.fading.k_factor_db: only rician fading has a K factor, uplink.fading.kind is {fading.kind}",
        )
    if uplink.power_rule == "none" and fading.kind != "none":
        yield (
            ("uplink.power_rule", "uplink.fading.kind"),
            "uplink.power_rule: none leaves random phases, the sum would be noise; set uplink.fading.kind = none or "
            "another rule",
        )


def _silence(config: "Config") -> Iterator[Conflict]:
    """A threshold that would leave less than one agent in an average round."""
    uplink = config.uplink
    for key, gain in (
        ("uplink.min_gain", uplink.min_gain or 0.0),
        ("uplink.min_headroom_db", 10 ** ((uplink.min_headroom_db - uplink.snr_db) / 10)),
    ):
        survival = float(gain <= 1) if uplink.fading.kind == "none" else math.exp(-min(gain, 700.0))
        expected = config.agents.scheduled * survival
        if expected < 1 and not (key == "uplink.min_headroom_db" and uplink.power_rule == "none"):
            yield (
                (key, "uplink.snr_db", "uplink.fading.kind"),
                f"{key}: excludes everybody (|h|² >= {gain:.3g} leaves {expected:.2g} of {config.agents.scheduled} "
                "agents in an average round); lower it"
                + (" or raise uplink.snr_db" if key == "uplink.min_headroom_db" else ""),
            )
