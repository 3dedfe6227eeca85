"""UHD's Python module, imported when it is needed: there is no wheel of it, and airmeta does not depend on it.

Debian's build is made for NumPy 1. Under NumPy 2 it can be imported, and even tunes a radio, but has no access to
arrays: it must be refused before anybody streams with it. Which NumPy a module was built for can be read off its
binary: one built with the headers of NumPy 2 looks for `numpy._core` first.
"""

import importlib
import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np

from radio.base import RadioError

OLD, NEW = b"numpy.core._multiarray_umath", b"numpy._core._multiarray_umath"


def load() -> Any:
    """Return the module `uhd`.

    Raises:
        RadioError: it is missing, or cannot work with this NumPy.
    """
    spec = importlib.util.find_spec("uhd")
    if spec is None:
        raise RadioError(
            "radio.kind = usrp needs UHD's Python module, got no module named uhd; apt-get install python3-uhd and use "
            "/usr/bin/python3 (docs/usrp.md says how), or conda install -c conda-forge uhd"
        )
    _check_numpy(spec)
    try:
        return importlib.import_module("uhd")
    except (ImportError, OSError) as error:
        raise RadioError(
            f"radio.kind = usrp needs UHD's Python module, got {error}; it was installed for another Python or lacks "
            "its library: apt-get install python3-uhd uhd-host, or conda install -c conda-forge uhd"
        ) from error


def _check_numpy(spec: ModuleSpec) -> None:
    """Return if the module was built for the NumPy that is running.

    Raises:
        RadioError: it was not.
    """
    if int(np.__version__.split(".")[0]) < 2:
        return
    for folder in spec.submodule_search_locations or ():
        for binary in sorted(Path(folder).glob("libpyuhd*")):
            code = binary.read_bytes()
            if OLD in code and NEW not in code:
                raise RadioError(
                    f"radio.kind = usrp: {binary} was built for NumPy 1 and reads no arrays of NumPy {np.__version__}; "
                    "install conda-forge's uhd, or make an environment of the system's Python: /usr/bin/python3 -m "
                    "venv --system-site-packages DIR and DIR/bin/pip install airmeta 'numpy<2'"
                )
