"""Floors against the uplink `symbol` with no noise worth the name, and updates of agents that share no entry."""

import numpy as np
import pytest
import torch

from fl.config import check
from fl.fading import BlockFading
from fl.setup import build_uplink
from fl.theory.floors import phase_only_floor, shrunk, truncation_floor
from fl.uplink.base import Offer

LENGTH, AGENTS, ROUNDS = 3000, 10, 60


def uplink(fading=None, **keys):
    table = {"sparsity": 1.0, "measurements": 0.5, "snr_db": 200.0, "min_headroom_db": -300.0, "fading": fading or {}}
    return build_uplink(check({"model": {"kind": "mlp"}, "uplink": table | keys}), LENGTH)


def errors(link, updates, key):
    offer = Offer(tuple(range(len(updates))), updates)
    deliveries = [link.deliver(offer, index) for index in range(ROUNDS)]
    if key == "symbols":
        return np.array([10 ** (one.oracle_symbol_nmse_db / 10) for one in deliveries])
    truth = updates.sum(0)
    return np.array([float(((one.total - truth) ** 2).sum() / (truth**2).sum()) for one in deliveries])


def within_five_standard_errors(values, expected):
    return abs(values.mean() - expected) < 5 * values.std(ddof=1) / np.sqrt(len(values))


def apart(agents):
    values = torch.from_numpy(np.random.default_rng(0).standard_normal(LENGTH))
    return torch.from_numpy(np.eye(agents).repeat(LENGTH // agents, axis=1)) * values


@pytest.fixture(scope="module")
def disjoint():
    return apart(AGENTS)


def test_phase_only_floors_are_those_of_pi():
    assert phase_only_floor(BlockFading("rayleigh")) == pytest.approx(4 / np.pi - 1)
    assert phase_only_floor(BlockFading("none")) == 0
    assert 10 * np.log10(phase_only_floor(BlockFading("rayleigh"))) == pytest.approx(-5.6, abs=0.05)


@pytest.mark.parametrize("fading", [{"kind": "rayleigh"}, {"kind": "rician", "k_factor_db": 3.0}])
def test_phase_only_ends_at_its_floor(fading, disjoint):
    law = BlockFading(fading["kind"], 10 ** (fading.get("k_factor_db", 0.0) / 10))
    found = errors(uplink(fading, power_rule="phase_only"), disjoint, "symbols")
    assert within_five_standard_errors(found, phase_only_floor(law))


def test_updates_that_agree_have_a_floor_smaller_by_the_number_of_agents():
    same = torch.from_numpy(np.random.default_rng(1).standard_normal(LENGTH)).repeat(AGENTS, 1)
    found = errors(uplink(power_rule="phase_only"), same, "symbols")
    assert within_five_standard_errors(found, phase_only_floor(BlockFading(), coherence=1 / AGENTS))


def test_a_linear_receiver_that_knows_of_the_floor_ends_below_it():
    """LMMSE shrinks by 1/(1+f): f/(1+f), −6.7 dB. Of 60 agents, so that five standard errors tell it from f."""
    found = errors(uplink(power_rule="phase_only", receiver="lmmse"), apart(60), "sum")
    assert within_five_standard_errors(found, shrunk(4 / np.pi - 1))


@pytest.mark.parametrize("min_gain", [0.1, 0.3])
def test_inversion_ends_at_what_truncation_erases(min_gain, disjoint):
    link = uplink({"blocks": 100}, min_gain=min_gain)
    assert within_five_standard_errors(errors(link, disjoint, "symbols"), truncation_floor(min_gain))


def test_truncation_floors_are_those_of_the_papers_page():
    assert [round(10 * np.log10(truncation_floor(gain))) for gain in (0.1, 0.01)] == [-10, -20]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="coherence must be positive"):
        phase_only_floor(BlockFading(), 0.0)
    with pytest.raises(ValueError, match="min_gain must not be negative"):
        truncation_floor(-0.1)
