"""Ways through the worlds of `world`: all of them, all that deviate a little from the plain one, and random ones."""

from collections import deque

from fl.control import server_machine
from fl.control.agent_state import Phase as AgentPhase
from fl.control.events import Attempt, Expired
from fl.control.server_state import Phase, ServerMachine
from tests.fl.control.world import BrokenError, Model, World, check, deliver, steps, successors

MOST_STEPS = 3000


def everything(model: Model, world: World, most: int) -> set[World]:
    """Return all worlds that can be reached, breadth first, no more than about `most`.

    Raises:
        BrokenError: an invariant does not hold in one of them.
    """
    seen, queue = {world}, deque([world])
    while queue and len(seen) < most:
        for _, after in successors(model, queue.popleft()):
            if after not in seen:
                check(after)
                seen.add(after)
                queue.append(after)
    return seen


def deviating(model: Model, world: World, deviations: int, choose=None) -> int:
    """Follow the plain order of events from a world to its end, with up to so many deviations anywhere, and return
    how many worlds that were.

    The plain order: work is done and messages arrive one by one in a fixed order, once each, and deadlines pass when
    nothing else is left. A deviation: any other event that is possible, or a message that is lost.

    Args:
        model: the rules.
        world: to begin with.
        deviations: how many.
        choose: takes the list of deviations that are possible and returns those to follow; None: all.

    Raises:
        BrokenError: an invariant does not hold, or the end is not reached.
    """
    stack = [(world, frozenset(), deviations, 0)]
    seen = set()
    while stack:
        world, delivered, left, count = stack.pop()
        way = set()
        while (world, delivered, left) not in seen and not is_over(model, world):
            seen.add((world, delivered, left))
            way.add((world, delivered))
            if left:
                others = [(after, delivered) for _, after in successors(model, world)]
                others += [(world, delivered | {message}) for message in _undelivered(model, world, delivered)[:1]]
                others = others if choose is None else choose(others)
                for after, done in others:
                    check(after)
                    stack.append((after, done, left - 1, count + 1))
            world, delivered = plain_step(model, world, delivered)
            check(world)
            count += 1
            if count > MOST_STEPS or (world, delivered) in way:
                raise BrokenError(f"does not end: {world}")
    return len(seen)


def finish(model: Model, world: World) -> World:
    """Return the end of a world in which nothing goes wrong from now on.

    Raises:
        BrokenError: it has none.
    """
    delivered = frozenset()
    for _ in range(MOST_STEPS):
        if is_over(model, world):
            return world
        world, delivered = plain_step(model, world, delivered)
        check(world)
    raise BrokenError(f"does not end: {world}")


def wander(model: Model, world: World, rng, length: int) -> World:
    """Return where a random walk ends.

    Raises:
        BrokenError: an invariant does not hold on the way.
    """
    for _ in range(length):
        choices = list(successors(model, world))
        if not choices:
            break
        world = choices[rng.integers(len(choices))][1]
        check(world)
    return world


def is_over(model: Model, world: World) -> bool:
    """Return whether all rounds are done and every agent has settled."""
    settled = all(
        node.machine is not None and node.machine.phase is AgentPhase.IDLE and node.saving is None
        for node in world.agents
    )
    return settled and world.server.committed == model.rounds and world.server.saving is None


def plain_step(model: Model, world: World, delivered: frozenset) -> tuple[World, frozenset]:
    """Return the next world of the plain order, and which messages have arrived."""
    last, deadlines = [], []
    for label, after in steps(model, world):
        if label.startswith("arrives"):
            break
        if "deadline" in label:
            deadlines.append(after)
        elif label == "server: receive":  # when everybody who will send has sent
            last.append(after)
        elif after != world:
            return after, _said_anew(delivered, "Welcome" if "registers" in label else "")
    for message in _undelivered(model, world, delivered):
        after = deliver(model, world, message)
        delivered |= {message}
        if after is not None and after != world:
            return after, delivered
    if last:
        return last[0], delivered
    if not deadlines:
        raise BrokenError(f"nothing can happen any more: {world}")
    return deadlines[0], _said_anew(delivered, "Ask", "Answer")


def _said_anew(delivered: frozenset, *kinds: str) -> frozenset:
    """Return the messages that have arrived, less those that are said again and arrive again."""
    return frozenset(message for message in delivered if message.kind.__name__ not in kinds)


def _undelivered(model: Model, world: World, delivered: frozenset) -> list:
    waiting = [message for message in world.network if message not in delivered]
    return sorted(waiting, key=lambda one: (one.attempt, one.kind.__name__, one.agent, one.well))


def ends_by_deadlines(machine: ServerMachine) -> bool:
    """Return whether a round of the server ends if nobody says anything and no task ends, but what is written is."""
    attempt = machine.attempt
    for _ in range(2 * len(Phase) + server_machine.MOST_WRITES):
        if machine.phase is Phase.STOPPED or machine.attempt is None or machine.outcome is not None:
            return True
        machine, _ = server_machine.step(machine, Expired(machine.phase, attempt or Attempt(0, 0)))
    return False
