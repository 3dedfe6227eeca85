"""What OAMP should make of a round, by state evolution from figures of its history.

State evolution itself (Ma, Ping, IEEE Access 2017; exact for large unitarily invariant operators [A]) is
`dsp.state_evolution`. Here the entries of the sum are taken as Bernoulli-Gaussian on the measured union support and the
error of the symbols as white: an assumption [R]. Real updates have heavier tails, which OAMP exploits, so a measured
NMSE below this curve is no contradiction.
"""

import numpy as np

from dsp.denoise import BernoulliGaussian
from dsp.metrics import db, from_db
from dsp.state_evolution import predict


def expected_nmse_db(union_support: float, ratio: float, symbol_nmse_db: float) -> float:
    """Return the NMSE of the recovered sum at the fixed point of state evolution, in dB.

        entries of variance 1/ε on a support ε, so of power 1: a complex symbol has power 2 and noise 2·NMSE_symbols

    Args:
        union_support: ε, fraction of entries that at least one agent sent, in (0, 1].
        ratio: c = 2M/d', at most 1.
        symbol_nmse_db: error of the received symbols over their power; −receive SNR where noise is all.

    Raises:
        ValueError: a fraction is out of range, or the error is not finite.
    """
    if not 0 < union_support <= 1:
        raise ValueError(f"union_support must be in (0, 1], got {union_support}")
    if not np.isfinite(symbol_nmse_db):
        raise ValueError(f"symbol_nmse_db must be finite, got {symbol_nmse_db}")
    prior = BernoulliGaussian(np.array([union_support]), np.array([1 / union_support]))
    return float(db(predict(prior, ratio, 2 * from_db(symbol_nmse_db))[-1]))
