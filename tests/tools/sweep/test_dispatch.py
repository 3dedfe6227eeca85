"""What the client does with what comes back from workers; these are made up, and so is time."""

import itertools
import time
from types import SimpleNamespace

import pytest
from distributed.scheduler import KilledWorker

from fl.checkpoint import NAME
from tests.tools.sweep.test_muster import FINE, Workers
from tools.sweep import dispatch, presence
from tools.sweep.dispatch import AGAIN, AHEAD, FETCH, Dispatch
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.muster import held_probe
from tools.sweep.watch import Lines
from tools.sweep.work import ATTEMPTS, Done

FOR_EVER = 2000.0  # on the clock below: a client that would go on without an end is stopped, and fails


class Clock:
    """Goes on a little whenever somebody looks."""

    def __init__(self):
        self.ticks = itertools.count(1000)

    def monotonic(self):
        return next(self.ticks) / 8


class UnfetchedError(TimeoutError):
    """What the client gets for a run that is over, whose worker was lost before it could be asked."""


class Future:
    """Comes back at once, with what the client is told to give."""

    def __init__(self, found):
        self.found = found
        self.status = "finished" if isinstance(found, Done | UnfetchedError) else "error"

    def add_done_callback(self, call):
        call(self)

    def result(self, timeout):
        assert timeout == FETCH
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Client(Workers):
    """Gives what became of each run, time after time; how often and when is noted."""

    def __init__(self, outcomes, clock=None, workers=("tcp://a",)):
        super().__init__({name: [FINE] for name in workers})
        self.outcomes, self.clock, self.given, self.keys = outcomes, clock, [], []
        self.scheduler = type("Scheduler", (), {"address": "tcp://lab:8786"})

    def subscribe_topic(self, topic, handler):
        self.handler = handler

    def submit(self, function, order, key, pure):
        self.keys.append(key)
        if self.clock is not None:
            self.given.append((order.job.key, self.clock.monotonic()))
        found = self.outcomes(order) if callable(self.outcomes) else self.outcomes.pop(0)
        return Future(Done(order.job.key, found) if isinstance(found, str) else found)


@pytest.fixture
def given(order, monkeypatch):
    """Return a function that gives runs to a client, and what the user is told meanwhile."""
    clock = Clock()
    for module in (dispatch, presence):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(dispatch, "POLL", 0.0)
    monkeypatch.setattr("tools.sweep.muster.LOOK", 0.0)
    files, said = SweepFolder(order.folder), []

    def give(client, jobs=(order.job,)):
        client.clock = clock
        with held_probe(files) as probe:
            return Dispatch(client, files, order.cache, order.sweep, probe, Lines(said.append)).run(
                list(jobs), lambda: clock.monotonic() > FOR_EVER
            )

    give.said = said
    return give


@pytest.mark.parametrize("how", ["busy", "stopped"])
def test_a_run_that_somebody_else_has_or_whose_worker_ends_is_given_again_and_not_at_once(given, how):
    client = Client([how, how, "finished"])
    assert given(client) == []
    times = [when for _, when in client.given]
    assert len(times) == 3
    assert all(later - earlier >= AGAIN for earlier, later in itertools.pairwise(times))


def test_a_run_whose_worker_is_lost_before_it_is_asked_is_given_again(given, planned):
    client = Client([UnfetchedError(), "finished"])
    assert given(client) == []
    assert len(client.given) == 2


def test_a_run_that_fails_with_a_timeout_of_its_own_has_failed(given, order):
    client = Client([TimeoutError("the disk does not answer"), "finished"])
    assert given(client) == [(order.job, "TimeoutError: the disk does not answer")]


def killed():
    """What the client gets for a run whose workers have died."""
    return KilledWorker("run", None, 3)


def test_a_run_whose_workers_die_before_they_begin_it_is_given_up_with_words(given, order):
    client = Client(lambda order: killed())
    [(job, error)] = given(client)
    assert job == order.job
    assert "ended before they began it" in error
    assert len(client.given) == ATTEMPTS
    assert SweepFolder(order.folder).reason(job.key) == error


def test_a_run_that_its_workers_have_begun_is_counted_in_its_folder_only(given, order):
    files, left = SweepFolder(order.folder), iter(range(2 * ATTEMPTS))

    def dies(order):
        if next(left, None) is None:
            return "finished"
        files.attempts(order.job.key).begin()
        return killed()

    assert given(Client(dies)) == []


def test_a_stop_waits_for_its_own_runs_and_not_for_those_of_others(order, monkeypatch):
    """One run is done for this client, the other one for another sweep in the folder, for hours."""
    files, waits = SweepFolder(order.folder), []
    mine, theirs = files.lock("mine"), files.lock("theirs")
    stopped = Dispatch(Client([]), files, order.cache, order.sweep, "probe-mine", Lines(print))
    stopped._given.update({key: order.job.__class__("", 1, order.job.config, key) for key in ("theirs", "mine")})
    monkeypatch.setattr(stopped.client, "cancel", lambda futures: None, raising=False)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: waits.append(seconds) or mine.release())
    monkeypatch.setattr(dispatch, "time", clock)  # of the module alone: other threads of this process sleep, too
    with mine, theirs:
        files.hold("mine", "probe-mine")
        files.hold("theirs", "probe-theirs")
        stopped._stop()
    assert len(waits) == 1


