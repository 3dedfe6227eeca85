"""`airmeta report`: figures of one or several runs in one HTML file."""

from pathlib import Path

import click

from tools.options import readable_errors


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: report.html in the first run.")
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Draw RUNS over one another; a run that is not finished is drawn as far as it is.

    \b
    Examples:
        airmeta report runs/first
        airmeta report runs/first runs/ideal --out both.html
    """
    from tools.report.page import write_report

    target = out or runs[0] / "report.html"
    with readable_errors():
        write_report(runs, target)
    click.echo(f"Report: {target}")
