"""An agent's side of a round as a pure function: (state, event) -> (state, actions).

    IDLE -> LEARNING -> KEEPING -> OFFERED -> FOLLOWING -> FOLLOWED -> PREPARING -> MARKING -> SENDING -> SENT
                                      |  by wire: granted at once  --->  |                              |
                                      +------------- close, or the answer to ask -----------> SETTLING -+-> IDLE

What an agent has on disk decides what becomes of an update, whoever is killed and whenever:

    m, the attempt it was settled by             nothing is under way
    and v = m + Δ, g, the attempt they are for   an update was computed; it is in v and nowhere else
    and c                                        c·g is on the air, or was about to be: only the server knows

It is settled once: m = v − c·g if the server counted it, else m = v. The update of a round that the server opens again,
after a kill, is in m already, so v = m then: it is offered once, in however many attempts.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fl.control.agent_state import AgentMachine, Disk, Phase
from fl.control.events import (
    Action,
    Attempt,
    Cancel,
    CancelDeadline,
    Done,
    Event,
    Expired,
    Failed,
    Log,
    NotWritten,
    Said,
    Save,
    Send,
    SetDeadline,
    Start,
    Task,
    Welcomed,
    Write,
    Written,
)
from fl.control.messages import Answer, Ask, Close, Followed, Grant, Open, Ready, Sent, Sound

_TASK = {
    Phase.LEARNING: Task.LEARN,
    Phase.FOLLOWING: Task.FOLLOW,
    Phase.PREPARING: Task.PREPARE,
    Phase.SENDING: Task.TRANSMIT,
}
_BUSY = {Phase.LEARNING, Phase.KEEPING, Phase.MARKING, Phase.SENDING, Phase.UNMARKING}  # a verdict has to wait
Step = tuple[AgentMachine, tuple[Action, ...]]


def resumed(agent: int, disk: Disk) -> Step:
    """Return the state of an agent that has just been started, and what is to be done."""
    if disk.pending is None:
        return AgentMachine(agent, disk=disk), ()
    return AgentMachine(agent, phase=Phase.ASKING, disk=disk, attempt=disk.pending), (_reminder(disk.pending),)


def step(state: AgentMachine, event: Event) -> Step:
    """Return the state after an event, and what is to be done, in this order."""
    return _ON[type(event)](state, event) if type(event) in _ON else (state, ())


def _welcomed(state: AgentMachine, event: Welcomed) -> Step:
    state = replace(state, sequence=max(state.sequence, event.sequence))
    over = state.attempt is not None and (state.phase is Phase.ASKING or state.now.sequence < state.sequence)
    if not over or not (question := _ask(state)):
        return state, ()
    return state, (*question, _reminder(state.now))


def _said(state: AgentMachine, event: Said) -> Step:
    if event.agent != state.agent:
        return state, ()
    if event.kind is Open:  # the only word that may be about another attempt
        return _open(state, event.attempt)
    if event.kind not in _SAID or event.attempt != state.attempt:
        return state, ()
    return _SAID[event.kind](state, event)


def _open(state: AgentMachine, attempt: Attempt) -> Step:
    settled = state.disk.settled
    if attempt.sequence < state.sequence or (settled is not None and attempt <= settled):
        return state, ()
    state = replace(state, sequence=attempt.sequence)
    if attempt == state.attempt:
        return _offered_again(state)
    if state.attempt is None:
        return _learn(state, attempt)
    if attempt < state.attempt or (state.following is not None and attempt <= state.following):
        return state, ()
    if state.stuck:
        return state, (_left_out(state, attempt),)
    state = replace(state, following=attempt)
    return state, _ask(state)


def _offered_again(state: AgentMachine) -> Step:
    """Say again that the update is ready: the report was lost, or the process that made it."""
    if state.phase is Phase.OFFERED or (state.phase is Phase.ASKING and not state.disk.on_air):
        report = Send(Ready, state.agent, state.now)
        return replace(state, phase=Phase.OFFERED), (report, _reminder(state.now))
    return state, ()


def _learn(state: AgentMachine, attempt: Attempt) -> Step:
    repeated = state.disk.settled is not None and state.disk.settled.round == attempt.round
    state = AgentMachine(state.agent, state.sequence, Phase.LEARNING, state.disk, attempt)
    return state, (Start(Task.LEARN, attempt, repeated=repeated),)


def _sound(state: AgentMachine, _event: Said) -> Step:
    if state.phase is Phase.OFFERED:
        return replace(state, phase=Phase.FOLLOWING), (Start(Task.FOLLOW, state.now),)
    if state.phase is Phase.FOLLOWED:
        return state, (_followed(state),)
    return state, ()


def _granted(state: AgentMachine, _event: Said) -> Step:
    if state.phase in (Phase.OFFERED, Phase.FOLLOWED) and not state.failure:
        return replace(state, phase=Phase.PREPARING), (Start(Task.PREPARE, state.now),)
    if state.phase is Phase.SENT:
        return state, (_sent(state),)
    return state, ()


def _verdict(state: AgentMachine, event: Said) -> Step:
    """Settle the attempt, or do it when what is being written or sent has ended."""
    if state.phase is Phase.SETTLING:
        return state, ()
    if state.phase in _BUSY:
        return replace(state, verdict=event.well), ()
    return _settle(state, event.well)


def _settle(state: AgentMachine, heard: bool) -> Step:
    """Write down what the attempt leaves; the server may take an agent for heard that knows that it did not send."""
    task = _TASK.get(state.phase)
    cancelled: tuple[Action, ...] = () if task is None else (Cancel(task, state.now),)
    heard = heard and state.disk.on_air and not state.failure
    state = replace(state, phase=Phase.SETTLING, verdict=heard)
    return state, (*cancelled, _settlement(state), _reminder(state.now))


def _settlement(state: AgentMachine) -> Save:
    return Save(Write.SETTLE, state.now, frozenset({state.agent} if state.verdict else ()))


def _done(state: AgentMachine, event: Done) -> Step:
    if event.attempt != state.attempt or event.task is not _TASK.get(state.phase):
        return state, ()
    match event.task:
        case Task.LEARN if not event.well:
            return _drop(state, "update not finite")
        case Task.LEARN:
            return replace(state, phase=Phase.KEEPING), (Save(Write.OFFER, state.now),)
        case Task.FOLLOW:
            state = replace(state, phase=Phase.FOLLOWED)
            return state, (_followed(state),)
        case Task.PREPARE:
            return replace(state, phase=Phase.MARKING), (Save(Write.MARK, state.now),)
        case _:
            return _rest(replace(state, phase=Phase.SENT), _sent(state))


def _failed(state: AgentMachine, event: Failed) -> Step:
    if event.attempt != state.attempt or event.task is not _TASK.get(state.phase):
        return state, ()
    if event.task is Task.LEARN:
        return _drop(state, event.reason)
    state = replace(state, failure=event.reason)
    if event.task is Task.FOLLOW:
        return replace(state, phase=Phase.FOLLOWED), (_followed(state),)
    if event.task is Task.PREPARE:
        return replace(state, phase=Phase.SENT), (_sent(state),)
    return replace(state, phase=Phase.UNMARKING), (Save(Write.OFFER, state.now),)


def _drop(state: AgentMachine, reason: str) -> Step:
    """Leave an attempt with nothing on disk: m is as it was."""
    report = Send(Ready, state.agent, state.now, False, reason)
    state, actions = _idle(state)
    return state, (report, *actions)


def _written(state: AgentMachine, event: Written) -> Step:
    if event.attempt != state.attempt:
        return state, ()
    kept = state.disk.settled
    match event.write, state.phase:
        case Write.OFFER, Phase.KEEPING:
            state = replace(state, phase=Phase.OFFERED, disk=Disk(kept, state.now))
            if state.following is not None:  # nobody was told of it: nobody can have counted it
                state = replace(state, verdict=False)
            return _rest(state, Send(Ready, state.agent, state.now))
        case Write.MARK, Phase.MARKING:
            return _transmit(replace(state, disk=Disk(kept, state.now, on_air=True)))
        case Write.OFFER, Phase.UNMARKING:
            return _rest(replace(state, phase=Phase.SENT, disk=Disk(kept, state.now)), _sent(state))
        case Write.SETTLE, Phase.SETTLING:
            return _idle(replace(state, disk=Disk(state.now)))
        case _:
            return state, ()


def _transmit(state: AgentMachine) -> Step:
    if state.verdict is not None:  # too late: the round is over, and nothing has left
        return _settle(state, False)
    return replace(state, phase=Phase.SENDING), (Start(Task.TRANSMIT, state.now),)


def _rest(state: AgentMachine, report: Send) -> Step:
    """Report and wait for the server's word; settle at once if it has come already."""
    if state.verdict is not None:
        return _settle(state, state.verdict)
    return state, (report, _reminder(state.now), *(_ask(state) if state.following is not None else ()))