def test_other_runs_do_not_wait_for_one_that_is_put_off(given, planned):
    first = planned[0].key
    client = Client(lambda order: "busy" if order.job.key == first and client.keys[-1][-1] == 1 else "finished")
    assert given(client, planned) == []
    assert [key for key, _ in client.given] == [*(job.key for job in planned), first]


def test_two_clients_of_one_scheduler_have_no_key_in_common(given, planned):
    one, other = Client(lambda order: "finished"), Client(lambda order: "finished")
    assert given(one, planned) == given(other, planned) == []
    assert len({*one.keys, *other.keys}) == 2 * len(planned)


def test_no_worker_has_more_runs_than_it_needs_to_be_busy(given, planned, monkeypatch):
    waiting = []
    client = Client(lambda order: "finished")
    monkeypatch.setattr(Future, "add_done_callback", lambda self, call: waiting.append(lambda: call(self)))
    most = []
    client.nthreads = lambda: most.append(len(waiting)) or ([waiting.pop(0)() for _ in waiting[:1]] and {}) or {"a": 1}
    assert given(client, planned) == []
    assert max(most) <= AHEAD


def test_a_run_that_fails_is_told_and_the_others_are_done(given, planned):
    client = Client(["finished", OSError("No space left on device"), "finished", "finished"])
    assert given(client, planned) == [(planned[1], "OSError: No space left on device")]


def test_a_late_worker_without_airmeta_ends_the_sweep_and_is_named(given):
    client = Client([ModuleNotFoundError("No module named 'tools'")], workers=("tcp://a", "tcp://late"))
    client.answers["tcp://late"] = [ModuleNotFoundError("No module named 'tools'")]
    with pytest.raises(SweepError, match=r"1 of 2 workers(.|\n)*tcp://late: has no airmeta"):
        given(client)


def test_a_late_worker_that_refuses_ends_the_sweep_with_its_words(given):
    with pytest.raises(SweepError, match="tcp://late has 4 threads"):
        given(Client([SweepError("a worker cannot take part: tcp://late has 4 threads")]))


def test_a_scheduler_without_airmeta_is_told_from_a_run_that_fails(given):
    error = RuntimeError("Error during deserialization of the task graph")
    with pytest.raises(SweepError, match="the scheduler at tcp://lab:8786 cannot read runs"):
        given(Client([error]))


@pytest.mark.parametrize("noticed", ["by a look", "by the next worker's word"])
def test_a_lost_worker_is_told_once_with_the_round_from_which_its_run_goes_on(given, order, monkeypatch, noticed):
    monkeypatch.setattr(dispatch.checkpoint, "rounds_done", lambda folder: 8)
    said = {"run": order.job.key, "round": 9, "accuracy": None}
    callbacks = []
    monkeypatch.setattr(Future, "add_done_callback", lambda self, call: callbacks.append(lambda: call(self)))
    client = Client(["finished"], workers=("tcp://a", "tcp://b"))

    def script():
        yield
        client.handler((0, said | {"worker": "tcp://a"}))
        yield
        if noticed == "by a look":
            client.answers["tcp://a"] = []
            yield
        client.handler((0, said | {"worker": "tcp://b"}))
        yield
        callbacks[0]()
        while True:
            yield

    steps, there = script(), client.nthreads
    client.nthreads = lambda: next(steps) or there()
    assert given(client) == []
    assert [line for line in given.said if "lost" in line] == [
        "a worker was lost; 19 dB, seed 1 goes on elsewhere from round 9"
    ]


@pytest.fixture
def abandoned(monkeypatch):
    """Return a client whose workers have gone with what they were given."""
    monkeypatch.setattr(Future, "add_done_callback", lambda self, call: None)
    return Client(lambda order: "finished", workers=())


def test_workers_of_this_machine_that_do_not_come_back_end_the_sweep(given, abandoned):
    abandoned.cluster = object()
    with pytest.raises(SweepError, match=r"all worker processes have ended(.|\n)*call the same command again"):
        given(abandoned)


def test_workers_of_a_lab_are_waited_for_with_words(given, abandoned, monkeypatch):
    calls = []
    monkeypatch.setattr(Future, "add_done_callback", lambda self, call: calls.append(lambda: call(self)))
    abandoned.cluster, there = None, abandoned.nthreads
    abandoned.nthreads = lambda: (calls.pop()() if len(given.said) == 2 and calls else None) or there()
    assert given(abandoned) == []
    assert given.said[:2] == ["waiting for workers: start some with `dask worker tcp://lab:8786 --nthreads 1`"] * 2


def test_nobody_is_lost_when_a_run_is_over(given, order):
    client = Client(["finished"])
    assert given(client) == []
    assert given.said == ["1 of 0: 19 dB, seed 1: finished after 0.0 s"]
    assert not (order.folder / "runs" / order.job.key / NAME).exists()
