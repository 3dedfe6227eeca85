"""Sweeps whose workers, clients and runs fail, with real processes: nothing is computed twice, nothing is lost."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tools.sweep.execute import execute
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.plan import Point, jobs
from tools.sweep.results import is_finished, run_folder

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0  # seconds


def start(experiment, folder, cache, *more):
    """Start `airmeta sweep` of the planned runs as a process, in a process group of its own, as a terminal does."""
    words = [sys.executable, "-m", "tools.cli", "sweep", experiment, "--point", "19 dB", "", "--point", "30 dB"]
    words += ["uplink.snr_db=30", "--seeds", "2", "--out", folder, "--cache", cache, *more]
    return subprocess.Popen(
        [str(word) for word in words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(holds):
    """Wait until something holds, and fail if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def rounds(path):
    """How many rounds a file has a line about."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def is_midway(folder, job):
    """Whether a run is between its first checkpoint and its end."""
    return 6 <= rounds(run_folder(folder, job).history) < job.config.rounds - 2


def repeated(folder, job):
    """How many rounds of a run were computed more than once."""
    return rounds(run_folder(folder, job).timing) - job.config.rounds


def assert_undisturbed(folder, planned, undisturbed):
    for job in planned:
        assert run_folder(folder, job).history.read_bytes() == undisturbed(job)


def silent(said):
    """Hear nothing."""


def test_a_killed_worker_costs_the_rounds_since_a_checkpoint_and_no_finished_run(
    lab, planned, tmp_path, cache, undisturbed
):
    folder, finished = tmp_path / "sweep", []

    def kill():
        until(lambda: is_finished(folder, planned[0]) and any(is_midway(folder, job) for job in planned))
        finished.extend(job for job in planned if is_finished(folder, job))
        os.kill(next(iter(lab.workers.values())).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    killer.join()
    assert finished
    assert_undisturbed(folder, planned, undisturbed)
    again = {job.key: repeated(folder, job) for job in planned}
    assert not any(again[job.key] for job in finished)
    assert max(again.values()) <= planned[0].config.run.checkpoint_every


def test_a_killed_client_takes_its_workers_along_and_the_same_command_goes_on(
    lab, experiment, planned, tmp_path, cache, undisturbed
):
    """First Ctrl-C, which a terminal sends to all processes; then kill -9; then others finish it."""
    folder = tmp_path / "sweep"
    first = start(experiment, folder, cache, "--workers", "1")
    until(lambda: any(is_midway(folder, job) for job in planned))
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130, said
    assert "Go on with: airmeta sweep" in said
    assert "Traceback" not in said
    assert not any(repeated(folder, job) > 0 for job in planned if is_finished(folder, job))
    saved = {job.key: rounds(run_folder(folder, job).history) for job in planned}

    second = start(experiment, folder, cache, "--workers", "1")
    until(lambda: any(rounds(run_folder(folder, job).history) > saved[job.key] for job in planned))
    processes = psutil.Process(second.pid).children(recursive=True)
    second.kill()
    _, said = second.communicate(timeout=PATIENCE)
    assert "Warning" not in said  # of what Dask leaves, which is removed
    assert processes
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not alive

    execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    assert_undisturbed(folder, planned, undisturbed)
    for job in planned:  # what Ctrl-C had saved, nobody computed again
        assert repeated(folder, job) <= job.config.run.checkpoint_every


def test_runs_of_a_lab_stop_with_a_checkpoint_when_their_client_is_killed_and_go_on_with_the_next(
    lab, experiment, planned, tmp_path, cache, undisturbed
):
    folder = tmp_path / "sweep"
    client = start(experiment, folder, cache, "--scheduler", lab.scheduler_address)
    until(lambda: any(is_midway(folder, job) for job in planned))
    client.kill()
    client.communicate(timeout=PATIENCE)
    files = SweepFolder(folder)
    until(lambda: not any(files.is_held(job.key) for job in planned))
    assert not all(is_finished(folder, job) for job in planned)
    execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    assert_undisturbed(folder, planned, undisturbed)
    assert not any(repeated(folder, job) for job in planned)  # each had stopped after a whole round, and saved it


def test_a_failed_run_is_written_down_and_tried_again_while_others_are_done(lab, experiment, tmp_path, cache):
    nowhere = tmp_path / "nowhere"  # a folder, without the files
    nowhere.mkdir()
    points = [Point("good"), Point("bad", ("task.dataset=omniglot", f"data_root={nowhere}"))]
    planned, folder = jobs(experiment, points, [1]), tmp_path / "sweep"
    for _ in range(2):
        with pytest.raises(
            SweepError, match=r"1 of 2 runs failed(.|\n)*bad, seed 1(.|\n)*nowhere(.|\n)*tries them again"
        ):
            execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    assert is_finished(folder, planned[0])
    assert repeated(folder, planned[0]) == 0
    assert "nowhere" in SweepFolder(folder).reason(planned[1].key)


def test_a_configuration_that_occurs_twice_runs_once_and_later_points_find_it(lab, experiment, tmp_path, cache):
    folder = tmp_path / "sweep"
    planned = jobs(experiment, [Point("one"), Point("the same", ("uplink.snr_db=19",))], [1])
    assert planned[0].key == planned[1].key
    results = execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    assert results.last("one", "new_agent_loss") == results.last("the same", "new_agent_loss")
    more = jobs(experiment, [Point("one"), Point("other", ("uplink.snr_db=25",))], [1])
    execute(more, folder, cache, silent, scheduler=lab.scheduler_address)
    assert repeated(folder, planned[0]) == 0
    assert len(list((folder / "runs").iterdir())) == 2


def test_a_scheduler_that_is_lost_is_named_with_what_to_do(experiment, tmp_path, cache, monkeypatch):
    monkeypatch.setattr("tools.sweep.crew.CONNECT", 1)
    about, said = tmp_path / "scheduler.json", threading.Event()
    words = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    words += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(about)]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL) as scheduler:
        until(about.exists)
        address = json.loads(about.read_text())["address"]
        killer = threading.Thread(target=lambda: (said.wait(PATIENCE), scheduler.kill()))
        killer.start()
        planned = jobs(experiment, [Point("")], [1])
        with pytest.raises(SweepError, match="it is gone; finished runs are kept"):
            execute(planned, tmp_path / "sweep", cache, lambda text: said.set(), scheduler=address)
        killer.join()
    with pytest.raises(SweepError, match="no Dask scheduler answers there"):
        execute(planned, tmp_path / "sweep", cache, silent, scheduler=address)


def holder(lab, lock):
    """Return the process of a worker that has a file open; None: none has."""
    for nanny in lab.workers.values():
        if nanny.pid and str(lock) in [file.path for file in psutil.Process(nanny.pid).open_files()]:
            return nanny.pid
    return None


@pytest.mark.slow
def test_a_run_that_ends_every_process_that_does_it_is_given_up_and_the_others_are_done(
    lab, experiment, tmp_path, cache
):
    points = [
        Point("deadly", ("rounds=100000", "run.checkpoint_every=100000")),  # with checkpoints it would come on
        *(Point(f"{snr}", (f"uplink.snr_db={snr}",)) for snr in (19, 30)),
    ]
    planned, folder, ended = jobs(experiment, points, [1]), tmp_path / "sweep", threading.Event()
    lock = folder / "locks" / f"{planned[0].key}.lock"

    def kill():
        while not ended.wait(0.2):
            with contextlib.suppress(psutil.Error):
                if (process := holder(lab, lock)) is not None:
                    os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SweepError, match=r"1 of 3 runs failed(.|\n)*deadly(.|\n)*3 processes that ran it have ended"):
        execute(planned, folder, cache, silent, scheduler=lab.scheduler_address)
    ended.set()
    killer.join()
    assert all(is_finished(folder, job) for job in planned[1:])
