"""What tests of drivers need that pip cannot install. Without it they are skipped.

`.ci/run` names in AIRMETA_DRIVERS what must be there (iio, gnuradio, uhd): a test that would be skipped for it fails.
"""

import importlib.util
import os
import shutil
import subprocess
from ctypes.util import find_library
from functools import cache
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"


def need_libiio() -> None:
    """Skip a test where libiio or pyadi-iio is missing."""
    if find_library("iio") is None:
        _without("iio", "libiio is not installed: apt-get install libiio0")
    if importlib.util.find_spec("adi") is None:
        _without("iio", "pyadi-iio is not installed: pip install '.[sdr]'")


def need_tool(name: str) -> str:
    """Return the path of a tool of libiio, or skip a test."""
    path = shutil.which(name)
    return path or _without("iio", f"{name} is not installed: apt-get install libiio-utils")


def need_gnuradio(module: str) -> str:
    """Return a Python that has a module of GNU Radio, or skip a test."""
    return PYTHON if _has(module) else _without("gnuradio", f"{module} is not installed: apt-get install gnuradio")


@cache
def _has(module: str) -> bool:
    if not Path(PYTHON).exists():
        return False
    return not subprocess.run([PYTHON, "-Ic", f"import {module}"], capture_output=True, check=False).returncode


def need_uhd() -> str:
    """Return a Python that has UHD's module, or skip a test."""
    found = (
        Path(PYTHON).exists()
        and not subprocess.run([PYTHON, "-Ic", "import uhd"], capture_output=True, check=False).returncode
    )
    return PYTHON if found else _without("uhd", "UHD is not installed: apt-get install python3-uhd uhd-host")


def _without(driver: str, text: str) -> str:
    if driver in os.environ.get("AIRMETA_DRIVERS", "").split():
        pytest.fail(f"{text} (AIRMETA_DRIVERS wants {driver})")
    pytest.skip(text)
