"""A run: rounds from a configuration to a folder that holds everything about it.

    config.toml  manifest.json  history.jsonl  timing.jsonl  checkpoint.safetensors  residuals/  samples.npz
    waveform.npz  calibration-DIGEST.json

The history is a function of the configuration: the same bytes whether a run goes through or is killed and resumed.
"""

import json
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calibration.table import Table
from calibration.table_file import render
from fl import checkpoint
from fl import config as configuration
from fl.calibrated import Used
from fl.checkpoint import Checkpoint
from fl.config import Config, ConfigError
from fl.history import History
from fl.radio_config import Calibration
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import Parts, assemble, record_rounds
from fl.tasks import Sample, evaluate
from fl.threads import use_threads
from fl.uplink.waveform.snapshot import watch
from radio.base import LostRadioError
from radio.files import atomic_path, write_text

Observer = Callable[[dict[str, Any], dict[str, float]], bool]
"""Called with the record and the timing of each round; returns whether to stop after it."""


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


def run(
    config: Config, folder: RunFolder, cache: Path, *, resume: bool, observe: Observer, record_every: int | None = None
) -> bool:
    """Run the rounds that are left and return whether all are done; False: the observer stopped it.

    Args:
        config: the experiment.
        folder: where the run lives.
        cache: folder of the data caches.
        resume: go on from the last checkpoint, if there is one.
        observe: called after every round.
        record_every: keep what the server receives in every such round; None: keep nothing.

    Raises:
        ConfigError: there are no radios whose reception could be kept.
        RecordingError: a recording cannot be written.
        RunError: the folder holds another run.
        StoppedError: the folder cannot be written, or the server's radio is lost.
        DataError, CheckpointError, HistoryError, ResidualError: as their names say.
    """
    use_threads(config.run.threads)
    parts = assemble(config, cache)
    if record_every is not None:
        record_rounds(parts, folder.recordings, record_every)
    try:
        return _run(parts, folder, resume, observe)
    except OSError as error:
        raise StoppedError(
            f"{error.filename or folder.path}: {error.strerror or error}; the last checkpoint is whole: mend this and "
            f"go on with --resume"
        ) from error


def restore(folder: RunFolder, cache: Path) -> tuple[Parts, Checkpoint]:
    """Return the parts and the last checkpoint of a run, to evaluate it."""
    config = folder.load_config()
    use_threads(config.run.threads)
    # nothing will be sent: a calibration that has expired since the run does no harm
    parts = assemble(config.model_copy(update={"calibration": Calibration()}), cache)
    return replace(parts, config=config), checkpoint.load(folder.path, config.run.device)


def _run(parts: Parts, folder: RunFolder, resume: bool, observe: Observer) -> bool:
    config = parts.config
    residuals = ResidualStore(folder.path / "residuals", config.run.device)
    history, timing = History(folder.history), History(folder.timing)
    state, first = _start(parts, folder, history, residuals, resume)
    last_snapshot, outcome = watch(parts.uplink), "ok"
    for round_index in range(first, config.rounds):
        try:
            result = run_round(parts, state, residuals, round_index)
        except LostRadioError as error:
            _save(folder, state, round_index, history, residuals, parts)
            spent = outcome != "ok"
            raise StoppedError(
                f"round {round_index + 1} of {config.rounds}: the server's radio is lost ({error}); all rounds before "
                f"are saved{f', round {round_index} has delivered nothing' if spent else ''}: mend it and go on with "
                "--resume"
            ) from error
        state, record, seconds = result.state, result.record, result.seconds
        outcome = record["outcome"]
        _keep_calibration(parts, folder)
        last = round_index + 1 == config.rounds
        if last or (round_index + 1) % config.evaluation.every == 0:
            started = time.perf_counter()
            scores, sample = _evaluate(parts, state, last)
            record |= scores
            seconds |= {"evaluation": time.perf_counter() - started}
            _save_arrays(folder.samples, _sample_arrays(sample))
            if (on_air := last_snapshot()) is not None:
                _save_arrays(folder.waveform, on_air)
        history.append(record)
        timing.append({"schema": record["schema"], "round": round_index, **seconds})
        stop = observe(record, seconds) and not last
        if last or stop or (round_index + 1) % config.run.checkpoint_every == 0:
            _save(folder, state, round_index + 1, history, residuals, parts)
        if stop:
            return False
    return True


