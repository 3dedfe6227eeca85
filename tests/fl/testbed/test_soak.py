"""Many rounds with kill -9 at random instants: the books balance, memory is flat, and nothing is left behind."""

import random
from multiprocessing import forkserver
from pathlib import Path

import pytest

from tests.fl.testbed.supervisor import Supervisor, tiny
from tests.fl.testbed.test_kills import balanced

FLAT = 4 << 20  # bytes that a process may grow by: allocators keep some; 4 kB a round more would be seen in 1000
TRANSIENT = 4  # files that may be open at the instant of a look
WARM = 10  # rounds before the first look
STEADY = "agent-0"  # never killed


class Soak:
    """Kills processes at random, and looks at those that live.

    Args:
        bench: the run.
        rounds: of the run.
        spare_server_after: round after which the server is not killed any more, so that it grows old.
    """

    def __init__(self, bench, rounds, spare_server_after):
        self.bench, self.rounds, self.spare = bench, rounds, spare_server_after
        self.random = random.Random(1)
        self.next, self.killed = WARM + 2, []
        self.looks = {}
        self.victims = ["agent-1", "server", "agent-2"]

    def __call__(self):
        done = 1 + max((about["round"] for what, about in self.bench.events if what == "round"), default=-1)
        self.bench.events[:] = self.bench.events[-1:]
        if done < self.next or done > self.rounds - 3:
            return
        self.next = done + self.random.randint(2, 6)
        if done > self.rounds // 2:
            self._look(STEADY)
        if done > self.spare + WARM:
            self._look("server")
        elif done <= self.rounds // 2:
            self._look(STEADY)
        if done >= self.spare and "server" in self.victims:
            self.victims.remove("server")
        self.killed.append(self.victims[len(self.killed) % len(self.victims)])
        self.bench.running[self.killed[-1]].process.kill()

    def _look(self, name):
        process = self.bench.running[name].process
        folder = Path(f"/proc/{process.pid}")
        links = [_link(path) for path in (folder / "fd").iterdir()]
        threads = len(list((folder / "task").iterdir()))
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        memory = 1024 * int(status["RssAnon"].split()[0])  # what is mapped from files grows until all code was run once
        sockets = sum(link.startswith("socket:") for link in links)
        self.looks.setdefault((name, process.pid), []).append((memory, len(links), sockets, threads))


def _link(path):
    try:
        return str(path.readlink())
    except OSError:
        return ""


def children_of(pid):
    """Return the processes whose parent a process is."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == pid:
            children.append(int(path.parent.name))
    return children


def soaked(tmp_path, cache, rounds, spare_server_after):
    config = tiny(rounds=rounds, control={"patience_s": 1.0})
    parent = forkserver._forkserver
    with Supervisor(config, tmp_path, cache) as bench:
        before = set(children_of(parent._forkserver_pid)) if parent._forkserver_pid else set()
        bench.serve()
        for agent in range(3):
            bench.take_part(agent)
        soak = Soak(bench, rounds, spare_server_after)
        assert bench.keep_going(until=soak, patience=240 + 2 * rounds) == 0
        assert bench.end_of(STEADY) == 0
    assert set(children_of(parent._forkserver_pid)) <= before
    assert [line["round"] for line in bench.history] == list(range(rounds))
    assert {"server", "agent-1", "agent-2"} <= set(soak.killed)
    balanced(bench)
    for looks in soak.looks.values():
        first, last = looks[: len(looks) // 3 + 1], looks[-(len(looks) // 3 + 1) :]
        least = [min(values) for values in zip(*first, strict=True)]
        memory, files, sockets, threads = (min(values) for values in zip(*last, strict=True))
        assert memory <= least[0] + FLAT
        assert files <= least[1] + TRANSIENT
        assert sockets <= least[2] + TRANSIENT
        assert threads <= least[3] + 1
    left = [path.name for folder in ("run", "agents") for path in (tmp_path / folder).iterdir()]
    assert not [name for name in left if name.startswith(".") and not name.endswith(".lock")], left
    return soak


def test_some_rounds_with_kills_at_random_leave_nothing_behind(tmp_path, cache):
    soaked(tmp_path, cache, rounds=40, spare_server_after=30)


@pytest.mark.slow
def test_two_thousand_rounds_with_kills_at_random_leave_nothing_behind(tmp_path, cache):
    soak = soaked(tmp_path, cache, rounds=2000, spare_server_after=1000)
    assert len(soak.killed) > 200
