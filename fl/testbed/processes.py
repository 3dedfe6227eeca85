"""The processes of a testbed on one host: started together, watched, and all stopped, however it ends.

They are in sessions of their own, so that Ctrl-C in a terminal reaches the one that started them, and it alone; each
ends when that one is gone, kill -9 included (`--with-parent`: their standard input ends with it).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GRACE = 20.0  # seconds for a process to end after it was asked to
POLL = 0.05


@dataclass
class Child:
    """A process.

    Args:
        name: for people.
        process: it.
        log: what it says on stderr, and on stdout unless that is read.
        needed: whether the others need it until they have ended.
    """

    name: str
    process: subprocess.Popen[str]
    log: Path
    needed: bool = False

    @property
    def said(self) -> str:
        """Its last words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing (its log, {self.log}, is empty)"


@dataclass
class Children:
    """Processes of `airmeta`.

    Args:
        logs: folder of what they say; made when the first one starts.
    """

    logs: Path
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, words: Sequence[str], read: bool = False, needed: bool = False) -> Child:
        """Start `airmeta WORDS --with-parent`; with `read`, its stdout is a pipe."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        command = [sys.executable, "-m", "tools.cli", *words, "--with-parent"]
        with log.open("a", encoding="utf-8") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if read else output,
                stderr=output,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": _path()},
            )
        child = Child(name, process, log, needed)
        self.running.append(child)
        return child

    def stop(self, child: Child) -> int:
        """Ask a process to end, make it end if it does not, and return its exit code."""
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + GRACE
        while child.process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL)
        if child.process.poll() is None:
            child.process.kill()
        return child.process.wait()

    def stop_all(self) -> None:
        """Stop all of them, the last one started first; those that the others need, after these."""
        for needed in (False, True):
            children = [child for child in reversed(self.running) if child.needed is needed]
            for child in children:
                if child.process.poll() is None:
                    child.process.send_signal(signal.SIGINT)
            for child in children:
                self.stop(child)


def lines_of(stream: IO[str] | None) -> IO[str]:
    """Return the stdout of a process that was started to be read.

    Raises:
        ValueError: it was not.
    """
    if stream is None:
        raise ValueError("the process was not started with read=True")
    return stream


def _path() -> str:
    """Return where Python finds airmeta, for processes in other folders."""
    root = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH")
    return root if not before else os.pathsep.join([root, before])
