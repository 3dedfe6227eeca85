"""`airmeta sweep`: many runs side by side, their table, figures and report."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

ASK_ABOVE = 1000  # runs


@click.command("sweep")
@config_argument
@click.option("--grid", "grid", multiple=True, metavar="KEY=A,B,C", help="Values of a key, or a TOML list; repeatable.")
@click.option(
    "--point",
    "points",
    nargs=2,
    multiple=True,
    metavar="NAME 'KEY=VALUE …'",
    help="A setting by name; repeatable. A grid is crossed with all of them.",
)
@click.option("--seeds", metavar="N|A,B,C", help="How many seeds (1, 2, …), or which ones.")
@set_option
@click.option("--quick", is_flag=True, help="The short form, if the sweep's file has one.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sweep; default sweeps/NAME.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes on this machine; default: cores over threads.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of a run: run.threads, which shapes its result.")
@click.option("--scheduler", metavar="tcp://…", help="Use the workers of this Dask scheduler instead.")
@click.option("--dry-run", is_flag=True, help="Say what would run and what is finished; writes nothing.")
@click.option("--yes", is_flag=True, help=f"Do not ask before more than {ASK_ABOVE:,} runs.")
@json_option
@cache_option
def command(config: Path, **options: Any) -> None:
    """Run an experiment with many settings and seeds, and compare what they found.

    CONFIG is an experiment, varied by --grid, --point and --seeds, or the file of a sweep. Finished runs are skipped,
    others go on from their checkpoints: call it again after whatever has stopped it, or with more values or seeds.
    Writes table.csv, table.parquet, summary.csv, figures/ and report.html.

    \b
    Examples:
        airmeta sweep experiments/quickstart.toml --grid uplink.snr_db=10,19,30 --seeds 5
        airmeta sweep experiments/quickstart.toml --point ideal uplink.kind=ideal \\
            --point "no memory" "uplink.memory=false uplink.sparsity=0.02" --seeds 1,2,3
        airmeta sweep study.toml --quick --dry-run
        airmeta sweep study.toml --scheduler tcp://lab-server:8786 --out /shared/study
    """
    with readable_errors():
        _sweep(config, options)


def _sweep(config: Path, options: dict[str, Any]) -> None:
    from tools.command_line import again
    from tools.sweep.arguments import study
    from tools.sweep.folder import StoppedSweepError, SweepFolder

    planned = study(config, options)
    planned.check()
    _ask(planned.size, options)
    folder = SweepFolder((options["out"] or Path("sweeps") / config.stem).resolve())
    jobs = planned.jobs(_say)
    if options["dry_run"]:
        _describe(jobs, folder, options)
        return
    try:
        outcome = _carry_out(jobs, folder, options)
    except StoppedSweepError as error:
        click.echo(f"{error} Go on with: {again()}", err=True)
        raise SystemExit(130) from error
    _conclude(jobs, folder, outcome, options["as_json"])


def _ask(count: int, options: dict[str, Any]) -> None:
    """Ask whether so many runs are meant, before any of them is written out.

    Raises:
        ClickException: they are not, or there is nobody to ask.
    """
    import sys

    if count <= ASK_ABOVE or options["yes"]:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{count:,} runs are more than {ASK_ABOVE:,}; if you mean it, add --yes")
    if not click.confirm(f"{count:,} runs: do you mean it?", err=True):
        raise click.ClickException("nothing was run; give fewer values or seeds")


def _carry_out(jobs: Any, folder: Any, options: dict[str, Any]) -> Any:
    from rich.console import Console

    from tools.sweep.execute import Crew, carry_out
    from tools.sweep.watch import Lines, Page

    console = Console(stderr=True)
    with ExitStack() as shown:
        watch = shown.enter_context(Page(console)) if console.is_terminal else Lines(_say)
        crew = Crew(options["workers"], options["scheduler"], _say)
        return carry_out(jobs, folder, options["cache"], watch, crew)


def _describe(jobs: Any, folder: Any, options: dict[str, Any]) -> None:
    """Say what would run."""
    from tools.sweep.crew import default_workers
    from tools.sweep.left import left_of

    folder.check()
    left = left_of(jobs, folder.path)
    count = len({job.key for job in jobs})
    about = {
        "out": str(folder.path),
        "runs": count,
        "finished": count - len(left),
        "begun": sum(folder.run(job.key).config.exists() for job in left),
        "settings": len({job.point for job in jobs}),
        "seeds": sorted({job.seed for job in jobs}),
        "rounds": sum(job.config.rounds for job in left),
        "workers": options["scheduler"] or options["workers"] or default_workers(left),
    }
    if options["as_json"]:
        click.echo(json.dumps(about))
        return
    click.echo("\n".join(f"{key}: {value}" for key, value in about.items()))


def _conclude(jobs: Any, folder: Any, outcome: Any, as_json: bool) -> None:
    """Write table and report, say what came out; exit 1 if runs have failed."""
    from tools.command_line import again
    from tools.sweep import table
    from tools.sweep.execute import summary
    from tools.sweep.page import write_report
    from tools.sweep.terminal import shown

    found = table.rows(jobs, folder)
    lines = table.summary(found)
    table.write(folder, found, lines)
    report = write_report(jobs, folder, lines)
    if as_json:
        click.echo(json.dumps({"out": str(folder.path), "runs": found, "summary": lines}))
    else:
        click.echo(shown(lines))
        click.echo(f"Table: {folder.path / 'table.csv'}\nReport: {report}")
    if outcome.failed:
        click.echo(f"{summary(outcome, folder.path)}: {again()}", err=True)
        raise SystemExit(1)


def _say(text: str) -> None:
    click.echo(text, err=True)
