"""What closed-form training cannot run on or with, named before a round starts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fl.algorithms.base import Conflict
from fl.analytic.solve import TINY
from fl.data.base import SHAPES
from fl.partitioning import has_episodes, outputs
from fl.plain_cnn import PlainCnn

if TYPE_CHECKING:
    from fl.config import Config

ANALOG = "symbol", "waveform"
EXACT = "ideal", "digital"  # whose sums the server takes for exact


def conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield what contradicts closed-form training in a configuration."""
    yield from _model(config)
    layers = PlainCnn(config.model.width, outputs(config.task)).layers
    if config.rounds < len(layers):
        yield (
            ("rounds", "algorithm.kind"),
            f"rounds: analytic solves a layer a round, and the network has {len(layers)}, got {config.rounds}; set "
            f"rounds = {len(layers)}, or more where a round may fail or its noise is to be averaged",
        )
    keys = config.algorithm
    if keys.groups > 1 and has_episodes(config.task):
        yield (
            ("algorithm.groups", "task.partition"),
            f"algorithm.groups: classes are numbered anew in episodes, so label histograms say nothing, got "
            f"{keys.groups}; set algorithm.groups = 1, or a task.partition by sample",
        )
    if keys.groups > config.agents.count:
        yield (
            ("algorithm.groups", "agents.count"),
            f"algorithm.groups: at most agents.count ({config.agents.count}), got {keys.groups}",
        )
    yield from _singular(config, max(layer.inputs for layer in layers))
    yield from _server(config)
    yield from _uplink(config)


def _singular(config: "Config", inputs: int) -> Iterator[Conflict]:
    """Yield a γ that leaves Gram matrices singular: features that never fire, such as corners of images, have zeros.

    Of all p eigenvalues the largest is at most p·mean(G_ii), so that above `TINY`·p a ridge is enough.
    """
    keys, least = config.algorithm, TINY * inputs
    if keys.ridge <= least and (config.uplink.kind in EXACT or (keys.clip_eigenvalues and not keys.noise_ridge)):
        yield (
            ("algorithm.ridge", "algorithm.noise_ridge", "algorithm.clip_eigenvalues", "uplink.kind", "model.width"),
            f"algorithm.ridge: Gram matrices have zero eigenvalues, and of {inputs} features no inverse in float64 "
            f"unless it is above {least:.1g}, got {keys.ridge:g}; set algorithm.ridge = 1e-5",
        )


def _server(config: "Config") -> Iterator[Conflict]:
    server = config.server
    for key, field in type(server).model_fields.items():
        if getattr(server, key) != field.default:
            yield (
                (f"server.{key}", "algorithm.kind"),
                f"server.{key}: analytic solves for the weights, no optimiser has a part in it, got "
                f"{getattr(server, key)}; leave it out",
            )


def _model(config: "Config") -> Iterator[Conflict]:
    if SHAPES[config.task.dataset].is_text:
        yield (
            ("algorithm.kind", "task.dataset"),
            f"algorithm.kind: analytic solves a network for images, and {config.task.dataset} is text; take another "
            "task.dataset or algorithm.kind",
        )
    elif config.model.kind != "plain_cnn":
        yield (
            ("model.kind", "algorithm.kind"),
            f"model.kind: analytic solves layer by layer what plain_cnn computes, got {config.model.kind}; set "
            "model.kind = plain_cnn",
        )
    if config.run.precision != "float32":
        yield (
            ("run.precision", "algorithm.kind"),
            f"run.precision: analytic is solved in float64, got {config.run.precision}; leave it out",
        )


def _uplink(config: "Config") -> Iterator[Conflict]:
    """Sums of another layer in a residual, and Gram matrices that are dense and have no prior."""
    uplink = config.uplink
    if uplink.ideal_top_k and uplink.kind == "ideal":
        yield (
            ("uplink.ideal_top_k", "algorithm.kind"),
            "uplink.ideal_top_k: Gram matrices are dense, analytic sends all; leave it out",
        )
    if uplink.kind == "ideal":
        return
    if uplink.kind == "one_bit":
        yield (
            ("uplink.kind", "algorithm.kind"),
            "uplink.kind: the signs of a Gram matrix do not say what it is, so analytic has no use for one_bit; set "
            "uplink.kind = symbol, or another algorithm.kind",
        )
        return
    wanted: dict[str, object] = {"sparsity": 1.0, "memory": False}
    why = {
        "sparsity": "Gram matrices are dense and sent whole",
        "memory": "what was not heard is of another layer in the next round",
        "measurements": "dense vectors need all d'/2 symbols",
        "sensing": "half of the spectrum holds all of a real vector",
        "receiver": "dense vectors have no sparse prior",
    }
    if uplink.kind == "airfl_mem":
        wanted |= {"measurements": 0.5}
    if uplink.kind in ANALOG:
        wanted |= {"measurements": 0.5, "sensing": "partial_dft", "receiver": "lmmse"}
    for key, value in wanted.items():
        found = uplink.remembers if key == "memory" else getattr(uplink, key)
        if found != value:
            spelt = str(value).lower()
            yield (
                (f"uplink.{key}", "uplink.kind", "algorithm.kind"),
                f"uplink.{key}: analytic takes {spelt}: {why[key]}, got {str(found).lower()}; set uplink.{key} = "
                f"{spelt}",
            )


def check_population(config: "Config", counts: np.ndarray) -> None:
    """Refuse data from which a layer cannot be solved.

    Args:
        config: the experiment.
        counts: samples of each class that each agent trains on, shape (agents, classes).

    Raises:
        ConfigError: a class has no samples, or there are fewer histograms than groups.
    """
    from fl.config import ConfigError

    problems, keys = [], config.algorithm
    missing = np.flatnonzero(counts.sum(0) == 0)
    if len(missing):
        problems.append(
            f"task.samples: no agent trains on a sample of class {missing[0]}, so its outputs would be zero; take more "
            "samples, or more agents"
        )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    different = len(np.unique(shares, axis=0))
    if different < keys.groups:
        problems.append(
            f"algorithm.groups: agents have {different} different label histograms, got {keys.groups} groups; set "
            f"algorithm.groups <= {different}"
        )
    if problems:
        raise ConfigError(problems)
