"""A small process that mutes a radio if its parent dies without having done so: kill -9, a crash, no memory left.

It holds the reading end of a pipe. `QUIT` ends it; the end of the pipe without that means that the parent is gone.
"""

import logging
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radio.base import RadioError
from radio.pluto.attributes import Attributes
from radio.pluto.safety import silence

READY, QUIT = b"ready\n", b"q"
TRIES, PAUSE = 50, 0.2
TIMEOUT = 1.0  # seconds in which a radio must answer it
START_TIMEOUT = 30.0  # seconds, of a machine that is busy
END_TIMEOUT = 10.0

_log = logging.getLogger(__name__)


@dataclass
class Watchdog:
    """The process, seen from its parent.

    Args:
        uri: of the radio, for libiio.

    Raises:
        RadioError: it does not start; without it nothing should be sent.
    """

    uri: str
    _process: Any = None

    def __post_init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "radio.pluto.watchdog", self.uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
        answers, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT)
        if not answers or self._process.stdout.readline() != READY:
            self._end()
            raise RadioError(
                f"radio {self.uri}: the watchdog, which mutes it should this process die, does not start; see what "
                f"{sys.executable} -m radio.pluto.watchdog {self.uri} says"
            )

    def check(self) -> None:
        """Return if it is there.

        Raises:
            RadioError: it is gone.
        """
        if self._process.poll() is not None:
            raise RadioError(
                f"radio {self.uri}: its watchdog has ended (exit status {self._process.returncode}), nothing may be "
                "sent without; open the radio again"
            )

    def dismiss(self, is_silent: bool) -> None:
        """End it if the radio is silent; else, let it try what it is there for."""
        if is_silent:
            self.leave()
        else:
            self.unleash()

    def leave(self) -> None:
        """End it; the radio has been muted."""
        try:
            self._process.communicate(QUIT, END_TIMEOUT)
        except subprocess.TimeoutExpired:
            _log.warning("radio %s: its watchdog does not end, and is killed", self.uri)
            self._end()

    def unleash(self) -> None:
        """Let it mute the radio, as if this process had ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        threading.Thread(target=self._process.wait, daemon=True).start()  # nobody waits for it, but it has a parent

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def mute(uri: str, timeout: float) -> None:
    """Silence a radio that nobody here has open.

    Args:
        uri: of libiio.
        timeout: seconds for every answer.

    Raises:
        RadioError: it does not answer, or may still be sending.
    """
    import iio

    try:
        context = iio.Context(uri)
        context.set_timeout(round(1000 * timeout))
    except OSError as error:
        raise RadioError(f"radio {uri}: nothing answers there ({error}); check cable and power") from error
    silence(Attributes(context, uri))


def main() -> None:
    """Wait for the end of the parent, and mute its radio; a radio that does not answer is tried for some time."""
    import iio  # noqa: F401 - now, not when it matters

    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    if sys.stdin.buffer.read(1) == QUIT:
        return
    said = ""
    for _ in range(TRIES):
        try:
            mute(sys.argv[1], TIMEOUT)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, there is nobody else to do it
            if said != (said := str(error)):
                _log.warning("%s", error)
            time.sleep(PAUSE)
    sys.exit(1)


if __name__ == "__main__":
    main()
