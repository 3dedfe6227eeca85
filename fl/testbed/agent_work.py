"""What an agent does in a round, beside what it says: learn, send, and settle what becomes of its update."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from dsp.sparsify import top_k
from fl.control.events import Attempt, Start
from fl.learning import Learning
from fl.round import training_steps
from fl.testbed.agent_store import AgentStore, Kept
from fl.uplink.roles import AgentGrant, AgentRole, BeaconReport, SoundingSlot, TransmitReport
from radio.base import RadioError


class AgentWork:
    """The work of one agent; in one thread, apart from `save`, which is in the disk's.

    Args:
        learning: data, model and local work.
        role: its side of the uplink.
        agent: its id.
        store: its disk.
        kept: what is on it.
        deliver: tells a simulated air that this agent has sent what it had to.

    Attributes:
        kept: what is, or is about to be, on disk.
        symbol_power: mean|s_i|² of what is offered; None: nothing is.
        learn_s: seconds that computing it took.
    """

    def __init__(
        self, learning: Learning, role: AgentRole, agent: int, store: AgentStore, kept: Kept,
        deliver: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.learning = learning
        self.role = role
        self.agent = agent
        self.kept = kept
        self.symbol_power: float | None = None
        self.learn_s = 0.0
        self._store = store
        self._deliver = deliver
        self._weight = learning.weight(agent)
        if kept.pending is not None and kept.offered is not None:
            self.symbol_power = role.offer(kept.offered, kept.pending.round)

    @property
    def weight(self) -> float:
        """w of the agent in the mean."""
        return self._weight

    def learn(self, start: Start, theta: np.ndarray) -> Kept | None:
        """Return the disk with v = m + w·Δ and g = S_k(v), or nothing where Δ is not finite.

        Args:
            start: the task; where it is repeated, Δ of its round is in m already and v = m.
            theta: parameters, shape (d,).
        """
        started, config, attempt = time.perf_counter(), self.learning.config, start.attempt
        memory = config.uplink.remembers
        residual = self.kept.residual if memory else None
        loss = None
        if start.repeated and residual is not None:
            total = residual.to(config.run.device)
        else:
            delta, loss = self._update(torch.from_numpy(theta.copy()).to(config.run.device), attempt)
            if not bool(torch.isfinite(delta).all()):
                return None
            total = delta if residual is None else delta + residual.to(delta.device)
        kept = top_k(total, self.role.kept_entries)
        self.symbol_power = self.role.offer(kept, attempt.round)
        if not math.isfinite(self.symbol_power):  # each entry is, and their energy is beyond what a number holds
            return None
        self.learn_s = time.perf_counter() - started
        return replace(  # m is in v: written down with it, it would only be bytes
            self.kept, sequence=max(self.kept.sequence, attempt.sequence), residual=None,
            pending=attempt, total=total, offered=kept, carried=None,
            loss=loss if loss is not None and math.isfinite(loss) else None,
        )  # fmt: skip

    def _update(self, theta: torch.Tensor, attempt: Attempt) -> tuple[torch.Tensor, float]:
        steps = training_steps(self.learning, [self.agent], attempt.round)
        deltas, losses = self.learning.learner.local_updates(theta, steps, self.learning.config.run.threads)
        return deltas[0] * self._weight, losses[0]

    def follow(self, slot: SoundingSlot) -> BeaconReport:
        """Find the beacon and sound."""
        try:
            return self.role.follow(slot)
        finally:
            self._deliver()

    def prepare(self, grant: AgentGrant) -> Kept:
        """Return the disk with what the payload carries, as granted."""
        try:
            return replace(self.kept, carried=self.role.prepare(grant))
        except RadioError:
            self._deliver()
            raise

    def transmit(self) -> TransmitReport:
        """Put the payload on the air, and return what was sent."""
        try:
            return self.role.transmit()
        finally:
            self._deliver()

    def give_way(self) -> None:
        """Tell a simulated air that this agent will not send what was expected of it."""
        with suppress(RadioError):  # an air that is gone waits for nobody
            self._deliver()

    def settled(self, heard: bool) -> Kept:
        """Return the disk with the pending attempt settled."""
        kept = self.kept.settle(heard)
        return kept if self.learning.config.uplink.remembers else replace(kept, residual=None)

    def save(self, kept: Kept) -> None:
        """Write to disk; what was there stays if that fails.

        Raises:
            OSError: it failed.
        """
        self._store.save(kept)
