"""`airmeta bench waveform`: what is claimed of the waveform, each claim beside the figure measured."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, json_option

NAMES = "awgn", "everything", "alone", "beacon", "phase", "presence"


@click.command("waveform")
@click.option("--rounds", type=click.IntRange(min=1), default=20, show_default=True, help="Rounds of each cell.")
@click.option("--trials", type=click.IntRange(min=1), default=2000, show_default=True, help="Trials of the rest.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run this part alone; repeatable.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for pictures and result.json.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of all draws.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True, help="That share the work.")
@json_option
@cache_option
def waveform(  # noqa: PLR0913, PLR0917 - one argument an option
    rounds: int,
    trials: int,
    only: tuple[str, ...],
    out: Path | None,
    seed: int,
    processes: int,
    as_json: bool,
    cache: Path,
) -> None:
    """Measure the demodulated sum, the cost of impairments, the beacon, phase prediction and presence.

    With fewer rounds or trials than the default, a SHORT may be chance.

    \b
    Examples:
        airmeta bench waveform --rounds 4 --trials 100
        airmeta bench waveform --only everything --only alone --out figures/
    """
    from tools.bench.waveform.claims import Effort, one_thread

    one_thread()
    effort = Effort(rounds, trials, seed, processes, lambda line: click.echo(line, err=True))
    parts: dict[str, dict[str, Any]] = {}
    for name in only or NAMES:
        started = time.perf_counter()
        part = _parts(cache)[name](effort)
        parts[name] = part.record() | {"seconds": time.perf_counter() - started}
        if not as_json:
            click.echo("\n".join(part.lines()) + f"\n  {parts[name]['seconds']:.0f} s\n")
    result = {"rounds": rounds, "trials": trials, "seed": seed, "parts": parts}
    if out is not None:
        _write(out, result)
    if as_json:
        click.echo(json.dumps(result))


def _parts(cache: Path) -> dict[str, Callable[..., Any]]:
    from tools.bench.waveform.beacon import beacon
    from tools.bench.waveform.phase import phase
    from tools.bench.waveform.presence import presence
    from tools.bench.waveform.uplink import alone, awgn, everything

    measured = awgn, everything, alone, beacon, phase, lambda effort: presence(effort, cache)
    return dict(zip(NAMES, measured, strict=True))


def _write(folder: Path, result: dict[str, Any]) -> None:
    """Write result.json and the pictures of the parts that were measured."""
    from matplotlib import rc_context

    from tools.bench.waveform.pictures import PICTURES

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, part in result["parts"].items():
        for stem, draw in PICTURES[name].items():
            with rc_context({"font.size": 8}):
                draw(part["tables"]).savefig(folder / f"{stem}.png", dpi=150)
            click.echo(f"wrote {folder / f'{stem}.png'}", err=True)
