"""A thousand agents in one process and their server in another: how fast they register, what a round takes, memory."""

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fl.config import Config, check
from fl.testbed.agent import AgentProcess
from fl.threads import use_threads
from tools.bench.testbed.small import small_learning
from tools.bench.testbed.together import Together, quiet

PER_ROUND = 20
HEARTBEAT = 1.0  # seconds, as in the configuration's default
PATIENCE = 30.0  # seconds; a thousand agents that share a core are now and then late
LATEST = 300.0  # seconds


def population(agents: int, rounds: int, cache: Path) -> dict[str, Any]:
    """Return what it took to register agents and to do rounds with 20 of them, over plaintext on loopback.

    Args:
        agents: how many.
        rounds: how many.
        cache: folder of the data caches.

    Raises:
        RuntimeError: the server has ended before it was done.
    """
    config = _config(agents, rounds)
    use_threads(1)
    with quiet(), tempfile.TemporaryDirectory(prefix="airmeta-bench-") as folder:
        here, there = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(config, cache, Path(folder), there), daemon=True
        )
        server.start()
        try:
            before, learned = resident(), small_learning(config, cache)
            started = asyncio.run(_take_part(Together(learned, Path(folder), agents), here))
            return _figures(_next(here, "the server's figures"), started, agents, resident() - before)
        finally:
            server.kill()
            server.join()


def resident() -> float:
    """Return the memory of this process, in MiB."""
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def _config(agents: int, rounds: int) -> Config:
    return check(
        {
            "rounds": rounds,
            "run": {"threads": 1, "batch_agents": 1},
            "agents": {"count": agents, "per_round": min(PER_ROUND, agents)},
            "task": {"partition": "class_overlap", "shots": 1, "queries": 2},
            "algorithm": {"order": "first"},
            "uplink": {"kind": "ideal"},
            "evaluation": {"every": rounds, "tasks": 2, "steps": 1, "queries": 2},
            "control": {"heartbeat_s": HEARTBEAT, "patience_s": PATIENCE},
        }
    )


def _next(here: Connection, what: str) -> Any:
    if not here.poll(LATEST):
        raise RuntimeError(f"{what} did not come within {LATEST:g} s")
    try:
        return here.recv()
    except EOFError as error:
        raise RuntimeError(f"the server has ended before {what} came; its traceback is above") from error


async def _take_part(together: Together, here: Connection) -> float:
    """Start all agents, and let them take part until the run is done; return when the first one was started."""
    async with together:
        address, loop = _next(here, "the server's address"), asyncio.get_running_loop()
        started = time.perf_counter()
        processes: list[AgentProcess] = []
        tasks = []
        for agent in range(together.config.agents.count):
            processes.append(together.agent(agent, address))
            tasks.append(loop.create_task(processes[-1].run()))
            await asyncio.sleep(0)
        while not here.poll():
            await asyncio.sleep(0.1)
        for process in processes:
            process.end("the server is done")
        await asyncio.gather(*tasks)
    return started


def _serve(config: Config, cache: Path, folder: Path, pipe: Connection) -> None:
    """Be the server, in a process of its own; say where it listens, and at the end what happened and when."""
    use_threads(1)
    seen: dict[str, list[tuple[float, Any]]] = {"joined": [], "round": []}

    def observe(what: str, about: dict[str, Any]) -> None:
        if what in seen:
            seen[what].append((time.perf_counter(), about))

    async def main() -> float:
        learned = small_learning(config, cache)
        before = resident()
        async with Together(learned, folder, 0) as together:
            process = together.serve(observe)
            pipe.send(together.address)
            await process.run()
            return resident() - before

    with quiet():
        memory = asyncio.run(main())
    pipe.send({"memory": memory, **seen})


def _figures(server: dict[str, Any], started: float, agents: int, memory: float) -> dict[str, Any]:
    """Return registrations, rounds once all were there, and MiB on top of what a process takes without them."""
    joined, rounds = [when for when, _ in server["joined"]], server["round"]
    ends = [when for when, _ in rounds if when > max(joined)]
    between = [later - earlier for earlier, later in pairwise(ends[:-1])]  # the last one is evaluated
    return {
        "agents": agents,
        "registered": len({about["agent"] for _, about in server["joined"]}),
        "registrations_per_s": len(joined) / (max(joined) - started),
        "rounds": len(rounds),
        "heard": [len(about["agents_heard"]) for _, about in rounds],
        "round_s": statistics.median(between) if between else None,
        "server_mib": server["memory"],
        "agents_mib": memory,
    }
