"""Measurements that are no runs: kept in a reproduction's folder, made again for other settings, code or machine.

A time is one of a machine, and of the code and libraries that were timed; weights differ in their last digits between
machines. A commit that changes none of that changes no measurement, so each keeps the one that made it.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fl.manifest import git_hash
from radio.files import write_text
from tools.reproduce.machine import code, libraries, machine


def kept(folder: Path, name: str, about: str, measure: Callable[[], Any]) -> Any:
    """Return what was measured before about the same, by the same code and libraries on the same machine, or measure.

    Args:
        folder: of the reproduction.
        name: of the measurement, and of its file.
        about: whatever else it depends on.
        measure: returns what JSON can hold.
    """
    path = _folder(folder) / f"{name}.json"
    key = {"about": about} | _here()
    if path.exists():
        before = _read(path)
        if _agrees(before, key):
            return before["found"]
    found = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(key | {"commit": git_hash(), "found": found}))
    return json.loads(json.dumps(found))


def commits(folder: Path) -> Counter[str | None]:
    """Return the commits that made what is kept and still counts, with how many measurements of each.

    Args:
        folder: of the reproduction.
    """
    here, found = _here(), map(_read, sorted(_folder(folder).glob("*.json")))
    return Counter(one.get("commit") for one in found if _agrees(one, here))


def _here() -> dict[str, str]:
    return {"code": code(), "libraries": libraries(), "machine": machine()}


def _folder(folder: Path) -> Path:
    return folder / "measured"


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _agrees(found: Mapping[str, Any], key: Mapping[str, str]) -> bool:
    return all(found.get(part) == value for part, value in key.items())
