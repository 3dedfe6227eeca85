"""The server's side of a round as a pure function: (state, event) -> (state, actions).

    OPEN       wait for the agents that are expected; θ goes out
    READY      wait for their reports
    SOUND      beacon; wait for the soundings, and for what the agents say of the beacon   (uplinks on the air)
    GRANT      who sends, and how
    PAYLOAD    wait for the sum, and for what the agents say they sent
    CLOSE      decode; commit to disk; only then tell the agents whether they were heard

Every wait ends: with what was waited for, or with its deadline, and then the round goes on with those who are there or
fails. A message, a task or a deadline of another attempt changes nothing, and neither does the second of two alike.

The server remembers, of each agent, the last attempt in which it was heard. That is all it takes to answer an agent
that missed its `close`: it takes part in nothing new before it has settled the attempt that it asks about.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from fl.control.events import (
    Action,
    Attempt,
    Begin,
    Cancel,
    CancelDeadline,
    Done,
    Event,
    Expired,
    Failed,
    Finish,
    Joined,
    Left,
    Log,
    NotWritten,
    Said,
    Save,
    Send,
    SetDeadline,
    Start,
    Stop,
    Task,
    Write,
    Written,
)
from fl.control.messages import Answer, Ask, Close, Followed, Grant, Message, Open, Ready, Sent, Sound
from fl.control.server_state import Participant, Phase, ServerMachine, Stage

MOST_WRITES = 5
FORGOTTEN = "restarted: its process had forgotten the round"


Step = tuple[ServerMachine, tuple[Action, ...]]


def step(state: ServerMachine, event: Event) -> Step:
    """Return the state after an event, and what is to be done, in this order."""
    if state.phase is Phase.STOPPED or type(event) not in _ON:
        return state, ()
    return _ON[type(event)](state, event)


def _begin(state: ServerMachine, event: Begin) -> Step:
    if state.phase is not Phase.IDLE or event.round != state.committed:
        return state, ()
    attempt = Attempt(state.sequence, event.round)
    state = replace(state, phase=Phase.OPEN, attempt=attempt, scheduled=event.scheduled, participants=())
    after, actions = _open(state)
    return after, actions or (SetDeadline(Phase.OPEN, attempt),)


def _open(state: ServerMachine) -> Step:
    """Open the round as soon as nobody else is expected and there are enough."""
    here = [agent for agent in state.scheduled if agent in state.present]
    expected = not state.waited and not state.seen.issuperset(state.scheduled)
    if expected or len(here) < state.rules.quorum:
        return state, ()
    absent = "absent: not registered when the round was opened"
    participants = tuple(
        Participant(agent, Stage.OPENED) if agent in state.present else Participant(agent, Stage.ABSENT, absent)
        for agent in state.scheduled
    )
    state = replace(state, phase=Phase.READY, participants=participants)
    return state, (SetDeadline(Phase.READY, state.now), *_send(state, Open, here))


def _joined(state: ServerMachine, event: Joined) -> Step:
    agent = event.agent
    state = replace(state, present=state.present | {agent}, seen=state.seen | {agent})
    stage = next((one.stage for one in state.participants if one.agent == agent), None)
    if state.phase is Phase.OPEN:
        return _open(state)
    if state.phase is Phase.READY and stage is not None and not (event.same and stage is Stage.READY):
        state = _moved(state, {agent: (Stage.OPENED, "")})
        return state, tuple(_send(state, Open, [agent]))
    if state.phase in (Phase.SOUND, Phase.GRANT) and not event.same and stage in (Stage.READY, Stage.FOLLOWED):
        return _proceed(_moved(state, {agent: (Stage.OUT, FORGOTTEN)}))
    if state.phase is Phase.SOUND and event.same and stage is Stage.READY and Task.CALL not in state.running:
        return state, tuple(_send(state, Sound, [agent]))
    if state.phase is Phase.PAYLOAD and stage is Stage.GRANTED:
        return (state, tuple(_send(state, Grant, [agent]))) if event.same else _silenced(state, agent)
    return state, ()


def _silenced(state: ServerMachine, agent: int) -> Step:
    """Wait no longer for the report of an agent that has forgotten the round; on the air, what it sent may arrive."""
    move = (Stage.SENT, "") if state.rules.on_air else (Stage.OUT, FORGOTTEN)
    return _proceed(_moved(state, {agent: move}))


def _left(state: ServerMachine, event: Left) -> Step:
    state = replace(state, present=state.present - {event.agent})
    if state.phase in (Phase.READY, Phase.SOUND, Phase.GRANT):
        waiting = state.at(Stage.OPENED, Stage.READY, Stage.FOLLOWED)
        if event.agent in waiting:
            state = _moved(state, {event.agent: (Stage.OUT, f"gone: {event.reason}")})
    return _proceed(state)


def _said(state: ServerMachine, event: Said) -> Step:
    if event.kind is Ask:
        return _answer(state, event)
    expected = {
        (Phase.READY, Ready): ((Stage.OPENED,), Stage.READY),
        (Phase.SOUND, Followed): ((Stage.READY,), Stage.FOLLOWED),
        (Phase.PAYLOAD, Sent): ((Stage.GRANTED,), Stage.SENT),
    }
    before, after = expected.get((state.phase, event.kind), ((), Stage.OUT))
    if event.attempt != state.attempt or event.agent not in state.at(*before):
        return state, (Log(event.attempt, event.agent, f"{event.kind.__name__.lower()} comes too late or again"),)
    move = (after, "") if event.well else (Stage.OUT, event.reason)
    return _proceed(_moved(state, {event.agent: move}))


def _answer(state: ServerMachine, event: Said) -> Step:
    if event.attempt == state.attempt:
        return state, ()  # it is not decided; `close` will say
    heard = (event.agent, event.attempt) in state.last_heard
    return state, (Send(Answer, event.agent, event.attempt, heard),)


def _done(state: ServerMachine, event: Done) -> Step:
    if event.attempt != state.attempt or event.task not in state.running:
        return state, ()
    state = replace(state, running=state.running - {event.task})
    match event.task:
        case Task.CALL:
            state = replace(state, running=state.running | {Task.SOUND})
            agents = state.at(Stage.READY)
            after, actions = _proceed(state)
            return after, (*_send(state, Sound, agents), Start(Task.SOUND, state.now, agents), *actions)
        case Task.DECIDE:
            return _grant(state, event)
        case Task.RECEIVE:
            excluded = {agent: (Stage.OUT, reason) for agent, reason in event.excluded}
            return _proceed(_moved(replace(state, there=event.agents), excluded))
        case Task.DECODE:
            excluded = {agent: (Stage.OUT, reason) for agent, reason in event.excluded}
            return _commit(_moved(state, excluded), event.agents, "")
        case _:
            return _proceed(state)


def _grant(state: ServerMachine, event: Done) -> Step:
    chosen = state.at(Stage.FOLLOWED if state.rules.on_air else Stage.READY)
    granted = tuple(agent for agent in chosen if agent in event.agents)
    moves: dict[int, tuple[Stage, str]] = dict.fromkeys(granted, (Stage.GRANTED, ""))
    moves |= {agent: (Stage.OUT, reason) for agent, reason in event.excluded if agent not in moves}
    moves |= {agent: (Stage.OUT, "not granted") for agent in chosen if agent not in moves}
    state = _moved(state, moves)
    if not granted:
        return _commit(state, frozenset(), "")
    state = replace(state, phase=Phase.PAYLOAD, there=None)
    actions = (SetDeadline(Phase.PAYLOAD, state.now), *_send(state, Grant, granted))
    if state.rules.on_air:
        state = replace(state, running=frozenset({Task.RECEIVE}))
        actions += (Start(Task.RECEIVE, state.now, granted),)
    return state, actions


def _failed(state: ServerMachine, event: Failed) -> Step:
    if event.attempt != state.attempt or event.task not in state.running:
        return state, ()
    return _commit(replace(state, running=state.running - {event.task}), frozenset(), event.reason)


def _expired(state: ServerMachine, event: Expired) -> Step:
    if event.attempt != state.attempt or event.phase != state.phase:
        return state, ()
    if state.phase is Phase.OPEN:
        return _gathered(replace(state, waited=True))
    if state.phase is Phase.CLOSE:
        return _not_closed(state)
    if state.running:
        slow = ", ".join(sorted(state.running))
        return _commit(state, frozenset(), f"{slow} did not end before the deadline of {state.phase}")
    late = f"late: nothing came before the deadline of {state.phase}"
    waited = {Phase.READY: Stage.OPENED, Phase.SOUND: Stage.READY, Phase.PAYLOAD: Stage.GRANTED}[state.phase]
    if waited is Stage.GRANTED:  # on the air, the server hears whether it sent, whatever it says
        return _receive(state)
    return _proceed(_moved(state, dict.fromkeys(state.at(waited), (Stage.OUT, late))))


def _gathered(state: ServerMachine) -> Step:
    after, actions = _open(state)
    if actions:
        return after, actions
    here = len(state.present.intersection(state.scheduled))
    missing = ", ".join(str(agent) for agent in state.scheduled if agent not in state.present)
    reason = (
        f"a round needs {state.rules.quorum} agents, {here} of those scheduled are there, missing: {missing}; start "
        "them and go on with --resume, or lower the quorum"
    )
    return replace(state, phase=Phase.STOPPED), (CancelDeadline(), Stop(reason))


def _proceed(state: ServerMachine) -> Step:
    """Go on to the next phase if there is nothing to wait for in this one."""
    if state.running:
        return state, ()
    if state.phase is Phase.READY and not state.at(Stage.OPENED):
        return _after_ready(state)
    if state.phase is Phase.SOUND and not state.at(Stage.READY):
        if not state.at(Stage.FOLLOWED):
            return _commit(state, frozenset(), "no agent heard the beacon")
        return _decide(state, state.at(Stage.FOLLOWED))
    if state.phase is Phase.PAYLOAD and not state.present.intersection(state.at(Stage.GRANTED)):
        return _receive(state)
    return state, ()


def _after_ready(state: ServerMachine) -> Step:
    ready = state.at(Stage.READY)
    if len(ready) < state.rules.quorum:
        return _commit(state, frozenset(), f"{len(ready)} agents were ready, a round needs {state.rules.quorum}")
    if not state.rules.on_air:
        return _decide(state, ready)
    state = replace(state, phase=Phase.SOUND, running=frozenset({Task.CALL}))
    return state, (SetDeadline(Phase.SOUND, state.now), Start(Task.CALL, state.now, ready))


def _decide(state: ServerMachine, agents: tuple[int, ...]) -> Step:
    state = replace(state, phase=Phase.GRANT, running=frozenset({Task.DECIDE}))
    return state, (SetDeadline(Phase.GRANT, state.now), Start(Task.DECIDE, state.now, agents))


def _receive(state: ServerMachine) -> Step:
    """Go on with those whose payload is there: heard on the air and not said to have failed, or come by wire."""
    arrived = state.at(Stage.GRANTED, Stage.SENT) if state.rules.on_air else state.at(Stage.SENT)
    counted = tuple(agent for agent in arrived if state.there is None or agent in state.there)
    if not counted:
        return _commit(state, frozenset(), "")
    state = replace(state, phase=Phase.CLOSE, running=frozenset({Task.DECODE}))
    return state, (SetDeadline(Phase.CLOSE, state.now), Start(Task.DECODE, state.now, counted))


def _commit(state: ServerMachine, heard: frozenset[int], failure: str) -> Step:
    """Decide the round, and write it down."""
    cancelled = [Cancel(task, state.now) for task in sorted(state.running)]
    if not failure:
        silent = (Stage.OUT, "silent: granted, but not received")
        state = _moved(state, {a: silent for a in state.at(Stage.GRANTED, Stage.SENT) if a not in heard})
    excluded = tuple((one.agent, one.reason) for one in state.participants if one.reason)
    outcome = Save(Write.COMMIT, state.now, heard, excluded, failure)
    state = replace(state, phase=Phase.CLOSE, running=frozenset(), outcome=outcome, writes=1, writing=True)
    return state, (*cancelled, SetDeadline(Phase.CLOSE, state.now), outcome)


def _written(state: ServerMachine, event: Written) -> Step:
    if event.attempt != state.attempt or event.write is not Write.COMMIT or state.outcome is None:
        return state, ()
    heard, attempt = state.outcome.heard, state.now
    others = {entry for entry in state.last_heard if entry[0] not in heard}
    closed = [one for one in state.participants if one.stage is not Stage.ABSENT and one.agent in state.present]
    why = state.outcome.failure
    actions = [Send(Close, one.agent, attempt, one.agent in heard, one.reason or why) for one in closed]
    state = ServerMachine(
        state.rules, state.sequence, attempt.round + 1, frozenset(others | {(agent, attempt) for agent in heard}),
        state.present, state.seen, state.waited,
    )  # fmt: skip
    return state, (CancelDeadline(), *actions, Finish(attempt))


def _not_written(state: ServerMachine, event: NotWritten) -> Step:
    if event.attempt != state.attempt or state.outcome is None or not state.writing:
        return state, ()
    if state.writes >= MOST_WRITES:
        reason = f"round {state.now.round} cannot be written ({event.reason}); mend this and go on with --resume"
        return replace(state, phase=Phase.STOPPED), (CancelDeadline(), Stop(reason))
    state = replace(state, writing=False)
    text = f"not written ({event.reason}), it is tried again at the deadline of close"
    return state, (Log(state.now, None, text), SetDeadline(Phase.CLOSE, state.now))


def _not_closed(state: ServerMachine) -> Step:
    """Go on from the deadline of CLOSE: nothing was decoded, or not written, or it hangs."""
    if state.outcome is None:
        return _commit(state, frozenset(), "decode did not end before the deadline of close")
    if state.writing:
        reason = (
            f"round {state.now.round} was neither evaluated nor written within control.close_s; raise it, or see "
            "to the disk; what is on it is whole, go on with --resume"
        )
        return replace(state, phase=Phase.STOPPED), (CancelDeadline(), Stop(reason))
    outcome, state = state.outcome, replace(state, writes=state.writes + 1, writing=True)
    return state, (SetDeadline(Phase.CLOSE, state.now), outcome)


def _moved(state: ServerMachine, moves: dict[int, tuple[Stage, str]]) -> ServerMachine:
    participants = tuple(Participant(one.agent, *moves.get(one.agent, (one.stage, one.reason))) for one in
                         state.participants)  # fmt: skip
    return replace(state, participants=participants)


def _send(state: ServerMachine, kind: type[Message], agents: Iterable[int]) -> list[Action]:
    return [Send(kind, agent, state.now) for agent in agents]


_ON: dict[type, Callable[[ServerMachine, Any], Step]] = {
    Begin: _begin,
    Joined: _joined,
    Left: _left,
    Said: _said,
    Done: _done,
    Failed: _failed,
    Written: _written,
    NotWritten: _not_written,
    Expired: _expired,
}
