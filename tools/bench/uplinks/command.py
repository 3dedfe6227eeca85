"""`airmeta bench uplinks`: one task over several uplinks, at equal channel uses and equal energy.

Every agent may spend P in each channel use of every scheme, so that equal uses are equal energy. How many uses a round
has, and the server's rate, are chosen for each scheme and budget on a seed that is not one of the comparison.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from fl.config import load
from fl.evaluation import interval, paired_difference
from fl.threads import use_threads
from tools.bench.uplinks.runs import Bench
from tools.bench.uplinks.schemes import SCHEMES, Keys, laid_over
from tools.options import cache_option, config_argument, json_option, readable_errors, set_option
from tools.uses import payload_uses, total_uses

BUDGETS = 0.3, 1.0, 3.0


@click.command("uplinks")
@config_argument
@set_option
@click.option("--budget", "budgets", multiple=True, type=click.FloatRange(0, min_open=True),
              help="Channel uses of a run over parameters; repeatable. Default: 0.3, 1, 3.")  # fmt: skip
@click.option("--only", multiple=True, type=click.Choice(list(SCHEMES)), help="Compare this one; repeatable.")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Seeds 1, 2, ... of each.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder for runs, result.json and the figure; runs that are there are not run again.")  # fmt: skip
@cache_option
@json_option
def uplinks(  # noqa: PLR0913, PLR0917 - one argument an option
    config: Path, overrides: tuple[str, ...], budgets: tuple[float, ...], only: tuple[str, ...], seeds: int, out: Path,
    cache: Path, as_json: bool,
) -> None:  # fmt: skip
    """Compare uplinks at equal channel uses and equal energy: accuracy of new agents, with intervals over seeds.

    \b
    Example:
        airmeta bench uplinks experiments/uplinks.toml --set data_root=FOLDER --out figures/uplinks
    """
    with readable_errors():
        about = load(config, overrides)
        use_threads(about.run.threads)
        (out / "runs").mkdir(parents=True, exist_ok=True)
        asked = tuple(sorted(set(budgets or BUDGETS)))
        bench = Bench(about, asked, cache, out / "runs", lambda line: click.echo(line, err=True))
        rows = [row for name in only or SCHEMES for row in _rows(bench, name, seeds)]
    _compare(rows)
    _write(out, rows)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in sorted(rows, key=lambda row: row["budget"]):
        click.echo(_line(row))


def _rows(bench: Bench, name: str, seeds: int) -> list[dict[str, Any]]:
    """Return a row of the table for each budget."""
    tuned = bench.tuned(SCHEMES[name])
    found = np.array([bench.compared(tuned, seed) for seed in range(1, seeds + 1)])
    return [_row(bench, name, index, keys, found[:, index]) for index, keys in enumerate(tuned)]


def _row(bench: Bench, name: str, index: int, keys: Keys, found: np.ndarray) -> dict[str, Any]:
    config, rounds = laid_over(bench.config, keys), bench.rounds(keys)[index]
    low, high = interval(found)
    return {
        "scheme": name,
        "budget": bench.budgets[index],
        "rounds": rounds,
        "uses": rounds * payload_uses(config),
        "uses_total": rounds * total_uses(config),
        "keys": dict(keys),
        "accuracies": found.tolist(),
        "accuracy": float(found.mean()),
        "low": low,
        "high": high,
    }


def _compare(rows: Sequence[dict[str, Any]]) -> None:
    """Set beside each row its difference to the first scheme at the same budget, paired over seeds."""
    first = {row["budget"]: row for row in rows if row["scheme"] == rows[0]["scheme"]}
    for row in rows:
        one = first[row["budget"]]
        if one is not row:
            row["difference"] = list(paired_difference(np.array(row["accuracies"]), np.array(one["accuracies"])))
            row["difference_to"] = one["scheme"]


def _line(row: dict[str, Any]) -> str:
    text = (
        f"{row['budget']:g}·d uses, {row['scheme']}: {row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}]; "
        f"{row['rounds']} rounds of {row['keys']['uplink.measurements']:g}·d, server.lr {row['keys']['server.lr']:g}, "
        f"{row['uses_total'] / row['uses']:.2f} times the uses with pilots and soundings"
    )
    if "difference" in row:
        mean, low, high = row["difference"]
        text += f"; {100 * mean:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] to {row['difference_to']}"
    return text


def _write(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    from matplotlib import rc_context

    from tools.bench.uplinks.pictures import uplinks as picture

    (folder / "result.json").write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    with rc_context({"font.size": 8, "svg.hashsalt": "uplinks"}):
        picture(rows).savefig(folder / "uplinks.svg", metadata={"Date": None})
    click.echo(f"wrote {folder / 'uplinks.svg'}", err=True)
