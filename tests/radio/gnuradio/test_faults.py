"""Drills: what a flowgraph can do to its radios, and what they say and do then."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.gnuradio import channel
from radio.gnuradio.device import SCRIPTS
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.plan import Plan
from radio.gnuradio.process import Process
from radio.unit import Unit
from tests.drivers import need_gnuradio
from tests.radio.gnuradio.behind import RATE, becomes, channel_of, digital, radios, state

ROOT = Path(__file__).parents[3]
N = 512


def burst():
    return (0.5 * np.exp(2j * np.pi * np.random.default_rng(0).random(N))).astype(np.complex64)


def arrives(sender, hearer):
    """Check that a burst still arrives exactly at its index."""
    at = sender.now() + sender.lead_time + 100
    sender.transmit(burst(), at)
    match = np.abs(np.correlate(hearer.receive(N + 200, at - 100).data, burst()))
    assert match.argmax() == 100
    assert match.max() == pytest.approx(np.vdot(burst(), burst()).real, rel=1e-3)


def test_a_flowgraph_killed_in_the_middle_of_a_burst_is_started_again_by_the_next_call():
    graph = channel_of([Unit(), Unit()])
    sender, hearer = radios(graph)
    arrives(sender, hearer)
    sender.transmit(np.tile(burst(), 100), sender.now() + sender.lead_time)
    hearer.receive(20 * N, hearer.now())
    before, now = sender.session, sender.now()
    os.kill(graph.process_id, signal.SIGKILL)
    with pytest.raises(
        RadioError, match=r"gnuradio channel: the flowgraph was killed by signal 9.*next call starts it"
    ):
        hearer.receive(20 * N, hearer.now())
    arrives(sender, hearer)
    assert sender.session != before
    assert sender.now() > now
    graph.close()


def test_a_bridge_that_stalls_is_an_error_with_the_counts_of_both_sides_and_goes_on_anew():
    graph = channel_of([Unit(), Unit()], timeout=0.5)
    sender, hearer = radios(graph)
    arrives(sender, hearer)
    stopped = graph.process_id
    os.kill(stopped, signal.SIGSTOP)
    assert becomes(stopped, "T")
    said = (
        r"the bridge stalls: the flowgraph gives no samples for 0\.\d s \(radio\.gnuradio\.timeout_s\).*it is stopped"
    )
    with pytest.raises(RadioError, match=said):
        hearer.receive(N, hearer.now())
    assert state(stopped) == "Z"
    arrives(sender, hearer)
    graph.close()


def test_a_flowgraph_that_keeps_more_back_than_it_said_is_told_apart_from_one_that_hangs():
    graph = channel_of([Unit(), Unit()], timeout=0.5)
    graph._running.pace.held = -100
    with pytest.raises(RadioError, match=r"the flowgraph took \[900, 900\] samples and gave \[900, 900\].*held covers"):
        radios(graph)[0].receive(1000, 0)
    graph.close()


def test_a_flowgraph_that_cannot_start_says_why():
    python = need_gnuradio("gnuradio.zeromq")
    plan = Plan("broken", 2, RATE, (python, str(channel.SCRIPT)), {"clocks": [0.0, 0.0]})
    with pytest.raises(RadioError, match=r"broken: cannot start: KeyError: 'turns'"):
        Flowgraph(plan, digital(2))


@pytest.mark.parametrize("script, said", [
    ("import nothing_like_this", r"ended with exit status 1; its last lines:.*nothing_like_this"),
    ('import os; input(); os.write(1, b\'{"airmeta": 7}\\n\'); input()', r"must speak version 1, speaks 7"),
    ('import os; input(); os.write(1, b\'{"airmeta": 1, "item": "int16"}\\n\'); input()', r"item must be complex64"),
])  # fmt: skip
def test_a_script_that_is_no_flowgraph_of_ours_is_refused(tmp_path, script, said):
    path = tmp_path / "script.py"
    path.write_text(script)
    with pytest.raises(RadioError, match=rf"strange: .*{said}"):
        Flowgraph(Plan("strange", 1, RATE, (sys.executable, str(path)), {}), digital(1))


@pytest.mark.parametrize("kind, said", [
    ("fails", "the transmitter is torn .*devices are closed"),
    ("waits", "devices are closed"),
])  # fmt: skip
def test_a_flowgraph_that_fails_or_is_terminated_closes_its_devices_and_says_why(kind, said):
    script = str(Path(__file__).parent / "ending.py")
    process = Process("g", (need_gnuradio("gnuradio.zeromq"), script, str(SCRIPTS), kind))
    process.meet({"send": [], "hear": [], "sample_rate": RATE})
    if kind == "waits":
        os.kill(process.number, signal.SIGTERM)
    process._process.wait(60)
    with pytest.raises(RadioError, match=rf"g: the flowgraph ended with exit status 1; its last lines: .*{said}"):
        process.check()
    process.end()


def test_a_closed_flowgraph_leaves_no_process_and_no_file():
    graph = channel_of([Unit(), Unit()])
    number, folder = graph.process_id, Path(graph.pump(0).stream.send.removeprefix("ipc://")).parent
    assert folder.exists()
    graph.close()
    graph.close()
    assert state(number) == "Z"
    assert not folder.exists()


def test_a_flowgraph_ends_with_its_parent_even_if_that_is_killed_and_leaves_no_file():
    need_gnuradio("gnuradio.zeromq")
    script = (
        "from radio.unit import Unit\nfrom tests.radio.gnuradio.behind import channel_of\n"
        "graph = channel_of([Unit(), Unit()])\n"
        "print(graph.process_id, graph.pump(0).stream.send, flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        number, address = parent.stdout.readline().split()
        assert state(number) != "Z"
        parent.kill()
        assert becomes(number, "Z")
    assert not Path(address.removeprefix("ipc://")).parent.exists()
