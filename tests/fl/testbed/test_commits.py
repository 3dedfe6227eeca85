"""What the server does where a round did not go as it should: history and θ say the same as agents are told."""

import asyncio
import json
import threading

import numpy as np
import pytest
import torch

from fl import checkpoint
from fl.control.events import Attempt, Cancel, Done, Save, Start, Task, Write
from fl.run_folder import RunFolder
from fl.server import ServerState
from fl.testbed.driver import Driver
from fl.testbed.server_work import Gathered, ServerWork
from fl.uplink.base import Delivery
from fl.uplink.ideal import IdealServer
from tests.fl.testbed.bench import experiment

CONFIG = experiment(4, 2)
FIRST = Attempt(1, 0)
NOBODY = Save(Write.COMMIT, FIRST, excluded=((0, "silent"), (1, "silent")))


@pytest.fixture
def made(tmp_path, learned):
    learning = learned(CONFIG)

    def make(role):
        return ServerWork(learning, role, RunFolder(tmp_path), ServerState.start(learning.first_theta()), 0)

    return make


def decided(work):
    """What is gathered once both agents were granted."""
    gathered = Gathered((0, 1), power={0: 1.0, 1: 1.0}, rows=(0, 1))
    gathered.decision = work.decide(gathered, {}, 0)
    work.weights = {0: 1.0, 1: 1.0}
    return gathered


class DeceivedServer(IdealServer):
    """Takes noise for payloads of agents that have all said that they sent nothing."""

    def decode(self, sent, absent=None):
        return Delivery(torch.ones_like(self.theta), np.ones(2, bool))


def test_theta_stays_where_nobody_is_told_that_it_was_heard(made):
    role = DeceivedServer()
    work = made(role)
    role.theta = work.state.theta
    state = work.commit(decided(work), NOBODY, frozenset())
    torch.testing.assert_close(state.theta, work.state.theta, rtol=0, atol=0)
    assert work.line["agents_heard"] == []
    assert work.line["outcome"] == "nobody_heard"


def test_a_round_whose_decision_has_not_begun_is_written_down_without_the_one_before(made):
    """Where a task of another round hangs, the server's side of the uplink is still in that one."""
    work = made(IdealServer())
    gathered = Gathered((0, 1), rows=(0, 1))
    work.commit(gathered, Save(Write.COMMIT, FIRST, failure="decide did not end before the deadline"), frozenset())
    assert work.line["outcome"] == "not_received"
    assert work.line["failure"] == "decide did not end before the deadline"


def test_a_round_that_is_on_disk_is_not_taken_back_for_its_timing(made, tmp_path, caplog):
    work = made(IdealServer())
    (tmp_path / "timing.jsonl").mkdir()  # nothing can be appended to it
    work.commit(decided(work), NOBODY, frozenset())
    assert "timing.jsonl: not written (Is a directory)" in caplog.text
    saved = checkpoint.load(tmp_path)
    history = (tmp_path / "history.jsonl").read_bytes()
    assert saved.rounds == 1
    assert saved.history_bytes == len(history)
    assert json.loads(history)["round"] == 0


async def cancelled_behind_another():
    """Tasks that a driver did, and what it told the machine, where one was cancelled while another kept it waiting."""
    done, told, go_on = [], [], threading.Event()

    def step(machine, event):
        told.append(event)
        return machine, ()

    driver = Driver(None, step, lambda _phase: 1.0)
    tasks = [Start(Task.DECODE, Attempt(1, 0)), Start(Task.CALL, Attempt(1, 1)), Start(Task.CALL, Attempt(1, 2))]
    driver.work(tasks[0], go_on.wait, lambda _result: None)
    over = driver.loop.create_future()
    for start in tasks[1:]:
        driver.work(
            start, lambda start=start: done.append(start), lambda _, start=start: Done(start.task, start.attempt)
        )
    driver.carry_out(Cancel(Task.CALL, Attempt(1, 1)))
    go_on.set()
    driver.work(Start(Task.SOUND, Attempt(1, 2)), lambda: None, lambda _result: over.set_result(None))
    await over
    driver.close()
    return done, told, tasks


def test_a_task_that_is_cancelled_while_it_waits_is_never_done():
    done, told, tasks = asyncio.run(cancelled_behind_another())
    assert done == tasks[2:]
    assert told == [Done(Task.CALL, Attempt(1, 2))]
