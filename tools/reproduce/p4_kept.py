"""Measurements that are no runs: kept in the folder of a reproduction, made again for other settings, code or machine.

A time is one of a machine, and of the code that was timed; weights differ in their last digits between machines.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fl.manifest import git_hash
from radio.files import write_text
from tools.reproduce.machine import code, machine


def kept(folder: Path, name: str, about: str, measure: Callable[[], Any]) -> Any:
    """Return what was measured before about the same, by the same code on the same machine, or measure.

    Args:
        folder: of the reproduction.
        name: of the measurement, and of its file.
        about: whatever else it depends on.
        measure: returns what JSON can hold.
    """
    path = folder / "measured" / f"{name}.json"
    key = {"about": about, "code": code(), "machine": machine()}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if all(before.get(part) == value for part, value in key.items()):
            return before["found"]
    found = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(key | {"commit": git_hash(), "found": found}))
    return json.loads(json.dumps(found))
