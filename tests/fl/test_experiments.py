"""The experiments that come with airmeta are accepted, and the documentation shows them as they are."""

from pathlib import Path
from textwrap import indent

import pytest

from fl.config import load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_every_experiment_is_accepted_as_it_is(path):
    load(path, ())


@pytest.mark.parametrize("name, margin", [("pluto", 3), ("usrp", 4)])
def test_the_documentation_of_a_bench_shows_its_experiment_as_it_is(name, margin):
    shown = indent((ROOT / f"experiments/{name}.toml").read_text(), margin * " ")
    assert shown in (ROOT / f"docs/{name}.md").read_text()
