"""What a sweep shows while it works: a page that follows its runs in a terminal, a line for each run elsewhere."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.sweep.plan import Job
from tools.sweep.work import Done

ROWS = 16  # runs shown at once
SILENT = 120.0  # seconds after which a run that says nothing is shown no more: its worker is gone


class Watch(Protocol):
    """Is told of the progress of a sweep, in one thread."""

    def begin(self, jobs: Sequence[Job], workers: int) -> None:
        """Runs that are left are given to so many workers."""
        ...

    def round(self, said: dict[str, Any]) -> None:
        """A run has done a round; it does not say so of every one."""
        ...

    def lost(self, job: Job, rounds: int) -> None:
        """The worker of a run is gone; another one goes on after so many rounds."""
        ...

    def alone(self, address: str) -> None:
        """There has been no worker of the scheduler at this address for a while."""
        ...

    def end(self, job: Job, done: Done) -> None:
        """A run is over."""
        ...


class Lines:
    """Says a line for every run that is over.

    Args:
        say: is told.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._total, self._over = say, 0, 0

    def begin(self, jobs: Sequence[Job], workers: int) -> None:
        """Say how much there is to do."""
        self._total = len(jobs)
        self._say(f"{counted(len(jobs), 'run')} on {counted(workers, 'worker')}")

    def round(self, said: dict[str, Any]) -> None:
        """Say nothing: runs are many."""

    def lost(self, job: Job, rounds: int) -> None:
        """Say what that costs."""
        self._say(f"a worker was lost; {named(job)} goes on elsewhere from round {rounds + 1}")

    def alone(self, address: str) -> None:
        """Say what is waited for."""
        self._say(f"waiting for workers: start some with `dask worker {address} --nthreads 1`")

    def end(self, job: Job, done: Done) -> None:
        """Say what became of a run."""
        self._over += 1
        how = f"failed: {done.error}" if done.how == "failed" else f"{done.how} after {done.seconds:.1f} s"
        self._say(f"{self._over} of {self._total}: {named(job)}: {how}")


@dataclass
class Running:
    """What is known of a run that is going on."""

    job: Job
    rounds: int
    accuracy: float | None
    heard: float


class Page(Lines):
    """A page that follows the runs; what failed stays above it.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(lambda text: console.print(text, highlight=False, markup=False))
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, Running] = {}
        self._ended: set[str] = set()
        self._failed, self._workers, self._started = 0, 0, time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self.page)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def begin(self, jobs: Sequence[Job], workers: int) -> None:
        """Open the page."""
        self._jobs, self._workers = {job.key: job for job in jobs}, workers
        self._started = time.monotonic()
        self._live.start()

    def round(self, said: dict[str, Any]) -> None:
        """Move a run on."""
        key = said["run"]
        if key not in self._jobs or key in self._ended:  # of another sweep in the same folder, or late
            return
        before = self._running.get(key)
        accuracy = said["accuracy"] if said["accuracy"] is not None else before.accuracy if before else None
        self._running[key] = Running(self._jobs[key], said["round"], accuracy, time.monotonic())

    def end(self, job: Job, done: Done) -> None:
        """Take a run off the page; leave a line if it failed."""
        self._running.pop(job.key, None)
        self._ended.add(job.key)
        if done.how == "failed":
            self._failed += 1
            self._say(f"{named(job)} failed: {done.error}")

    def page(self) -> RenderableType:
        """Return what is shown now; a thread of rich's asks, so what the other one changes is copied first."""
        now, done, total = time.monotonic(), len(self._ended), len(self._jobs)
        share = self._share()
        spent = now - self._started
        left = f", {clock(spent * (1 - share) / share)} left" if share > 0.01 else ""
        head = Table.grid(padding=(0, 1))
        failed = f", {self._failed} failed" if self._failed else ""
        says = f"{done} of {total} runs{failed}, {counted(self._workers, 'worker')}, {clock(spent)}{left}"
        head.add_row(ProgressBar(total=1.0, completed=share, width=30), Text(says))
        shown = [run for run in list(self._running.values()) if now - run.heard < SILENT]
        rows = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        rows.add_column("run", no_wrap=True)
        for column in ("seed", "round", "new agents"):
            rows.add_column(column, justify="right", no_wrap=True)
        for run in shown[:ROWS]:
            accuracy = "–" if run.accuracy is None else f"{100 * run.accuracy:.1f} %"
            name = run.job.point or "the experiment"
            rows.add_row(name, str(run.job.seed), f"{run.rounds} of {run.job.config.rounds}", accuracy)
        return Group(head, rows) if shown else head

    def _share(self) -> float:
        """Return the share of all rounds that are done."""
        total = sum(job.config.rounds for job in self._jobs.values())
        ended = sum(self._jobs[key].config.rounds for key in list(self._ended))
        return (ended + sum(run.rounds for run in list(self._running.values()))) / max(1, total)


def named(job: Job) -> str:
    """Return a run for people."""
    return f"{job.point}, seed {job.seed}" if job.point else f"seed {job.seed}"


def counted(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def clock(seconds: float) -> str:
    """Return a time of that length, in hours, minutes and seconds."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