def _not_written(state: AgentMachine, event: NotWritten) -> Step:
    if event.attempt != state.attempt:
        return state, ()
    log = Log(state.now, state.agent, f"{event.write} not written ({event.reason})")
    match event.write, state.phase:
        case Write.OFFER, Phase.KEEPING:
            state, actions = _drop(state, f"cannot write its update ({event.reason})")
            return state, (log, *actions)
        case (Write.MARK, Phase.MARKING) | (Write.OFFER, Phase.UNMARKING):
            failure = state.failure or f"cannot write what it would send ({event.reason})"
            state = replace(state, phase=Phase.SENT, failure=failure)
            state, actions = _rest(state, _sent(state))
            return state, (log, *actions)
        case Write.SETTLE, Phase.SETTLING:
            state = replace(state, stuck=f"cannot write what became of round {state.now.round} ({event.reason})")
            told = () if state.following is None else (_left_out(state, state.following),)
            return replace(state, following=None), (log, *told, _reminder(state.now))  # tried again then
        case _:
            return state, ()


def _left_out(state: AgentMachine, attempt: Attempt) -> Send:
    """Return the report to a round that need not wait for an agent whose disk is full."""
    return Send(Ready, state.agent, attempt, False, state.stuck)


def _idle(state: AgentMachine) -> Step:
    """Be done with an attempt, and take part in the one that was opened meanwhile."""
    following = state.following
    state = AgentMachine(state.agent, state.sequence, disk=state.disk)
    state, actions = (state, ()) if following is None else _open(state, following)
    return state, (CancelDeadline(), *actions)


