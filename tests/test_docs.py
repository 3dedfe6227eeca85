"""What the docs import is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
OURS = re.compile(r"^ {4,}((?:from|import) (?:calibration|dsp|fl|radio|tools)\b.*)$", re.MULTILINE)


def imports(page):
    """Module and name of each import of ours in an indented block; no name: the module itself."""
    found = []
    for line in OURS.findall(page.read_text(encoding="utf-8")):
        (statement,) = ast.parse(line).body
        module = getattr(statement, "module", None)
        found += [(module, alias.name) if module else (alias.name, None) for alias in statement.names]
    return found


def test_examples_with_imports_are_found():
    assert ("tools.sweep.execute", "execute") in imports(ROOT / "docs" / "sweeps.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_an_example_imports_is_there(page):
    for module, name in imports(page):
        assert name is None or hasattr(importlib.import_module(module), name), f"{module} has no {name}"
