"""Which runs of a sweep are left to do, and whether each of those that have begun can go on.

What a killed process leaves is normal and goes on without a word: a last line that is torn, rounds after the last
checkpoint, a damaged checkpoint before which there is a whole one, no checkpoint (the run begins anew; after how many
rounds there should be one is not known: each call may have had another run.checkpoint_every). Whatever else is wrong
is named before any run starts.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from fl import checkpoint
from fl.checkpoint import CheckpointError
from fl.config import Config, ConfigError, differing, shaping
from fl.data.files import DataError
from fl.history import History, HistoryError
from fl.run_folder import RunError, RunFolder
from tools.sweep.folder import SweepError, SweepFolder, is_unbegun
from tools.sweep.plan import Job
from tools.sweep.results import is_finished, run_folder
from tools.sweep.watch import named

SHOWN = 10  # damaged runs named in a message


def left_of(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """Return the runs that are not finished, each once.

    Raises:
        SweepError: some that have begun cannot go on; says which, why, and what to do.
    """
    different = {job.key: job for job in jobs}
    problems: list[str] = []
    left = [job for job in different.values() if not _is_done(job, folder, problems)]
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        lines = [f"  {problem}" for problem in [*problems[:SHOWN], *more]]
        raise SweepError("\n".join([f"{len(problems)} of {len(different)} runs cannot go on:", *lines]))
    return left


def _is_done(job: Job, folder: Path, problems: list[str]) -> bool:
    """Return whether a run is finished; what is wrong with its folder is added to `problems`."""
    try:
        if is_finished(folder, job):
            return True
        _check(run_folder(folder, job), job)
    except (CheckpointError, ConfigError, DataError, HistoryError, RunError) as error:
        if not _is_written(SweepFolder(folder), job):
            problems.append(f"{named(job)}: {_remedy(run_folder(folder, job), str(error))}")
    return False


def _is_written(folder: SweepFolder, job: Job) -> bool:
    """Return whether another sweep is just writing a run; without a lock nobody is, and none is made by asking."""
    return Path(folder.lock(job.key).lock_file).exists() and folder.is_held(job.key)


def _remedy(files: RunFolder, said: str) -> str:
    problem = said.partition(";")[0]  # the rest is a remedy for a run that is no sweep's
    if "this version reads" in problem:
        return (
            f"{problem}; go on with the airmeta that made it ({_made_by(files)}), or delete {files.path} to do the run "
            "again"
        )
    return f"{problem}; delete {files.path} to do the run again"


def _made_by(files: RunFolder) -> str:
    try:
        versions = json.loads((files.path / "manifest.json").read_text(encoding="utf-8"))["versions"]
        return str(versions["airmeta"])
    except (OSError, ValueError, KeyError, TypeError):
        return "of an unknown version"


def _check(files: RunFolder, job: Job) -> None:
    """Check that a run goes on, or begins, in its folder; nothing is written.

    Raises:
        CheckpointError, ConfigError, DataError, HistoryError, RunError: it does not.
    """
    if not files.config.exists():
        if not is_unbegun(files.path) and not files.config.exists():
            raise RunError(f"{files.path}: not empty and not a run")
        return
    _check_config(files, job.config)
    if checkpoint.exists(files.path):
        path, saved = checkpoint.usable(files.path)
        if not saved.config_hash.startswith(job.key):
            raise CheckpointError(f"{path}: of a run of another configuration")
        History(files.history).check(saved.history_bytes, saved.rounds)


def _check_config(files: RunFolder, config: Config) -> None:
    try:
        theirs = files.load_config()
    except ConfigError as error:
        first = error.problems[0] if error.problems else "unreadable"
        raise ConfigError([f"{files.config}: damaged, or of another version of airmeta ({first})"]) from error
    lines = differing(shaping(config), shaping(theirs))
    if lines:
        raise ConfigError([f"{files.path}: holds a run of another configuration ({', '.join(lines[:3])})"])
