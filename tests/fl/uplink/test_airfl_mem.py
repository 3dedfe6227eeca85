"""AirFL-Mem: what truncation erases stays with its agent, entry by entry."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import lambertw

from fl.config import ConfigError, check
from fl.fading import BlockFading
from fl.setup import build_uplink
from fl.uplink.base import Offer
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.in_process import InProcessUplink
from fl.uplink.multiple_access import MultipleAccess
from fl.uplink.symbol import SymbolAgent, SymbolServer

LENGTH, AGENTS = 600, 5


def link(snr_db=20.0, fading=None, blocks=30, min_gain=0.5, length=LENGTH, n_symbols=None, headroom=0.0):
    """The uplink that the kind airfl_mem makes, with settings of a test."""
    law = BlockFading() if fading is None else fading
    codec = Codec(length, n_symbols or length // 2, "shared_support", "matched_filter", "bernoulli_gaussian", 3)
    control = PowerControl("erasure", 10 ** (-snr_db / 10), min_gain, headroom, 1e9, law.mean_amplitude)
    server = partial(SymbolServer, codec, MultipleAccess(control, law, blocks, codec.seed))
    return InProcessUplink(length, codec.n_symbols, server, lambda: SymbolAgent(codec, length, True))


def offer(n=AGENTS, length=LENGTH, dtype=torch.float64):
    values = np.random.default_rng(0).standard_normal((n, length))
    return Offer(tuple(range(n)), torch.from_numpy(values).to(dtype))


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_without_noise_or_fading_the_sum_is_exact_and_nothing_is_kept(dtype, limit):
    offered = offer(dtype=dtype)
    delivery = link(240.0, BlockFading("none")).deliver(offered, 0)
    truth = offered.kept.sum(0)
    assert float((delivery.total - truth).norm() / truth.norm()) < limit
    for agent in offered.agents:
        assert torch.allclose(delivery.carried[agent], offered.kept[agent], rtol=1e-6, atol=0)


@pytest.mark.parametrize("n_symbols", [100, 300])
def test_an_entry_is_carried_whole_or_not_at_all_and_the_sum_is_that_of_what_is_carried(n_symbols):
    """Without noise; so that sent and kept add up to the update, to the bit."""
    offered = offer()
    delivery = link(240.0, n_symbols=n_symbols).deliver(offered, 0)
    carried = torch.stack([delivery.carried[agent] for agent in offered.agents])
    rest = offered.kept - carried
    shares = (carried / offered.kept).max(-1).values
    assert ((rest == offered.kept) | (carried != 0)).all()
    assert torch.allclose(carried[carried != 0], (shares[:, None] * offered.kept)[carried != 0])
    assert 0 < (carried != 0).double().mean() < 2 * n_symbols / LENGTH
    assert torch.allclose(delivery.total, carried.sum(0), atol=1e-9)


def test_agents_share_the_support_of_a_round_and_not_their_erasures():
    offered = offer()
    delivery = link(n_symbols=100).deliver(offered, 0)
    places = torch.stack([delivery.carried[agent] != 0 for agent in offered.agents])
    assert not torch.equal(places[0], places[1])
    assert places.any(0).sum() <= 200
    other = link(n_symbols=100).deliver(offered, 1)
    assert (places.any(0) & (other.carried[0] != 0)).sum() < 150


def test_survival_is_that_of_rayleigh_fading():
    """e^{−g} of 20 rounds of 5 agents on 30 blocks: five standard errors are 5·√(0.24/3000) = 0.045."""
    shares = [
        float((carried != 0).double().mean())
        for index in range(20)
        for carried in link().deliver(offer(), index).carried.values()
    ]
    assert abs(np.mean(shares) - np.exp(-0.5)) < 0.045


@pytest.mark.parametrize("round_index", range(5))
def test_no_agent_sends_more_than_p_in_any_round(round_index):
    powers = link().deliver(offer(), round_index).transmit_power.values()
    assert max(powers) <= 1 + 1e-9
    assert max(powers) > 0.6  # less than P where what is erased is more than its share


def test_the_error_is_the_noise_alone_and_as_foreseen():
    """Not what is erased; 20 rounds of 600 entries: five standard errors are 6.5 %, and 10 % for the energy seen."""
    errors, foreseen = [], []
    for index in range(20):
        delivery = link(10.0).deliver(offer(), index)
        truth = sum(delivery.carried.values())
        errors.append(float(((delivery.total - truth) ** 2).sum() / (truth**2).sum()))
        foreseen.append(10 ** (delivery.predicted_nmse_db / 10))
    assert np.isclose(np.mean(errors), np.mean(foreseen), rtol=0.165)


def test_the_threshold_is_lamberts_unless_it_is_given():
    config = check({"uplink": {"kind": "airfl_mem", "snr_db": 10.0}})
    control = build_uplink(config, LENGTH).server(torch.zeros(1)).channel.power_control
    assert np.isclose(control._threshold(20), lambertw(1.5 * 0.1 / 20).real / 3)
    given = check({"uplink": {"kind": "airfl_mem", "min_gain": 0.3}})
    assert build_uplink(given, LENGTH).server(torch.zeros(1)).channel.power_control._threshold(20) == 0.3


class Unequal(BlockFading):
    """Agent 0 is 5 dB weaker than the others."""

    def draw(self, shape, rng):
        gains = super().draw(shape, rng)
        gains[0] *= 10**-0.25
        return gains


def floor(rate, memory, fading, rounds):
    """Return the mean squared distance from the optimum of f = Σ ½‖w − c_i‖²/n, over the second half of the rounds."""
    uplink, length = link(200.0, fading, blocks=20, length=200), 200
    centres = torch.from_numpy(np.random.default_rng(1).standard_normal((AGENTS, length)))
    w, kept, distance = torch.zeros(length, dtype=torch.float64), torch.zeros(AGENTS, length, dtype=torch.float64), []
    for index in range(rounds):
        total = kept + rate * (w - centres)
        delivery = uplink.deliver(Offer(tuple(range(AGENTS)), total), index)
        carried = torch.stack([delivery.carried.get(agent, torch.zeros(length)) for agent in range(AGENTS)])
        kept = total - carried if memory else kept
        if delivery.total is not None:
            w = w - delivery.total / AGENTS
        distance.append(float(((w - centres.mean(0)) ** 2).mean()))
    return np.mean(distance[rounds // 2 :])


def test_where_an_agent_is_weaker_there_is_a_floor_without_memory_and_none_with_it():
    """Noise far below. Without memory the weak agent counts for less, whatever the rate; with it every entry arrives in
    the end, and the distance falls with the square of the rate."""
    rates = 0.1, 0.025
    forgetful = [floor(rate, False, Unequal(), round(12 / rate)) for rate in rates]
    mindful = [floor(rate, True, Unequal(), round(12 / rate)) for rate in rates]
    assert forgetful[1] > 0.5 * forgetful[0]
    assert mindful[1] < 0.1 * mindful[0]
    assert mindful[1] < 0.05 * forgetful[1]


def test_where_agents_are_alike_memory_turns_the_order_of_the_floor_from_one_to_two():
    rates = 0.1, 0.025
    slope = {
        memory: np.log(np.divide(*(floor(rate, memory, None, round(12 / rate)) for rate in rates))) / np.log(4)
        for memory in (False, True)
    }
    assert abs(slope[False] - 1) < 0.3
    assert abs(slope[True] - 2) < 0.3


@pytest.mark.parametrize(
    ("uplink", "key", "words"),
    [
        ({"measurements": 0.6}, "uplink.measurements", ["two entries", "0.5"]),
        ({"receiver": "lmmse"}, "uplink.receiver", ["leave it out"]),
        ({"sensing": "identity"}, "uplink.sensing", ["leave it out"]),
        ({"power_rule": "mmse"}, "uplink.power_rule", ["leave it out"]),
        ({"min_gain": 9.0}, "uplink.min_gain", ["excludes everybody"]),
        ({"measurements": 1e-6}, "uplink.measurements", ["less than one channel use"]),
        ({"fading": {"kind": "none", "k_factor_db": 3.0}}, "uplink.fading.k_factor_db", ["rician"]),
    ],
)
def test_what_contradicts_it_is_named_with_the_remedy(uplink, key, words):
    with pytest.raises(ConfigError) as error:
        check({"uplink": {"kind": "airfl_mem"} | uplink})
    (found,) = error.value.problems
    assert found.startswith(f"{key}:")
    assert all(word in found for word in words)
