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
    "gnuradio": {"radio", "tools"},
    "pmt": {"radio", "tools"},
}
GPL = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
FLOWGRAPHS = ROOT / "radio" / "flowgraphs"
MODULES = [path.relative_to(ROOT) for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]
PYTHON_FILES = [*(ROOT / path for path in MODULES), *sorted((ROOT / "tests").rglob("*.py"))]


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


BACKENDS = {path.name for path in (ROOT / "radio").iterdir() if path.is_dir()} - {"streaming", "__pycache__"}
COMPOSED = {"shared_plutos": {"emulation", "shared_air"}}
"""What puts others together, and may import them."""


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "radio"], ids=str)
def test_no_backend_of_the_radios_imports_another_one_and_what_they_share_imports_none(path):
    """Of `radio.pluto` and its like; what several need is in `radio.streaming`, or in `radio` itself."""
    own = {path.parts[1]} if len(path.parts) > 2 else set()
    found = {name.split(".")[1] for name in imported_modules(path) if name.startswith("radio.")}
    composed = {other for name in own for other in COMPOSED.get(name, ())}
    assert not (found & BACKENDS) - own - composed, f"{path} imports {found & BACKENDS}"


LINKED = [path for path in MODULES if {"gnuradio", "pmt"} & set(imported_packages(path))]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_import_only_what_lies_below_them(path):
    package = path.parts[0]
    for name in imported_packages(path):
        if name in ALLOWED:
            assert name in ALLOWED[package], f"{path} imports {name}"
        if name in ONLY_IN:
            assert package in ONLY_IN[name], f"{path} imports {name}"


@pytest.mark.parametrize("path", [path.relative_to(ROOT) for path in PYTHON_FILES], ids=str)
def test_what_links_to_gnuradio_is_a_script_under_its_licence_that_shares_nothing_with_the_rest(path):
    """Scripts of radio/flowgraphs share one module, `parent`, and are run by another Python, never imported."""
    names = set(imported_packages(path))
    links = bool(names & {"gnuradio", "pmt"})
    assert (ROOT / path).read_text(encoding="utf-8").startswith(GPL) == links
    if links:
        assert not names & {*ALLOWED, "tests"}, f"{path} imports {names}"
        assert path.parts[0] == "tests" or {FLOWGRAPHS, ROOT / "tools" / "bench"} & {*(ROOT / path).parents}
    scripts = {".".join(other.with_suffix("").parts) for other in LINKED}
    assert not scripts & set(imported_modules(path)), f"{path} imports a file under the GPL"


def test_the_rule_sees_every_package():
    backends = {"emulation", "flowgraphs", "gnuradio", "pluto", "shared_air", "shared_plutos", "sigmf", "usrp"}
    assert backends == BACKENDS
    assert {path.parts[0] for path in MODULES} == set(ALLOWED)
    assert {Path("radio/flowgraphs/usrp.py"), Path("tools/bench/crosscheck/blocks.py")} <= set(LINKED)
