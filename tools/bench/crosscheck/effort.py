"""What every comparison is given."""

from dataclasses import dataclass

import numpy as np

from tools.bench.crosscheck.bridge import GnuRadio

SAMPLE_RATE, CARRIER = 2e6, 2.4e9
SPARE = 32  # seeds from one realisation to the next; GNU Radio keeps them in 32 bits


@dataclass(frozen=True)
class Effort:
    """How much is compared.

    Args:
        gnuradio: the other side.
        segments: independent realisations of every random law.
        seed: of all draws.
        wrong: factor on a parameter of GNU Radio's side; 1: the same law on both, else a planted discrepancy.
    """

    gnuradio: GnuRadio
    segments: int = 600
    seed: int = 1
    wrong: float = 1.0

    @property
    def seeds(self) -> list[int]:
        """Seeds of GNU Radio's realisations, at random, SPARE apart: a model of L taps uses L + 1.

        Not in equal steps: over 4,000 links of such seeds the power of TDL-A was 2.5 standard errors too low.
        """
        drawn = np.random.default_rng([self.seed, 1]).choice(2**31 // SPARE, self.segments, replace=False)
        return [1 + SPARE * int(number) for number in drawn]
