"""The time of day decides nothing: clocks of hosts differ and jump, and nobody has to set them."""

import ast
from pathlib import Path

import pytest

import fl
from tests.fl.testbed.supervisor import Supervisor, tiny
from tests.fl.testbed.test_same_as_one_process import in_one_process

ROOT = Path(fl.__file__).parent
MODULES = sorted([*ROOT.glob("control/*.py"), *ROOT.glob("testbed/*.py")])
TIME_OF_DAY = {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "now", "utcnow", "today"}


def looks_at_the_time_of_day(source):
    """Return the lines of a module that call, name or import what tells the time of day."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            named = (node.value.id, node.attr)
        elif isinstance(node, ast.ImportFrom):
            named = (node.module, *(alias.name for alias in node.names))
        else:
            continue
        if named[0] in ("time", "datetime", "date") and TIME_OF_DAY.intersection(named[1:]):
            lines.append(node.lineno)
    return lines


def test_the_law_sees_every_way_to_look_at_the_time_of_day():
    source = "import time\nfrom time import time\ntime.time()\ndatetime.now()\ntime.monotonic()\nself.loop.time()"
    assert looks_at_the_time_of_day(source) == [2, 3, 4]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_control_plane_and_testbed_never_look_at_the_time_of_day(path):
    assert looks_at_the_time_of_day(path.read_text(encoding="utf-8")) == []


def test_clocks_that_jump_change_nothing(tmp_path, cache):
    config = tiny()
    with Supervisor(config, tmp_path, cache) as bench:
        bench.serve(misfortune=("jumping_clock", 5.0))
        for agent in range(3):
            bench.take_part(agent, misfortune=("jumping_clock", 3.0 + agent))
        assert bench.keep_going() == 0
    one = in_one_process(config, tmp_path, cache)
    assert (tmp_path / "run" / "history.jsonl").read_text() == one.history.read_text()
