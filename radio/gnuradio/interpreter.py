"""Which Python has GNU Radio: flowgraphs run in a process of their own, because ours need not be able to import it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from radio.base import RadioError

TIMEOUT = 60.0  # seconds for the imports; a cold disk takes a few
SYSTEM = "/usr/bin/python3"
FOUND = "airmeta found "
_PROBE = """
import json, sys
import numpy
seen = {"numpy": numpy.__version__}
try:
    from gnuradio import gr, zeromq
    seen["gnuradio"] = gr.version()
    for name in sys.argv[1:]:
        __import__("gnuradio." + name)
finally:
    print("airmeta found " + json.dumps(seen))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that has GNU Radio.

    Args:
        path: of its executable.
        version: of GNU Radio.
        numpy: version of NumPy.
    """

    path: str
    version: str
    numpy: str


def find(configured: str | None, modules: Sequence[str] = ()) -> Interpreter:
    """Return the first Python that can import GNU Radio and these modules of it.

    Args:
        configured: path or name of the only one to try; None: this one, the one it was made from, the first python3
            of the search path (that of an active conda environment), and the system's.
        modules: such as iio for `gnuradio.iio`.

    Raises:
        RadioError: none can; for each that was tried, why not.
    """
    reasons = []
    for candidate in [configured] if configured else _candidates():
        found = _examine(candidate, tuple(modules))
        if isinstance(found, Interpreter):
            return found
        reasons.append(f"{candidate}: {found}")
    raise RadioError(
        "no Python with GNU Radio for the flowgraph; apt-get install gnuradio, or install it from conda-forge, and "
        "name that Python in radio.gnuradio.python; tried " + "; ".join(reasons)
    )


def _candidates() -> list[str]:
    origin = Path(sys.base_prefix) / "bin" / "python3"
    tried = [sys.executable, str(origin), shutil.which("python3"), SYSTEM]
    return list(dict.fromkeys(path for path in tried if path))


@cache
def _examine(candidate: str, modules: tuple[str, ...]) -> Interpreter | str:
    """Return what is found there, or why it is of no use."""
    try:
        done = subprocess.run(
            [candidate, "-c", _PROBE, *modules],
            capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return f"cannot be run ({error.strerror}); give the path of a Python"
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT:.0f} s; see what {candidate} -c 'import gnuradio.gr' does"
    seen = [json.loads(line.removeprefix(FOUND)) for line in done.stdout.splitlines() if line.startswith(FOUND)]
    numpy = seen[0]["numpy"] if seen else ""
    if done.returncode == 0 and seen:
        return Interpreter(candidate, seen[0]["gnuradio"], numpy)
    return _reason(done.stderr, numpy, candidate)


def _reason(said: str, numpy: str, candidate: str) -> str:
    if "_ARRAY_API not found" in said or "compiled using NumPy 1.x" in said:
        return (
            f"its GNU Radio was built for NumPy 1, it has NumPy {numpy}, with which nothing of GNU Radio can be "
            f"imported; take the NumPy that GNU Radio came with (Debian: {SYSTEM}, without a PYTHONPATH or a pip "
            "install that hides its own), pip install 'numpy<2' there, or take GNU Radio from conda-forge"
        )
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "it says nothing"
    if "No module named 'gnuradio'" in last or "No module named 'numpy'" in last:
        return f"has no {'gnuradio' if 'gnuradio' in last else 'numpy'}"
    return f"{last}; see what {candidate} -c 'import gnuradio.gr' says"
