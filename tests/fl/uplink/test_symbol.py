from functools import partial

import numpy as np
import pytest
import torch

from dsp.metrics import nmse_db
from dsp.sparsify import top_k
from fl.fading import BlockFading
from fl.uplink.base import Offer, Uplink
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.ideal import IdealAgent, IdealServer
from fl.uplink.in_process import InProcessUplink
from fl.uplink.multiple_access import MultipleAccess
from fl.uplink.symbol import SymbolAgent, SymbolServer

LENGTH, AGENTS = 3000, 10  # 3000 is its own padded length


def link(rule="inversion", snr_db=19.0, fading="rayleigh", **changed):
    law = BlockFading(fading)
    control = {"min_gain": None, "min_headroom": 0.0, "max_norm_ratio": 1e9} | changed.pop("control", {})
    settings = {"kept_entries": 120, "n_symbols": 1200, "sensing": "partial_dft", "blocks": 1, "receiver": "oamp"}
    settings |= {"prior": "bernoulli_gaussian", "seed": 3} | changed
    power = PowerControl(rule, 10 ** (-snr_db / 10), mean_amplitude=law.mean_amplitude, **control)
    kept, blocks = settings.pop("kept_entries"), settings.pop("blocks")
    codec = Codec(length=LENGTH, **settings)
    server = partial(SymbolServer, codec, MultipleAccess(power, law, blocks, codec.seed))
    return InProcessUplink(kept, codec.n_symbols, server, lambda: SymbolAgent(codec, kept, True))


def error_free():
    return InProcessUplink(120, None, IdealServer, lambda: IdealAgent(120))


def side(uplink):
    """Return the server's side: what it knows."""
    return uplink.server(torch.zeros(1))


def shares(delivery, offered):
    """Return what part of its update the payload of each agent carried."""
    return [float(carried.norm() / offered.kept[agent].norm()) for agent, carried in delivery.carried.items()]


def offer(dtype=torch.float32, k=120, n=AGENTS, seed=0):
    values = np.random.default_rng(seed).standard_normal((n, LENGTH))
    return Offer(tuple(range(n)), top_k(torch.from_numpy(values).to(dtype), k))


