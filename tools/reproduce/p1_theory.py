"""P1, convergence beside its template on softmax regression: top-k with memory, noise on the sum, and no memory.

F is that of p2_theory at ν = 1, all agents heard, ∇F_i of all their data, so σ_g² = 0; L_F and F_0 are known, F* >= 0
is used, and G² is the largest ‖∇F_i‖² that occurred, which is all that the derivation asks for. What is drawn is our
reconstruction [R] (docs/theory.md), not the paper's theorem.

Noise has one power ε in all rounds, `snr_db` below η²B_F², B_F the largest norm that a meta-gradient can have: so it is
if a server grants its scale once, for the worst case. Granted each round, as in the toolkit, it falls with the updates.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from dsp.metrics import from_db
from dsp.sparsify import top_k
from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.theory.convergence import Constants, gradient_norm_bound
from tools.reproduce.logistic import CLASSES, FEATURES, Logistic, data
from tools.reproduce.p2_theory import AGENTS, ALPHA, Descent, gradient_bound, smoothness_bound, value_and_gradient

ROUNDS = 8000
SEED = 1  # of the noise


@dataclass(frozen=True)
class Setting:
    """What is sent and what is received.

    Args:
        name: in the legend.
        kept: k.
        part: 1/(η·L_F); at least 2, without memory at least 4.
        snr_db: η²B_F²/ε of the noise.
        memory: whether what top-k leaves out is kept.
    """

    name: str
    kept: int
    part: int
    snr_db: float = np.inf
    memory: bool = True

    @property
    def delta(self) -> float:
        """δ = k/d."""
        return self.kept / Logistic.dimension


NOISE = Setting("no noise", 24, 2), Setting("30 dB", 24, 2, 30.0), Setting("10 dB", 24, 2, 10.0)
BIAS = Setting("memory", 2, 64), Setting("no memory", 2, 64, memory=False), Setting("memory", 12, 64)


@dataclass(frozen=True)
class Measured:
    """A descent beside its template.

    Args:
        setting: of it.
        delta: δ of the template: k/d, without memory 1.
        descent: constants, η, mean of ‖∇F‖² so far, and its limit.
        error_power: ε of the template: of the noise, or (1−δ)η²G², the most that top-k without memory leaves out.
        squares: ‖∇F‖², shape (rounds,).
        memory: the largest ‖m_i‖² that occurred.
    """

    setting: Setting
    delta: float
    descent: Descent
    error_power: float
    squares: np.ndarray
    memory: float


@dataclass(frozen=True)
class SideBySide:
    """Softmax regressions of equally many images each, as one model of which each has its part of θ."""

    models: int

    @property
    def dimension(self) -> int:
        """Of all."""
        return self.models * Logistic.dimension

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return the same parameters for all, shape (models·d,)."""
        return Logistic().init(rng).repeat(self.models)

    def logits(
        self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format | None = None
    ) -> torch.Tensor:
        """Return logits, shape (n, classes), of images that come model after model."""
        parted = images.flatten(1)[:, :FEATURES].view(self.models, -1, FEATURES)
        return (parted @ theta.view(self.models, FEATURES, CLASSES)).flatten(0, 1)


class Gradients:
    """∇F_i of all agents at several points: as one model whose loss is the mean of theirs, so α and ∇ times models."""

    def __init__(self, points: int) -> None:
        models, agents = points * AGENTS, [data(1000 + agent) for agent in range(AGENTS)] * points
        everything = torch.cat([images for images, _ in agents]), torch.cat([labels for _, labels in agents])
        self._models, self._step = models, OuterStep([everything], everything, [everything])
        self._learner = MetaLearner(Loss(SideBySide(models)), models * ALPHA, ALPHA, "exact")

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Return ∇F_i(θ), shape (points, agents, d), at θ of shape (points, d)."""
        theta = points.repeat_interleave(AGENTS, 0).flatten()
        return self._models * self._learner.meta_gradient(theta, self._step)[1].view(len(points), AGENTS, -1)


@lru_cache(maxsize=2)
def descents(settings: tuple[Setting, ...] = NOISE + BIAS, rounds: int = ROUNDS) -> tuple[Measured, ...]:
    """Return θ <- θ − (1/n)Σ S_k(m_i + η∇F_i(θ)) − e in every setting, all from one θ_0."""
    limit, done = smoothness_bound(1), np.arange(1, rounds + 1)
    rates = [1 / (one.part * limit) for one in settings]
    noises = [(gradient_bound(1) / (one.part * limit)) ** 2 / from_db(one.snr_db) for one in settings]
    theta = Logistic().init(np.random.default_rng(0))
    start, found = value_and_gradient(1, theta)[0], _descend(theta, settings, rates, noises, rounds)
    measured = []
    for one, rate, noise, (square, power, memory) in zip(settings, rates, noises, found, strict=True):
        about = Constants(limit, start, 0.0, float(power.max()), AGENTS)
        delta, error = (one.delta, noise) if one.memory else (1.0, (1 - one.delta) * rate**2 * about.gradient_power)
        template = np.array([gradient_norm_bound(about, int(t), rate, delta, error, not one.memory) for t in done])
        descent = Descent(about, rate, np.cumsum(square) / done, template)
        measured.append(Measured(one, delta, descent, error, square, float(memory.max())))
    return tuple(measured)


def _descend(
    theta: torch.Tensor, settings: tuple[Setting, ...], rates: list[float], noises: list[float], rounds: int
) -> np.ndarray:
    """Return ‖∇F‖² and, of the agent that has most, ‖∇F_i‖² and ‖m_i‖², shape (settings, 3, rounds)."""
    rng, gradients, rows = np.random.default_rng(SEED), Gradients(len(settings)), []
    steps, remembers = torch.tensor([rates, [one.memory for one in settings]], dtype=torch.float64)[..., None, None]
    spread = np.sqrt(np.array(noises) / len(theta))[:, None]
    point, memory = theta.repeat(len(settings), 1), torch.zeros(len(settings), AGENTS, len(theta))
    for _ in range(rounds):
        found = gradients(point)
        total = memory + steps * found
        sent = torch.stack([top_k(one, setting.kept) for one, setting in zip(total, settings, strict=True)])
        memory = remembers * (total - sent)
        point = point - sent.mean(1) - torch.from_numpy(spread * rng.standard_normal(point.shape))
        rows.append([found.mean(1).square().sum(-1), *(one.square().sum(-1).amax(1) for one in (found, memory))])
    return np.array([[one.numpy() for one in row] for row in rows]).transpose(2, 1, 0)
