"""Whether workers may take part, asked of them before a sweep and before each run."""

import contextlib
import os
import shutil
import threading
from dataclasses import replace

import pytest
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError

from tools.sweep.crew import connected, source
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.muster import STALE, answer, held_probe, muster
from tools.sweep.work import check_here


@pytest.fixture
def files(order):
    return SweepFolder(order.folder)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr("tools.sweep.muster.LOOK", 0.0)


def silent(said):
    """Hear nothing."""


class Workers:
    """A client of workers that answer what they are told to, each time the next.

    One whose last answer was that it is lost is gone; any other last answer stays.
    """

    def __init__(self, answers, threads=1):
        self.answers, self.threads, self.asked = {name: list(said) for name, said in answers.items()}, threads, 0
        self.cluster = None

    def nthreads(self):
        return {name: self.threads for name, said in self.answers.items() if said}

    def run(self, function, folder, probe, workers, on_error):
        self.asked += 1
        return {name: self._said(self.answers[name], folder, probe) for name in workers if self.answers[name]}

    def _said(self, answers, folder, probe):
        said = answers.pop(0)
        if not answers and said is not LOST:
            answers.append(said)
        return said(folder, probe) if callable(said) else said


FINE = answer
STUCK, LOST = CommClosedError("in <TCP>: Stream is closed"), CommClosedError("in <TCP>: Stream is closed")


def asked(workers, order, files):
    """How many workers take part."""
    with held_probe(files) as probe:
        return muster(workers, files, order.sweep, probe, silent)


def changed(change):
    return lambda folder, probe: answer(folder, probe) | change


@pytest.mark.parametrize(
    ("said", "threads", "says"),
    [
        (changed({"source": replace(source(), torch="2.0.0")}), 1, r"tcp://b: has .*torch 2\.0\.0, here is .*torch"),
        (changed({"source": replace(source(), airmeta="0.0.7")}), 1, "install the same on both"),
        (changed({"sweep": None}), 1, "does not see the folder of the sweep"),
        (changed({"locked": False}), 1, "does not see the locks"),
        (FINE, 4, "has 4 threads .* --nthreads 1"),
        (ModuleNotFoundError("No module named 'tools'"), 1, "has no airmeta that knows sweeps"),
    ],
)
def test_workers_that_cannot_take_part_are_named_before_any_run_starts(order, files, said, threads, says):
    workers = Workers({"tcp://a": [FINE], "tcp://b": [said]}, threads)
    with pytest.raises(SweepError, match=rf"of 2 workers cannot take part:(.|\n)*{says}"):
        asked(workers, order, files)


def test_a_worker_that_cannot_read_the_folder_is_not_taken_for_one_without_airmeta(order, files):
    workers = Workers({"tcp://a": [lambda folder, probe: PermissionError("locks")]})
    with pytest.raises(SweepError, match=r"cannot look at the folder of the sweep \(PermissionError\('locks'\)"):
        asked(workers, order, files)


def test_workers_that_have_and_see_the_same_take_part(order, files):
    assert asked(Workers({"tcp://a": [FINE], "tcp://b": [FINE]}), order, files) == 2


def test_a_worker_that_is_lost_while_it_is_asked_is_not_to_blame(order, files):
    assert asked(Workers({"tcp://a": [FINE], "tcp://b": [LOST]}), order, files) == 1


def test_a_worker_that_may_not_take_part_and_has_gone_is_not_to_blame(order, files):
    workers = Workers({"tcp://a": [FINE]})

    def answer_and_go(folder, probe):
        workers.answers["tcp://b"] = []
        return changed({"locked": False})(folder, probe)

    workers.answers["tcp://b"] = [answer_and_go]
    assert asked(workers, order, files) == 1


def test_the_only_worker_is_lost_and_another_one_waited_for(order, files):
    workers = Workers({"tcp://a": [LOST]})

    def comes(said):
        assert "waiting for workers" in said
        workers.answers["tcp://b"] = [FINE]

    workers.scheduler = type("Scheduler", (), {"address": "tcp://lab:8786"})
    with held_probe(files) as probe:
        assert muster(workers, files, order.sweep, probe, comes) == 1


def test_a_worker_that_was_interrupted_is_asked_again(order, files):
    workers = Workers({"tcp://a": [LOST, FINE]})
    assert asked(workers, order, files) == 1
    assert workers.asked == 2


def test_a_worker_that_is_there_and_never_answers_is_named_as_that(order, files, monkeypatch):
    monkeypatch.setattr("tools.sweep.muster.PATIENCE", 0.0)
    with pytest.raises(SweepError, match=r"1 of 2 workers(.|\n)*tcp://b: does not answer"):
        asked(Workers({"tcp://a": [FINE], "tcp://b": [STUCK]}), order, files)


@pytest.fixture
def halted():
    """Return a worker that does not answer as long as the test goes on."""
    over = threading.Event()
    yield lambda folder, probe: over.wait()
    over.set()


