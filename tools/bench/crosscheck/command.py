"""`airmeta bench crosscheck`: the simulated air beside GNU Radio's channel blocks, each effect with a verdict."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from tools.options import json_option

NAMES = "samples", "rayleigh", "rice", "tdl", "noise", "pll", "linewidth", "walk"


@click.command("crosscheck")
@click.option("--segments", type=click.IntRange(min=16), default=600, show_default=True, help="Of each random law.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Compare this alone; repeatable.")
@click.option(
    "--planted",
    type=click.FloatRange(min=1.0),
    default=1.0,
    metavar="FACTOR",
    help="Give GNU Radio parameters wrong by this factor: every verdict must then be DIFFERS.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Folder for result.json and, if all is compared, the picture.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=1), default=1, show_default=True, help="Of all draws.")
@json_option
def crosscheck(
    segments: int, only: tuple[str, ...], planted: float, out: Path | None, seed: int, as_json: bool
) -> None:
    """Send the same samples through our air and through GNU Radio's blocks, and compare samples, spectra, statistics.

    Exits with 1 if a verdict is not what it should be. Without GNU Radio there is nothing to compare.

    \b
    Examples:
        airmeta bench crosscheck --out figures/
        airmeta bench crosscheck --planted 1.2
    """
    from tools.bench.air import find_gnuradio

    interpreter = find_gnuradio()
    if interpreter is None:
        reason = "neither python3 nor /usr/bin/python3 has GNU Radio; install it: apt install gnuradio"
        click.echo(json.dumps({"skipped": reason}) if as_json else f"skipped: {reason}")
        return
    result = _compared(interpreter, segments, only or NAMES, planted, seed)
    if out is not None:
        _write(out, result)
    click.echo(json.dumps(result) if as_json else "\n".join(lines(result)))
    if not as_expected(result):
        raise click.exceptions.Exit(1)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Return the result as text."""
    from tools.bench.waveform.claims import table

    records = [record for part in result["parts"].values() for record in part["records"]]
    fixed = [record for record in records if "nmse_db" in record]
    drawn = [record for record in records if "largest" in record]
    yield f"The simulated air and GNU Radio {result['version']}; {result['seconds']:.0f} s"
    if fixed:
        yield "\n  samples, NMSE in dB: ours against theirs, the limit and what explains it, either against the formula"
        yield from (f"    {line}" for line in table([_fixed(record) for record in fixed]))
    if drawn:
        yield "\n  figures: largest difference and what is allowed, in standard errors; relative difference that would"
        yield "  be found 95 times in 100; either's largest distance from the textbook, in standard errors"
        yield from (f"    {line}" for line in table([_drawn(record) for record in drawn]))
    yield from (f"  note: {record['name']}: ours differs from the textbook by design, {record['reason']}"
                for record in drawn if record["reason"])  # fmt: skip
    if result["planted"] != 1:
        yield f"  planted: GNU Radio's parameters times {result['planted']:g}; every verdict must be DIFFERS"


def as_expected(result: dict[str, Any]) -> bool:
    """Return whether all verdicts are AGREES or, with a planted discrepancy, none."""
    verdicts = [record["agrees"] for part in result["parts"].values() for record in part["records"]]
    return all(verdict == (result["planted"] == 1) for verdict in verdicts)


def _compared(interpreter: str, segments: int, names: tuple[str, ...], planted: float, seed: int) -> dict[str, Any]:
    from tools.bench.crosscheck.bridge import GnuRadio, GnuRadioError
    from tools.bench.crosscheck.effort import Effort

    effort = Effort(GnuRadio(interpreter), segments, seed, planted)
    started, parts = time.perf_counter(), {}
    for name in names:
        try:
            records = [comparison.record() for comparison in _effects()[name](effort)]
        except GnuRadioError as error:
            raise click.ClickException(str(error)) from error
        parts[name] = {"records": records}
    return {
        "version": effort.gnuradio.version, "segments": segments, "seed": seed, "planted": planted,
        "seconds": time.perf_counter() - started, "parts": parts,
    }  # fmt: skip


def _effects() -> dict[str, Callable[..., Any]]:
    from tools.bench.crosscheck import delay_line, fading, noise, phase, samples

    effects = (
        samples.samples, fading.rayleigh, fading.rice, delay_line.tapped_delay_line, noise.noise, phase.pll,
        phase.linewidth, phase.frequency_walk,
    )  # fmt: skip
    return dict(zip(NAMES, effects, strict=True))


def _verdict(record: dict[str, Any]) -> str:
    return "AGREES" if record["agrees"] else "DIFFERS"


def _fixed(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "samples": record["name"], "NMSE": record["nmse_db"], "limit": record["limit_db"],
        "explained by": record["reason"], "ours": record["ours_db"], "theirs": record["theirs_db"],
        "verdict": _verdict(record),
    }  # fmt: skip


def _drawn(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "figures": record["name"], "largest": record["largest"], "allowed": record["allowed"],
        "finds": f"{100 * record['finds']:.1f} %", "ours": record["ours_from_textbook"],
        "theirs": record["theirs_from_textbook"], "verdict": _verdict(record),
    }  # fmt: skip


def _write(folder: Path, result: dict[str, Any]) -> None:
    """Write result.json and, if everything was compared, the picture."""
    from matplotlib import rc_context

    from tools.bench.crosscheck.pictures import STYLE, crosscheck_figure

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if set(result["parts"]) == set(NAMES):
        with rc_context(STYLE):
            crosscheck_figure(result).savefig(folder / "crosscheck.svg", metadata={"Date": None})
        click.echo(f"wrote {folder / 'crosscheck.svg'}", err=True)
