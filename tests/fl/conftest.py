"""Small experiments that run in seconds."""

import pytest

from fl.config import check

SMALL = {
    "rounds": 4,
    "run": {"threads": 1, "checkpoint_every": 2},
    "agents": {"count": 4},
    "task": {"dataset": "glyphs", "ways": 3, "shots": 1, "queries": 2},
    "model": {"kind": "mlp"},
    "algorithm": {"order": "first", "inner_lr": 0.1},
    "evaluation": {"every": 2, "tasks": 2, "steps": 2, "queries": 2},
}


@pytest.fixture
def small():
    """Return a function from overrides (section, key, value) to a small configuration."""

    def build(*overrides):
        raw = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
        for section, key, value in overrides:
            raw.setdefault(section, {})[key] = value
        return check(raw)

    return build
