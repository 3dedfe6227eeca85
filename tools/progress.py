"""What a run shows while it works: a live line on a terminal, JSON lines for scripts, or nothing. All on stderr/stdout
as the command line promises: progress on stderr, results on stdout.
"""

import json
import time
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


class Silent:
    """Shows nothing."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def round(self, record: dict[str, Any]) -> None:
        """Take note of a finished round."""


class JsonLines(Silent):
    """Prints the record of every round on stdout."""

    def round(self, record: dict[str, Any]) -> None:
        """Print one record."""
        click.echo(json.dumps(record, default=str))


class Live(Silent):
    """A progress bar on stderr: round, loss, new-agent accuracy, NMSE, time left; a line where there is no terminal.

    Args:
        total: rounds of the run.
        done: rounds already behind.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self._total, self._accuracy, self._printed = total, "–", 0.0
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("round"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, completed=done, figures="")

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def round(self, record: dict[str, Any]) -> None:
        """Move the bar; without a terminal, print a line every ten seconds and after every evaluation."""
        evaluated = "new_agent_accuracy" in record
        if evaluated:
            self._accuracy = f"{100 * record['new_agent_accuracy']:.1f} %"
        figures = f"loss {_number(record['train_loss'], '.3f')}  new agents {self._accuracy}"
        nmse = record.get("oracle_nmse_db")
        if record["outcome"] != "ok":
            figures += f"  {record['outcome'].replace('_', ' ')}: {record.get('failure') or 'see the history'}"
        elif nmse is not None:
            figures += f"  NMSE {nmse:.1f} dB"
        self._progress.update(self._task, completed=record["round"] + 1, figures=figures)
        last = record["round"] + 1 == self._total
        if not self._console.is_terminal and (evaluated or last or time.monotonic() - self._printed > 10):
            self._printed = time.monotonic()
            click.echo(f"round {record['round'] + 1}/{self._total}  {figures}", err=True)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