def test_a_worker_that_is_halted_is_named_as_one_that_does_not_answer(order, files, halted, monkeypatch):
    monkeypatch.setattr("tools.sweep.muster.PATIENCE", 0.0)
    monkeypatch.setattr("tools.sweep.muster.SILENCE", 0.2)
    with pytest.raises(SweepError, match=r"1 of 1 workers(.|\n)*tcp://b: does not answer"):
        asked(Workers({"tcp://b": [halted]}), order, files)


def test_a_stop_is_seen_while_a_worker_is_halted(order, files, halted):
    stops = iter([False, False])
    workers = Workers({"tcp://a": [FINE], "tcp://b": [halted]})
    assert muster(workers, files, order.sweep, "probe", silent, lambda: next(stops, True)) == 0


def test_a_scheduler_that_is_lost_while_workers_are_asked_is_no_answer(order, files, monkeypatch):
    workers = Workers({"tcp://a": [FINE]})
    monkeypatch.setattr(workers, "run", lambda *words, **named: (_ for _ in ()).throw(OSError("no scheduler")))
    with pytest.raises(OSError, match="no scheduler"):
        asked(workers, order, files)


def test_a_local_worker_whose_source_has_changed_is_not_told_to_install_anything(order, files):
    workers = Workers({"tcp://a": [changed({"source": replace(source(), git="0000000")})]})
    workers.cluster = object()
    with pytest.raises(SweepError, match="the source tree has changed since the sweep began") as caught:
        asked(workers, order, files)
    assert "call the same command again" in str(caught.value)
    assert "install" not in str(caught.value)
    theirs = replace(order, source=replace(source(), git="0000000"), is_local=True)
    with files.lock(order.probe), pytest.raises(SweepError, match="source tree has changed"):
        check_here(theirs, "tcp://a", 1)


def test_nobody_is_waited_for_after_a_stop(order, files):
    assert muster(Workers({}), files, order.sweep, "probe", silent, lambda: True) == 0


@pytest.mark.parametrize("error", [FutureCancelledError("run", "scheduler-connection-lost"), CommClosedError("reset")])
def test_what_only_the_loss_of_a_scheduler_brings_is_told_as_such(monkeypatch, error):
    """The client has not noticed yet, or has come back to a new one, which knows of no promise: it is running."""
    client = contextlib.nullcontext()
    client.status = "running"
    monkeypatch.setattr("tools.sweep.crew.Client", lambda *words, **named: client)
    with pytest.raises(SweepError, match="it is gone; finished runs are kept"), connected("tcp://lab:8786"):
        raise error
    with pytest.raises(ValueError, match="another"), connected("tcp://lab:8786"):
        raise ValueError("another error")


def test_two_sweeps_that_start_in_one_folder_at_once_do_not_disturb_each_other(order, files):
    with held_probe(files) as mine, held_probe(files) as theirs:
        assert answer(files.path, mine)["locked"]
        assert answer(files.path, theirs)["locked"]
    assert not answer(files.path, mine)["locked"]


def test_a_lock_goes_with_its_client_and_those_of_killed_ones_later(order, files):
    locks = files.path / "locks"
    long_ago = (locks / "sweep.lock").stat().st_mtime - 2 * STALE
    for name in ("probe-old", "probe-new", "probe-held"):
        (locks / f"{name}.lock").write_text("")
    for name in ("probe-old", "probe-held"):
        os.utime(locks / f"{name}.lock", (long_ago, long_ago))
    held = files.lock("probe-held")
    with held, held_probe(files):
        os.utime(locks / "probe-held.lock", (long_ago, long_ago))
        with held_probe(files):
            pass
    assert {path.stem for path in locks.glob("probe-*")} == {"probe-new", "probe-held"}


def test_a_folder_that_is_not_there_is_not_made_by_asking_for_it(tmp_path):
    assert answer(tmp_path / "sweep", "probe")["sweep"] is None
    assert not (tmp_path / "sweep").exists()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("change", ["airmeta", "git", "python", "numpy", "torch"])
def test_a_worker_of_another_version_that_comes_later_refuses_with_both(order, files, change):
    theirs = replace(source(), **{change: "0.0.7"})
    with files.lock(order.probe), pytest.raises(SweepError, match=rf"tcp://a has .*, here is .*{change} 0\.0\.7"):
        check_here(replace(order, source=theirs), "tcp://a", 1)


def test_a_worker_that_comes_later_is_checked_as_the_others_were(order, files):
    with files.lock(order.probe):
        check_here(order, "tcp://a", 1)
        with pytest.raises(SweepError, match="tcp://a has 2 threads"):
            check_here(order, "tcp://a", 2)
        with pytest.raises(SweepError, match="does not see the folder"):
            check_here(replace(order, folder=order.folder / "elsewhere"), "tcp://a", 1)
    with pytest.raises(SweepError, match="does not see the locks"):
        check_here(order, "tcp://a", 1)
    assert not (order.folder / "elsewhere").exists()
