"""GNU Radio's side: its blocks run in another Python, samples come and go as files."""

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SCRIPT = Path(__file__).with_name("blocks.py")
LATEST = 600  # seconds for one run


class GnuRadioError(Exception):
    """GNU Radio did not do what it was asked."""


@dataclass
class GnuRadio:
    """A GNU Radio in another Python.

    Args:
        interpreter: a Python that can import it.
        version: of it, known after the first run.
    """

    interpreter: str
    version: str = field(default="", init=False)

    def run(self, block: str, x: np.ndarray, **parameters: Any) -> np.ndarray:
        """Return what a block of `blocks.py` makes of samples.

        Raises:
            GnuRadioError: it failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = {"input": str(Path(folder) / "in.npy"), "output": str(Path(folder) / "out.npy")}
            np.save(files["input"], x.astype(np.complex64))
            given = json.dumps({"block": block, **files, **parameters})
            command = [self.interpreter, str(SCRIPT), given]
            run = subprocess.run(command, capture_output=True, text=True, timeout=LATEST, check=False)
            if run.returncode != 0:
                raise GnuRadioError(f"GNU Radio failed at {block} ({self.interpreter}): {run.stderr.strip()[-500:]}")
            self.version = json.loads(run.stdout.splitlines()[-1])["version"]
            return np.asarray(np.load(files["output"]))


def parts(values: np.ndarray) -> list[list[float]]:
    """Return complex numbers as pairs, for JSON."""
    return [[float(value.real), float(value.imag)] for value in values]
