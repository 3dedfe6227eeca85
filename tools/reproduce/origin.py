"""Which code a page is made of: that of its runs, as their manifests say, and that which judged and drew them."""

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from fl.manifest import git_hash, version
from tools.reproduce.machine import machine
from tools.reproduce.paper import Material
from tools.sweep.results import run_folder

ROOT = Path(__file__).parents[2]
UNKNOWN = "version and commit not recorded"


def origin(material: Material) -> str:
    """Return version and commit of the runs, all that there are, and those of what is no run, in sentences."""
    folders = {run_folder(found.folder, job).path for found in material.sweeps.values() for job in found.jobs}
    counts = Counter(code_of(folder / "manifest.json") for folder in folders)
    if len(counts) == 1:
        runs = next(iter(counts))
    else:
        runs = "; ".join(f"{code} ({count} of {len(folders)})" for code, count in counts.most_common())
    return f"Runs: {runs}. Judged, and measured where no run is: {this_code()}, on {machine()}."


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


def _named(number: str | None, commit: str | None) -> str:
    return f"airmeta {number or '(version not recorded)'}, commit {commit or 'not recorded'}"


def _source_version() -> str | None:
    try:
        about: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(about["project"]["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return None
