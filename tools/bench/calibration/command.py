"""`airmeta bench calibration`: what calibration is worth, before and after, each claim beside the figure measured."""

import json
import time
from pathlib import Path
from typing import Any

import click

from tools.options import json_option

SHOWN = "uncalibrated", "calibrated", "ideal"


@click.command("calibration")
@click.option("--rounds", type=click.IntRange(min=1), default=4, show_default=True, help="Rounds of each cell.")
@click.option("--benches", type=click.IntRange(min=1), default=3, show_default=True, help="Sets of ten radios.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for pictures and result.json.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the first bench.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True, help="That share the work.")
@json_option
def calibration(rounds: int, benches: int, out: Path | None, seed: int, processes: int, as_json: bool) -> None:
    """Play rounds on benches with faults, before and after `airmeta calibrate all`, and on benches without faults.

    Then, with a common clock: channels from soundings, from the beacon with the chains' ratio calibrated, and without.

    \b
    Examples:
        airmeta bench calibration
        airmeta bench calibration --benches 1 --rounds 2 --out figures/
    """
    from tools.bench.calibration.parts import reciprocity, worth
    from tools.bench.waveform.claims import Effort, one_thread

    one_thread()
    effort = Effort(rounds, benches, seed, processes, lambda line: click.echo(line, err=True))
    parts = {}
    for name, measure in (("worth", worth), ("reciprocity", reciprocity)):
        started = time.perf_counter()
        part = measure(effort)
        parts[name] = part.record() | {"seconds": time.perf_counter() - started}
        if not as_json:
            click.echo("\n".join(part.lines()) + f"\n  {parts[name]['seconds']:.0f} s\n")
    result = {"rounds": rounds, "benches": benches, "seed": seed, "parts": parts}
    if out is not None:
        _write(out, result)
    if as_json:
        click.echo(json.dumps(result))


def _write(folder: Path, result: dict[str, Any]) -> None:
    """Write result.json and the picture of each part."""
    from matplotlib import rc_context

    from tools.bench.calibration.pictures import PICTURES

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, draw in PICTURES.items():
        with rc_context({"font.size": 8}):
            draw(result["parts"][name]["tables"]).savefig(folder / f"calibration-{name}.png", dpi=150)
        click.echo(f"wrote {folder / f'calibration-{name}.png'}", err=True)
