"""Whether two simulators agree: a test for figures that are random, a limit for samples that are not.

A random figure is estimated on independent segments (realisations, stretches of a signal), so its standard error is
that of a mean. Two vectors of K figures agree if no difference exceeds c standard errors,

    max_k |m_k − m'_k| / √(s_k² + s'_k²) <= c,   c = t⁻¹(1 − a/2),   a = 1 − (1 − LEVEL)^{1/K}   (Šidák)

with Student's t for the segments of the smaller side. If the laws are the same, LEVEL is the probability of DIFFERS,
less where figures are correlated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 1e-3
POWER = 0.95
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Statistic:
    """A vector of K figures of the same law, from both simulators.

    Args:
        name: what is estimated.
        where: the place of each figure (a frequency, a lag, a level), shape (K,).
        unit: of `where`.
        sides: of each segment of our simulator, shape (S, K), and of GNU Radio, shape (S', K).
        textbook: what the law says, shape (K,).
        design: ours over the textbook by design, of one figure or of each; ours is divided by it before it is compared
            with theirs.
        reason: why that is not 1.

    Raises:
        ValueError: shapes do not fit, there are fewer than 8 segments, or a figure does not vary.
    """

    name: str
    where: np.ndarray
    unit: str
    sides: Pair
    textbook: np.ndarray
    design: float | np.ndarray = 1.0
    reason: str = ""

    def __post_init__(self) -> None:
        for side in self.sides:
            if side.ndim != 2 or side.shape[1:] != self.where.shape or self.where.shape != self.textbook.shape:
                raise ValueError(
                    f"{self.name}: segments must have one figure per place ({self.where.size}), got {side.shape}"
                )
            if len(side) < 8:
                raise ValueError(f"{self.name}: a standard error needs at least 8 segments, got {len(side)}")
            if not (side.std(0) > 0).all():
                raise ValueError(f"{self.name}: a figure is the same in all segments; compare it as samples")

    @property
    def allowed(self) -> float:
        """Standard errors that the largest difference may have."""
        one = 1 - (1 - LEVEL) ** (1 / self.where.size)
        return float(stats.t.ppf(1 - one / 2, min(map(len, self.sides)) - 1))

    @property
    def differences(self) -> np.ndarray:
        """Ours less GNU Radio's, in standard errors, shape (K,)."""
        ours, theirs = self.sides
        return np.asarray((ours.mean(0) / self.design - theirs.mean(0)) / self._errors)

    @property
    def agrees(self) -> bool:
        """Whether no difference exceeds what is allowed."""
        return bool(np.abs(self.differences).max() <= self.allowed)

    @property
    def finds(self) -> float:
        """The smallest relative difference (of a figure that should be 0: absolute) that is found with POWER."""
        scale = np.where(self.textbook == 0, 1.0, np.abs(self.textbook))
        return float((self.allowed + stats.norm.ppf(POWER)) * (self._errors / scale).min())

    @property
    def _errors(self) -> np.ndarray:
        ours, theirs = self.sides
        return np.asarray(np.hypot(_error(ours) / self.design, _error(theirs)))

    def record(self) -> dict[str, Any]:
        """Return the figures, their errors and the verdict, for JSON."""
        sides = dict(zip(("ours", "theirs"), self.sides, strict=True))
        away = {name: (side.mean(0) - self.textbook) / _error(side) for name, side in sides.items()}
        return {
            "name": self.name,
            "unit": self.unit,
            "where": self.where.tolist(),
            "textbook": self.textbook.tolist(),
            **{name: side.mean(0).tolist() for name, side in sides.items()},
            **{f"{name}_error": _error(side).tolist() for name, side in sides.items()},
            "differences": self.differences.tolist(),
            "largest": float(np.abs(self.differences).max()),
            "allowed": self.allowed,
            "design": np.broadcast_to(self.design, self.where.shape).tolist(),
            "reason": self.reason,
            "finds": self.finds,
            "agrees": self.agrees,
            **{f"{name}_from_textbook": float(np.abs(error).max()) for name, error in away.items()},
            **{f"{name}_as_textbook": bool(np.abs(error).max() <= self.allowed) for name, error in away.items()},
        }


@dataclass(frozen=True, eq=False)
class Samples:
    """The same samples, computed by both simulators and by a formula.

    Args:
        name: what is compared.
        ours: complex, shape (n,).
        theirs: likewise, aligned.
        exact: what the formula says, likewise.
        limit_db: NMSE of ours against theirs that their interpolators explain.
        reason: why that.
    """

    name: str
    ours: np.ndarray
    theirs: np.ndarray
    exact: np.ndarray
    limit_db: float
    reason: str

    @property
    def nmse_db(self) -> float:
        """‖ours − theirs‖²/‖exact‖² in dB."""
        return _nmse_db(self.ours, self.theirs, self.exact)

    @property
    def agrees(self) -> bool:
        """Whether the NMSE is within the limit."""
        return bool(self.nmse_db <= self.limit_db)

    def record(self) -> dict[str, Any]:
        """Return the errors and the verdict, for JSON."""
        return {
            "name": self.name,
            "nmse_db": self.nmse_db,
            "limit_db": self.limit_db,
            "reason": self.reason,
            "ours_db": _nmse_db(self.ours, self.exact, self.exact),
            "theirs_db": _nmse_db(self.theirs, self.exact, self.exact),
            "agrees": self.agrees,
        }


def both(figures: Callable[[np.ndarray], np.ndarray], sides: Pair) -> Pair:
    """Return the figures of each side."""
    ours, theirs = sides
    return figures(ours), figures(theirs)


def _error(segments: np.ndarray) -> np.ndarray:
    return np.asarray(segments.std(0, ddof=1) / np.sqrt(len(segments)))


def _nmse_db(first: np.ndarray, second: np.ndarray, reference: np.ndarray) -> float:
    """Return ‖first − second‖²/‖reference‖² in dB; −300 where they are equal."""
    error = float(np.linalg.norm(first.astype(complex) - second) / np.linalg.norm(reference))
    return 20 * math.log10(max(error, 1e-15))
