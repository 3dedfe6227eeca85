"""What a measurement that is no run depends on beside its settings: the code, the libraries, and the machine."""

import hashlib
import os
import platform
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy
import torch

ROOT = Path(__file__).parents[2]
MEASURING = (
    "dsp/**/*.py",
    "fl/**/*.py",
    "radio/**/*.py",
    "tools/bench/analytic/*.py",
    *(f"tools/reproduce/p4_{part}.py" for part in ("central", "exact", "kept", "measured", "skew")),
)
"""Source that measurements run.

How verdicts are worded and figures drawn is not of it: a changed sentence should cost no measurement. Nor is what plans
runs and finds their files, since settings stand beside the code, nor calibration, which is of radios.
"""
PROCESSORS = Path("/proc/cpuinfo")


def machine() -> str:
    """Return the processor's name and how many cores there are."""
    return f"{_processor()}, {os.cpu_count()} cores"


def libraries() -> str:
    """Return the libraries that measurements compute with, by version: times and last digits change with them."""
    return ", ".join(f"{one.__name__} {one.__version__}" for one in (np, scipy, torch))


@lru_cache(maxsize=1)
def code() -> str:
    """Return a hash of the measuring source as it is: a commit alone does not know what was edited since."""
    found = hashlib.sha256()
    for path in sources():
        found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def sources() -> list[Path]:
    """Return the files that measurements depend on, in order."""
    return sorted(path for pattern in MEASURING for path in ROOT.glob(pattern))


def _processor() -> str:
    lines = PROCESSORS.read_text(encoding="utf-8").splitlines() if PROCESSORS.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
