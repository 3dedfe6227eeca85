"""Where UHD's module is missing, or was built for another NumPy, the error says what to do."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.usrp import library
from tests.drivers import need_uhd

ROOT = Path(__file__).parents[3]
ASK = "from radio.usrp.library import load; import numpy; print(load().types.TimeSpec(1, 0.5).get_real_secs())"


def test_a_missing_module_says_how_it_is_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RadioError, match=r"no module named uhd; apt-get install python3-uhd .*conda-forge uhd"):
        library.load()


def test_a_module_that_cannot_be_loaded_says_so(monkeypatch):
    def broken(name):
        raise ImportError("libuhd.so.4.3.0: cannot open shared object file")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None))
    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(RadioError, match=r"got libuhd\.so.*apt-get install python3-uhd uhd-host"):
        library.load()


@pytest.mark.parametrize("version, code, is_refused", [
    ("2.1.0", library.OLD, True),
    ("2.1.0", library.OLD + library.NEW, False),
    ("1.26.4", library.OLD, False),
    ("2.1.0", b"", False),
])  # fmt: skip
def test_only_a_module_for_numpy_1_under_numpy_2_is_refused(monkeypatch, tmp_path, version, code, is_refused):
    (tmp_path / "libpyuhd.cpython.so").write_bytes(b"\0" + code + b"\0")
    spec = ModuleSpec("uhd", None)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(np, "__version__", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(importlib, "import_module", lambda name: "the module")
    if is_refused:
        with pytest.raises(
            RadioError, match=rf"was built for NumPy 1 .* NumPy {version}; .*--system-site-packages DIR"
        ):
            library.load()
    else:
        assert library.load() == "the module"


def place_of_uhd():
    found = subprocess.run(
        [need_uhd(), "-Ic", "import uhd; print(uhd.__path__[0])"], capture_output=True, text=True, check=True
    )
    return str(Path(found.stdout.splitlines()[-1]).parent)


def test_debians_build_is_taken_by_its_own_python_and_refused_under_numpy_2():
    """The real module: what the system's Python gets, and what this one gets, of another NumPy, with its path."""
    own = subprocess.run([need_uhd(), "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=False)
    ask_numpy = [need_uhd(), "-Ic", "import numpy; print(numpy.__version__)"]
    numpy = subprocess.run(ask_numpy, capture_output=True, text=True, check=True)
    assert (own.returncode == 0) == numpy.stdout.startswith("1."), own.stderr
    if np.__version__.startswith("1."):
        pytest.skip("this Python has NumPy 1")
    ask = f"import sys; sys.path.append({place_of_uhd()!r}); {ASK}"
    here = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=False)
    assert here.returncode == 1
    assert "was built for NumPy 1 and reads no arrays of NumPy 2" in here.stderr
    assert "_ARRAY_API" not in here.stderr, "it is refused before it is imported"


def test_the_real_module_without_a_radio_names_the_device_string_and_what_there_is():
    ask = "from radio.usrp.library import load; from radio.usrp.host import find_channels"
    done = subprocess.run(
        [need_uhd(), "-c", f"{ask}; find_channels(load(), ('serial=00000000',), (), 1)"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("radio.base.RadioError: radio serial=00000000: no USRP matches this device string, found ")
    assert last.endswith("uhd_find_devices lists what can be reached")
