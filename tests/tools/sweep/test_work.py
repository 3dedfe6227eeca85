"""What one worker does with one run, and what the folder of a sweep says about it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from distributed.core import Status

from fl.checkpoint import rounds_done
from tests.tools.cli import call, refused
from tools.sweep.execute import execute
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.left import left_of
from tools.sweep.results import is_finished, run_folder
from tools.sweep.work import ATTEMPTS, carry_out, work


def wanted():
    """Nobody has cancelled the run."""
    return False


def after(rounds):
    """Cancel a run after some rounds."""
    left = iter([False] * (rounds - 1))
    return lambda: next(left, True)


def silent(said):
    """Hear nothing."""


def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_bytes(order, undisturbed):
    for rounds in (1, 4, 7):
        assert carry_out(order, silent, after(rounds)).how == "stopped"
    assert carry_out(order, silent, wanted).how == "finished"
    files = run_folder(order.folder, order.job)
    assert files.history.read_bytes() == undisturbed(order.job)
    assert files.timing.read_bytes().count(b"\n") == order.job.config.rounds  # none twice


def test_a_run_of_a_sweep_is_that_of_airmeta_run_to_the_byte(order, experiment, tmp_path, cache):
    carry_out(order, silent, wanted)
    out = tmp_path / "alone"
    call("run", experiment, "--set", "run.threads=1", "--out", out, "--cache", cache, "--quiet")
    assert (out / "history.jsonl").read_bytes() == run_folder(order.folder, order.job).history.read_bytes()


def test_a_finished_run_is_not_computed_again(order):
    carry_out(order, silent, wanted)
    before = run_folder(order.folder, order.job).timing.read_bytes()
    assert carry_out(order, silent, wanted).how == "finished"
    assert run_folder(order.folder, order.job).timing.read_bytes() == before


def test_a_run_whose_last_model_was_not_saved_is_not_finished(order, undisturbed):
    carry_out(order, silent, wanted)
    files = run_folder(order.folder, order.job)
    (files.path / "checkpoint.previous.safetensors").replace(files.path / "checkpoint.safetensors")
    assert not is_finished(order.folder, order.job)


def test_two_processes_never_write_one_run(order):
    with SweepFolder(order.folder).lock(order.job.key):
        assert carry_out(order, silent, wanted).how == "busy"
    assert not run_folder(order.folder, order.job).path.exists()


def test_a_run_that_is_done_says_for_which_client(order):
    files, seen = SweepFolder(order.folder), []
    carry_out(order, silent, lambda: seen.append(files.is_held_for(order.job.key, order.probe)) or True)
    assert seen == [True]
    assert not files.is_held_for(order.job.key, order.probe)


def test_a_history_that_is_damaged_meanwhile_fails_its_run_and_is_written_down(order):
    carry_out(order, silent, wanted)
    history = run_folder(order.folder, order.job).history
    history.write_text(history.read_text().replace(":", "|", 1))
    done = carry_out(order, silent, wanted)
    assert done.how == "failed"
    assert SweepFolder(order.folder).reason(order.job.key) == done.error
    assert "line 1 is damaged" in done.error


def test_a_run_killed_before_it_had_a_configuration_begins_anew(order):
    where = run_folder(order.folder, order.job)
    where.path.mkdir()
    (where.path / "manifest.json").write_text("{}")
    assert carry_out(order, silent, wanted).how == "finished"


def test_a_folder_of_somebody_else_in_the_place_of_a_run_is_left_alone_and_named(order):
    where = run_folder(order.folder, order.job)
    where.path.mkdir()
    (where.path / "thesis.tex").write_text("")
    done = carry_out(order, silent, wanted)
    assert done.how == "failed"
    assert "not empty and not a run" in done.error
    assert (where.path / "thesis.tex").exists()


def test_why_a_run_failed_is_kept_until_it_has_not(order):
    files, broken = SweepFolder(order.folder), replace(order, cache=order.folder / "sweep.json")
    done = carry_out(broken, silent, wanted)
    assert done.how == "failed"
    assert files.reason(order.job.key) == done.error
    assert "Traceback" in files.failure(order.job.key).read_text()
    carry_out(order, silent, wanted)
    assert files.reason(order.job.key) == ""


def test_a_run_that_processes_do_not_survive_is_given_up_until_the_next_call(order):
    files = SweepFolder(order.folder)
    for _ in range(ATTEMPTS):
        files.attempts(order.job.key).begin()
    done = carry_out(order, silent, wanted)
    assert done.how == "failed"
    assert f"{ATTEMPTS} processes that ran it have ended" in done.error
    assert carry_out(order, silent, wanted).how == "finished"


class EndingWorker:
    """A worker of Dask whose time is over after some rounds."""

    address = "tcp://a"

    def __init__(self, rounds, end):
        self.said, self.rounds, self.end = [], rounds, end
        self.state = SimpleNamespace(nthreads=1, tasks={"task": SimpleNamespace(state="executing")})

    @property
    def status(self):
        self.rounds -= 1
        return Status.running if self.rounds > 0 else self.end

    def get_current_task(self):
        return "task"

    def log_event(self, topic, said):
        self.said.append((topic, said))


@pytest.mark.parametrize("end", [Status.closing_gracefully, Status.closing])
def test_a_worker_whose_time_is_over_saves_its_run_after_the_round(order, monkeypatch, undisturbed, end):
    worker = EndingWorker(3, end)
    monkeypatch.setattr("tools.sweep.work.get_worker", lambda: worker)
    with SweepFolder(order.folder).lock(order.probe):
        assert work(order).how == "stopped"
        assert rounds_done(run_folder(order.folder, order.job).path) == 3
        assert {(topic, said["run"], said["worker"]) for topic, said in worker.said} == {
            ("topic", order.job.key, "tcp://a")
        }
        monkeypatch.setattr("tools.sweep.work.get_worker", lambda: EndingWorker(10**6, end))
        assert work(order).how == "finished"
    assert run_folder(order.folder, order.job).history.read_bytes() == undisturbed(order.job)


def test_processes_that_come_to_a_checkpoint_do_not_count(order):
    """Workers that live for a few rounds each do a long run, however many they are."""
    files = SweepFolder(order.folder)
    for rounds in (5, 3, 2):
        assert carry_out(order, silent, after(rounds)).how == "stopped"  # its end is heard of: nothing is counted
        for _ in range(ATTEMPTS - 1):
            files.attempts(order.job.key).begin()
        assert carry_out(order, silent, after(1)).how == "stopped"
    assert files.attempts(order.job.key).begin() == 0


def test_attempts_are_counted_from_the_last_checkpoint_on(order, monkeypatch):
    files, reached = SweepFolder(order.folder), iter([0, 0, 4, 4, 4])
    monkeypatch.setattr("tools.sweep.attempts.checkpoint.rounds_done", lambda folder: next(reached))
    assert [files.attempts(order.job.key).begin() for _ in range(5)] == [0, 1, 0, 1, 2]


def test_rounds_are_told_rarely_and_evaluations_always(order):
    said = []
    carry_out(order, said.append, wanted)
    assert [one["round"] for one in said if one["accuracy"] is not None] == [5, 10, 15]
    assert len(said) < order.job.config.rounds


def test_a_sweep_that_is_extended_keeps_what_it_has(order, planned):
    carry_out(order, silent, wanted)
    files = SweepFolder(order.folder)
    assert files.plan(planned[:1]) == order.sweep
    assert len(files.read()["runs"]) == len(planned)
    assert left_of(planned, order.folder) == planned[1:]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "schema 99, this version reads 1"),
        ({"airmeta": "0.0.7"}, "made by airmeta 0.0.7"),
        ({"runs": None, "id": None, "schema": None}, "schema None"),
    ],
)
def test_a_folder_of_another_version_is_refused_with_the_remedy(order, experiment, change, says):
    path = SweepFolder(order.folder).about
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    said = refused("sweep", experiment, "--out", order.folder, says=says)
    assert "--out" in said


def test_a_half_written_folder_is_refused_with_the_remedy(order, experiment):
    path = SweepFolder(order.folder).about
    path.write_text(path.read_text()[:30])
    refused("sweep", experiment, "--out", order.folder, says=["damaged", "remove it", "finished runs are kept"])


def test_the_folder_of_a_single_run_is_no_sweep(order, planned, cache):
    (order.folder / "config.toml").write_text("")
    with pytest.raises(SweepError, match="the folder of a single run"):
        execute(planned, order.folder, cache, silent)
