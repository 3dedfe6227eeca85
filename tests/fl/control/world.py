"""A server and its agents on a network that loses, repeats and reorders, with processes that are killed: a model.

Everything that was ever sent may arrive, at any time, any number of times, or never. A process may be killed between
any two events; what it was writing is then on disk or not. A world is a value, and `successors` are all that can come
of it. Updates are counted: Δ of an agent and a round is a token, a UNIT of it, and v, c·g and what the server applied
are amounts of tokens.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from fl.control import agent_machine, server_machine
from fl.control.agent_state import AgentMachine, Disk
from fl.control.events import (
    Attempt,
    Begin,
    CancelDeadline,
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
    SetDeadline,
    Start,
    Stop,
    Task,
    Welcomed,
    Write,
    Written,
)
from fl.control.events import Cancel as CancelTask
from fl.control.messages import Answer, Close, Grant, Open, Sound, Welcome
from fl.control.server_state import Phase, Rules, ServerMachine

TO_AGENT = {Open, Sound, Grant, Close, Answer, Welcome}
Amounts = frozenset  # of (token, amount)
UNIT = 1 << 16
NOTHING = Disk()
SERVER_STEP = lru_cache(1 << 18)(server_machine.step)  # they are functions: remember what they return
AGENT_STEP = lru_cache(1 << 18)(agent_machine.step)


class BrokenError(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Budget:
    """How much may go wrong before the search looks no further."""

    server_kills: int = 0
    agent_kills: int = 0
    departures: int = 0
    failures: int = 0
    full_disks: int = 0

    def less(self, kind: str) -> "Budget":
        return replace(self, **{kind: getattr(self, kind) - 1})


@dataclass(frozen=True)
class AgentNode:
    """The process of an agent and its disk: m, and v and c of an attempt that is not settled."""

    machine: AgentMachine | None
    disk: Disk = NOTHING
    m: Amounts = frozenset()
    v: Amounts = frozenset()
    prepared: int = 0  # c, what of v is sent, in halves
    halves: int = 0  # the same, on disk
    repeated: bool = False  # v = m, Δ is in it already
    offered: frozenset = frozenset()
    tasks: frozenset = frozenset()
    saving: Save | None = None
    deadline: SetDeadline | None = None
    known: bool = False  # this process has registered with this start of the server


@dataclass(frozen=True)
class ServerNode:
    """The process of the server and its disk."""

    machine: ServerMachine | None
    starts: int = 1
    committed: int = 0
    last_heard: frozenset = frozenset()
    applied: tuple = ()
    tasks: frozenset = frozenset()
    saving: Save | None = None
    deadline: SetDeadline | None = None
    closed: frozenset = frozenset()


@dataclass(frozen=True)
class Model:
    """What is fixed: how many rounds, the rules, and the machines, which a test may break."""

    rounds: int
    rules: Rules
    server_step: Callable = SERVER_STEP
    agent_step: Callable = AGENT_STEP


@dataclass(frozen=True)
class World:
    server: ServerNode
    agents: tuple[AgentNode, ...]
    network: frozenset = frozenset()
    air: frozenset = frozenset()
    budget: Budget = Budget()


def first(model: Model, n_agents: int, budget: Budget) -> World:
    """Return a world in which all have started and nobody has registered."""
    agents = tuple(AgentNode(AgentMachine(agent)) for agent in range(n_agents))
    world = World(ServerNode(ServerMachine(model.rules, 1)), agents, budget=budget)
    return _begin(model, world)


def _begin(model: Model, world: World) -> World:
    if world.server.committed == model.rounds:
        return world
    event = Begin(world.server.committed, tuple(range(len(world.agents))))
    return server_event(model, world, event)


def server_event(model: Model, world: World, event) -> World:
    """Return the world after the server was told something."""
    before = world.server.machine
    machine, actions = model.server_step(before, event)
    if not actions and machine == before:
        return world
    world = replace(world, server=replace(world.server, machine=machine))
    for action in actions:
        world = _server_action(world, action)
    if any(isinstance(action, Stop) for action in actions):
        return _without_server(world)
    if any(isinstance(action, Finish) for action in actions):
        world = replace(world, server=replace(world.server, deadline=None))
        world = _begin(model, world)
    return world


def _server_action(world: World, action) -> World:
    node = world.server
    match action:
        case Send(kind=kind, attempt=attempt):
            if kind is Close and node.committed <= attempt.round:
                raise BrokenError(f"closed before it was committed: {action}")
            if kind not in (Close, Answer) and attempt in node.closed:
                raise BrokenError(f"after the round was finished: {action}")
            world = replace(world, network=world.network | {action})
        case Save(attempt=attempt) if attempt in node.closed:
            raise BrokenError(f"committed after the round was finished: {action}")
        case Finish(attempt=attempt):
            if node.tasks or node.saving:
                raise BrokenError(f"finished with work under way: {node.tasks}, {node.saving}")
            node = replace(node, closed=node.closed | {attempt})
    return replace(world, server=_acted(node, action))


def _acted(node, action):
    """Return the node of either kind after an action that stays within it: a task, a write, a deadline."""
    match action:
        case Start():
            return replace(node, tasks=node.tasks | {action})
        case CancelTask(task=task):
            return replace(node, tasks=frozenset(one for one in node.tasks if one.task is not task))
        case Save():
            return replace(node, saving=action)
        case SetDeadline():
            return replace(node, deadline=action)
        case CancelDeadline():
            return replace(node, deadline=None)
        case _:
            return node


def agent_event(model: Model, world: World, agent: int, event) -> World:
    """Return the world after an agent was told something."""
    before = world.agents[agent].machine
    machine, actions = model.agent_step(before, event)
    if not actions and machine == before:
        return world
    node = replace(world.agents[agent], machine=machine)
    for action in actions:
        if isinstance(action, Send):
            world = replace(world, network=world.network | {action})
        node = _acted(node, action)
    return _with(world, agent, node)


def _with(world: World, agent: int, node: AgentNode) -> World:
    return replace(world, agents=(*world.agents[:agent], node, *world.agents[agent + 1 :]))


def successors(model: Model, world: World) -> Iterator[tuple[str, World]]:
    """Yield every world that may come next, with a word for what happened."""
    yield from steps(model, world)
    budget = world.budget
    node = world.server
    if node.machine is not None:
        if budget.server_kills:
            yield from _kill_server(world)
        if budget.failures:
            for start in sorted(node.tasks, key=_order):
                after = _without_task(world, start)
                after = replace(after, budget=budget.less("failures"))
                yield (
                    f"server fails to {start.task}",
                    server_event(model, after, Failed(start.task, start.attempt, "x")),
                )
        if budget.full_disks and node.saving is not None:
            after = replace(world, server=replace(node, saving=None), budget=budget.less("full_disks"))
            yield (
                "server's disk is full",
                server_event(model, after, NotWritten(Write.COMMIT, node.saving.attempt, "x")),
            )
            after = replace(world, server=replace(node, deadline=None), budget=budget.less("full_disks"))
            yield "server's disk hangs", server_event(model, after, Expired("close", node.saving.attempt))
    for agent, one in enumerate(world.agents):
        yield from _agent_trouble(model, world, agent, one)


def _agent_trouble(model, world, agent, one):
    budget = world.budget
    present = world.server.machine is not None and agent in world.server.machine.present
    if one.machine is None:
        return
    if budget.agent_kills:
        yield from _kill_agent(world, agent)
    if budget.departures and present:
        after = replace(world, budget=budget.less("departures"))
        yield f"agent {agent} is lost", server_event(model, after, Left(agent, "x"))
    if budget.failures:
        for start in sorted(one.tasks, key=_order):
            after = replace(_done_task(world, agent, start), budget=budget.less("failures"))
            yield (
                f"agent {agent} fails to {start.task}",
                agent_event(model, after, agent, Failed(start.task, start.attempt, "x")),
            )
    if budget.full_disks and one.saving is not None:
        after = replace(_with(world, agent, replace(one, saving=None)), budget=budget.less("full_disks"))
        event = NotWritten(one.saving.write, one.saving.attempt, "x")
        yield f"agent {agent}'s disk is full", agent_event(model, after, agent, event)


def steps(model: Model, world: World) -> Iterator[tuple[str, World]]:
    """Yield what comes of a world in which nothing goes wrong but the network, and deadlines come at any time."""
    if world.server.machine is None:
        yield "server starts", start_server(model, world)
    else:
        yield from _server_steps(model, world)
    for agent, node in enumerate(world.agents):
        if node.machine is None:
            machine, actions = agent_machine.resumed(agent, node.disk)
            deadline = actions[0] if actions else None
            yield f"agent {agent} starts", _with(world, agent, replace(node, machine=machine, deadline=deadline))
            if world.server.machine is not None and agent in world.server.machine.present:
                yield f"agent {agent} is missed", server_event(model, world, Left(agent, "x"))
        else:
            yield from _agent_steps(model, world, agent, node)
    for message in sorted(world.network, key=_order):
        after = deliver(model, world, message)
        if after is not None and after != world:
            yield f"arrives: {message.kind.__name__} {message.agent} {message.attempt}", after


def _server_steps(model, world):
    node = world.server
    for start in sorted(node.tasks, key=_order):
        for event in _results(world, start):
            yield f"server: {event.task}", server_event(model, _without_task(world, start), event)
    if node.saving is not None:
        yield "server: committed", server_event(model, land_commit(world), Written(Write.COMMIT, node.saving.attempt))
    if node.deadline is not None and node.saving is None:
        event = Expired(node.deadline.phase, node.deadline.attempt)
        after = replace(world, server=replace(node, deadline=None))
        if not (node.machine.phase is Phase.OPEN and len(node.machine.present) < model.rules.quorum):
            yield f"server: deadline of {event.phase}", server_event(model, after, event)


def _agent_steps(model, world, agent, node):
    server = world.server.machine
    if server is not None and (agent not in server.present or not node.known):
        yield f"agent {agent} registers", register(model, world, agent)
    for start in sorted(node.tasks, key=_order):
        after = _done_task(world, agent, start)
        if start.task is Task.TRANSMIT:
            after = replace(after, air=after.air | {(agent, start.attempt, _part(node.v, node.prepared))})
        if start.task is Task.LEARN:
            after = _with(after, agent, replace(after.agents[agent], repeated=start.repeated))
        if start.task is Task.PREPARE:
            after = _with(after, agent, replace(after.agents[agent], prepared=2 - agent % 2))
        event = Done(start.task, start.attempt)
        yield f"agent {agent}: {start.task} {start.attempt}", agent_event(model, after, agent, event)
    if node.saving is not None:
        event = Written(node.saving.write, node.saving.attempt)
        yield f"agent {agent}: on disk: {node.saving.write}", agent_event(model, land(world, agent), agent, event)
    if node.deadline is not None:
        event = Expired(node.deadline.phase, node.deadline.attempt)
        yield f"agent {agent}: deadline", agent_event(model, world, agent, event)


def _results(world: World, start: Start) -> Iterator[Done]:
    """Yield what a task may find: all agents, or one fewer."""
    if start.task in (Task.CALL, Task.SOUND):
        yield Done(start.task, start.attempt)
        return
    found = set(start.agents)
    if start.task is Task.RECEIVE:
        found &= {agent for agent, attempt, _ in world.air if attempt == start.attempt}
    if start.task is Task.DECODE:
        yield Done(start.task, start.attempt, frozenset(found))
        return
    for left_out in (None, *sorted(found)):
        yield Done(start.task, start.attempt, frozenset(found - {left_out}))


def _without_task(world: World, start: Start) -> World:
    return replace(world, server=replace(world.server, tasks=world.server.tasks - {start}))


def _done_task(world: World, agent: int, start: Start) -> World:
    node = world.agents[agent]
    return _with(world, agent, replace(node, tasks=node.tasks - {start}))


def register(model: Model, world: World, agent: int) -> World:
    node, sequence = world.agents[agent], world.server.machine.sequence
    world = _with(world, agent, replace(node, known=True))
    world = server_event(model, world, Joined(agent, same=node.known))
    return replace(world, network=world.network | {Send(Welcome, agent, Attempt(sequence, -1))})


def deliver(model: Model, world: World, message: Send) -> World | None:
    """Return the world after a message has arrived; None if nobody is there."""
    event = Said(message.kind, message.agent, message.attempt, message.well, message.reason)
    if message.kind in TO_AGENT:
        if world.agents[message.agent].machine is None:
            return None
        if message.kind is Welcome:
            event = Welcomed(message.attempt.sequence)
        return agent_event(model, world, message.agent, event)
    server = world.server.machine
    if server is None or message.agent not in server.present:
        return None
    return server_event(model, world, event)


def land_commit(world: World) -> World:
    """Return the world in which what the server was writing is on its disk: what was received is applied."""
    node, save = world.server, world.server.saving
    if save.heard - {agent for agent, attempt, _ in world.air if attempt == save.attempt}:
        raise BrokenError(f"counted somebody who has sent nothing: {save}")
    received = [amounts for agent, attempt, amounts in world.air if attempt == save.attempt and agent in save.heard]
    last = {entry for entry in node.last_heard if entry[0] not in save.heard}
    last |= {(agent, save.attempt) for agent in save.heard}
    server = replace(
        node,
        saving=None,
        committed=save.attempt.round + 1,
        last_heard=frozenset(last),
        applied=tuple(sorted((*node.applied, *(item for amounts in received for item in amounts)))),
    )
    return replace(world, server=server)


def land(world: World, agent: int) -> World:
    """Return the world in which what an agent was writing is on its disk."""
    node, save = world.agents[agent], world.agents[agent].saving
    disk = node.disk
    if save.write is Write.OFFER:
        token = (agent, save.attempt.round)
        v = node.v
        if disk.pending != save.attempt:  # the first time: v = m + Δ
            v = node.m if node.repeated else _plus(node.m, token)
        disk = Disk(disk.settled, save.attempt)
        node = replace(node, v=v, halves=0, offered=node.offered | {token})
    elif save.write is Write.MARK:
        disk = Disk(disk.settled, save.attempt, on_air=True)
        node = replace(node, halves=node.prepared)
    else:
        m = _part(node.v, 2 - node.halves) if agent in save.heard else node.v
        disk = Disk(save.attempt)
        node = replace(node, m=m, v=frozenset(), halves=0)
    return _with(world, agent, replace(node, disk=disk, saving=None))


def _plus(amounts: Amounts, token) -> Amounts:
    total = dict(amounts)
    total[token] = total.get(token, 0) + UNIT
    return frozenset(total.items())


def _part(amounts: Amounts, halves: int) -> Amounts:
    return frozenset((token, amount * halves // 2) for token, amount in amounts if halves)


def _order(what: Send | Start):
    """Return what messages and tasks are sorted by, so that a walk is the same each time."""
    kind = what.kind.__name__ if isinstance(what, Send) else what.task.value
    agent = what.agent if isinstance(what, Send) else 0
    return kind, agent, what.attempt.sequence, what.attempt.round, isinstance(what, Send) and what.well


def _kill_server(world: World) -> Iterator[tuple[str, World]]:
    worlds = [("", world)] + ([(", with what it wrote", land_commit(world))] if world.server.saving else [])
    for word, one in worlds:
        yield f"server is killed{word}", replace(_without_server(one), budget=one.budget.less("server_kills"))


def _without_server(world: World) -> World:
    node = replace(world.server, machine=None, tasks=frozenset(), saving=None, deadline=None)
    return replace(world, server=node, agents=tuple(replace(agent, known=False) for agent in world.agents))


def start_server(model: Model, world: World) -> World:
    node = world.server
    starts = node.starts + 1
    machine = ServerMachine(model.rules, starts, node.committed, node.last_heard)
    return _begin(model, replace(world, server=replace(node, machine=machine, starts=starts, closed=frozenset())))


def _kill_agent(world: World, agent: int) -> Iterator[tuple[str, World]]:
    worlds = [("", world)] + ([(", with what it wrote", land(world, agent))] if world.agents[agent].saving else [])
    for word, one in worlds:
        node = one.agents[agent]
        after = replace(node, machine=None, tasks=frozenset(), saving=None, deadline=None, known=False)
        killed = replace(_with(one, agent, after), budget=one.budget.less("agent_kills"))
        yield f"agent {agent} is killed{word}", killed
        for start in node.tasks:
            if start.task is Task.TRANSMIT:  # killed after it had handed its payload to the radio
                air = killed.air | {(agent, start.attempt, _part(node.v, node.prepared))}
                yield f"agent {agent} is killed, its payload leaves", replace(killed, air=air)


def check(world: World) -> None:
    """Check that every update offered is, in full and once, with the server or on an agent's disk.

    Raises:
        BrokenError: it is not.
    """
    for agent, node in enumerate(world.agents):
        left = node.m
        if node.disk.pending is not None:
            heard = node.disk.on_air and (agent, node.disk.pending) in world.server.last_heard
            left = _part(node.v, 2 - node.halves) if heard else node.v
        total = dict(left)
        for token, amount in world.server.applied:
            if token[0] == agent:
                total[token] = total.get(token, 0) + amount
        wrong = {token: amount for token, amount in total.items() if amount != UNIT}
        wrong |= {token: 0 for token in node.offered if token not in total}
        if wrong:
            raise BrokenError(f"agent {agent}: updates counted {wrong} times")
