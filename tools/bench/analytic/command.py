"""`airmeta bench analytic`: what closed-form training costs and bears (D2, D3, D4, and noise on its sums)."""

import json
from pathlib import Path
from typing import Any

import click

from fl.config import load
from fl.threads import use_threads
from tools.bench.analytic import air as on_air
from tools.bench.analytic import skew as skewed
from tools.bench.analytic.picture import draw
from tools.bench.analytic.race import race, sentence
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

PARTS = "race", "skew", "air"


@click.command("analytic")
@config_argument
@set_option
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Parts; default: all.")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Seeds 1, 2, ... of each.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the figure.")
@cache_option
@json_option
def analytic(
    config: Path, overrides: tuple[str, ...], only: tuple[str, ...], seeds: int, out: Path | None, cache: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Time closed-form training beside FedAvg, deal its data unevenly, and send its sums over the air.

    \b
    Example:
        airmeta bench analytic experiments/analytic.toml --set data_root=FOLDER --only race
    """
    found: dict[str, Any] = {}
    with readable_errors():
        about = load(config, overrides)
        use_threads(about.run.threads)
        if "race" in (only or PARTS):
            found["race"] = race(about, cache, seeds)
        if "skew" in (only or PARTS):
            found["skew"] = skewed.skew(about, cache, seeds)
        if "air" in (only or PARTS):
            found["air"] = on_air.air(about, cache, seeds)
    if out is not None and "air" in found:
        out.mkdir(parents=True, exist_ok=True)
        draw(found["air"]).savefig(out / "analytic-air.svg", metadata={"Date": None})
    if as_json:
        click.echo(json.dumps(found))
        return
    if "race" in found:
        click.echo(sentence(found["race"]))
    for row in found.get("skew", ()):
        click.echo(skewed.sentence(row))
    for line in on_air.sentences(found["air"]) if "air" in found else ():
        click.echo(line)
