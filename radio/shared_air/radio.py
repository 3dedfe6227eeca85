"""A unit of an air of another process: the same samples as a `radio.loopback.LoopbackRadio` on it gives."""

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from radio import exits
from radio.base import Samples, check_burst
from radio.settings import Change, Settings
from radio.shared_air import messages as say
from radio.shared_air.addresses import PREFIX, endpoint_of
from radio.shared_air.connection import Connection

LOG = logging.getLogger("airmeta.air")


class SharedAirRadio:
    """One unit of an air that `airmeta radio air` serves.

    Time stands until all who owe a delivery want to hear that far (`radio.shared_air.barrier`): `receive` waits for
    them. Several threads may use it, one at a time.

    Args:
        uri: `air:tcp://127.0.0.1:PORT`.
        unit: 0 for the server, i + 1 for agent i.
        about: keys and values of the experiment that shape the air; the air must have the same.

    Raises:
        ValueError: the URI is none.
        LostRadioError: there is no air.
        RadioError: the unit cannot be had; the message says why.
    """

    def __init__(self, uri: str, unit: int, about: Mapping[str, say.Scalar]) -> None:
        self.unit, self.hung = unit, ()
        self._connection = Connection(endpoint_of(uri), f"radio {unit}")
        self._is_closed, self._now = False, 0
        try:
            welcome = self._ask(say.Open(0, unit, os.getpid(), dict(about)))
        except BaseException:
            self._connection.close(say.Ask(0))
            raise
        self.sample_rate, self.serial, self.limits = welcome.sample_rate, welcome.serial, welcome.limits
        self.timing_uncertainty, self.lead_time = welcome.timing_uncertainty, welcome.lead_time
        self.timing_repeatability = welcome.timing_repeatability
        self._session, self._settings = welcome.session, welcome.settings
        exits.register(self)

    hung: tuple[int, ...]
    """Units that had been given up, when the air was asked last."""

    @property
    def session(self) -> str:
        """Stays as it is while the air lives: phases and delays do, too."""
        return str(self._session)

    @property
    def settings(self) -> Settings:
        """How the radio is set."""
        return self._settings

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet; once closed, of when it was."""
        if not self._is_closed:
            self._now = int(self._done(say.Now(0)).index)
        return self._now

    def configure(self, change: Change) -> Settings:
        """Set gains and clocks, from the next sample on that nobody has heard, as the loopback radio does.

        Raises:
            SettingError: a value is beyond the limits.
            RadioError: this radio is closed.
        """
        self._settings = self._ask(say.Configure(0, change)).settings
        return self.settings

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on, once nobody who owes a delivery can send into them any more.

        Raises:
            ValueError: more than 2²⁴ samples, or none.
            OverrunError: they are longer ago than the air remembers.
            RadioError: this radio is closed.
        """
        if count > say.MOST_SAMPLES:
            raise ValueError(f"an air gives at most {say.MOST_SAMPLES} samples at a time, got {count}; ask for parts")
        heard, data = self._connection.ask(say.Receive(0, int(count), int(at)))
        self._note(heard.hung)
        return Samples(data, heard.start, heard.lost, heard.clipped)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            LateError: somebody has heard that instant, or this unit was given up.
            FullScaleError: a sample has |x| > 1.
            ValueError: more than 2²⁴ samples.
            RadioError: this radio is closed.
        """
        burst = check_burst(samples)
        if burst.size > say.MOST_SAMPLES:
            raise ValueError(f"an air takes at most {say.MOST_SAMPLES} samples at a time, got {burst.size}; send parts")
        self._done(say.Transmit(0, int(at)), burst)

    def expect(self, units: Iterable[int]) -> tuple[int, ...]:
        """Let units owe a delivery: nobody hears what they can still send into. Only unit 0 may.

        Returns:
            Those that are not connected, and owe nothing.
        """
        return tuple(self._done(say.Expect(0, tuple(units))).units)

    def deliver(self) -> None:
        """Say that whatever was expected of this unit is handed over, or never will be."""
        self._done(say.Deliver(0))

    def mute(self) -> None:
        """Send nothing until `unmute`; bursts that have not begun are withdrawn, one under way is cut off."""
        self._done(say.Mute(0))

    def unmute(self) -> None:
        """Allow sending again."""
        self._done(say.Mute(0, off=True))

    def close(self) -> None:
        """Mute, and give the unit back; a thread that is waiting in `receive` is woken."""
        if not self._is_closed:
            self._is_closed = True
            exits.forget(self)
            self._now = max(self._now, self._connection.close(say.Close(0)))

    def _done(self, question: say.Message, samples: np.ndarray | None = None) -> Any:
        done = self._ask(question, samples)
        self._note(done.hung)
        return done

    def _ask(self, question: say.Message, samples: np.ndarray | None = None) -> Any:
        return self._connection.ask(question, samples)[0]

    def _note(self, hung: tuple[int, ...]) -> None:
        for unit in set(hung).difference(self.hung):
            LOG.warning("unit %d hangs: the air went on without it, and it may not send until it is expected", unit)
        self.hung = hung


def state_of(uri: str) -> say.State:
    """Return how things stand at an air; `air:` may be left out.

    Raises:
        ValueError: the URI is none.
        LostRadioError: there is no air.
    """
    connection = Connection(endpoint_of(PREFIX + uri.removeprefix(PREFIX)), "status")
    try:
        state: say.State = connection.ask(say.Ask(0))[0]
        return state
    finally:
        connection.close(say.Ask(0))
