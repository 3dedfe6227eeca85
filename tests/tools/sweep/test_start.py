"""What a sweep says and leaves when it is stopped, or a worker killed, before any run began; with real processes."""

import os
import signal

import psutil

from tests.tools.sweep.test_faults import PATIENCE, start, until
from tools.sweep.processes import local


def workers_of(process):
    """The worker processes that a sweep has started."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child)
        except psutil.Error:  # it is just ending
            continue
    return found


def begun(experiment, tmp_path, cache):
    """Start a sweep and return it with its workers, as soon as there are some."""
    process = start(experiment, tmp_path / "sweep", cache, "--workers", "1")
    until(lambda: process.poll() is not None or workers_of(process))
    return process, workers_of(process)


def test_a_worker_that_is_killed_while_it_starts_is_said_with_what_to_do(experiment, tmp_path, cache):
    process, workers = begun(experiment, tmp_path, cache)
    workers[0].kill()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    assert "starting 1 worker\n" in said
    assert "Error: a worker process ended while it was starting" in said
    assert "call the same command again" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(workers, timeout=PATIENCE)[1]
    assert not list((tmp_path / "sweep" / "locks").glob("probe-*"))


def blocked():
    """The signals that do not reach this thread."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_signals_to_all_processes_leave_it_to_the_client_to_stop_its_workers():
    with local(1, 1) as client:
        [found] = client.run(blocked).values()
    assert {signal.SIGINT, signal.SIGTERM} <= found
    assert not {signal.SIGINT, signal.SIGTERM} & blocked()


def test_a_stop_before_any_run_began_says_so_at_once_and_starts_none(experiment, tmp_path, cache):
    process, workers = begun(experiment, tmp_path, cache)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert "Stopping; no run has begun; once more to stop at once." in said
    assert "Stopped before any run began. Go on with: airmeta sweep" in said
    assert "saved" not in said
    assert "Traceback" not in said
    assert not list((tmp_path / "sweep" / "runs").iterdir())
    assert not psutil.wait_procs(workers, timeout=PATIENCE)[1]