@pytest.mark.parametrize("uplink", [error_free(), link()], ids=["ideal", "symbol"])
def test_every_uplink_delivers_an_estimate_of_the_sum(uplink: Uplink):
    offered = offer()
    delivery = uplink.deliver(offered, 0)
    assert delivery.total.shape == (LENGTH,)
    assert delivery.heard.shape == (AGENTS,)
    assert set(delivery.carried) == set(np.flatnonzero(delivery.heard))
    heard = torch.from_numpy(delivery.heard)
    assert nmse_db(delivery.total, offered.kept[heard].sum(0)) < -5
    assert set(delivery.excluded) == set(np.flatnonzero(~delivery.heard))


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_without_noise_or_fading_and_with_every_entry_the_sum_is_exact(dtype, limit):
    """A6, ideal limit: σ² = 0 (here −240 dB, far below the rounding that is allowed), |h| = 1, k = d, M = d'/2."""
    offered = offer(dtype, LENGTH)
    uplink = link(snr_db=240.0, fading="none", kept_entries=LENGTH, n_symbols=LENGTH // 2)
    truth = offered.kept.double().sum(0)
    error = (uplink.deliver(offered, 0).total.double() - truth).norm() / truth.norm()
    assert error < limit


@pytest.mark.parametrize("rule", ["inversion", "phase_only"])
@pytest.mark.parametrize("round_index", range(5))
def test_the_agent_with_the_least_headroom_sends_exactly_p_and_no_other_more(rule, round_index):
    """A6, power constraint."""
    powers = list(link(rule).deliver(offer(seed=round_index), round_index).transmit_power.values())
    assert abs(10 * np.log10(max(powers))) < 0.1
    assert max(powers) <= 1 + 1e-5


def test_mmse_lets_the_weakest_agents_send_everything_and_no_agent_more_than_p():
    powers = np.array(list(link("mmse").deliver(offer(), 0).transmit_power.values()))
    assert np.isclose(powers.max(), 1, atol=1e-4)
    assert powers.min() < 0.9


def test_mmse_has_less_symbol_error_than_inversion_on_average():
    """Over the same channels; 20 rounds, a paired comparison."""
    better = [
        link(rule, snr_db=5.0).deliver(offer(), index).oracle_symbol_nmse_db
        for index in range(20)
        for rule in ("mmse", "inversion")
    ]
    difference = np.array(better[::2]) - np.array(better[1::2])
    assert difference.mean() + 3 * difference.std() / np.sqrt(20) < 0


def test_no_agent_exceeds_p_over_several_fading_blocks():
    delivery = link(blocks=8, control={"min_gain": 0.05}).deliver(offer(), 0)
    assert max(delivery.transmit_power.values()) <= 1 + 1e-5
    assert max(shares(delivery, offer())) <= 1


def test_the_symbol_error_is_the_noise_over_the_common_scale():
    """Inversion without truncation: error variance is σ²/ρ. 1200 symbols: five standard errors are 0.144."""
    uplink = link()
    delivery = uplink.deliver(offer(), 0)
    truth = side(uplink).codec.sensing_of(0).forward(offer().kept[torch.from_numpy(delivery.heard)]).sum(0)
    power = float((truth.abs() ** 2).mean())
    predicted = side(uplink).channel.power_control.noise_var / delivery.common_scale / power
    measured = 10 ** (delivery.oracle_symbol_nmse_db / 10)
    assert abs(measured / predicted - 1) < 0.144


def test_truncated_blocks_are_counted_as_noise():
    """With blocks truncated, the receiver that knows of it beats the floor of its own measurement."""
    delivery = link(snr_db=60.0, blocks=20, control={"min_gain": 0.05}).deliver(offer(), 0)
    assert nmse_db(delivery.total, offer().kept.sum(0)) < delivery.oracle_symbol_nmse_db


def test_phase_only_has_the_floor_of_its_uninverted_amplitudes():
    """Var|h|/μ_h² = 4/π − 1, −5.6 dB for disjoint supports, whatever the SNR. Mean over 40 rounds of 10 agents:
    the relative spread of the mean of 400 terms (|h|/μ − 1)² is √(var/400) with var ≈ 0.16, five of them 0.1."""
    length = np.eye(AGENTS, dtype=np.float32).repeat(LENGTH // AGENTS, axis=1)
    offered = Offer(tuple(range(AGENTS)), torch.from_numpy(length))
    floors = [10 ** (link("phase_only", 80.0).deliver(offered, r).oracle_symbol_nmse_db / 10) for r in range(40)]
    assert abs(np.mean(floors) - (4 / np.pi - 1)) < 0.1


def test_a_faded_agent_is_left_out_with_the_reason_and_the_sum_is_that_of_the_others():
    uplink = link(snr_db=40.0, control={"min_headroom": 10**3.5})
    delivery = uplink.deliver(offer(), 1)
    assert 0 < delivery.heard.sum() < AGENTS
    assert all("headroom" in reason for reason in delivery.excluded.values())
    truth = offer().kept[torch.from_numpy(delivery.heard)].sum(0)
    assert nmse_db(delivery.total, truth) < -20


def test_a_round_in_which_all_are_faded_delivers_nothing():
    delivery = link(control={"min_headroom": 1e9}).deliver(offer(), 0)
    assert delivery.total is None
    assert len(delivery.excluded) == AGENTS


def test_an_outlier_is_scaled_down_and_says_by_how_much():
    offered = offer()
    offered.kept[0] *= 100
    delivery = link(control={"max_norm_ratio": 5.0}, snr_db=30.0).deliver(offered, 0)
    sent = shares(delivery, offered)
    assert np.isclose(sent[0], 0.05, rtol=0.15)
    assert sent[1:] == [1] * (AGENTS - 1)


def test_agents_with_nothing_to_send_are_heard():
    nothing = Offer((0, 1), torch.zeros(2, LENGTH))
    delivery = link().deliver(nothing, 0)
    assert delivery.heard.all()
    assert float(delivery.total.abs().max()) < 1


def test_rounds_draw_their_own_channel_noise_and_operator():
    first, second = (link().deliver(offer(), index) for index in (0, 1))
    assert first.common_scale != second.common_scale
    assert not torch.equal(
        side(link()).codec.sensing_of(0).forward(offer().kept), side(link()).codec.sensing_of(1).forward(offer().kept)
    )


def test_the_same_round_is_the_same():
    assert torch.equal(link().deliver(offer(), 4).total, link().deliver(offer(), 4).total)


@pytest.mark.parametrize(("k", "limit_db"), [(30, -60), (120, -20)])
def test_a_dsgd_recovers_the_sum_of_updates_sparse_enough_without_noise(k, limit_db):
    """Below the transition exactly, but for tolerance: 10 supports of 30 of 3000 entries, 2400 real measurements; near
    it, where they are of 120, not to the last digit."""
    offered = offer(k=k)
    uplink = link(snr_db=200.0, fading="none", sensing="gaussian", receiver="amp")
    assert nmse_db(uplink.deliver(offered, 0).total, offered.kept.sum(0)) < limit_db


@pytest.mark.parametrize("sensing", ["identity", "random_rows"])
def test_other_sensing_operators_carry_the_sum(sensing):
    symbols = LENGTH if sensing == "identity" else 2400
    delivery = link(sensing=sensing, n_symbols=symbols, snr_db=30.0).deliver(offer(), 0)
    assert delivery.oracle_symbol_nmse_db < -15
    assert nmse_db(delivery.total, offer().kept.sum(0)) < -15
