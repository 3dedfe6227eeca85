"""The folder of a sweep: what was planned, its runs, and what became of those that failed.

    sweep.json  runs/KEY/  failed/KEY.json  attempts/KEY  locks/KEY.lock  locks/KEY.for

A run is known by the hash of its configuration, so a sweep that is extended, or another one in the same folder, finds
what is there already. Whoever writes in the folder of a run holds its lock, and says beside it for which client.
"""

import json
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fl.manifest import version
from fl.run_folder import RunError, RunFolder
from radio.files import write_text
from tools.sweep.attempts import Attempts
from tools.sweep.plan import Job

SCHEMA = 1
UNBEGUN = {"manifest.json", "partition.json"}  # what a new run writes before its config.toml


class SweepError(RunError):
    """A sweep that cannot start, or whose runs are not all finished; the message says what to do."""


class StoppedSweepError(SweepError):
    """A sweep that was stopped, and can go on."""


def is_unbegun(path: Path) -> bool:
    """Return whether a folder has nothing but what a new run writes before its configuration, or is not there."""
    return not path.exists() or all(one.name in UNBEGUN or one.name.startswith(".") for one in path.iterdir())


@dataclass(frozen=True)
class SweepFolder:
    """The files of one sweep.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def about(self) -> Path:
        """What was planned."""
        return self.path / "sweep.json"

    def run(self, key: str) -> RunFolder:
        """Return where a run lives."""
        return RunFolder(self.path / "runs" / key)

    def failure(self, key: str) -> Path:
        """Return where it is written why a run failed."""
        return self.path / "failed" / f"{key}.json"

    def lock(self, key: str) -> FileLock:
        """Return the lock that whoever writes a run holds."""
        return FileLock(self.path / "locks" / f"{key}.lock", timeout=0)

    def is_held(self, key: str) -> bool:
        """Return whether some process works on a run."""
        try:
            with self.lock(key):
                return False
        except Timeout:
            return True

    def hold(self, key: str, probe: str) -> None:
        """Note for which client a run is done; whoever holds its lock does so.

        Args:
            key: of the run.
            probe: the lock that the client holds.
        """
        write_text(self._holder(key), probe)

    def is_held_for(self, key: str, probe: str) -> bool:
        """Return whether some process works on a run for a client, and not for another one in the same folder."""
        path = self._holder(key)
        return path.exists() and path.read_text(encoding="utf-8") == probe and self.is_held(key)

    def _holder(self, key: str) -> Path:
        return self.path / "locks" / f"{key}.for"

    def read(self) -> dict[str, Any]:
        """Return what was planned; empty: nothing yet.

        Raises:
            SweepError: it is damaged, or of another version.
        """
        if not self.about.exists():
            return {}
        try:
            content = json.loads(self.about.read_text(encoding="utf-8"))
            schema, made_by, _ = content["schema"], content["airmeta"], (content["id"], content["runs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SweepError(
                f"{self.about}: damaged ({error!r}); remove it and call the sweep again: finished runs are kept, they "
                "are known by their configuration"
            ) from error
        if schema != SCHEMA:
            raise SweepError(
                f"{self.about}: schema {schema}, this version reads {SCHEMA}; go on with the airmeta that made it "
                f"({made_by}), or choose another folder with --out"
            )
        if made_by != version():
            raise SweepError(
                f"{self.about}: made by airmeta {made_by}, this is {version()}, and runs of two versions may not be "
                f"compared; go on with airmeta {made_by}, or choose another folder with --out"
            )
        return dict(content)

    def check(self) -> None:
        """Check that the folder can be that of a sweep; nothing is written.

        Raises:
            SweepError: it is of another version, damaged, or of something else.
        """
        if (self.path / "config.toml").exists():
            raise SweepError(f"{self.path}: the folder of a single run; choose another one with --out")
        if self.path.exists() and not self.path.is_dir():
            raise SweepError(f"{self.path}: a file; choose a folder with --out")
        self.read()

    def plan(self, jobs: Sequence[Job]) -> str:
        """Write down what is planned, beside what was planned before, and return the sweep's id.

        Raises:
            SweepError: the folder is of another version, damaged, or cannot be written.
        """
        try:
            for name in ("runs", "failed", "attempts", "locks"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / "locks" / "sweep.lock"):
                before = self.read()
                runs = before.get("runs", {}) | {job.key: {"point": job.point, "seed": job.seed} for job in jobs}
                content = {
                    "schema": SCHEMA,
                    "airmeta": version(),
                    "id": before.get("id", uuid.uuid4().hex),
                    "runs": runs,
                }
                if content != before:
                    write_text(self.about, json.dumps(content, indent=1) + "\n")
        except NotImplementedError as error:
            raise SweepError(
                f"{self.path}: its file system has no locks, so two processes could write one run; mount it with locks "
                "(NFS: without nolock), or choose another folder with --out"
            ) from error
        except OSError as error:
            raise SweepError(
                f"{error.filename or self.path}: {error.strerror or error}; choose a folder that can be written with "
                "--out"
            ) from error
        return str(content["id"])

    def remove_unbegun(self, key: str) -> None:
        """Remove the folder of a run that was killed before it had a configuration; nobody may be writing it."""
        where = self.run(key)
        if not where.config.exists() and where.path.exists() and is_unbegun(where.path):
            shutil.rmtree(where.path)

    def attempts(self, key: str) -> Attempts:
        """Return what is remembered of the processes that have begun a run."""
        return Attempts(self.path / "attempts" / key, self.run(key).path)

    def note_failure(self, key: str, error: str, trace: str) -> None:
        """Write down why a run failed."""
        content = {
            "error": error,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "trace": trace.splitlines(),
        }
        write_text(self.failure(key), json.dumps(content, indent=1) + "\n")

    def reason(self, key: str) -> str:
        """Return why a run failed; empty: it did not."""
        path = self.failure(key)
        return str(json.loads(path.read_text(encoding="utf-8"))["error"]) if path.exists() else ""

    def forget_failure(self, key: str) -> None:
        """A run that is tried again, or finished, has not failed."""
        self.failure(key).unlink(missing_ok=True)
