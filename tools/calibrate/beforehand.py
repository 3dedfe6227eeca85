"""What a calibration finds out before anything is sent."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tools.calibrate.opening import Bench


def check_writable(table: Path, report: Path | None) -> None:
    """Find out before anything is sent whether what comes of it can be kept."""
    for path, option in ((table, "--table"), (report, "--report")):
        if path is None:
            continue
        try:
            if path == table:
                path.parent.mkdir(parents=True, exist_ok=True)  # as storing would
            with TemporaryFile(dir=path.resolve().parent):
                pass
        except OSError as error:
            reason = error.strerror or error
            raise click.ClickException(
                f"{option} {path}: cannot be written ({reason}), nothing was measured; name a file that can be"
            ) from error


def check_references(powers: Mapping[int, float], bench: "Bench") -> None:
    """Find out whether all agents that have a reference are there."""
    unknown = sorted(set(powers) - set(bench.agents))
    if unknown:
        raise click.ClickException(
            f"--reference-dbm {unknown[0]}={powers[unknown[0]]:g}: this bench has agents 0 to {max(bench.agents)}"
        )


def kinds(kind: str, bench: "Bench") -> tuple[str, ...]:
    """Return the kinds that a verb measures; levels are of all agents together."""
    from calibration.sequence import KINDS

    whole = len(bench.agents) in (0, bench.config.agents.count)  # 0: a radio alone
    if kind == "levels" and not whole:
        raise click.ClickException("levels are chosen for all agents together; leave out --agent")
    return (kind,) if kind != "all" else KINDS if whole else KINDS[1:]
