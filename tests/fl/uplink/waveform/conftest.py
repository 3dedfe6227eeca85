"""A waveform run small enough that a round takes a fraction of a second, and its captures."""

import pytest
import torch

from dsp.sparsify import top_k
from fl.config import check
from fl.setup import assemble
from fl.threads import use_threads
from fl.uplink.base import Offer

AGENTS = 3
SMALL = {
    "run": {"threads": 1},
    "agents": {"count": AGENTS},
    "task": {"dataset": "glyphs", "ways": 3, "shots": 1, "queries": 2},
    "model": {"kind": "cnn", "width": 8},
    "uplink": {"kind": "waveform", "snr_db": 25.0},
    "waveform": {"first_soundings": 2, "turnaround_s": 0.005, "response_s": 0.002, "round_period_s": 0.1},
    "radio": {"loopback": {"delay_spread_s": 5e-8, "k_factor_db": 10.0}},
    "evaluation": {"tasks": 2, "queries": 2},
}


@pytest.fixture(scope="session")
def configured():
    """Return a function from overrides (section, key, value) to a configuration."""

    def build(*overrides):
        raw = {key: dict(value) for key, value in SMALL.items()}
        for section, key, value in overrides:
            raw[section][key] = value
        return check(raw)

    return build


@pytest.fixture(scope="session")
def played(configured, cache):
    """Return a function that plays rounds and returns the captures and deliveries of each."""

    def play(*overrides, rounds=1, spoil=None):
        parts = assemble(configured(*overrides), cache)
        use_threads(parts.config.run.threads)  # as a run does: the last bits depend on it
        captures, deliveries = [], []
        parts.uplink.observe = captures.append
        if spoil is not None:
            parts.uplink.stations.server = spoil(parts.uplink.stations.server)
        for index in range(rounds):
            rng = torch.Generator().manual_seed(index)
            kept = top_k(torch.randn(AGENTS, parts.model.dimension, generator=rng), parts.uplink.kept_entries)
            deliveries.append(parts.uplink.deliver(Offer(tuple(range(AGENTS)), kept), index))
        return captures, deliveries

    return play
