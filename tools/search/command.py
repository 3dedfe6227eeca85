"""`airmeta search`: the best settings at a budget of channel uses, or the front of accuracy against uses."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from tools.interrupts import EXIT_CODE, nothing_begun
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option


@click.command("search")
@config_argument
@set_option
@click.option(
    "--per-round", metavar="USES", help="Channel uses that a round may take: 4000, or 0.1d, of the parameters."
)
@click.option("--total", metavar="USES", help="Channel uses of a whole run; how many rounds that are follows from it.")
@click.option("--overhead", is_flag=True, help="Count pilots and soundings as well as the payload.")
@click.option("--vary", multiple=True, metavar="KEY=…",
              help="LOW:HIGH, LOW:HIGH:log or A,B,C; repeatable. In the place of, or beside, the default.")  # fmt: skip
@click.option("--fix", multiple=True, metavar="KEY", help="Leave out of the default search; repeatable.")
@click.option("--only", is_flag=True, help="Vary what --vary names, nothing by default.")
@click.option("--trials", type=click.IntRange(min=1), default=40, show_default=True, help="Settings tried in all.")
@click.option("--seeds", type=click.IntRange(1, 900), default=2, show_default=True, help="Tuning seeds of a setting.")
@click.option("--confirm", "fresh", type=click.IntRange(0, 900), default=5, show_default=True,
              help="Fresh seeds for the best against the experiment as it is; 0: none.")  # fmt: skip
@click.option("--sampler", type=click.Choice(["tpe", "nsga2", "random"]), default="tpe", show_default=True)
@click.option("--sampler-seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=2, show_default=True,
              help="Settings asked for together; at least as many as workers.")  # fmt: skip
@click.option("--prune/--no-prune", default=True, help="Give up settings below the median after some of their seeds.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; default searches/NAME.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes on this machine; default: cores over threads.")
@click.option("--scheduler", metavar="tcp://…", help="Use the workers of this Dask scheduler instead.")
@click.option("--dry-run", is_flag=True, help="Say what would be searched; writes nothing.")
@json_option
@cache_option
def command(config: Path, **options: Any) -> None:
    """Search k, M, rates and the power floor of an experiment, and confirm the best setting on fresh seeds.

    With --total or --per-round the accuracy on new agents decides; without them accuracy and channel uses both do, and
    the result is a front. The same command goes on where it was stopped; more --trials go on further.

    \b
    Examples:
        airmeta search experiments/quickstart.toml --total 2d --trials 20
        airmeta search experiments/quickstart.toml --per-round 0.1d --fix algorithm.inner_lr
        airmeta search experiments/omniglot.toml --only --vary uplink.sparsity=0.005:0.2:log \\
            --vary uplink.measurements=0.02:0.5:log --total 20d --out searches/omniglot
    """
    if options["fresh"] == 1:
        raise click.UsageError("--confirm 1: an interval needs at least 2 seeds; 0 confirms nothing")
    _search(config, options)


def _search(base: Path, options: dict[str, Any]) -> None:
    out = (options["out"] or Path("searches") / base.stem).resolve()
    try:
        with nothing_begun(lambda: _stopped(out, options)):
            import_module("tools.search.carry_out")
        with readable_errors():
            _carry_out(base, out, options)
    except KeyboardInterrupt as error:
        click.echo(_stopped(out, options), err=True)
        raise SystemExit(EXIT_CODE) from error


def _carry_out(base: Path, out: Path, options: dict[str, Any]) -> None:
    """Plan the search and do it.

    Raises:
        KeyboardInterrupt: it was stopped, at whatever point.
    """
    from tools.search.arguments import planned
    from tools.search.folder import SearchFolder

    search = planned(base, options)
    folder = SearchFolder(out)
    folder.check(search.described())
    if options["dry_run"]:
        _describe(search, folder, options)
        return
    from tools.search.carry_out import carry_out
    from tools.sweep.execute import StoppedSweepError

    try:
        report = carry_out(search, folder, options, lambda text: click.echo(text, err=True))
    except StoppedSweepError as error:
        raise KeyboardInterrupt from error
    if options["as_json"]:
        click.echo(json.dumps(report.described()))
        return
    click.echo("\n".join([*report.lines(), f"Report: {folder.path / 'report.html'}"]))


def _describe(search: Any, folder: Any, options: dict[str, Any]) -> None:
    about = {
        "out": str(folder.path),
        "budget": str(search.budget),
        "own": {"rounds": search.setting("own").rounds, "uses": search.setting("own").uses},
        "varied": [str(axis) for axis in search.axes],
        "runs": options["trials"] * search.seeds + 2 * options["fresh"],
        "sampler": f"{search.sampler}, seed {search.sampler_seed}",
    }
    if options["as_json"]:
        click.echo(json.dumps(about))
        return
    click.echo("\n".join(f"{key}: {value}" for key, value in about.items()))


def _stopped(out: Path, options: dict[str, Any]) -> str:
    """Return what the user is told of a search that was stopped."""
    from tools.command_line import again

    has_runs = any((out / "runs").glob("*"))
    what = "Stopped; what is finished is kept" if has_runs else "Stopped before any run began"
    return what if options["dry_run"] else f"{what}. Go on with: {again()}"
