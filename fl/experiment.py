"""A run: rounds from a configuration to a folder that holds everything about it.

    config.toml  manifest.json  history.jsonl  timing.jsonl  checkpoint.safetensors  residuals/  samples.npz
    waveform.npz  calibration-DIGEST.json  partition.json

The history is a function of the configuration: the same bytes whether a run goes through or is killed and resumed.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration.table import Table
from calibration.table_file import render
from fl import checkpoint
from fl import config as configuration
from fl.checkpoint import Checkpoint
from fl.config import Config
from fl.history import History
from fl.manifest import manifest
from fl.radio_config import Calibration
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.run_folder import RunError, RunFolder, StoppedError, prepare, sample_arrays, save_arrays, with_partition
from fl.server import ServerState
from fl.setup import Parts, assemble, record_rounds
from fl.tasks import Sample, evaluate
from fl.testbed.identity import is_served
from fl.threads import use_threads
from fl.uplink.waveform.snapshot import watch
from radio.base import LostRadioError
from radio.files import write_text

Observer = Callable[[dict[str, Any], dict[str, float]], bool]
"""Called with the record and the timing of each round; returns whether to stop after it."""


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
        near = with_partition(config, Path("..", folder.partition.name))  # as seen from a recording
        record_rounds(replace(parts, config=near), folder.recordings, record_every)
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
        if config.evaluation.due(round_index + 1, config.rounds):
            started = time.perf_counter()
            scores, sample = _evaluate(parts, state, last)
            record |= scores
            seconds |= {"evaluation": time.perf_counter() - started}
            if sample is not None:
                save_arrays(folder.samples, sample_arrays(sample))
            if (on_air := last_snapshot()) is not None:
                save_arrays(folder.waveform, on_air)
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
    if is_served(folder.path):
        raise RunError(
            f"{folder.path}: a run of airmeta serve or testbed, whose agents keep their residuals; go on with the same "
            "command and --resume"
        )
    is_new = prepare(folder, config, lambda: manifest(config, parts.held, parts.calibration), resume)
    _keep_calibration(parts, folder)
    if is_new:
        return ServerState.start(parts.first_theta()), 0
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


def _evaluate(parts: Parts, state: ServerState, last: bool) -> tuple[dict[str, Any], Sample | None]:
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
