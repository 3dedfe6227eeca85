"""The experiments that come with airmeta are accepted, and the documentation shows them as they are."""

from pathlib import Path
from textwrap import indent

import pytest

from fl.config import load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_every_experiment_is_accepted_as_it_is(path):
    load(path, ())


def test_the_documentation_of_plutos_shows_the_experiment_as_it_is():
    shown = indent((ROOT / "experiments/pluto.toml").read_text(), "   ")
    assert shown in (ROOT / "docs/pluto.md").read_text()
