"""What `airmeta run` says of a flowgraph that cannot be had or does not fit, before its first round."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.drivers import PYTHON, need_gnuradio
from tests.radio.gnuradio import behind
from tests.tools.test_gnuradio_run import cache, graphs, run

__all__ = ["cache", "graphs"]
STRANGE = Path(behind.__file__).with_name("strange.py")
TX = ("radio.tx.medium=cable", "radio.tx.authorised_band=[0.9e9, 0.93e9]")
ONE_AGENT = ("agents.count=1", "task.partition=class_overlap")
IN_TIME = ("waveform.response_s=0.01", "waveform.trigger_lead_s=0.01", "waveform.turnaround_s=0.02",
           "waveform.search_s=0.005", "radio.gnuradio.block=1024")  # fmt: skip
USRPS = (*ONE_AGENT, *TX, *IN_TIME, "radio.gnuradio.flowgraph=usrp", "radio.usrp.carrier_hz=915e6",
         "radio.usrp.devices=['serial=none1', 'serial=none2']")  # fmt: skip


def refused(result, folder, *said):
    """Check that a run has ended with a message, no traceback, and left nothing behind."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    for part in said:
        assert part in result.stderr
    assert not (folder / "run").exists()


def script(folder, text):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_python_without_gnuradio_is_named_with_the_remedy(cache, tmp_path):
    python = script(tmp_path, f'exec {sys.executable} -S "$@"')  # without its packages
    result = run(cache, tmp_path, f"radio.gnuradio.python={python}")
    refused(result, tmp_path, "no Python with GNU Radio", "apt-get install gnuradio", "radio.gnuradio.python",
            f"{python}: has no ")  # fmt: skip


def test_a_gnuradio_that_numpy_2_breaks_is_explained_with_the_remedy(cache, tmp_path):
    need_gnuradio("gnuradio.zeromq")
    if np.lib.NumpyVersion(np.__version__) < "2.0.0" or sys.version_info[:2] != (3, 11):
        pytest.skip("needs a NumPy 2 that the system's Python 3.11 can load")
    python = script(tmp_path, f'PYTHONPATH={Path(np.__file__).parents[1]} exec {PYTHON} "$@"')
    result = run(cache, tmp_path, f"radio.gnuradio.python={python}")
    refused(result, tmp_path, "its GNU Radio was built for NumPy 1", f"it has NumPy {np.__version__}",
            "pip install 'numpy<2'")  # fmt: skip


def test_gr_uhd_without_a_device_says_what_to_look_at(cache, tmp_path):
    need_gnuradio("gnuradio.uhd")
    result = run(cache, tmp_path, *USRPS)
    refused(result, tmp_path, "serial=none1: no USRP matches this device string", "check radio.usrp.devices, cable",
            "uhd_find_devices")  # fmt: skip


@pytest.mark.parametrize("kind, said", [
    ("float", "set the IO type of the ZMQ"),
    ("short", "set the IO type of the ZMQ"),
    ("slow", "samples must come at waveform.sample_rate = 4e+06 Hz, come at about"),
])  # fmt: skip
def test_a_flowgraph_of_another_item_type_or_rate_is_refused_before_anything_is_sent(
    graphs, cache, tmp_path, monkeypatch, kind, said
):
    need_gnuradio("gnuradio.zeromq")
    send, hear = ([f"ipc://{tmp_path}/{way}{unit}" for unit in (0, 1)] for way in "sh")
    settings = (
        *ONE_AGENT, *TX, *IN_TIME, f"radio.gnuradio.flowgraph={STRANGE}", f"radio.gnuradio.python={PYTHON}",
        f"radio.gnuradio.arguments={[kind, *hear]}", f"radio.gnuradio.send={send}", f"radio.gnuradio.hear={hear}",
        "radio.gnuradio.carrier_hz=915e6", "radio.gnuradio.delay=0", "radio.gnuradio.timeout_s=20",
    )  # fmt: skip
    refused(run(cache, tmp_path, *settings), tmp_path, said)
    (graph,) = graphs
    assert graph.process_id is None, "it has ended"
