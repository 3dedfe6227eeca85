"""Laws of a round: what is not sent stays with the agent, exactly once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fl.residuals import ResidualStore
from fl.round import run_round, schedule, training_steps
from fl.server import ServerState
from fl.setup import assemble
from fl.streams import Purpose
from fl.uplink.base import Delivery


class Recorder:
    """An uplink that keeps what it was offered, hears the agents it is told to and carries what it is told to."""

    def __init__(self, heard, carry=lambda kept: kept, total=None, k=50):
        self.heard, self.carry, self.total, self.kept_entries = np.array(heard), carry, total, k
        self.offers = []

    def deliver(self, offer, round_index):
        self.offers.append(offer)
        carried = {agent: self.carry(kept) for agent, kept in zip(offer.agents, offer.kept, strict=True)}
        sums = torch.stack(list(carried.values()))[torch.from_numpy(self.heard)].sum(0)
        total = sums if self.total is None else self.total
        return Delivery(total if self.heard.any() else None, self.heard, carried=carried)


@pytest.fixture
def parts(small, cache):
    return assemble(small(), cache)


def rounds(parts, uplink, tmp_path, n_rounds=3):
    """Return the states before and after, the residuals and the updates of each agent summed over the rounds."""
    parts = replace(parts, uplink=uplink)
    state, residuals = ServerState.start(parts.first_theta()), ResidualStore(tmp_path)
    computed = torch.zeros(4, parts.model.dimension)
    for index in range(n_rounds):
        steps = training_steps(parts, range(4), index)
        computed += parts.learner.local_updates(state.theta, steps, 1)[0]
        state = run_round(parts, state, residuals, index).state
    return parts, state, residuals, computed


def test_what_was_sent_plus_what_is_left_is_what_was_computed(parts, tmp_path):
    uplink = Recorder([True] * 4)
    _, _, residuals, computed = rounds(parts, uplink, tmp_path)
    sent = sum(offer.kept for offer in uplink.offers)
    left = torch.stack([residuals.get(agent) for agent in range(4)])
    assert torch.allclose(sent + left, computed, atol=1e-6)


def test_an_agent_that_was_not_heard_keeps_all_of_its_update(parts, tmp_path):
    uplink = Recorder([True, False, True, True])
    _, _, residuals, computed = rounds(parts, uplink, tmp_path)
    assert torch.allclose(residuals.get(1), computed[1], atol=1e-6)


def rounded(kept):
    return torch.round(kept, decimals=3)


def erased(kept):
    return torch.where(torch.arange(kept.shape[-1]) % 3 == 0, kept, 0)


@pytest.mark.parametrize("carry", [lambda kept: 0.25 * kept, rounded, erased], ids=["scaled", "rounded", "erased"])
def test_what_a_payload_does_not_carry_stays_with_the_agent(parts, tmp_path, carry):
    uplink = Recorder([True] * 4, carry)
    _, _, residuals, computed = rounds(parts, uplink, tmp_path)
    sent = sum(carry(offer.kept) for offer in uplink.offers)
    assert not torch.allclose(sent, sum(offer.kept for offer in uplink.offers), atol=1e-6)
    left = torch.stack([residuals.get(agent) for agent in range(4)])
    assert torch.allclose(sent + left, computed, atol=1e-6)


@pytest.mark.parametrize("uplink", [Recorder([False] * 4), Recorder([True] * 4, total=torch.full((1,), torch.nan))])
def test_a_round_that_failed_moves_nothing_and_loses_nothing(parts, tmp_path, uplink):
    parts, state, residuals, computed = rounds(parts, uplink, tmp_path)
    assert torch.equal(state.theta, parts.first_theta())
    assert torch.allclose(torch.stack([residuals.get(agent) for agent in range(4)]), computed, atol=1e-6)


def test_an_update_that_is_not_finite_is_left_out_by_name_and_the_others_go_on(parts, tmp_path):
    learner = parts.learner

    class Broken:
        sends, draw = True, learner.draw

        def local_updates(self, theta, agents, threads):
            deltas, losses = learner.local_updates(theta, agents, threads)
            deltas[2, 7] = torch.nan
            return deltas, losses

    parts = replace(parts, learner=Broken(), uplink=Recorder([True] * 3))
    state, residuals = ServerState.start(parts.first_theta()), ResidualStore(tmp_path)
    result = run_round(parts, state, residuals, 0)
    assert result.record["excluded"] == {2: "update not finite"}
    assert result.record["agents_heard"] == [0, 1, 3]
    assert residuals.get(2) is None
    assert torch.isfinite(result.state.theta).all()


def test_the_mean_is_over_the_weights_of_the_agents_heard(small, cache, tmp_path):
    """With the identity optimiser (sgd, rate 1) the step is Σ_{heard} w_i Δ_i / Σ_{heard} w_i."""
    parts = assemble(small(("algorithm", "weighting", "samples"), ("agents", "count", 3)), cache)
    uplink = Recorder([True, False, True], k=parts.model.dimension)
    parts = replace(parts, uplink=uplink)
    weights = torch.tensor([parts.weight(agent) for agent in range(3)])
    assert len(set(weights.tolist())) > 1
    theta = parts.first_theta()
    deltas, _ = parts.learner.local_updates(theta, training_steps(parts, range(3), 0), 1)
    mean = (weights[0] * deltas[0] + weights[2] * deltas[2]) / (weights[0] + weights[2])
    after = run_round(parts, ServerState.start(theta), ResidualStore(tmp_path), 0).state.theta
    assert torch.allclose(theta - after, mean, atol=1e-6)


def test_without_memory_nothing_is_kept(small, cache, tmp_path):
    parts = assemble(small(("uplink", "memory", False)), cache)
    residuals = ResidualStore(tmp_path)
    run_round(parts, ServerState.start(parts.first_theta()), residuals, 0)
    assert all(residuals.get(agent) is None for agent in range(4))


def test_agents_in_smaller_groups_give_the_same_round(small, cache, tmp_path):
    results = []
    for group in (1, 4):
        parts = assemble(small(("run", "batch_agents", group)), cache)
        state = ServerState.start(parts.first_theta())
        results.append(run_round(parts, state, ResidualStore(tmp_path / str(group)), 0))
    assert torch.equal(results[0].state.theta, results[1].state.theta)
    assert results[0].record == results[1].record


def test_a_schedule_draws_without_replacement_and_differs_between_rounds(small, cache):
    parts = assemble(small(("agents", "count", 50), ("agents", "per_round", 10)), cache)
    drawn = [schedule(parts, index) for index in range(5)]
    assert all(len(set(agents)) == 10 and agents == tuple(sorted(agents)) for agents in drawn)
    assert len(set(drawn)) == 5


def test_independent_batches_share_no_image_and_shared_ones_do(small, cache):
    independent = training_steps(assemble(small(("algorithm", "order", "exact")), cache), [0], 0)[0][0]
    shared = training_steps(
        assemble(small(("algorithm", "order", "exact"), ("algorithm", "batches", "shared")), cache), [0], 0
    )[0][0]
    assert not torch.equal(independent.inner[0][0], independent.hessian[0][0])
    assert torch.equal(shared.inner[0][0], shared.hessian[0][0])


def test_ten_thousand_agents_cost_no_more_than_those_that_take_part(small, cache, tmp_path):
    overrides = ("agents", "count", 10_000), ("agents", "per_round", 3)
    parts = assemble(small(*overrides, ("task", "partition", "class_overlap"), ("task", "classes_per_agent", 6)), cache)
    residuals = ResidualStore(tmp_path)
    state = ServerState.start(parts.first_theta())
    seen = set()
    for index in range(4):
        result = run_round(parts, state, residuals, index)
        state = result.state
        seen |= set(result.record["agents_scheduled"])
        residuals.save(index + 1)
        residuals.prune(index + 1)
    assert len(list(tmp_path.iterdir())) == len(seen) <= 12


def test_purposes_have_numbers_of_their_own():
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose)
