"""Which Python has GNU Radio, and what is said of those that have not."""

import sys
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.gnuradio.interpreter import find
from tests.drivers import PYTHON, need_gnuradio


def test_a_python_with_gnuradio_is_found_without_being_named():
    need_gnuradio("gnuradio.zeromq")
    found = find(None, ["channels"])
    assert found.version.startswith("3.")
    assert found.numpy


def script(folder, text):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_gnuradio_that_numpy_2_breaks_is_explained_with_the_remedy(tmp_path):
    python = need_gnuradio("gnuradio.zeromq")
    if np.lib.NumpyVersion(np.__version__) < "2.0.0" or sys.version_info[:2] != (3, 11):
        pytest.skip("needs a NumPy 2 that the system's Python 3.11 can load")
    packages = Path(np.__file__).parents[1]
    wrong = script(tmp_path, f'PYTHONPATH={packages} exec {python} "$@"')
    with pytest.raises(RadioError) as caught:
        find(wrong)
    text = str(caught.value)
    assert f"{wrong}: its GNU Radio was built for NumPy 1, it has NumPy {np.__version__}" in text
    assert "pip install 'numpy<2'" in text
    assert "radio.gnuradio.python" in text


def test_each_python_that_was_tried_is_named_with_what_it_lacks(tmp_path):
    missing = tmp_path / "none"
    for path, said in (
        (str(missing), r"none: cannot be run \(No such file or directory\)"),
        (script(tmp_path, "echo 'no Python'; exit 3"), r"python: it says nothing; see what"),
    ):
        with pytest.raises(RadioError, match=rf"no Python with GNU Radio.*radio\.gnuradio\.python.*{said}"):
            find(path)


def test_a_module_that_is_missing_is_named():
    need_gnuradio("gnuradio.zeromq")
    with pytest.raises(RadioError, match=r"No module named 'gnuradio\.nonsense'"):
        find(PYTHON, ["nonsense"])
