"""Laws of the digital baseline: no agent says more than its channel holds, or spends more than an analog one."""

import re

import numpy as np
import pytest
import torch

from dsp.metrics import nmse_db
from dsp.sparse_coding import fewest_bits
from dsp.sparsify import top_k
from fl.config import ConfigError, check
from fl.setup import build_uplink
from fl.uplink.base import Offer
from fl.uplink.digital import Access

LENGTH, AGENTS = 3000, 10
PLAIN = {"kind": "none"}


def link(snr_db=19.0, fading=None, sparsity=1.0, n_agents=AGENTS, **keys):
    uplink = {"kind": "digital", "snr_db": snr_db, "sparsity": sparsity, "fading": fading or {}} | keys
    return build_uplink(check({"agents": {"count": n_agents}, "uplink": uplink}), LENGTH)


def offer(seed=0, k=LENGTH):
    values = torch.from_numpy(np.random.default_rng(seed).standard_t(3, (AGENTS, LENGTH)).astype(np.float32))
    return Offer(tuple(range(AGENTS)), top_k(values, k))


@pytest.mark.parametrize("limit", ["energy", "peak"])
@pytest.mark.parametrize("fading", [{}, {"blocks": 5}, PLAIN], ids=["rayleigh", "five blocks", "none"])
def test_no_agent_sends_more_bits_than_its_channel_holds(limit, fading):
    for index in range(5):
        said = link(fading=fading, digital={"limit": limit}).deliver(offer(index), index).diagnostics
        assert said["bits"]
        assert all(bits <= said["capacity_bits"][agent] for agent, bits in said["bits"].items())
        assert all(said["capacity_bits"][agent] - bits < 100 for agent, bits in said["bits"].items())  # nor much less


def test_capacity_is_that_of_an_even_share_of_uses_and_all_of_the_energy():
    """Without fading: (M/n)·log2(1 + n·SNR) with the energy of an analog agent, (M/n)·log2(1 + SNR) at its peak."""
    snr = 10**1.9
    gains = np.ones((AGENTS, 1), complex)
    assert (Access(1200, snr, "energy").capacity(gains, AGENTS) == int(120 * np.log2(1 + AGENTS * snr))).all()
    assert (Access(1200, snr, "peak").capacity(gains, AGENTS) == int(120 * np.log2(1 + snr))).all()


@pytest.mark.parametrize("n_symbols", [1200, 1207])
def test_an_agent_spends_as_much_energy_as_an_analog_one_and_at_its_peak_an_nth(n_symbols):
    for n_agents in (1, 7, 10):
        by_energy, at_peak = (Access(n_symbols, 1.0, limit) for limit in ("energy", "peak"))
        assert by_energy.uses(n_agents) * by_energy.power(n_agents) == pytest.approx(n_symbols)  # M·P
        assert at_peak.power(n_agents) == 1
        assert n_agents * by_energy.uses(n_agents) <= n_symbols


def test_the_power_of_a_round_is_p_on_average_over_its_uses():
    power = link().deliver(offer(), 0).transmit_power
    assert power
    assert all(value == pytest.approx(1) for value in power.values())
    power = link(digital={"limit": "peak"}).deliver(offer(), 0).transmit_power
    assert all(value == pytest.approx(1 / AGENTS) for value in power.values())


@pytest.mark.parametrize("k", [120, 600])
def test_without_a_limit_to_capacity_the_sum_is_that_of_the_top_k(k):
    offered = offer(k=k)
    delivery = link(snr_db=300.0, fading=PLAIN, sparsity=k / LENGTH, measurements=1.0).deliver(offered, 0)
    assert delivery.heard.all()
    assert torch.equal(delivery.total, offered.kept.sum(0))
    assert set(delivery.diagnostics["entries"].values()) == {k}


def test_the_sum_is_of_what_payloads_carried_and_more_power_carries_more():
    offered, errors = offer(), []
    for snr_db in (0.0, 10.0, 20.0, 40.0):
        delivery = link(snr_db, PLAIN).deliver(offered, 0)
        assert torch.allclose(delivery.total, torch.stack(list(delivery.carried.values())).sum(0), atol=1e-4)
        errors.append(nmse_db(delivery.total, offered.kept.sum(0)))
    assert (np.diff(errors) < 0).all()


def test_an_agent_in_outage_sits_out_with_the_reason_and_the_sum_is_that_of_the_others():
    uplink = link(snr_db=-6.0, measurements=0.25)
    delivery = next(one for one in (uplink.deliver(offer(), index) for index in range(20)) if one.excluded)
    assert delivery.heard.any()
    assert set(delivery.excluded) == set(np.flatnonzero(~delivery.heard))
    for reason in delivery.excluded.values():
        bits, fewest = re.fullmatch(r"outage: room for (\d+) bits, one entry takes (\d+)", reason).groups()
        assert int(bits) < int(fewest) == fewest_bits(LENGTH)
    assert torch.allclose(delivery.total, torch.stack(list(delivery.carried.values())).sum(0), atol=1e-5)


def test_its_channels_are_those_of_the_uplink_symbol():
    """At one block an agent's headroom, SNR·|h|², decides who is excluded there; here it is in the capacity."""
    analog = build_uplink(check({"agents": {"count": AGENTS}, "uplink": {"min_headroom_db": 15.0}}), LENGTH)
    for index in range(3):
        faded = set(analog.deliver(offer(), index).excluded)
        capacity = link().deliver(offer(), index).diagnostics["capacity_bits"]
        least = 120 * np.log2(1 + AGENTS * 10**1.5)
        assert faded == {agent for agent in range(AGENTS) if capacity.get(agent, 0) < np.floor(least)}


def test_channel_uses_are_those_that_agents_have():
    assert link().deliver(offer(), 0).channel_uses == 1200
    assert link(n_agents=7, measurements=0.5).deliver(Offer(tuple(range(7)), offer().kept[:7]), 0).channel_uses == 1498


@pytest.mark.parametrize(
    "uplink", [{"snr_db": -40.0}, {"measurements": 1e-3}, {"measurements": 1e-3, "fading": {"kind": "none"}}]
)
def test_uses_that_hold_no_entry_are_refused_with_the_remedy(uplink):
    with pytest.raises(ConfigError, match=r"uplink\.measurements: .* of 20 agents .* raise it or uplink\.snr"):
        check({"model": {"kind": "mlp"}, "uplink": {"kind": "digital"} | uplink})


@pytest.mark.parametrize(("key", "value"), [("power_rule", "mmse"), ("min_gain", 0.1)])
def test_keys_about_symbols_that_add_up_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"uplink\.{key}: agents of digital do not add up .* leave it out"):
        check({"model": {"kind": "mlp"}, "uplink": {"kind": "digital", key: value}})
