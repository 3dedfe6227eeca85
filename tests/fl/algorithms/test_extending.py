"""The algorithm that docs/extending.md adds is one that runs."""

import textwrap
from pathlib import Path
from typing import Any

import torch

from fl.algorithms.base import Kind
from fl.algorithms.fedavg import KIND
from fl.algorithms.table import ALGORITHMS
from fl.config import check
from fl.round import training_steps
from fl.setup import assemble

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"


def shown():
    """Return the entry that the page makes."""
    lines = PAGE.read_text(encoding="utf-8").partition("FedProx-like")[2].splitlines()[2:]
    code = lines[: next(index for index, line in enumerate(lines) if line[:1].strip())]
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(code)), names)
    return names["KIND"]


def update(cache, pull):
    keys = {"kind": "fedavg", "local_steps": 3, "proximity": pull}
    parts = assemble(check({"task": {"ways": 3}, "model": {"kind": "mlp"}, "algorithm": keys}), cache)
    return parts.learner.local_updates(parts.first_theta(), training_steps(parts, [0, 1], 0), 1)[0]


def test_the_example_of_the_page_is_an_algorithm_that_pulls_towards_theta(cache, monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "fedavg", shown())
    strong, weak = update(cache, 5.0), update(cache, 1e-6)
    monkeypatch.setitem(ALGORITHMS, "fedavg", Kind(KIND.build, KIND.keys | {"proximity"}))
    assert torch.allclose(weak, update(cache, 2.0), atol=1e-6)
    assert strong.norm() < 0.9 * weak.norm()
