"""Laws of the majority vote: without noise it is exact, with noise it errs less the more agree, and power is P."""

import numpy as np
import pytest
import torch

from fl.config import ConfigError, check
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import assemble, build_uplink
from fl.uplink.base import Offer

LENGTH, AGENTS = 3001, 9
PLAIN = {"kind": "none"}
RATE = {"server": {"lr": 0.01}}


def link(snr_db=19.0, fading=None, measurements=0.6, n_agents=AGENTS, **keys):
    uplink = {"kind": "one_bit", "snr_db": snr_db, "measurements": measurements, "fading": fading or {}} | keys
    return build_uplink(check({"agents": {"count": n_agents}, "uplink": uplink} | RATE), LENGTH)


def offer(seed=0, n_agents=AGENTS, common=0.0):
    values = np.random.default_rng(seed).standard_normal((n_agents, LENGTH)) + common
    return Offer(tuple(range(n_agents)), torch.from_numpy(values.astype(np.float32)))


@pytest.mark.parametrize("fading", [PLAIN, {}], ids=["none", "rayleigh"])
def test_without_noise_the_vote_is_the_sign_of_the_sum_of_signs(fading):
    """Nine agents, so that there is always a majority; an update of an odd length, so that half a symbol is left."""
    offered = offer()
    delivery = link(200.0, fading, min_headroom_db=-100.0).deliver(offered, 0)
    assert delivery.heard.all()
    assert torch.equal(delivery.total / AGENTS, offered.kept.sign().sum(0).sign())
    assert delivery.diagnostics["oracle_wrong_votes"] == 0


def test_the_size_of_an_update_has_no_say():
    offered = offer()
    louder = Offer(offered.agents, offered.kept * torch.logspace(-3, 3, AGENTS)[:, None])
    assert torch.equal(link().deliver(louder, 0).total, link().deliver(offered, 0).total)


def test_an_entry_of_zero_abstains():
    offered = offer()
    offered.kept[:8, 5] = 0
    offered.kept[8, 5] = -1e-6
    assert link(200.0, PLAIN).deliver(offered, 0).total[5] == -AGENTS


@pytest.mark.parametrize("blocks", [1, 6])
def test_no_agent_exceeds_p_and_the_one_with_the_least_headroom_uses_it(blocks):
    for index in range(5):
        uplink = link(fading={"blocks": blocks}, min_gain=0.01)
        powers = uplink.deliver(offer(index), index).transmit_power.values()
        assert max(powers) <= 1 + 1e-5
        assert max(powers) == pytest.approx(1, abs=0.03)  # half a symbol is left


def test_votes_err_less_at_a_higher_snr_and_where_agents_agree():

    def wrong(snr_db, common=0.0):
        uplink = link(snr_db, PLAIN, min_headroom_db=-100.0)
        return uplink.deliver(offer(common=common), 0).diagnostics["oracle_wrong_votes"]

    assert wrong(-5.0) > wrong(5.0) > wrong(15.0)
    assert wrong(-5.0, common=2.0) < wrong(-5.0) / 3


def test_a_lone_vote_errs_as_often_as_qpsk_does():
    """Q(√SNR) of QPSK: at 5 dB 0.0377; of 3001 bits five standard errors are 0.0174."""
    delivery = link(5.0, PLAIN, n_agents=1).deliver(offer(n_agents=1), 0)
    assert abs(delivery.diagnostics["oracle_wrong_votes"] - 0.0377) < 0.0174


def test_a_round_of_few_uses_is_about_two_entries_of_each_and_another_round_about_others():
    uplink = link(measurements=0.1)
    first, second = (uplink.deliver(offer(), index).total != 0 for index in (0, 1))
    assert int(first.sum()) == int(second.sum()) == 600
    assert 20 < int((first & second).sum()) < 220  # 120 by chance, five standard errors of 9 and more
    assert uplink.deliver(offer(), 0).channel_uses == 300
    assert link(measurements=0.9).deliver(offer(), 0).channel_uses == 1501


def test_a_faded_agent_has_no_vote():
    offered = offer()
    delivery = link(40.0, min_headroom_db=37.0).deliver(offered, 1)
    assert 0 < delivery.heard.sum() < AGENTS
    assert all("headroom" in reason for reason in delivery.excluded.values())
    sums = offered.kept[torch.from_numpy(delivery.heard)].sign().sum(0)
    assert torch.equal(delivery.total[sums != 0] / delivery.heard.sum(), sums.sign()[sums != 0])


def played(small, cache, tmp_path, *keys):
    common = ("uplink", "kind", "one_bit"), ("server", "lr", 0.01), ("uplink", "measurements", 0.1)
    parts = assemble(small(*common, *keys), cache)
    before, residuals = ServerState.start(parts.first_theta()), ResidualStore(tmp_path)
    return before, run_round(parts, before, residuals, 0), residuals, parts


def test_a_step_is_the_servers_rate_times_the_vote_and_nothing_is_kept(small, cache, tmp_path):
    before, result, residuals, parts = played(small, cache, tmp_path)
    step = (before.theta - result.state.theta).abs()
    moved = step > 0
    assert int(moved.sum()) == 2 * parts.uplink.n_symbols
    assert torch.allclose(step[moved], torch.tensor(0.01), atol=1e-6)
    assert all(residuals.get(agent) is None for agent in range(4))
    assert result.record["oracle_nmse_db"] is None


def test_with_memory_entries_that_no_vote_was_about_stay_with_the_agent(small, cache, tmp_path):
    before, result, residuals, _ = played(small, cache, tmp_path, ("uplink", "memory", True))
    moved = before.theta != result.state.theta
    for agent in result.record["agents_heard"]:
        left = residuals.get(agent)
        assert not left[moved].any()
        assert left[~moved].any()


@pytest.mark.parametrize(
    ("raw", "key", "words"),
    [
        ({"server": {"lr": 1.0}}, "server.lr", ["below 0.1", "try 0.001"]),
        ({"uplink": {"power_rule": "mmse"}}, "uplink.power_rule", ["inversion", "leave it out"]),
        ({"algorithm": {"weighting": "samples"}}, "algorithm.weighting", ["one vote", "set uniform"]),
    ],
)
def test_what_a_vote_cannot_be_is_named_with_the_remedy(raw, key, words):
    with pytest.raises(ConfigError) as error:
        check(RATE | raw | {"uplink": {"kind": "one_bit"} | raw.get("uplink", {})})
    (found,) = error.value.problems
    assert found.startswith(f"{key}:")
    assert all(word in found for word in words)
