"""A disk that is full: the limit on the size of a file, set and lifted from outside, is one that a test can fill."""

import resource
import time

from tests.fl.testbed.supervisor import DEADLINE, Supervisor, tiny
from tests.fl.testbed.test_kills import balanced

FULL = 4096  # bytes: logs are smaller, checkpoints are larger
QUICK = {"control": {"close_s": 1.5, "heartbeat_s": 0.2, "patience_s": 1.0}, "rounds": 60}


def fill(bench, name):
    resource.prlimit(bench.running[name].process.pid, resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))


def make_room(bench, name):
    resource.prlimit(
        bench.running[name].process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )


def wait_until(true, bench):
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if true():
            return
        bench.hear(0.05)
    raise AssertionError(f"never happened\n{bench.said()}")


def started(bench):
    bench.serve(together=True)
    for agent in range(3):
        bench.take_part(agent)
    bench.wait_for("round")


def test_a_round_that_cannot_be_written_is_tried_again_and_a_run_that_stops_of_it_can_be_resumed(tmp_path, cache):
    log = tmp_path / "run" / "server.log"
    with Supervisor(tiny(**QUICK), tmp_path, cache) as bench:
        started(bench)
        fill(bench, "server")
        wait_until(lambda: "not written" in log.read_text(), bench)
        make_room(bench, "server")
        bench.wait_for("round")
        fill(bench, "server")
        assert bench.end_of("server") == 1
        said = bench.said("server")
        assert "cannot be written" in said
        assert "File too large" in said
        assert "go on with --resume" in said
        done = len(bench.history)
        assert 1 < bench.checkpoint.rounds <= done
        bench.serve(together=True, resume=True)
        assert bench.keep_going() == 0
        assert [line["round"] for line in bench.history] == list(range(60))
        balanced(bench)


def test_an_agent_that_cannot_write_says_so_and_is_left_out_until_it_can(tmp_path, cache):
    with Supervisor(tiny(**QUICK), tmp_path, cache) as bench:
        started(bench)
        fill(bench, "agent-1")
        wait_until(lambda: any(1 in about["excluded"] for what, about in bench.events if what == "round"), bench)
        make_room(bench, "agent-1")
        assert bench.keep_going() == 0
        reasons = {line["excluded"].get("1", "") for line in bench.history} - {""}
        assert any("cannot write" in reason and "File too large" in reason for reason in reasons), reasons
        assert 1 in bench.history[-1]["agents_heard"]
        balanced(bench)
