"""A run of a testbed in this process, with books kept of every update: what was computed, counted, and left over.

    Σ Δ computed  =  Σ over rounds of |heard|·(θ before − θ after)  +  Σ over agents of what is left on their disks

holds for plain averaging (sgd, rate 1, uniform weights, by wire) whatever the network does, and no other way: an update
counted twice makes the right side larger, one that is lost makes it smaller.
"""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from fl.config import check
from fl.control import allow_list
from fl.control.allow_list import Allowed
from fl.control.keys import new_pair
from fl.control.sockets import Identity
from fl.testbed.agent_store import AgentStore
from fl.testbed.agent_work import AgentWork
from tools.bench.testbed.together import Together

LATEST = 100  # seconds for a run
GRACE = 3  # seconds for agents to hear that the run is done


def experiment(rounds, agents, per_round=None, top_k=True, **control):
    """A configuration whose rounds take milliseconds, and whose updates leave residuals."""
    return check(
        {
            "rounds": rounds,
            "run": {"threads": 1, "batch_agents": 1},
            "agents": {"count": agents, "per_round": per_round},
            "task": {"partition": "class_overlap", "ways": 3, "shots": 1, "queries": 2},
            "model": {"kind": "mlp"},
            "algorithm": {"order": "first", "inner_lr": 0.1},
            "uplink": {"kind": "ideal", "ideal_top_k": top_k, "sparsity": 0.2},
            "evaluation": {"every": 1000, "tasks": 2, "steps": 1, "queries": 2},
            "control": {"heartbeat_s": 0.1, "patience_s": 1.0, "ready_s": 10.0, "payload_s": 10.0} | control,
        }
    )


class Keys:
    """Keys of a server and of agents, made for a test."""

    def __init__(self, folder):
        self.path, self.server = folder / "allowed.json", new_pair()
        self.pairs = {}
        self.at_server = Identity(self.server, self.path)

    def of(self, agent):
        """Let a key in that speaks for this agent and no other, and return who it is."""
        if agent not in self.pairs:
            self.pairs[agent] = new_pair()
            entry = Allowed(self.pairs[agent].public, f"host-{agent}", datetime.now(UTC), (agent,))
            allow_list.allow(self.path, entry)
        return Identity(self.pairs[agent], self.server.public)

    @property
    def secrets(self):
        return [pair.secret for pair in (self.server, *self.pairs.values())]


class CountedWork(AgentWork):
    """Work of an agent that writes down each Δ."""

    books = None

    def _update(self, theta, attempt):
        delta, loss = super()._update(theta, attempt)
        self.books.computed[self.agent, attempt.round].append(delta.numpy().copy())
        return delta, loss


@dataclass
class Books:
    """What happened in a run.

    Args:
        computed: Δ of each agent and round, as often as it was.
        applied: Σ |heard|·(θ before − θ after).
        lines: of the history.
        events: what the server observed, by name.
    """

    computed: dict = field(default_factory=lambda: defaultdict(list))
    applied: np.ndarray = 0.0
    lines: list = field(default_factory=list)
    events: dict = field(default_factory=lambda: defaultdict(list))
    left: np.ndarray = 0.0
    history: bytes = b""
    logs: str = ""

    @property
    def heard(self):
        return [tuple(line["agents_heard"]) for line in self.lines]

    @property
    def reasons(self):
        return {reason for line in self.lines for reason in line["excluded"].values()}

    def balance(self):
        """Raise unless every Δ was counted exactly once or is left over."""
        assert all(len(one) == 1 for one in self.computed.values()), "an update was computed twice"
        total = np.sum([one[0].astype(np.float64) for one in self.computed.values()], axis=0)
        assert np.abs(total).max() > 1e-3
        np.testing.assert_allclose(self.applied + self.left, total, atol=2e-6 * len(self.computed) ** 0.5 * 10)


class Run:
    """A run under way.

    Args:
        together: where its parts live.
        books: of what happens.
        keys: None: plaintext.
    """

    def __init__(self, together, books, keys):
        self.together, self.books, self.keys = together, books, keys
        self.server = together.serve(self._observe, None if keys is None else keys.at_server)
        self.theta = self.server.work_of.state.theta.numpy().astype(np.float64)
        self.agents, self.tasks = {}, {}

    @property
    def address(self):
        return self.together.address

    @property
    def run_id(self):
        return self.server._reception.identity.run

    @property
    def refused(self):
        return self.server._reception._socket.refusals.total

    def _observe(self, what, about):
        self.books.events[what].append(about)
        if what != "round":
            return
        theta = self.server.work_of.state.theta.numpy().astype(np.float64)
        self.books.applied = self.books.applied + len(about["agents_heard"]) * (self.theta - theta)
        self.theta = theta

    def join(self, agent, address=None):
        """Start an agent; it connects to the server, or to what stands between."""
        identity = None if self.keys is None else self.keys.of(agent)
        work = type("Work", (CountedWork,), {"books": self.books})
        self.agents[agent] = self.together.agent(agent, address or self.address, identity, work)
        self.tasks[agent] = asyncio.get_running_loop().create_task(self.agents[agent].run())

    async def finish(self):
        """Let the run end, and close the books."""
        await self.server.run()
        await asyncio.wait(self.tasks.values(), timeout=GRACE)
        for agent in self.agents.values():
            agent.end("stopped")
        await asyncio.gather(*self.tasks.values())
        last_heard = self.server.machine.last_heard
        for agent in self.agents:
            store = AgentStore(self.together.folder / "look", agent)
            store.path = self.together.folder / "agents" / store.path.name
            kept = store.load()
            store.close()
            if kept.pending is not None:
                kept = kept.settle((agent, kept.pending) in last_heard)
            if kept.residual is not None:
                self.books.left = self.books.left + kept.residual.numpy().astype(np.float64)


def play(config, learned, folder, scenario=None, keys=None):
    """Play a run, and return its books; `scenario(run)` starts agents, and may go on while the run does."""

    async def main():
        books = Books()
        async with asyncio.timeout(LATEST), Together(learned(config), folder, config.agents.count) as together:
            run = Run(together, books, keys)
            async with asyncio.TaskGroup() as group:
                group.create_task((scenario or everybody)(run))
                await run.finish()
        return books

    books = asyncio.run(main())
    books.history = (folder / "run" / "history.jsonl").read_bytes()
    books.lines = [json.loads(line) for line in books.history.splitlines()]
    books.logs = (folder / "run" / "server.log").read_text()
    return books


async def everybody(run):
    """All agents, with nothing between them and the server."""
    for agent in range(run.together.config.agents.count):
        run.join(agent)
        await asyncio.sleep(0)
