"""Radios behind flowgraphs, for tests."""

import os
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from radio.air import Air
from radio.fading import Fading, profile
from radio.gnuradio import channel
from radio.gnuradio.controls import Digital
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.plan import Plan
from radio.gnuradio.radio import FlowgraphRadio
from radio.unit import Unit
from tests.drivers import need_gnuradio

RATE, CARRIER = 4e6, 2.4e9
STEADY = 1e12  # K of a link that does not fade


def digital(count):
    return [Digital(f"unit {unit}", CARRIER, RATE) for unit in range(count)]


def radios(flowgraph):
    return [FlowgraphRadio(flowgraph, unit) for unit in range(len(flowgraph.controls))]


def air_of(units, name="flat", spread=0.0):
    fading = Fading(profile(name), spread, RATE, k_factor=STEADY if name == "flat" else None)
    return Air(units.__getitem__, fading, CARRIER, RATE, seed=3)


def channel_of(units, air=None, timeout=5.0, controls=None):
    """Return the channel flowgraph between units, running; their controls are digital, or others."""
    python = need_gnuradio("gnuradio.zeromq")
    wanted = channel.wanted(air or air_of(units), len(units))
    plan = Plan("gnuradio channel", len(units), RATE, (python, str(channel.SCRIPT)), wanted, timeout=timeout)
    return Flowgraph(plan, controls or digital(len(units)))


def two(*units):
    """Return two radios on a channel, and what ends it."""
    flowgraph = channel_of(units or (Unit(), Unit(noise_var=1e-4)))
    return *radios(flowgraph), flowgraph.close


def free_ports(count):
    """Return the first of consecutive ports that nobody uses now, below those that outgoing connections take."""
    for first in range(20_000 + os.getpid() % 10_000, 32_000, count):
        with ExitStack() as held, suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise OSError(f"no {count} consecutive ports are free")


def state(number):
    """Return the letter by which Linux calls what a process does; Z: it has ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def becomes(number, letter):
    """Return whether a process comes to a state within ten seconds: signals take their time."""
    deadline = time.monotonic() + 10
    while state(number) != letter and time.monotonic() < deadline:
        time.sleep(0.01)
    return state(number) == letter
