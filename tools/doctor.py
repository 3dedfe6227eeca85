"""`airmeta doctor`: is this installation able to do its job?"""

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import click

from tools.options import cache_option, json_option, readable_errors, set_option


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its name, whether it is well, what was seen, what to do, whether it is bad if it is not."""

    name: str
    good: bool
    seen: str
    remedy: str = ""
    grave: bool = True


@click.command("doctor")
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--radio", "uris", multiple=True, metavar="URI", help="Check these radios and their calibration.")
@set_option
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Calibration table; default: calibration.table of CONFIG, else this user's.",
)
@json_option
@cache_option
def command(
    config: Path | None,
    uris: tuple[str, ...],
    overrides: tuple[str, ...],
    table: Path | None,
    as_json: bool,
    cache: Path,
) -> None:
    """Check Python, packages, the data cache, and the link at zero noise; with radios, these and their calibration.

    Radios are those of CONFIG or of --radio. Exit status 1 if something is BAD: the line below says what to do. WARN is
    used by a run all the same.

    \b
    Examples:
        airmeta doctor
        airmeta doctor --radio loopback:agents=4,offset_ppm=20,latency=60
    """
    findings = [_python(), *_packages(), _threads(), _cache(cache), _link()]
    if config is not None or uris:
        findings += _radios(config, uris, overrides, table)
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings]))
    else:
        for finding in findings:
            below = "" if finding.good or not finding.remedy else f"\n     {finding.remedy}"
            click.echo(f"{_mark(finding)} {finding.name}: {finding.seen}{below}")
    if any(finding.grave and not finding.good for finding in findings):
        raise SystemExit(1)


def _mark(finding: Finding) -> str:
    if finding.good:
        return click.style("ok  ", fg="green")
    return click.style("BAD ", fg="red") if finding.grave else click.style("WARN", fg="yellow")


def _radios(
    config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...], table: Path | None
) -> Iterator[Finding]:
    """Yield what was found of radios; what keeps one from looking is a finding, too."""
    from tools.calibrate.checkup import radios

    try:
        with readable_errors():
            yield from (Finding(*one) for one in radios(config, uris, overrides, table))
    except click.ClickException as error:
        yield Finding("radios", False, error.message)


def _python() -> Finding:
    return Finding("python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer")


def _packages() -> list[Finding]:
    findings = []
    for name in ("numpy", "scipy", "torch", "array-api-compat", "pydantic", "safetensors", "matplotlib"):
        try:
            findings.append(Finding(name, True, metadata.version(name)))
        except metadata.PackageNotFoundError:
            findings.append(Finding(name, False, "not installed", "pip install -c constraints.txt -e ."))
    return findings


def _threads() -> Finding:
    import torch

    cuda = (
        f"CUDA {torch.version.cuda}, {torch.cuda.device_count()} device(s)" if torch.cuda.is_available() else "no CUDA"
    )
    return Finding("compute", True, f"{torch.get_num_threads()} threads, {cuda}")


def _cache(cache: Path) -> Finding:
    from fl.data.base import load
    from fl.data.files import DataError

    try:
        dataset = load("glyphs", None, cache)
    except DataError as error:
        return Finding("data cache", False, str(error), "free some space, or name another folder with --cache")
    return Finding("data cache", True, f"{cache}: glyphs has {len(dataset.class_images)} classes")


def _link() -> Finding:
    """Send a sparse vector through the sensing operator without noise and recover it."""
    import numpy as np

    from dsp.metrics import nmse_db
    from dsp.oamp import recover
    from dsp.sensing import PartialDFT
    from dsp.sparsify import top_k

    vector = top_k(np.random.default_rng(0).standard_normal(4096), 160)
    sensing = PartialDFT(4096, 1638, 0)
    error = float(nmse_db(recover(sensing.forward(vector), sensing, 0.0).estimate, vector))
    return Finding("link at zero noise", error < -60, f"NMSE {error:.0f} dB", "run the tests: make test")
