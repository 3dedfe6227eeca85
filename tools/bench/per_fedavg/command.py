"""`airmeta bench per-fedavg`: Per-FedAvg against a plain implementation on the same partition: time and accuracy."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch

from fl.config import Config, ConfigError, load
from fl.data.tensors import gather_samples
from fl.evaluation import interval, paired_difference
from fl.residuals import ResidualStore
from fl.round import run_round, schedule
from fl.server import ServerState
from fl.setup import Parts, assemble
from fl.tasks import Group, score
from fl.threads import use_threads
from tools.bench.per_fedavg.plain import PlainPerFedAvg, loader_of, module_of
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

GROUPS = {"training agents": Group.HELDOUT, "new agents": Group.NEW}


@click.command("per-fedavg")
@config_argument
@set_option
@click.option("--threads", multiple=True, type=click.IntRange(min=1), default=(1, 2), show_default=True)
@cache_option
@json_option
def per_fedavg(config: Path, overrides: tuple[str, ...], threads: tuple[int, ...], cache: Path, as_json: bool) -> None:
    """Play rounds of Per-FedAvg and of a plain implementation of it in turn, and compare time and accuracy.

    Both have the same partition, first model, schedule, and numbers of steps and samples; both are judged by the same
    evaluation, which is not timed. The plain one is of first order, ours of algorithm.order.

    \b
    Examples:
        airmeta bench per-fedavg experiments/per-fedavg.toml --set data_root=FOLDER
        airmeta bench per-fedavg experiments/per-fedavg.toml --set task.partition=dirichlet.json --set model.kind=cnn
    """
    with readable_errors():
        experiment = load(config, overrides)
        refuse(experiment)
        parts = assemble(experiment, cache)
        plain = [plain_of(parts) for _ in threads]
    results = [compare(_with(parts, count), other) for count, other in zip(threads, plain, strict=True)]
    if as_json:
        click.echo(json.dumps(results))
        return
    for result in results:
        click.echo("\n".join(_lines(result)))


def refuse(config: Config) -> None:
    """Refuse what the plain implementation has no counterpart for.

    Raises:
        ConfigError: every such key.
    """
    wanted: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "algorithm.kind": (config.algorithm.kind, ("meta",)),
        "algorithm.inner_steps": (config.algorithm.inner_steps, (1,)),
        "algorithm.weighting": (config.algorithm.weighting, ("uniform",)),
        "server.optimizer": (config.server.optimizer, ("sgd",)),
        "server.lr": (config.server.lr, (1.0,)),
        "uplink.kind": (config.uplink.kind, ("ideal",)),
        "uplink.ideal_top_k": (config.uplink.ideal_top_k, (False,)),
        "model.kind": (config.model.kind, ("mlp", "cnn")),
    }
    problems = [
        f"{key}: the plain implementation has {' or '.join(map(str, known))} alone, got {value}; set it so"
        for key, (value, known) in wanted.items()
        if value not in known
    ]
    if problems:
        raise ConfigError(problems)


def plain_of(parts: Parts) -> PlainPerFedAvg:
    """Return the plain implementation of an experiment.

    Raises:
        ConfigError: the partition is by class, or an agent has too few samples for a batch.
    """
    config, shares = parts.config, parts.shares
    if shares is None:
        raise ConfigError([f"task.partition: it has to be by sample, got {config.task.partition}; set dirichlet"])
    batch = config.task.shots + config.task.queries
    held = [share.train for share in shares.training]
    smallest = min(len(samples) for samples in held)
    if smallest < batch:
        raise ConfigError(
            [f"task.shots: a step takes {batch} samples with task.queries, an agent has {smallest}; take fewer"]
        )
    loaders = [
        loader_of(gather_samples(parts.dataset, samples, "cpu"), batch, config.seed + place)
        for place, samples in enumerate(held)
    ]
    modules = [module_of(config.model, len(parts.dataset.class_images)) for _ in held]
    algorithm = config.algorithm
    rates = algorithm.inner_lr, algorithm.local_lr
    return PlainPerFedAvg(modules, loaders, config.task.shots, *rates, algorithm.local_steps)


def compare(parts: Parts, plain: PlainPerFedAvg) -> dict[str, Any]:
    """Return medians of both times, their ratio, and both accuracies, from rounds played in turn."""
    use_threads(parts.config.run.threads)
    seconds, thetas = play(parts, plain)
    warm = np.array(seconds[1:] or seconds)
    ratios = warm[:, 1] / warm[:, 0]
    return {
        "threads": parts.config.run.threads,
        "rounds": len(seconds),
        "ours_s": float(np.median(warm[:, 0])),
        "plain_s": float(np.median(warm[:, 1])),
        "ratio": float(np.median(ratios)),
        "quartiles": np.percentile(ratios, [25, 75]).tolist(),
        "accuracy": {name: _accuracy(parts, group, *thetas) for name, group in GROUPS.items()},
    }


def play(parts: Parts, plain: PlainPerFedAvg) -> tuple[list[tuple[float, float]], tuple[torch.Tensor, torch.Tensor]]:
    """Return the seconds of each round and the last parameters, of ours and of the plain implementation."""
    state, theta = ServerState.start(parts.first_theta()), parts.first_theta()
    seconds: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder))
        for index in range(parts.config.rounds):
            began = time.perf_counter()
            state = run_round(parts, state, residuals, index).state
            between = time.perf_counter()
            theta = plain.play(theta, schedule(parts, index))
            seconds.append((between - began, time.perf_counter() - between))
    return seconds, (state.theta, theta)


def _with(parts: Parts, threads: int) -> Parts:
    config = parts.config
    return replace(parts, config=config.model_copy(update={"run": config.run.model_copy(update={"threads": threads})}))


def _accuracy(parts: Parts, group: Group, ours: torch.Tensor, plain: torch.Tensor) -> dict[str, Any]:
    """Return mean and interval over agents after the last fine-tuning step, of both and of their difference."""
    mine, other = (
        score(parts, theta, group, parts.config.evaluation.tasks)[0].accuracy[:, -1] for theta in (ours, plain)
    )
    difference, low, high = paired_difference(mine, other)
    return {
        "ours": [float(mine.mean()), *interval(mine)],
        "plain": [float(other.mean()), *interval(other)],
        "difference": [difference, low, high],
    }


def _lines(result: dict[str, Any]) -> Iterator[str]:
    low, high = result["quartiles"]
    yield (
        f"{result['threads']} thread(s), medians of {result['rounds'] - 1} rounds: {1e3 * result['ours_s']:.0f} ms, "
        f"plain {1e3 * result['plain_s']:.0f} ms; {result['ratio']:.2f} times as fast "
        f"(quartiles {low:.2f} to {high:.2f})"
    )
    for name, scores in result["accuracy"].items():
        texts = [f"{key} {mean:.2%} [{low:.2%}, {high:.2%}]" for key, (mean, low, high) in scores.items()]
        yield f"  {name}: {', '.join(texts)}"
