"""Real processes for tests: forked from one that has imported everything, watched, killed and started again."""

import json
import os
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing import connection
from typing import Any

from fl import checkpoint
from fl import config as configuration
from fl.history import read
from tests.apart import FORKS
from tests.fl.testbed.roles import Part, act, airmeta

DEADLINE = 120.0  # seconds for anything to happen on a machine with other work

TINY = {
    "rounds": 4,
    "run": {"threads": 1, "batch_agents": 1},
    "agents": {"count": 3},
    "task": {"dataset": "glyphs", "ways": 3, "shots": 1, "queries": 2},
    "model": {"kind": "cnn", "width": 4},
    "algorithm": {"order": "first", "inner_lr": 0.1},
    "uplink": {"kind": "ideal", "ideal_top_k": True, "sparsity": 0.1},
    "evaluation": {"every": 1000, "tasks": 2, "final_tasks": 2, "steps": 1, "queries": 2},
    "control": {"heartbeat_s": 0.2, "patience_s": 2.0},
}


def tiny(**sections):
    """Return a small experiment as a table, sections merged into it."""
    raw = {key: dict(value) if isinstance(value, dict) else value for key, value in TINY.items()}
    for name, value in sections.items():
        raw[name] = raw.get(name, {}) | value if isinstance(value, dict) else value
    return raw


@dataclass
class Running:
    """A process and what it is."""

    part: Part
    process: Any
    pipe: Any


class Supervisor:
    """Server and agents of one run, in processes of their own.

    Args:
        config: the experiment, as a table.
        folder: of the run, its agents and what they say.
        cache: of the data.
    """

    def __init__(self, config, folder, cache):
        self.config, self.folder, self.cache = config, folder, cache
        self.running: dict[str, Running] = {}
        self.events: list[tuple[str, dict]] = []
        self.address = ""
        self._air = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for one in self.running.values():
            one.process.kill()
            one.process.join()
        if self._air is not None:
            self._air.kill()
            self._air.join()

    def open_air(self):
        """Start the simulated air of the experiment, and return its URI."""
        experiment, said = self.folder / "experiment.toml", self.folder / "said" / "air.txt"
        experiment.write_text(configuration.dump(configuration.check(self.config)), encoding="utf-8")
        words = ["radio", "air", str(experiment), "--listen", "tcp://127.0.0.1:0", "--json"]
        self._air = self.airmeta(words, said)
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._air.exitcode is None:
            if said.exists() and (lines := [line for line in said.read_text().splitlines() if line.startswith("{")]):
                return json.loads(lines[0])["uri"]
            self._air.join(0.05)
        raise AssertionError(f"no air\n{self.said()}")

    def airmeta(self, words, said):
        """Start `airmeta WORDS`, which speaks into a file, and return its process."""
        process = FORKS.Process(target=airmeta, args=(words, said), daemon=True)
        process.start()
        return process

    def serve(self, **given):
        """Start the server, and wait for it to listen, if it does not end before."""
        self.start(Part(self.config, self.folder, self.cache, self.address or "tcp://127.0.0.1:0", **given))
        about = self.wait_for("listening", or_end="server")
        self.address = about["address"] if about else ""

    def take_part(self, agent, **given):
        """Start an agent."""
        self.start(Part(given.pop("config", self.config), self.folder, self.cache, self.address, agent, **given))

    def start(self, part):
        ours, theirs = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=act, args=(part, theirs), daemon=True, name=part.name)
        process.start()
        theirs.close()
        self.running[part.name] = Running(part, process, ours)

    def kill(self, name):
        """End a process at once (SIGKILL)."""
        self.running[name].process.kill()
        self.running[name].process.join()

    def signal(self, name, number):
        os.kill(self.running[name].process.pid, number)

    def wait_for(self, what, *, agent=None, rounds=None, or_end=None):
        """Return what a server says of something that happens from now on.

        Args:
            what: `listening`, `joined`, `left`, `refused`, `round`.
            agent: whom it is about.
            rounds: index of the round.
            or_end: name of a process with which the waiting ends, too.
        """
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for said, about in self.hear():
                if said == what and agent in (None, about.get("agent")) and rounds in (None, about.get("round")):
                    return about
            if or_end is not None and self.running[or_end].process.exitcode is not None:
                return None
        raise AssertionError(f"no {what} in {DEADLINE} s\n{self.said()}")

    def hear(self, timeout=0.5):
        """Return what servers have said since the last look; waits for something."""
        one = self.running["server"]
        heard = []
        try:
            while one.pipe.poll(0 if heard else timeout) and (what := one.pipe.recv()):
                heard.append(what)
                self.events.append(what)
        except (EOFError, OSError):
            connection.wait([one.process.sentinel], timeout)
        return heard

    def keep_going(self, plans=(), until=None, patience=2 * DEADLINE):
        """Start again what is killed, until the server is done, has failed, or is stopped; return its exit code.

        Args:
            plans: for each process (name), where it kills itself after each start, beyond the first.
            until: called between two looks; ends the waiting if it returns something true.
            patience: seconds for all of it.
        """
        left, deadline = {name: list(points) for name, points in dict(plans).items()}, time.monotonic() + patience
        while time.monotonic() < deadline:
            self.hear(0.05)
            for name, one in list(self.running.items()):
                code = one.process.exitcode
                if code == -signal.SIGKILL:
                    again = left[name].pop(0) if left.get(name) else None
                    self.start(replace(one.part, kill=again, resume=True, address=self.address))
                elif name == "server" and code is not None:
                    return code
                elif code not in (None, 0):
                    raise AssertionError(f"{name} ended with {code}\n{self.said()}")
            if until is not None and until():
                return None
        raise AssertionError(f"the server is not done\n{self.said()}")

    def end_of(self, name, seconds=DEADLINE):
        """Wait for a process to end, and return its exit code."""
        self.running[name].process.join(seconds)
        code = self.running[name].process.exitcode
        assert code is not None, f"{name} has not ended in {seconds} s\n{self.said()}"
        return code

    def said(self, name=None):
        """Return what a process, or all of them, have said."""
        paths = sorted((self.folder / "said").glob(f"{name or '*'}.txt"))
        return "\n".join(f"--- {path.stem}\n{path.read_text(encoding='utf-8')}" for path in paths)

    def kills(self, name):
        """Return where a process has killed itself: (point, round)."""
        path = self.folder / f"kills-{name}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [(about["point"], about["round"]) for about in map(json.loads, lines)]

    @property
    def history(self):
        return read(self.folder / "run" / "history.jsonl")

    @property
    def checkpoint(self):
        return checkpoint.load(self.folder / "run")
