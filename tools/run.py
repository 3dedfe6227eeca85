"""`airmeta run`: the main job, all roles in one process."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tools.interrupts import interrupts
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option
from tools.paths import default_run_folder


@click.command("run")
@config_argument
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/NAME-DATE-TIME.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would run; draws nothing, writes nothing.")
@click.option(
    "--record",
    "record_every",
    metavar="[N]",
    is_flag=False,
    flag_value=1,
    type=click.IntRange(min=1),
    help="Keep what the server receives in every round, or every Nth, in recordings/ of the run's folder; put it last.",
)
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@cache_option
def command(
    config: Path, overrides: tuple[str, ...], out: Path | None, record_every: int | None, cache: Path, **flags: bool
) -> None:
    """Train over the air and show the result on new agents.

    Writes the run's folder: configuration, history, checkpoint, report.html.

    \b
    Examples:
        airmeta run experiments/quickstart.toml --out runs/first
        airmeta run experiments/quickstart.toml --set uplink.kind=ideal --out runs/ideal
        airmeta run experiments/quickstart.toml --out runs/first --resume
        airmeta run experiments/quickstart.toml --set uplink.kind=waveform --record 10
    """
    from fl.config import load
    from fl.data.files import check_root

    with readable_errors():
        experiment = load(config, overrides)
        check_root(experiment.data_root)
        if flags["resume"] and out is None:
            raise click.UsageError("--resume needs --out, the folder of the run to go on with")
        folder = out or default_run_folder(config)
        if flags["dry_run"]:
            _describe(experiment, folder, cache, record_every, flags["as_json"])
            return
        with resumable(folder):
            if not _train(experiment, folder, cache, record_every, flags):
                raise _Stopped("Stopped after a whole round.")
        conclude(folder, flags["as_json"])


class _Stopped(Exception):  # noqa: N818 - what the user wanted
    """Ctrl-C or SIGTERM has ended a run."""


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """However a run stops, say with which command it goes on."""
    from fl.run_folder import StoppedError

    try:
        yield
    except StoppedError as error:
        raise click.ClickException(f"{error}\nGo on with: {_again(folder)}") from error
    except (_Stopped, KeyboardInterrupt) as error:
        said = str(error) or "Stopped at once; the last checkpoint is whole."
        click.echo(f"{said} Go on with: {_again(folder)}", err=True)
        raise SystemExit(130) from error


def _again(folder: Path) -> str:
    """Return the command that resumes the run in a folder."""
    from tools.command_line import command_line

    words = [word for word in command_line() if word != "--resume"]
    return shlex.join([*words, *([] if "--out" in words else ["--out", str(folder)]), "--resume"])


def _train(experiment: Any, folder: Path, cache: Path, record_every: int | None, flags: dict[str, bool]) -> bool:
    from fl.experiment import run
    from fl.run_folder import RunFolder
    from tools.progress import JsonLines, Live, Silent

    shown = JsonLines() if flags["as_json"] else Silent() if flags["quiet"] else Live(experiment.rounds)
    with shown, interrupts() as interrupted:

        def observe(record: dict[str, Any], seconds: dict[str, float]) -> bool:
            shown.round(record)
            return bool(interrupted)

        kept = RunFolder(folder)
        return run(experiment, kept, cache, resume=flags["resume"], observe=observe, record_every=record_every)


def conclude(folder: Path, as_json: bool) -> None:
    """Write the report and say what came out."""
    from fl.history import read
    from tools.report.page import write_report

    report = folder / "report.html"
    write_report([folder], report)
    history = read(folder / "history.jsonl")
    final = next(record for record in reversed(history) if "new_agent_accuracy" in record)
    if as_json:
        return
    (low, high), steps = final["new_agent_interval"], len(final["accuracy_by_step"]) - 1
    before, (before_low, before_high) = final["accuracy_by_step"][0], final["interval_by_step"][0]
    click.echo(
        f"New agents, {steps} fine-tuning step{'s' * (steps != 1)}: {100 * final['new_agent_accuracy']:.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}]"
    )
    click.echo(
        f"Without fine-tuning:            {100 * before:.1f} % [{100 * before_low:.1f}, {100 * before_high:.1f}]"
    )
    click.echo(f"Report: {report}")
    _streams(history)
    _doubt(folder)
    _warn(history)


def _streams(history: list[dict[str, Any]]) -> None:
    """Say how often streams of radios have broken, if there were any."""
    counts = [
        about["broken_streams"] for record in history if "broken_streams" in (about := record.get("waveform", {}))
    ]
    if counts:
        click.echo(f"Broken streams: {sum(counts)} in {len(counts)} rounds")


def _doubt(folder: Path) -> None:
    """Say on stderr what was measured again, and which calibrations were used although their verdict is not good."""
    used = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["calibration"]
    for line in [] if used is None else [*used["renewed"], *used["doubtful"]]:
        click.echo(f"calibration: {line}", err=True)


def _warn(history: list[dict[str, Any]]) -> None:
    """Say on stderr which rounds delivered nothing; exit 1 if none delivered anything."""
    lost = [record for record in history if record["outcome"] != "ok"]
    if not lost:
        return
    last = lost[-1]
    reason = last.get("failure") or "; ".join(sorted(set(last["excluded"].values()))[:2]) or last["outcome"]
    click.echo(
        f"{len(lost)} of {len(history)} rounds delivered nothing (last: round {last['round'] + 1}, {last['outcome']}: "
        f"{reason}); the agents kept their updates",
        err=True,
    )
    if len(lost) == len(history):
        raise SystemExit(1)


def _describe(experiment: Any, folder: Path, cache: Path, record_every: int | None, as_json: bool) -> None:
    """Say what would run; radios that are not merely simulated, virtual ones too, are not even opened for it."""
    from fl.airtime import airtime
    from fl.setup import assemble, record_rounds, unopened

    if experiment.uplink.kind == "waveform" and experiment.radio.kind != "loopback":
        sizes: dict[str, Any] = unopened(experiment)
    else:
        parts = assemble(experiment, cache)
        if record_every is not None:
            record_rounds(parts, folder, record_every)
        kept, symbols = parts.uplink.kept_entries, getattr(parts.uplink, "n_symbols", None) or 0
        sizes = {"parameters": parts.model.dimension, "kept_entries": kept, "channel_uses_per_round": symbols}
    about = {
        "out": str(folder),
        "rounds": experiment.rounds,
        "agents": experiment.agents.count,
        "agents_per_round": experiment.agents.scheduled,
        "dataset": experiment.task.dataset,
        "uplink": experiment.uplink.kind,
        **sizes,
    }
    if experiment.uplink.kind == "waveform":
        about |= airtime(experiment)
    click.echo(json.dumps(about) if as_json else "\n".join(f"{key}: {_spelt(value)}" for key, value in about.items()))


def _spelt(value: Any) -> str:
    """Return a value for a line of text; of several radios, each with its serial number."""
    if isinstance(value, dict):
        return ", ".join(f"{one:g} ({serial})" for serial, one in value.items())
    return str(value)
