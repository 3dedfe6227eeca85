"""Which code a page is made of: that of its runs, as their manifests say, of measurements, and that which judged."""

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from fl.manifest import git_hash, version
from tools.reproduce.machine import machine
from tools.reproduce.p4_kept import commits
from tools.reproduce.paper import Material
from tools.sweep.results import run_folder

ROOT = Path(__file__).parents[2]
UNKNOWN = "version and commit not recorded"


def origin(material: Material) -> str:
    """Return version and commit of the runs, all that there are, and those of what is no run, in sentences.

    Measurements that are kept have the commit that made them, which may be older than the one that judges.
    """
    folders = {run_folder(found.folder, job).path for found in material.sweeps.values() for job in found.jobs}
    counts = Counter(code_of(folder / "manifest.json") for folder in folders)
    return f"Runs: {_shares(counts)}. {_measured(material.folder)}{this_code()}, on {machine()}."


def code_of(manifest: Path) -> str:
    """Return version and commit that a manifest names, or that they are not known."""
    try:
        about = json.loads(manifest.read_text(encoding="utf-8"))
        number, commit = about["versions"]["airmeta"], about["git"]
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN
    return _named(number, commit) if number or commit else UNKNOWN


def this_code() -> str:
    """Return version and commit of the code that runs now; where it is not installed, the version of its source."""
    found = version()
    return _named(_source_version() if found == "unknown" else found, git_hash())


def _measured(folder: Path) -> str:
    """Return which commits made the measurements that are kept, up to where the code that judges is named."""
    counts = Counter({commit or "not recorded": count for commit, count in commits(folder).items()})
    if not counts:
        return "Judged, and measured where no run is: "
    return f"Measured where no run is: commit {_shares(counts)}; judged: "


def _shares(counts: Counter[str]) -> str:
    """Return what was counted, with its share of all if it is not alone."""
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{name} ({count} of {counts.total()})" for name, count in counts.most_common())


def _named(number: str | None, commit: str | None) -> str:
    return f"airmeta {number or '(version not recorded)'}, commit {commit or 'not recorded'}"


def _source_version() -> str | None:
    try:
        about: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(about["project"]["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return None
