"""Both machines of a round, joined by a network that loses, repeats and reorders, with processes that are killed.

What must hold in every world that can be reached: every update offered is counted once, by the server or in a residual;
nobody is told before it is on disk; nothing happens to a round that is finished; and there is a way to the end.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from fl.control import agent_machine, server_machine
from fl.control.agent_state import AgentMachine, Disk
from fl.control.agent_state import Phase as AgentPhase
from fl.control.events import (
    Attempt,
    Begin,
    Done,
    Expired,
    Failed,
    Finish,
    Joined,
    Left,
    NotWritten,
    Said,
    Save,
    Send,
    Start,
    Stop,
    Task,
    Write,
    Written,
)
from fl.control.messages import Answer, Ask, Close, Followed, Grant, Open, Ready, Sent
from fl.control.server_state import Participant, Phase, Rules, ServerMachine, Stage
from tests.fl.control.exploration import deviating, ends_by_deadlines, everything, finish, wander
from tests.fl.control.world import BrokenError, Budget, Model, first

ANYTHING = Budget(9, 9, 9, 9, 9)
KINDS = {"by wire": Rules(1, on_air=False), "on air": Rules(1, on_air=True)}
each_kind = pytest.mark.parametrize("rules", KINDS.values(), ids=KINDS)


@each_kind
def test_without_trouble_every_update_is_counted_by_the_server(rules):
    world = finish(Model(3, rules), first(Model(3, rules), 3, Budget()))
    assert {token for token, _ in world.server.applied} == {(agent, r) for agent in range(3) for r in range(3)}
    assert not any(node.m for node in world.agents if node.halves == 0 and node.machine.agent != 1)


@each_kind
@pytest.mark.parametrize("budget", [Budget(server_kills=1), Budget(agent_kills=1)], ids=["server", "agent"])
def test_all_interleavings_of_one_agent_and_its_server_with_a_kill_of_one(rules, budget):
    model = Model(1, rules)
    worlds = everything(model, first(model, 1, budget), 10**6)
    assert len(worlds) > 500
    for world in list(worlds)[::20]:
        assert finish(model, world).server.committed == 1


@each_kind
@pytest.mark.parametrize(("agents", "rounds"), [(3, 1), (2, 2)])
def test_three_agents_or_two_rounds_with_any_one_thing_that_goes_otherwise(rules, agents, rounds):
    model = Model(rounds, rules)
    assert deviating(model, first(model, agents, ANYTHING), 1) > 2000


@each_kind
def test_three_agents_with_some_three_things_that_go_otherwise(rules):
    model, rng = Model(3, rules), np.random.default_rng(1)

    def some(worlds):
        return [worlds[rng.integers(len(worlds))]] if rng.random() < 0.05 else []

    assert deviating(model, first(model, 3, ANYTHING), 3, some) > 500


@each_kind
def test_walks_in_which_anything_happens_lead_to_an_end(rules):
    model = Model(3, rules)
    for seed in range(15):
        rng = np.random.default_rng(seed)
        world = wander(model, first(model, 3, Budget(2, 3, 2, 2, 2)), rng, 120)
        assert finish(model, world).server.committed == 3


@pytest.mark.slow
@each_kind
def test_three_agents_with_any_two_things_that_go_otherwise(rules):
    model = Model(1, rules)
    assert deviating(model, first(model, 3, ANYTHING), 2) > 100_000
    model = Model(2, rules)
    assert deviating(model, first(model, 3, ANYTHING), 1) > 8000


@pytest.mark.slow
@each_kind
def test_all_interleavings_of_one_agent_and_its_server_with_a_kill_of_each(rules):
    model = Model(1, rules)
    assert len(everything(model, first(model, 1, Budget(1, 1)), 10**6)) > 20_000


@pytest.mark.slow
def test_all_interleavings_of_two_agents_and_their_server():
    model = Model(1, KINDS["by wire"])
    assert len(everything(model, first(model, 2, Budget()), 10**7)) > 10_000


@pytest.mark.slow
@each_kind
def test_long_walks_lead_to_an_end(rules):
    model = Model(5, rules)
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        world = wander(model, first(model, 3, Budget(3, 6, 4, 4, 4)), rng, 300)
        assert finish(model, world).server.committed == 5


@each_kind
def test_a_round_ends_by_its_deadlines_alone(rules):
    model = Model(1, rules)
    worlds = [first(model, 2, Budget())]
    machines = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for _ in range(12):
            worlds.append(wander(model, worlds[-1], rng, 6))
            machines.add(worlds[-1].server.machine)
        worlds = worlds[:1]
    machines.discard(None)
    assert {machine.phase for machine in machines} >= {Phase.READY, Phase.CLOSE}
    assert all(ends_by_deadlines(machine) for machine in machines)


@pytest.mark.parametrize("kind", [Ready, Followed, Sent])
def test_reports_of_an_attempt_before_a_kill_change_nothing(kind):
    phases = {
        Ready: (Phase.READY, Stage.OPENED),
        Followed: (Phase.SOUND, Stage.READY),
        Sent: (Phase.PAYLOAD, Stage.GRANTED),
    }
    phase, stage = phases[kind]
    members = (Participant(0, stage), Participant(1, stage))
    state = ServerMachine(
        Rules(), 2, present=frozenset({0, 1}), phase=phase, attempt=Attempt(2, 0), participants=members
    )
    assert server_machine.step(state, Said(kind, 0, Attempt(1, 0)))[0] == state
    assert server_machine.step(state, Said(kind, 0, Attempt(2, 0)))[0] != state


def through(step, state, *events):
    """Return the state after some events, and what the last one led to."""
    actions = ()
    for event in events:
        state, actions = step(state, event)
    return state, actions


FIRST = Attempt(1, 0)
GRANTED = (
    Said(Open, 0, FIRST),
    Done(Task.LEARN, FIRST),
    Written(Write.OFFER, FIRST),
    Said(Grant, 0, FIRST),
    Done(Task.PREPARE, FIRST),
)


def test_a_round_does_not_wait_for_an_agent_that_cannot_write_what_became_of_the_one_before():
    full = NotWritten(Write.SETTLE, FIRST, "disk full")
    sent = Written(Write.MARK, FIRST), Done(Task.TRANSMIT, FIRST), Said(Close, 0, FIRST, well=True)
    why = "cannot write what became of round 0 (disk full)"
    for events in ((Said(Open, 0, Attempt(1, 1)), full), (full, Said(Open, 0, Attempt(1, 1)))):
        stuck, actions = through(agent_machine.step, AgentMachine(0), *GRANTED, *sent, *events)
        assert Send(Ready, 0, Attempt(1, 1), False, why) in actions
        settled, actions = through(agent_machine.step, stuck, Expired("verdict", FIRST), Written(Write.SETTLE, FIRST))
        assert settled.disk == Disk(FIRST)
        _, actions = agent_machine.step(settled, Said(Open, 0, Attempt(1, 2)))
        assert Start(Task.LEARN, Attempt(1, 2)) in actions


def test_an_agent_that_knows_that_it_did_not_send_keeps_its_update_whatever_the_server_heard():
    failed = Written(Write.MARK, FIRST), Failed(Task.TRANSMIT, FIRST, "late"), Written(Write.OFFER, FIRST)
    _, actions = through(agent_machine.step, AgentMachine(0), *GRANTED, *failed, Said(Close, 0, FIRST, well=True))
    assert Save(Write.SETTLE, FIRST, frozenset()) in actions
    sent = Written(Write.MARK, FIRST), Done(Task.TRANSMIT, FIRST)
    _, actions = through(agent_machine.step, AgentMachine(0), *GRANTED, *sent, Said(Close, 0, FIRST, well=True))
    assert Save(Write.SETTLE, FIRST, frozenset({0})) in actions


def test_nothing_is_sent_in_a_round_that_was_closed_while_the_agent_wrote():
    late = Said(Close, 0, FIRST, well=False), Written(Write.MARK, FIRST)
    state, actions = through(agent_machine.step, AgentMachine(0), *GRANTED, *late)
    assert not any(isinstance(action, Start) for action in actions)
    assert state.phase is AgentPhase.SETTLING


def committing():
    state, actions = through(
        server_machine.step, ServerMachine(Rules(), 1), Joined(0), Begin(0, (0,)), Expired(Phase.READY, FIRST)
    )
    assert any(isinstance(action, Save) for action in actions)
    return state


def test_a_disk_that_hangs_stops_the_run_and_a_full_one_is_tried_again():
    state, actions = server_machine.step(committing(), Expired(Phase.CLOSE, FIRST))
    assert state.phase is Phase.STOPPED
    assert "--resume" in next(action.reason for action in actions if isinstance(action, Stop))
    full = NotWritten(Write.COMMIT, FIRST, "disk full")
    state, actions = through(server_machine.step, committing(), full, Expired(Phase.CLOSE, FIRST))
    assert any(isinstance(action, Save) for action in actions)
    _, actions = server_machine.step(state, Written(Write.COMMIT, FIRST))
    assert Finish(FIRST) in actions
    state = committing()
    for _ in range(server_machine.MOST_WRITES):
        state, actions = through(server_machine.step, state, full, Expired(Phase.CLOSE, FIRST))
    assert state.phase is Phase.STOPPED


def test_a_round_waits_for_agents_that_were_never_seen_but_not_for_those_that_are_gone():
    start = ServerMachine(Rules(), 1)
    state, _ = through(server_machine.step, start, Joined(0), Begin(0, (0, 1)))
    assert state.phase is Phase.OPEN
    assert server_machine.step(state, Joined(1))[0].phase is Phase.READY
    assert server_machine.step(state, Expired(Phase.OPEN, FIRST))[0].phase is Phase.READY
    state, _ = through(server_machine.step, start, Joined(0), Joined(1), Left(1, "x"), Begin(0, (0, 1)))
    assert state.phase is Phase.READY


# What follows breaks a machine on purpose, and sees that the search finds it.


def closes_before_it_commits(state, event):
    state, actions = server_machine.step(state, event)
    early = [Send(Close, agent, one.attempt) for one in actions if isinstance(one, Save) for agent in one.heard]
    return state, (*actions, *early)


def forgets_whom_it_heard(state, event):
    after, actions = server_machine.step(state, event)
    return (replace(after, last_heard=frozenset()) if isinstance(event, Written) else after), actions


def answers_what_is_not_decided(state, event):
    if isinstance(event, Said) and event.kind is Ask and event.attempt == state.attempt:
        return state, (Send(Answer, event.agent, event.attempt, False),)
    return server_machine.step(state, event)


def ignores_the_deadline_of_payload(state, event):
    if isinstance(event, Expired) and state.phase is Phase.PAYLOAD:
        return state, ()
    return server_machine.step(state, event)


def offers_a_repeated_round_anew(state, event):
    state, actions = agent_machine.step(state, event)
    return state, tuple(replace(one, repeated=False) if isinstance(one, Start) else one for one in actions)


def sends_before_it_is_on_disk(state, event):
    state, actions = agent_machine.step(state, event)
    if any(isinstance(one, Save) and one.write is Write.MARK for one in actions):
        disk = Disk(state.disk.settled, state.attempt, on_air=True)
        return replace(state, phase=agent_machine.Phase.SENDING, disk=disk), (Start(Task.TRANSMIT, state.now),)
    return state, actions


def settles_by_the_answer_to_another_attempt(state, event):
    if isinstance(event, Said) and event.kind in (Answer, Close) and state.attempt is not None:
        event = replace(event, attempt=state.attempt)
    return agent_machine.step(state, event)


def settles_twice(state, event):
    if isinstance(event, Said) and event.kind is Close and state.disk.settled == event.attempt:
        return state, (Save(Write.SETTLE, event.attempt, frozenset({state.agent})),)
    return agent_machine.step(state, event)


def takes_part_before_it_has_settled(state, event):
    if isinstance(event, Said) and event.kind is Open and state.attempt not in (None, event.attempt):
        state = AgentMachine(state.agent, state.sequence, disk=Disk(state.disk.settled))
    return agent_machine.step(state, event)


SERVERS = [
    closes_before_it_commits,
    forgets_whom_it_heard,
    answers_what_is_not_decided,
    ignores_the_deadline_of_payload,
]
AGENTS = [
    offers_a_repeated_round_anew,
    sends_before_it_is_on_disk,
    settles_by_the_answer_to_another_attempt,
    settles_twice,
    takes_part_before_it_has_settled,
]


def found(model):
    for kind in KINDS.values():
        tried = replace(model, rules=kind)
        try:
            deviating(tried, first(tried, 2, ANYTHING), 1)
            for seed in range(30):
                rng = np.random.default_rng(seed)
                finish(tried, wander(tried, first(tried, 2, Budget(1, 2, 1, 1, 1)), rng, 80))
        except BrokenError:
            return True
    return False


@pytest.mark.parametrize("broken", SERVERS, ids=lambda step: step.__name__)
def test_the_search_finds_a_server_that(broken):
    assert found(Model(2, Rules(), server_step=lru_cache(1 << 16)(broken)))


@pytest.mark.parametrize("broken", AGENTS, ids=lambda step: step.__name__)
def test_the_search_finds_an_agent_that(broken):
    assert found(Model(2, Rules(), agent_step=lru_cache(1 << 16)(broken)))