def _start(
    parts: Parts, folder: RunFolder, history: History, residuals: ResidualStore, resume: bool
) -> tuple[ServerState, int]:
    """Return the state to go on from and the first round; make the folder of a new run."""
    config = parts.config
    if not folder.config.exists():
        if folder.path.exists() and any(folder.path.iterdir()):
            raise RunError(f"{folder.path}: not empty and not a run; choose another folder with --out")
        folder.path.mkdir(parents=True, exist_ok=True)
        write_text(folder.path / "manifest.json", json.dumps(manifest(parts), indent=2) + "\n")
        _keep_calibration(parts, folder)
        write_text(folder.config, configuration.dump(config))
        return ServerState.start(parts.first_theta()), 0
    if not resume:
        raise RunError(f"{folder.path}: already holds a run; go on with --resume, or choose another folder with --out")
    theirs = folder.load_config()
    if configuration.digest(config) != configuration.digest(theirs):
        other = f"{folder.path}: holds a run of another configuration; resume it with its own config.toml"
        raise ConfigError([other, *configuration.differences(config, theirs)])
    _keep_calibration(parts, folder)
    if not checkpoint.exists(folder.path):
        history.rewind(0, 0)
        residuals.restore(0)
        return ServerState.start(parts.first_theta()), 0
    saved = checkpoint.load(folder.path, config.run.device)
    history.rewind(saved.history_bytes, saved.rounds)
    residuals.restore(saved.rounds)
    parts.uplink.restore(saved.uplink)
    return saved.state, saved.rounds


def _keep_calibration(parts: Parts, folder: RunFolder) -> None:
    """Copy what is used of the table: radios that were restarted go on with another calibration than before."""
    used = parts.calibration
    if used is not None and not (path := folder.calibration(used.digest)).exists():
        write_text(path, render(Table(used.entries)))


def _evaluate(parts: Parts, state: ServerState, last: bool) -> tuple[dict[str, Any], Sample]:
    evaluation = parts.config.evaluation
    tasks = evaluation.final_tasks if last and evaluation.final_tasks else evaluation.tasks
    return evaluate(parts, state.theta, tasks)


def _save(
    folder: RunFolder, state: ServerState, rounds: int, history: History, residuals: ResidualStore, parts: Parts
) -> None:
    """Write a checkpoint: first what it refers to, then the checkpoint, then forget what it supersedes."""
    residuals.save(rounds)
    digest, remembered = configuration.digest(parts.config), parts.uplink.state()
    checkpoint.save(folder.path, Checkpoint(state, rounds, history.sync(), digest, remembered))
    residuals.prune(rounds)


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def _sample_arrays(sample: Sample) -> dict[str, np.ndarray]:
    return {
        "support": _pixels(sample.support.images),
        "query": _pixels(sample.query.images),
        "support_labels": sample.support.labels.cpu().numpy(),
        "query_labels": sample.query.labels.cpu().numpy(),
        "predictions": sample.predictions,
    }


def _pixels(images: torch.Tensor) -> np.ndarray:
    return (images.squeeze(2) * 255).round().to(torch.uint8).cpu().numpy()


def manifest(parts: Parts) -> dict[str, Any]:
    """Return what a reader needs to know about where a run was made."""
    config, used = parts.config, parts.calibration
    packages = "airmeta", "numpy", "scipy", "torch", "array-api-compat"
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "git": _git_hash(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "threads": config.run.threads},
        "config_hash": configuration.digest(config),
        "calibration": None if used is None else _calibration(used, config),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _calibration(used: Used, config: Config) -> dict[str, Any]:
    return {"table": str(config.calibration.table), "digest": used.digest} | {
        "doubtful": used.doubtful,
        "renewed": used.renewed,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_hash() -> str | None:
    """Return the commit of the source tree, marked if it was changed; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
