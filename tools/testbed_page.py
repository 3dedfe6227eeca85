"""What `airmeta testbed` shows: a table of the agents under the progress of the run, JSON lines, or nothing."""

import json
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY = 10.0  # seconds, where there is no terminal


class NoPage:
    """Shows nothing."""

    def __enter__(self) -> "NoPage":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def show(self, event: dict[str, Any], processes: Sequence[Any]) -> None:
        """Take note of something that the server has said."""


class JsonPage(NoPage):
    """Hands the server's lines on."""

    def show(self, event: dict[str, Any], processes: Sequence[Any]) -> None:
        """Print the line."""
        click.echo(json.dumps(event))


class TerminalPage(NoPage):
    """A page on stderr: the run's progress, and each agent's state; single lines where there is no terminal.

    Args:
        experiment: its configuration.
    """

    def __init__(self, experiment: Any) -> None:
        self._rounds = experiment.rounds
        self._agents: dict[int, dict[str, Any]] = {}
        self._round: dict[str, Any] = {}
        self._heard: dict[int, int] = {}
        self._stopping = ""
        self._phase, self._accuracy, self._printed = "starting", "–", 0.0
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)

    def __enter__(self) -> "TerminalPage":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, event: dict[str, Any], processes: Sequence[Any]) -> None:
        """Draw what has changed."""
        self._note(event)
        if self._console.is_terminal:
            self._live.update(Group(self._head(), self._table(processes)))
        else:
            self._print(event)

    def _note(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind is None:
            self._round = event
            if "new_agent_accuracy" in event:
                self._accuracy = f"{100 * event['new_agent_accuracy']:.1f} %"
            for agent in event["agents_heard"]:
                self._heard[agent] = self._heard.get(agent, 0) + 1
        elif kind == "stopping":
            self._stopping = event["reason"]
        elif kind == "status":
            self._phase = event["phase"]
            self._agents = {one["agent"]: one for one in event["agents"]}

    def _head(self) -> Table:
        done = self._round.get("round", -1) + 1
        phase = "done" if done == self._rounds else self._phase
        figures = f"round {done}/{self._rounds}  phase {phase}  new agents {self._accuracy}  {self._outcome()}"
        head = Table.grid()
        head.add_row(Text(figures))
        if self._stopping:
            head.add_row(Text(self._stopping, style="bold"))
        head.add_row(ProgressBar(total=self._rounds, completed=done, width=60))
        return head

    def _outcome(self) -> str:
        if not self._round:
            return ""
        loss, nmse = self._round["train_loss"], self._round.get("oracle_nmse_db")
        words = [f"loss {loss:.3f}"] if loss is not None else []
        words += [f"NMSE {nmse:.1f} dB"] if nmse is not None else []
        if self._round["outcome"] != "ok":
            words.append(
                f"{self._round['outcome'].replace('_', ' ')}: {self._round.get('failure') or 'see the history'}"
            )
        return "  ".join(words)

    def _table(self, processes: Sequence[Any]) -> Table:
        table = Table("agent", "process", "state", "heard", "last message", "left out last round because", box=None)
        excluded = self._round.get("excluded", {})
        for child in processes:
            if not child.name.startswith("agent-"):
                continue
            agent = int(child.name.removeprefix("agent-"))
            about, code = self._agents.get(agent, {}), child.process.poll()
            process = f"pid {child.process.pid}" if code is None else f"ended ({code})"
            silent = f"{about['silent_s']:.1f} s ago" if about else "–"
            reason = str(excluded.get(str(agent), excluded.get(agent, "")))
            table.add_row(
                str(agent), process, about.get("state", "–"), str(self._heard.get(agent, 0)), silent, reason[:60]
            )
        return table

    def _print(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind is None:
            last = event["round"] + 1 == self._rounds
            if last or "new_agent_accuracy" in event or time.monotonic() - self._printed > LINE_EVERY:
                self._printed = time.monotonic()
                line = f"round {event['round'] + 1}/{self._rounds}  new agents {self._accuracy}  {self._outcome()}"
                click.echo(line, err=True)
        elif kind != "status":
            about = ", ".join(f"{key} {value}" for key, value in event.items() if key != "event")
            click.echo(f"{kind}: {about}", err=True)
