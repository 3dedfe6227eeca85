"""Measurements that are no runs: kept in the folder of a reproduction, and made again for other settings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radio.files import write_text


def kept(folder: Path, name: str, about: str, measure: Callable[[], Any]) -> Any:
    """Return what was measured before about the same, or measure.

    Args:
        folder: of the reproduction.
        name: of the measurement, and of its file.
        about: whatever it depends on.
        measure: returns what JSON can hold.
    """
    path = folder / "measured" / f"{name}.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["about"] == about:
            return before["found"]
    found = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"about": about, "found": found}))
    return json.loads(json.dumps(found))
