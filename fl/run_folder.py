"""The folder of a run: its files, made for a new run, checked for one that goes on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fl import config as configuration
from fl.config import Config, ConfigError
from fl.data.partition_file import save
from fl.partitioning import is_file, read
from fl.tasks import Sample
from radio.files import atomic_path, write_text


class RunError(RuntimeError):
    """A run that cannot start, resume or go on; the message says what to do."""


class StoppedError(RunError):
    """A run that had begun, and can be resumed."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.toml"

    @property
    def partition(self) -> Path:
        """A copy of the partition file, if the run has one."""
        return self.path / "partition.json"

    @property
    def history(self) -> Path:
        """One line a round."""
        return self.path / "history.jsonl"

    @property
    def timing(self) -> Path:
        """Wall clock of each round."""
        return self.path / "timing.jsonl"

    def calibration(self, digest: str) -> Path:
        """The entries of a calibration table that rounds with this digest used."""
        return self.path / f"calibration-{digest}.json"

    @property
    def samples(self) -> Path:
        """Tasks of new agents with predictions."""
        return self.path / "samples.npz"

    @property
    def waveform(self) -> Path:
        """What the report draws of the last round on the air that was evaluated."""
        return self.path / "waveform.npz"

    @property
    def recordings(self) -> Path:
        """What the server received in some rounds."""
        return self.path / "recordings"

    def load_config(self) -> Config:
        """Return the configuration of the run.

        Raises:
            RunError: this is not the folder of a run.
        """
        if not self.config.exists():
            raise RunError(f"{self.path}: not the folder of a run (no config.toml)")
        return configuration.load(self.config)


BEFORE = {"logs"}  # what a testbed makes before its server has made the folder


def prepare(folder: RunFolder, config: Config, about: Callable[[], dict[str, Any]], resume: bool) -> bool:
    """Make the folder of a new run, or check that it holds this one; return whether it is new.

    Args:
        folder: where.
        config: of the run.
        about: makes the manifest of a new one.
        resume: whether it may be there already.

    Raises:
        ConfigError: it holds a run of another configuration.
        DataError: the partition file cannot be read, or not be copied.
        RunError: it holds something else, or a run that was not to be resumed.
    """
    if not folder.config.exists():
        if folder.path.exists() and any(path.name not in BEFORE for path in folder.path.iterdir()):
            raise RunError(f"{folder.path}: not empty and not a run; choose another folder with --out")
        folder.path.mkdir(parents=True, exist_ok=True)
        write_text(folder.path / "manifest.json", json.dumps(about(), indent=2) + "\n")
        if is_file(config.task):
            save(read(config.task), folder.partition)
        write_text(folder.config, configuration.dump(with_partition(config, Path(folder.partition.name))))
        return True
    if not resume:
        raise RunError(f"{folder.path}: already holds a run; go on with --resume, or choose another folder with --out")
    theirs = folder.load_config()
    if configuration.digest(config) != configuration.digest(theirs):
        other = f"{folder.path}: holds a run of another configuration; resume it with its own config.toml"
        here, there = configuration.shaping(config), configuration.shaping(theirs)
        raise ConfigError([other, *configuration.differing(here, there)])
    return False


def with_partition(config: Config, path: Path) -> Config:
    """Return a configuration that names another partition file, if it names one at all."""
    if not is_file(config.task):
        return config
    return config.model_copy(update={"task": config.task.model_copy(update={"partition": str(path)})})


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays by name, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def sample_arrays(sample: Sample) -> dict[str, np.ndarray]:
    """Return tasks of new agents with predictions, as the report reads them."""
    return {
        "support": _pixels(sample.support.images),
        "query": _pixels(sample.query.images),
        "support_labels": sample.support.labels.cpu().numpy(),
        "query_labels": sample.query.labels.cpu().numpy(),
        "predictions": sample.predictions,
    }


def _pixels(images: torch.Tensor) -> np.ndarray:
    return (images.squeeze(2) * 255).round().to(torch.uint8).cpu().numpy()
