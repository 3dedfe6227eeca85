"""Who was refused, said once each: a flood of refused peers fills neither the log nor the memory."""

import logging
from collections import OrderedDict
from collections.abc import Callable

MOST_REMEMBERED = 256
AGAIN_AFTER = 600.0  # seconds
MOST_A_MINUTE = 30


class Refusals:
    """A log of refusals that does not grow.

    Args:
        log: where they are written.
        clock: seconds that only increase.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._last: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._minute = (clock(), 0)
        self.total = 0

    def note(self, peer: str, reason: str, agent: int | None = None) -> None:
        """Write down that a peer was refused, unless it was written not long ago.

        Args:
            peer: its key or address.
            reason: why, and what to do.
            agent: whom it says it is; None: it has not said.
        """
        self.total += 1
        now, key = self._clock(), (peer, reason)
        since, count = self._last.pop(key, (None, 0))
        if since is not None and now - since < AGAIN_AFTER:
            self._last[key] = (since, count + 1)
            return
        if len(self._last) >= MOST_REMEMBERED:
            self._last.popitem(last=False)
        self._last[key] = (now, 0)
        times = f" ({count} times more since it was said)" if count else ""
        self._write(now, f"refused {peer}: {reason}{times}", {} if agent is None else {"agent": agent})

    def _write(self, now: float, line: str, about: dict[str, int]) -> None:
        begun, lines = self._minute
        if now - begun >= 60:
            if lines > MOST_A_MINUTE:
                self._log.warning("refused %d more peers in a minute, without a line for each", lines - MOST_A_MINUTE)
            begun, lines = now, 0
        self._minute = (begun, lines + 1)
        if lines < MOST_A_MINUTE:
            self._log.warning("%s", line, extra=about)
