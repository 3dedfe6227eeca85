"""Who holds what, as a table of figures and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fl.config import ConfigError, load
from fl.data.base import Dataset
from fl.data.base import load as load_dataset
from fl.data.partition_file import AnyPartition
from fl.data.partition_file import load as load_partition
from fl.data.shares import SamplePartition, Share, check, class_counts
from fl.data.skew import PartitionError
from fl.partitioning import deal

COLOURS = {"train": "#2a6f97", "support": "#d1603d", "test": "#b08900"}
NAMED = 40  # more agents than these get no names


def dealt(path: Path, overrides: Sequence[str], data_root: Path | None, cache: Path) -> tuple[AnyPartition, Dataset]:
    """Return the partition of a file (.json) or of an experiment (.toml), and its dataset.

    Raises:
        ConfigError, DataError: the file, the data or the partition is no good.
    """
    try:
        if path.suffix == ".json":
            held = load_partition(path)
            dataset = load_dataset(held.dataset, data_root, cache)
            if isinstance(held, SamplePartition):
                check(held, len(dataset.images))
            return held, dataset
        config = load(path, overrides)
        dataset = load_dataset(config.task.dataset, data_root or config.data_root, cache)
        return deal(config, dataset), dataset
    except PartitionError as error:
        raise ConfigError([str(error)]) from error


def describe(held: AnyPartition, dataset: Dataset) -> dict[str, Any]:
    """Return what a partition is and its sizes, smallest, median and largest over agents."""
    counts = _counts(held, dataset)
    about = {
        "form": "by sample" if isinstance(held, SamplePartition) else "by class",
        "dataset": held.dataset,
        "recipe": dict(held.recipe),
        "digest": held.digest,
        "agents": len(held.training),
        "new agents": len(held.new),
        "samples per agent": _spread(counts.sum(1)),
        "classes per agent": _spread((counts > 0).sum(1)),
    }
    if isinstance(held, SamplePartition):
        for name in COLOURS:
            about[f"{name} samples"] = _spread([len(getattr(share, name)) for share in held.training])
        for name in ("support", "test"):
            about[f"new agents' {name}"] = _spread([len(getattr(share, name)) for share in held.new])
    return about


def _spread(values: Sequence[int] | np.ndarray) -> list[float]:
    return [float(np.min(values)), float(np.median(values)), float(np.max(values))]


def draw(held: AnyPartition, dataset: Dataset) -> Figure:
    """Return a figure: samples of each class by agent, and the parts of an agent's samples; new agents at the foot."""
    counts, n_training = _counts(held, dataset), len(held.training)
    shares = [*held.training, *held.new] if isinstance(held, SamplePartition) else []
    panels = [name for name, wanted in (("classes", not dataset.is_text), ("parts", bool(shares))) if wanted]
    height = min(2 + 0.16 * len(counts), 9)
    figure = Figure(figsize=(4.6 * len(panels) + 0.8, height), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, panel in zip(grid, panels, strict=True):
        if panel == "classes":
            _classes(figure, axis, counts, n_training)
        else:
            _parts(axis, shares, n_training)
    grid[0].set_ylim(len(counts) - 0.5, -0.5)
    grid[0].set_ylabel("agent")
    grid[0].yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if len(counts) <= NAMED:
        grid[0].set_yticks(range(len(counts)), _names(held, dataset), fontsize=7)
    figure.suptitle(f"{held.dataset}, {held.recipe.get('partition', 'by hand')}: {n_training} agents that train, "
                    f"{len(held.new)} new", fontsize=10)  # fmt: skip
    return figure


def _counts(held: AnyPartition, dataset: Dataset) -> np.ndarray:
    """Return the samples of each class that each agent holds, new agents last, shape (agents, classes)."""
    sizes = np.array([len(images) for images in dataset.class_images])
    if isinstance(held, SamplePartition):
        return class_counts(dataset.labels, [*held.training, *held.new], len(sizes))
    return np.stack([sizes * np.isin(np.arange(len(sizes)), classes) for classes in (*held.training, *held.new)])


def _classes(figure: Figure, axis: Axes, counts: np.ndarray, n_training: int) -> None:
    shown = axis.imshow(np.ma.masked_equal(counts, 0), vmin=0, aspect="auto", interpolation="nearest", cmap="YlGnBu")
    axis.axhline(n_training - 0.5, color="#c1121f", linewidth=1)
    axis.set_xlabel("class")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    whole = MaxNLocator(integer=True, steps=[1, 2, 5, 10])
    figure.colorbar(shown, ax=axis, label="samples of a class", shrink=0.8, ticks=whole)


def _parts(axis: Axes, shares: Sequence[Share], n_training: int) -> None:
    before = np.zeros(len(shares))
    for name, colour in COLOURS.items():
        sizes = np.array([len(getattr(share, name)) for share in shares])
        axis.barh(np.arange(len(shares)), sizes, left=before, color=colour, label=name, height=0.9)
        before += sizes
    axis.axhline(n_training - 0.5, color="#c1121f", linewidth=1)
    axis.set_xlabel("samples")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))


def _names(held: AnyPartition, dataset: Dataset) -> list[str]:
    names = [*map(str, range(len(held.training))), *(f"new {index}" for index in range(len(held.new)))]
    if isinstance(held, SamplePartition) and held.recipe.get("partition") == "natural" and dataset.owners is not None:
        owners = [int(dataset.owners[share.test[0]]) for share in (*held.training, *held.new)]
        return [f"{dataset.owner_names[owner]} ({name})" for owner, name in zip(owners, names, strict=True)]
    return names
