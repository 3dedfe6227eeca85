"""What carries out the actions of a machine of a round: timers, threads, and the order of events.

Events come in from sockets, threads and timers of one event loop, and are given to the machine one at a time. Work on
radio and model is done in one thread, the disk's in another: neither keeps a message waiting.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from dsp.sync import NotDetected
from fl.control.events import (
    Action,
    Attempt,
    Cancel,
    CancelDeadline,
    Event,
    Expired,
    Failed,
    Log,
    NotWritten,
    Save,
    SetDeadline,
    Start,
    Task,
    Written,
)
from fl.testbed.worker import Worker
from fl.uplink.roles import IncompleteError, reason_of
from radio.base import RadioError

Machine = TypeVar("Machine")
LOG = logging.getLogger("airmeta.testbed")
CANCELLED = object()


class Driver(Generic[Machine]):
    """A machine at work. To be made and used in one event loop.

    Args:
        machine: its first state.
        step: the machine's function.
        seconds: how long a deadline of a name is.

    Attributes:
        ended: done when the process is to end; holds why, or an exception that nobody foresaw.
    """

    def __init__(
        self, machine: Machine, step: Callable[[Machine, Event], tuple[Machine, tuple[Action, ...]]],
        seconds: Callable[[str], float],
    ) -> None:  # fmt: skip
        self.machine = machine
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self.loop.create_future()
        self._step = step
        self._seconds = seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._work, self._disk = Worker("airmeta-work"), Worker("airmeta-disk")
        self._waiting: dict[tuple[Task, Attempt], threading.Event] = {}

    def feed(self, event: Event) -> None:
        """Tell the machine something, and do what it wants done; what goes wrong in that is the end of the process."""
        if self.ended.done():
            return
        try:
            self.machine, actions = self._step(self.machine, event)
            for action in actions:
                self.carry_out(action)
        except Exception as error:  # noqa: BLE001 - whoever waits for the process gets it
            self.end(error)

    def carry_out(self, action: Action) -> None:
        """Do what every driver does alike; a driver of its own does the rest."""
        match action:
            case SetDeadline(phase, attempt):
                self._stop_timer()
                expired = Expired(phase, attempt)
                self._deadline = self.loop.call_later(self._seconds(phase), self.feed, expired)
            case CancelDeadline():
                self._stop_timer()
            case Cancel(task, attempt):
                if (cancelled := self._waiting.get((task, attempt))) is not None:
                    cancelled.set()
            case Log(attempt, agent, text):
                about = {} if attempt is None else {"round": attempt.round}
                LOG.info("%s", text, extra=about | ({} if agent is None else {"agent": agent}))
            case _:
                pass

    def work(self, start: Start, function: Callable[[], Any], done: Callable[[Any], Event | None]) -> None:
        """Do a task in the thread of radio and model; `done` makes an event of its result, in the event loop.

        One that is cancelled while another keeps it waiting is not done: a beacon of a round that is over would call
        agents that do not come.
        """
        cancelled = self._waiting[start.task, start.attempt] = threading.Event()

        def unless_cancelled() -> Any:
            return CANCELLED if cancelled.is_set() else function()

        def told(result: Any, error: BaseException | None) -> None:
            self._waiting.pop((start.task, start.attempt), None)
            if result is CANCELLED:
                return
            if isinstance(error, (RadioError, NotDetected, IncompleteError)):
                self.failed(start, error)
            elif error is not None:
                self.end(error)
            elif (event := done(result)) is not None:
                self.feed(event)

        self._in(self._work, unless_cancelled, told)

    def aside(self, function: Callable[[], None]) -> None:
        """Do something small in the thread of radio and model, of which the machine need not know."""
        self._in(self._work, function, lambda _result, error: None if error is None else self.end(error))

    def failed(self, start: Start, error: Exception) -> None:
        """Tell the machine that a task has failed."""
        self.feed(Failed(start.task, start.attempt, reason_of(error)))

    def write(self, save: Save, function: Callable[[], None], done: Callable[[], None]) -> None:
        """Write something in the thread of the disk, and tell the machine how that went; `done` is called before."""

        def told(_result: Any, error: BaseException | None) -> None:
            if isinstance(error, OSError):
                reason = f"{error.filename or 'the disk'}: {error.strerror or error}"
                self.feed(NotWritten(save.write, save.attempt, reason))
            elif error is not None:
                self.end(error)
            else:
                done()
                self.feed(Written(save.write, save.attempt))

        self._in(self._disk, function, told)

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something in the event loop; an error of it is one of the process."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.end(error)

    def end(self, why: str | BaseException) -> None:
        """Let the process end."""
        if self.ended.done():
            return
        if isinstance(why, BaseException):
            self.ended.set_exception(why)
        else:
            self.ended.set_result(why)

    def close(self) -> None:
        """Stop the timer and the threads; what is being written is not waited for: files are whole or as they were."""
        self._stop_timer()
        self._work.close()
        self._disk.close()

    def _in(self, pool: Worker, function: Callable[[], Any], told: Callable[[Any, BaseException | None], None]) -> None:
        def tell(result: Any, error: BaseException | None) -> None:
            try:
                told(result, error)
            except Exception as another:  # noqa: BLE001 - whoever waits for the process gets it
                self.end(another)

        def back(result: Any, error: BaseException | None) -> None:
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(tell, result, error)

        def run() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - handed to the event loop
                back(None, error)
            else:
                back(result, None)

        pool.submit(run)

    def _stop_timer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
