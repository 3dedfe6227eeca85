"""A flowgraph in a process of its own: started, met (`radio.flowgraphs.parent`), watched, and ended.

It ends when the pipe to its input closes, so it goes with this process even if that is killed. What it writes is read
all the time, and its last lines are in the error if it dies: GNU Radio's own messages go the same way.
"""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from radio.base import RadioError

VERSION = 1
START_TIMEOUT = 60.0  # seconds until it must have said what it is
ANSWER_TIMEOUT = 1.0
GRACE = 2.0  # seconds in which it may end by itself
SHOWN = 12  # of its last lines


@dataclass
class Process:
    """A running flowgraph.

    Args:
        label: what errors call it.
        command: interpreter, script and arguments.

    Raises:
        RadioError: it cannot be started.
    """

    label: str
    command: Sequence[str]
    _lines: deque[str] = field(default_factory=lambda: deque(maxlen=SHOWN))
    _process: Any = None
    _reader: Any = None
    _answers: "queue.Queue[dict[str, Any] | None]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                list(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", start_new_session=True,  # Ctrl-C in a terminal is for the parent
            )  # fmt: skip
        except OSError as error:
            raise RadioError(
                f"{self.label}: cannot run {self.command[0]} ({error.strerror}); check the path"
            ) from error
        self._reader = threading.Thread(target=self._read, name="flowgraph-output", daemon=True)
        self._reader.start()

    @property
    def number(self) -> int:
        """Its process id."""
        return int(self._process.pid)

    def meet(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Tell it what is wanted, and return what it says it is.

        Raises:
            RadioError: it cannot be that, has ended, says nothing, or speaks another version.
        """
        self._tell(json.dumps(wanted))
        about = self._answer(START_TIMEOUT)
        if about is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # its output may end a moment before it does
                self._process.wait(GRACE)
            self.check()
            raise RadioError(
                f"{self.label}: must say what it is within {START_TIMEOUT:.0f} s, said nothing{self._tail()}; start "
                f"it by hand: {' '.join(self.command)}"
            )
        if (error := about.get("error")) is not None:
            raise RadioError(f"{self.label}: cannot start: {error}{self._tail()}")
        if about["airmeta"] != VERSION:
            raise RadioError(
                f"{self.label}: must speak version {VERSION}, speaks {about['airmeta']}; take airmeta and its "
                "flowgraphs from one installation"
            )
        return about

    def counts(self) -> str:
        """Return how many samples crossed the bridge as the flowgraph counts them, or why that cannot be told."""
        with contextlib.suppress(RadioError):
            self._tell("counts")
            if (about := self._answer(ANSWER_TIMEOUT)) is not None and "taken" in about:
                return f"the flowgraph took {about['taken']} samples and gave {about['given']}, unit by unit"
        return "the flowgraph does not answer either: it is stopped, or hangs"

    def check(self) -> None:
        """Return if it runs.

        Raises:
            RadioError: it has ended; with its last words.
        """
        status = self._process.poll()
        if status is None:
            return
        self._reader.join(GRACE)
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        raise RadioError(
            f"{self.label}: the flowgraph {how}{self._tail()}; the next call starts it again, and its counts anew"
        )

    def end(self) -> None:
        """Close its input, and end it if it does not end by itself."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        for step in (lambda: None, self._process.terminate, self._process.kill):
            step()
            try:
                self._process.wait(GRACE)
                break
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(GRACE)
        self._process.stdout.close()

    def _tell(self, line: str) -> None:
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError as error:
            self._process.wait(GRACE)
            self.check()
            raise RadioError(f"{self.label}: the flowgraph closed its input ({error.strerror})") from error

    def _answer(self, timeout: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + timeout
        try:
            return self._answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            return None

    def _read(self) -> None:
        for line in self._process.stdout:
            if line.startswith('{"airmeta"'):
                with contextlib.suppress(ValueError):
                    self._answers.put(json.loads(line))
                    continue
            if line.strip():
                self._lines.append(line.rstrip())
        self._answers.put(None)

    def _tail(self) -> str:
        return f"; its last lines: {' | '.join(self._lines)}" if self._lines else "; it said nothing"
