"""The values of a grid, as a configuration reads them."""

import json
from collections.abc import Sequence
from typing import Any

from fl.config import read_value


def override(key: str, value: Any) -> str:
    """Return `key=value` as `--set` reads it."""
    return f"{key}={value if isinstance(value, str) else spelt(value)}"


def spelt(value: Any) -> str:
    """Return a value as TOML spells it, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(spelt, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {spelt(item)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def repeated(values: Sequence[Any]) -> list[str]:
    """Return which values come to the same, for people: 1 and 1.0 do, as numbers and as texts of the command line."""
    first: dict[Any, Any] = {}
    found = []
    for value in values:
        read = _comparable(read_value(value) if isinstance(value, str) else value)
        if read in first:
            one, other = _shown(first[read]), _shown(value)
            found.append(f"{one} occurs twice" if one == other else f"{one} and {other} are the same")
        else:
            first[read] = value
    return list(dict.fromkeys(found))


def _comparable(value: Any) -> Any:
    """Return something that can be hashed, the same for values that a configuration takes for the same."""
    if isinstance(value, list):
        return tuple(map(_comparable, value))
    if isinstance(value, dict):
        return frozenset((key, _comparable(item)) for key, item in value.items())
    return isinstance(value, bool), value  # true is 1 for Python


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else spelt(value)