def _expired(state: AgentMachine, event: Expired) -> Step:
    if event.attempt != state.attempt:
        return state, ()
    if state.phase is Phase.SETTLING:
        return state, (_settlement(state), _reminder(state.now))
    return state, (*_ask(state), _reminder(state.now))


def _ask(state: AgentMachine) -> tuple[Action, ...]:
    """Ask what became of the attempt, if the server was told of it and nothing is under way that must end first."""
    if state.phase in _BUSY or state.phase is Phase.SETTLING:
        return ()
    return (Send(Ask, state.agent, state.now),)


def _reminder(attempt: Attempt) -> SetDeadline:
    return SetDeadline("verdict", attempt)


def _followed(state: AgentMachine) -> Send:
    return Send(Followed, state.agent, state.now, not state.failure, state.failure)


def _sent(state: AgentMachine) -> Send:
    return Send(Sent, state.agent, state.now, not state.failure, state.failure)


_SAID: dict[type, Callable[[AgentMachine, Said], Step]] = {
    Sound: _sound,
    Grant: _granted,
    Close: _verdict,
    Answer: _verdict,
}
_ON: dict[type, Callable[[AgentMachine, Any], Step]] = {
    Welcomed: _welcomed,
    Said: _said,
    Done: _done,
    Failed: _failed,
    Written: _written,
    NotWritten: _not_written,
    Expired: _expired,
}
