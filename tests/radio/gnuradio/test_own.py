"""Flowgraphs that somebody else wrote: those that fit carry bursts, the others are refused before anything is sent."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radio.base import OverrunError, RadioError
from radio.gnuradio.controls import Digital
from radio.gnuradio.device import SCRIPTS
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.plan import Plan
from radio.safety import NotAuthorisedError
from tests.drivers import need_gnuradio
from tests.radio.gnuradio.behind import CARRIER, RATE, digital, free_ports, radios, two

STRANGE = Path(__file__).parent / "strange.py"


def example(port, command):
    return Plan("example", 2, RATE, command, None, (f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port + 1}"),
                (f"tcp://127.0.0.1:{port + 2}", f"tcp://127.0.0.1:{port + 3}"), held=8)  # fmt: skip


@pytest.mark.parametrize("starts", ["airmeta", "user"])
def test_the_example_of_the_documentation_carries_bursts_whoever_starts_it(starts):
    command = need_gnuradio("gnuradio.zeromq"), str(SCRIPTS / "example.py"), "--port", str(port := free_ports(4))
    process = None
    if starts == "user":
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    graph = Flowgraph(example(port, command if starts == "airmeta" else ()), digital(2))
    first, second = radios(graph)
    wave = np.exp(2j * np.pi * np.random.default_rng(1).random(500)).astype(np.complex64)
    at = first.now() + first.lead_time + 100
    first.transmit(wave, at)
    heard = second.receive(1000, at - 100).data
    assert np.abs(heard[100:600] - 0.5 * wave).max() < 1e-6
    assert not heard[:100].any()
    assert not heard[600:].any()
    graph.close()
    if process is not None:
        assert process.poll() is None
        process.communicate(timeout=60)


@pytest.mark.parametrize("kind, said", [
    ("short", r"must be complex64.*set the IO type of the ZMQ blocks to complex"),
    ("float", r"must hold whole samples of 8 bytes|must be complex64.*got 1e\+08"),
    ("bytes", r"must hold whole samples of 8 bytes|must be complex64"),
    ("nan", r"must be complex64.*got nan"),
    ("slow", r"must come at waveform\.sample_rate = 4e\+06 Hz, come at about .*set both to the same rate"),
])  # fmt: skip
def test_another_item_type_or_rate_is_refused_before_anything_is_sent(tmp_path, kind, said):
    python, hear = need_gnuradio("gnuradio.zeromq"), f"ipc://{tmp_path}/h"
    plan = Plan("strange", 1, RATE, (python, str(STRANGE), kind, hear), None, (f"ipc://{tmp_path}/s",), (hear,), True,
                timeout=20.0)  # fmt: skip
    with pytest.raises(RadioError, match=rf"^strange.*{said}"):
        Flowgraph(plan, digital(1))


@pytest.mark.parametrize("command, said", [
    ((sys.executable, "-c", "raise SystemExit('no such block')"), "ended with exit status 1.*no such block"),
    ((), "the bridge stalls: the flowgraph takes no samples"),
], ids=["it ends", "nobody has started it"])  # fmt: skip
def test_a_simulation_that_does_not_run_is_refused_at_its_start(tmp_path, command, said):
    plan = Plan("mine", 1, RATE, command, None, (f"ipc://{tmp_path}/s",), (f"ipc://{tmp_path}/h",), timeout=0.5)
    with pytest.raises(RadioError, match=rf"^mine.*{said}"):
        Flowgraph(plan, digital(1))


def test_a_flowgraph_that_may_radiate_needs_to_be_allowed():
    mine = Digital("mine", CARRIER, RATE, radiates=True)
    with pytest.raises(NotAuthorisedError, match=r"radio\.tx\.medium and radio\.tx\.authorised_band, got none"):
        mine.check_allowed()


def test_an_address_that_is_taken_is_named(tmp_path):
    address = f"ipc://{tmp_path}/s"
    plan = Plan("twice", 2, RATE, (), None, (address, "tcp://127.0.0.1:none"), (address, address))
    with pytest.raises(RadioError, match=r"twice unit 1: cannot bind tcp://127\.0\.0\.1:none.*radio\.gnuradio\.send"):
        Flowgraph(plan, digital(2))


def test_samples_that_somebody_else_fetches_are_noticed():
    """PUSH deals messages out in turn: a second fetcher takes some of those that are tagged with their count."""
    import zmq

    first, _, close = two()
    first.receive(1000, 0)
    with zmq.Context() as context, context.socket(zmq.PULL) as thief:
        thief.linger = 0
        thief.connect(first.flowgraph.pump(0).stream.hear)
        with pytest.raises(OverrunError, match=r"samples were lost between .*see that nobody else fetches"):
            first.receive(4_000_000, first.now())
    close()
