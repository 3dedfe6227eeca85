"""`airmeta reproduce`: a paper's statements, each with a verdict from runs and measurements."""

import json
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, json_option, readable_errors, set_option
from tools.reproduce.papers import PAPERS


@click.command("reproduce")
@click.argument("key", metavar="PAPER", type=click.Choice(list(PAPERS)))
@click.option(
    "--quick/--full",
    "quick",
    default=True,
    show_default=True,
    help="Within 20 minutes on two cores, or what the documentation publishes: hours.",
)
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default reproductions/PAPER-quick or -full.")
@click.option("--workers", type=click.IntRange(min=1), help="Runs side by side; default: one a core.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler to run on, tcp://…; default: this machine.")
@click.option("--dry-run", is_flag=True, help="Say what would run and what is finished; writes nothing.")
@cache_option
@json_option
def command(
    key: str, quick: bool, overrides: tuple[str, ...], out: Path | None, cache: Path, as_json: bool, **where: Any
) -> None:
    """Reproduce what a paper says: runs, figures and a verdict for each of its statements.

    p1: Air-meta-pFL. p2: several inner steps. p3: FedAvg as meta-learning. p4: closed-form training. Runs that are
    finished already are not run again, so a call that was stopped goes on when it is made again.

    \b
    Examples:
        airmeta reproduce p2 --quick --set data_root=FOLDER
        airmeta reproduce p1 --full --set data_root=FOLDER --out reproductions/p1
        airmeta reproduce p1 --full --dry-run
    """
    folder = out or Path("reproductions") / f"{key}-{'quick' if quick else 'full'}"
    if where.pop("dry_run"):
        with readable_errors():
            _describe(key, quick, overrides, folder, as_json)
        return
    started = time.monotonic()
    with readable_errors():
        from tools.command_line import command_line
        from tools.reproduce.judged import judged
        from tools.sweep.execute import StoppedSweepError

        try:
            found = judged(key, quick, overrides, folder, cache, _say, where)
        except StoppedSweepError as error:
            click.echo(f"{error} Go on with: {shlex.join(command_line())}", err=True)
            raise SystemExit(130) from error
        page = _write(key, quick, overrides, folder, found, time.monotonic() - started)
    if as_json:
        click.echo(json.dumps({"page": str(page), "verdicts": _plain(found.verdicts)}))
        return
    for verdict in found.verdicts:
        click.echo(f"{verdict.item}: {verdict.outcome.value}. {verdict.numbers}")
    click.echo(f"Page: {page}")


def _describe(key: str, quick: bool, overrides: Sequence[str], folder: Path, as_json: bool) -> None:
    """Say how many runs each sweep has, and how many are finished."""
    from tools.reproduce.judged import planned, progress

    counts = [progress(name, jobs, folder) for name, jobs in planned(key, quick, overrides).items()]
    if as_json:
        click.echo(json.dumps({"out": str(folder), "sweeps": [vars(count) for count in counts]}))
        return
    for count in counts:
        click.echo(f"{count.sweep}: {count.runs} runs, {count.finished} finished, {count.rounds} rounds to do")
    runs, finished = (sum(getattr(count, name) for count in counts) for name in ("runs", "finished"))
    click.echo(f"{key} in {folder}: {runs} runs, {finished} finished; nothing was run or written")


def _write(key: str, quick: bool, overrides: Sequence[str], folder: Path, found: Any, seconds: float) -> Path:
    """Write the page and the verdicts as JSON; return the page."""
    from radio.files import write_text
    from tools.reproduce.page import Picture, write_page
    from tools.reproduce.papers import paper

    about = paper(key)
    pictures = [Picture(one.name, one.caption, one.draw(found.material)) for one in about.drawings]
    write_text(folder / "verdicts.json", json.dumps(_plain(found.verdicts), indent=2, ensure_ascii=False) + "\n")
    return write_page(folder, about, found.verdicts, pictures, _made(key, quick, overrides, folder, found, seconds))


def _made(key: str, quick: bool, overrides: Sequence[str], folder: Path, found: Any, seconds: float) -> Any:
    from tools.reproduce.judged import spent_seconds
    from tools.reproduce.origin import origin
    from tools.reproduce.page import Made

    public = [_public(item) for item in overrides]
    shown = [word for item in public for word in ("--set", item)]
    words = ["airmeta", "reproduce", key, "--quick" if quick else "--full", *shown]
    spent, calls = spent_seconds(found.material), _calls(folder, seconds)
    effort = (
        f"{len(spent)} runs of {sum(spent) / 3600:.1f} hours together, in {len(calls)} call{'s' * (len(calls) > 1)} "
        f"that took {sum(calls) / 60:.0f} minutes in all, on {os.cpu_count()} cores."
    )
    changes = [item for item in public if not _is_data_root(item)]
    return Made(shlex.join(words), effort, origin(found.material), changes)


def _calls(folder: Path, seconds: float) -> list[float]:
    """Note how long this call has taken, and return that of all that came to their end."""
    from radio.files import write_text

    path = folder / "calls.json"
    calls = [*(json.loads(path.read_text(encoding="utf-8")) if path.exists() else []), round(seconds, 1)]
    write_text(path, json.dumps(calls))
    return calls


def _public(item: str) -> str:
    """Return an override as others can use it: where data lie is different with everyone."""
    return "data_root=FOLDER" if _is_data_root(item) else item


def _is_data_root(item: str) -> bool:
    return item.partition("=")[0].strip() == "data_root"


def _plain(verdicts: Sequence[Any]) -> list[dict[str, str]]:
    return [{**vars(verdict), "outcome": verdict.outcome.value} for verdict in verdicts]


def _say(text: str) -> None:
    click.echo(text, err=True)
