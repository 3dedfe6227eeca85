"""What the server does in a round, beside what it says: receive, decode, step, and write it all down.

A commit is one line of the history, then a checkpoint with θ, the optimiser, the round, and who was heard last in which
attempt. The checkpoint says how long the history is: a line without one is cut off when the run is resumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from fl import checkpoint
from fl import config as configuration
from fl.checkpoint import Checkpoint
from fl.control.events import Attempt, Save
from fl.history import History
from fl.learning import Learning
from fl.record import delivered, error_variance, is_finite, mean_update, record
from fl.run_folder import RunFolder, sample_arrays, save_arrays
from fl.server import ServerState
from fl.tasks import evaluate
from fl.testbed.driver import LOG
from fl.testbed.stopwatch import Stopwatch
from fl.uplink.base import Delivery, Offer
from fl.uplink.roles import BeaconReport, Decision, ServerRole, SoundingSlot, TransmitReport

LastHeard = frozenset[tuple[int, Attempt]]


@dataclass
class Gathered:
    """What has been said and found in one attempt.

    Args:
        scheduled: ids, ascending.
        losses: of the agents that have learned, by id.
        power: mean|s_i|² that they report.
        slots: where their soundings lie.
        reports: what they made of the beacon.
        decision: who sends.
        rows: agents of the round: those that were ready.
        begun: whether the server's side of the uplink is in this round, and no longer in one before.
        sent: what they say they sent.
        delivery: what arrived.
        clock: where its time goes.
    """

    scheduled: tuple[int, ...]
    losses: dict[int, float] = field(default_factory=dict)
    power: dict[int, float] = field(default_factory=dict)
    slots: Mapping[int, SoundingSlot] = field(default_factory=dict)
    reports: dict[int, BeaconReport] = field(default_factory=dict)
    decision: Decision | None = None
    rows: tuple[int, ...] = ()
    begun: bool = False
    sent: dict[int, TransmitReport] = field(default_factory=dict)
    delivery: Delivery | None = None
    clock: Stopwatch = field(default_factory=Stopwatch)


class ServerWork:
    """The work of the server.

    Args:
        learning: data for evaluation, model and the server's step.
        role: its side of the uplink.
        folder: of the run.
        state: θ and the optimiser.
        committed: rounds that are done.
    """

    def __init__(
        self, learning: Learning, role: ServerRole, folder: RunFolder, state: ServerState, committed: int
    ) -> None:
        self.learning = learning
        self.role = role
        self.state = state
        self.committed = committed
        self.weights: dict[int, float] = {}
        self.line: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}
        self._folder = folder
        self._history, self._timing = History(folder.history), History(folder.timing)
        self._length = self._history.sync()
        self._torn = False

    def call(self, gathered: Gathered, agents: tuple[int, ...], round_index: int) -> Mapping[int, SoundingSlot]:
        """Call the agents that are ready, and return where their soundings lie."""
        slots = self.role.call(agents, round_index)
        gathered.rows, gathered.begun = agents, True
        return slots

    def decide(self, gathered: Gathered, absent: Mapping[int, str], round_index: int) -> Decision:
        """Return who of the agents sends; `absent` says why some do not take part."""
        power = {agent: gathered.power[agent] for agent in gathered.rows}
        reports = {agent: report for agent, report in gathered.reports.items() if agent not in absent}
        with gathered.clock.stage("decide"):
            decision = self.role.decide(gathered.rows, round_index, power, reports, absent)
        gathered.begun = True
        return decision

    def decode(
        self, gathered: Gathered, counted: Sequence[int], absent: Mapping[int, str]
    ) -> tuple[Delivery, frozenset[int]]:
        """Return what was delivered, and whose updates count: none, where the estimate is not finite.

        Args:
            gathered: what was said and found.
            counted: whose payload is there.
            absent: why that of others is not, by id.
        """
        sent = {agent: gathered.sent[agent] for agent in counted if agent in gathered.sent}
        with gathered.clock.stage("decode"):
            delivery = self.role.decode(sent, absent)
        heard = [agent for agent, there in zip(gathered.rows, delivery.heard, strict=True) if there]
        return delivery, frozenset(heard if is_finite(delivery) else ())

    def commit(self, gathered: Gathered, outcome: Save, last_heard: LastHeard) -> ServerState:
        """Write the round down and return the server's state after it.

        Args:
            gathered: what was said and found.
            outcome: as the machine decided.
            last_heard: each agent with the last attempt in which it was heard, this one included.

        Raises:
            OSError: it is as it was.
        """
        index, clock = outcome.attempt.round, gathered.clock
        if self._torn:  # a try before this one may have left a line
            self._history.rewind(self._length, self.committed)
        self._torn = True
        with clock.stage("commit"):
            state, line = self._step(gathered, outcome)
        with clock.stage("evaluation"):
            line |= self._evaluated(state, index)
        with clock.stage("commit"):
            length = self._write(state, line, last_heard)
        seconds = clock.seconds()
        self._length, self._torn, self.line, self.seconds = length, False, line, seconds
        try:
            self._timing.append({"schema": line["schema"], "round": index, **seconds})
        except OSError as error:  # the round is on disk: it must not be taken back for its timing
            LOG.warning("%s: not written (%s)", self._timing.path, error.strerror or error, extra={"round": index})
        return state

    def _write(self, state: ServerState, line: dict[str, Any], last_heard: LastHeard) -> int:
        """Write line and checkpoint, and return how long the history is."""
        self._history.append(line)
        length = self._history.sync()
        remembered, digest = {"last_heard": _heard_array(last_heard)}, configuration.digest(self.learning.config)
        saved = Checkpoint(state, line["round"] + 1, length, digest, self.role.state(), remembered)
        checkpoint.save(self._folder.path, saved)
        return length

    def _evaluated(self, state: ServerState, index: int) -> dict[str, Any]:
        """Return what the evaluation of a round adds to its line; nothing, where there is none."""
        config, last = self.learning.config, index + 1 == self.learning.config.rounds
        if not config.evaluation.due(index + 1, config.rounds):
            return {}
        tasks = config.evaluation.final_tasks if last else None
        scores, sample = evaluate(self.learning, state.theta, tasks or config.evaluation.tasks)
        if sample is not None:
            save_arrays(self._folder.samples, sample_arrays(sample))
        return scores

    def _step(self, gathered: Gathered, outcome: Save) -> tuple[ServerState, dict[str, Any]]:
        """Return the state after the round, and its line."""
        excluded, delivery = dict(outcome.excluded), gathered.delivery
        line = record(
            outcome.attempt.round,
            gathered.scheduled,
            [gathered.losses[agent] for agent in sorted(gathered.losses)],
            excluded,
        )
        optimizer, index = self.learning.optimizer, outcome.attempt.round
        if not gathered.begun:
            failed = {"outcome": "not_received", "failure": outcome.failure}
            return optimizer.step(self.state, None, index), line | (failed if outcome.failure else {})
        if outcome.failure:
            delivery = self.role.give_up(outcome.failure, excluded)
        elif delivery is None:  # nobody was granted anything, or nothing of it came
            delivery = self.role.decode({}, excluded)
            delivery = replace(delivery, total=None, heard=np.zeros_like(delivery.heard))  # whatever the air says
        weights = [self.weights[agent] for agent in gathered.rows]
        mean = mean_update(delivery, weights)
        state = optimizer.step(self.state, mean, index, error_variance(delivery, weights))
        return state, delivered(line, Offer(gathered.rows, self._oracle_kept(gathered)), delivery)

    def _oracle_kept(self, gathered: Gathered) -> torch.Tensor:
        """Return what the agents say they offered, shape (n, d): zero where one was asked in vain."""
        nothing = torch.zeros(self.learning.message_length, device=self.learning.config.run.device)
        rows = []
        for agent in gathered.rows:
            report = gathered.sent.get(agent)
            kept = None if report is None else report.update if report.oracle_kept is None else report.oracle_kept
            rows.append(nothing if kept is None else kept)
        return torch.stack(rows)


def _heard_array(last_heard: LastHeard) -> np.ndarray:
    rows = [(agent, attempt.sequence, attempt.round) for agent, attempt in sorted(last_heard)]
    return np.array(rows, np.int64).reshape(-1, 3)


def last_heard_of(saved: Checkpoint) -> LastHeard:
    """Return each agent with the last attempt in which it was heard, from a checkpoint."""
    rows = saved.control.get("last_heard", np.zeros((0, 3), np.int64)).tolist()
    return frozenset((agent, Attempt(sequence, index)) for agent, sequence, index in rows)
