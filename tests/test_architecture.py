"""Who may import whom: the layers of the toolkit, held by reading the imports of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "dsp": {"dsp"},
    "radio": {"radio"},
    "calibration": {"calibration", "dsp", "radio"},
    "fl": {"fl", "dsp", "radio", "calibration"},
    "tools": {"tools", "fl", "dsp", "radio", "calibration"},
}
ONLY_IN = {
    "torch": {"fl", "tools"},
    "click": {"tools"},
    "zmq": {"fl", "radio"},
    "adi": {"radio"},
    "iio": {"radio"},
    "uhd": {"radio"},  # by importlib, in radio.usrp.library
    "gnuradio": {"tools"},
}
MODULES = [path.relative_to(ROOT) for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported_packages(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.split(".")[0]


def imported_modules(path):
    """Whatever a module imports that may be a module: `from a import b` is a and a.b."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_import_only_what_lies_below_them(path):
    package = path.parts[0]
    for name in imported_packages(path):
        if name in ALLOWED:
            assert name in ALLOWED[package], f"{path} imports {name}"
        if name in ONLY_IN:
            assert package in ONLY_IN[name], f"{path} imports {name}"


def test_the_rule_sees_every_package():
    assert {path.parts[0] for path in MODULES} == set(ALLOWED)
