"""P1, the power constraint and the ideal limit (A6)."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from dsp.metrics import db
from fl.config import Config, check
from fl.fading import BlockFading
from fl.setup import build_uplink
from fl.theory.aggregation import ideal_limit, mean_deviation
from fl.theory.floors import phase_only_floor
from fl.uplink.base import Offer
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

LENGTH, AGENTS, ROUNDS = 3000, 10, 600  # 3000 is its own padded length
EXACT = {torch.float32: 1e-5, torch.float64: 1e-10}
WITHIN_DB = 0.1
RULES = {"inversion": "19 dB", "phase only": "phase only"}
"""Settings of the sweep over the link, by rule of power."""
SELECTIVE = "inversion, TDL-A"


@dataclass(frozen=True)
class Transmitted:
    """The largest transmit power of each round, over P, in dB.

    Args:
        least: in the round in which it was least.
        most: in the round in which it was most.
        rounds: that had somebody to hear.
    """

    least: float
    most: float
    rounds: int

    @property
    def is_full(self) -> bool:
        """Whether somebody sent P, and nobody more, in every round."""
        return self.rounds > 0 and self.least >= -WITHIN_DB and self.most <= WITHIN_DB


def transmitted(results: Results, point: str) -> Transmitted:
    """Return how near the strongest agent came to P."""
    records = [record for history in results.histories(point) for record in history]
    powers = [max(record["transmit_power"].values()) for record in records if record.get("transmit_power")]
    most = db(np.array(powers)) if powers else np.array([np.nan])
    return Transmitted(float(most.min()), float(most.max()), len(powers))


def deviations() -> dict[torch.dtype, float]:
    """Return ‖step − mean‖/‖mean‖ in the ideal limit, for both precisions of complex numbers."""
    config = check({"agents": {"count": AGENTS}, "uplink": ideal_limit()})
    updates = torch.from_numpy(np.random.default_rng(0).standard_normal((AGENTS, LENGTH)))
    return {dtype: mean_deviation(config, updates.to(dtype)) for dtype in EXACT}


def measured_floor(rounds: int = ROUNDS) -> Mean:
    """Return the error of the symbols under phase_only without noise, disjoint supports, over the power of the sum."""
    uplink = build_uplink(_phase_only(), LENGTH)
    supports = np.eye(AGENTS, dtype=np.float32).repeat(LENGTH // AGENTS, axis=1)
    offer = Offer(tuple(range(AGENTS)), torch.from_numpy(supports))
    deliver = partial(uplink.deliver, offer)
    found = [deliver(index).oracle_symbol_nmse_db for index in range(rounds)]
    return Mean.of(np.array([10 ** (value / 10) for value in found if value is not None]))


def _phase_only() -> Config:
    link = {"snr_db": 80.0, "power_rule": "phase_only", "min_headroom_db": -40.0, "sparsity": 1 / AGENTS}
    return check({"agents": {"count": AGENTS}, "uplink": link})


def a6(link: Results, waveform: Results) -> Verdict:
    """Return whether the power constraint is met with equality, and the ideal limit is exact."""
    symbol = {rule: transmitted(link, point) for rule, point in RULES.items()}
    on_air = {rule: transmitted(waveform, rule) for rule in RULES}
    exact = deviations()
    full = all(one.is_full for one in (*symbol.values(), *on_air.values()))
    return Verdict(
        "A6",
        "[T, C] "
        "Under inversion and phase_only the agent with the least headroom transmits P and no other more, in every "
        "round; without noise and fading, with k = d and M = d'/2, the step is the plain mean. Shown if in every "
        f"round at 19 dB the largest transmit power is within {WITHIN_DB} dB of P, over symbols and over a "
        "waveform through P1's channel (flat fading), and the deviation from the mean is at most 1e-5 in complex64 "
        "and 1e-10 in complex128.",
        shown(full and all(exact[dtype] <= limit for dtype, limit in EXACT.items())),
        f"Largest power over P, least and most of all rounds: {_powers(symbol, 'symbols')}; "
        f"{_powers(on_air, 'waveform')}. Deviation from the mean: {exact[torch.float32]:.1e} in complex64, "
        f"{exact[torch.float64]:.1e} in complex128.",
        f"{_failed(symbol | {f'{rule}, waveform': one for rule, one in on_air.items()})} "
        f"{_selective(transmitted(waveform, SELECTIVE))} {_floor()}",
        "a selective channel, over which the largest power is not P in every round, counted as well; now flat fading, "
        "P1's channel, decides, and the selective one is beside it.",
    )


def _powers(found: dict[str, Transmitted], over: str) -> str:
    return "; ".join(
        f"{rule}, {over}: {one.least:+.4f} and {one.most:+.4f} dB in {one.rounds} rounds" for rule, one in found.items()
    )


def _selective(found: Transmitted) -> str:
    return (
        f"Over a selective channel (TDL-A) the largest power of a round is between {found.least:+.2f} and "
        f"{found.most:+.2f} dB: power is granted on the mean |s|² of an agent, what it sends depends on which symbols "
        "meet a fade, and only an excess is scaled down."
    )


def _floor() -> str:
    theory, measured = phase_only_floor(BlockFading("rayleigh")), measured_floor()
    agrees = measured.low <= theory <= measured.high
    return (
        f"phase_only leaves amplitudes as they fade: without noise the error of the sum of disjoint updates is "
        f"{10 * np.log10(measured.value):.2f} dB (theory, Var|h|/μ_h² = 4/π − 1: {10 * np.log10(theory):.2f} dB, "
        f"{'inside' if agrees else 'outside'} the interval of {ROUNDS} rounds)."
    )


def _failed(found: dict[str, Transmitted]) -> str:
    failed = [rule for rule, one in found.items() if not one.is_full]
    return f"Off the limit: {', '.join(failed)}." if failed else "No round is off the limit."
