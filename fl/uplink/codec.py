"""Between updates and symbols: the sensing operator of a round, and the recovery of the sum on the server."""

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, device

from dsp import lmmse, oamp
from dsp.metrics import energy
from dsp.sensing import Identity, PartialDFT, RandomRows, Sensing
from fl.streams import Purpose, sequence
from fl.uplink.base import Array


@dataclass(frozen=True)
class Codec:
    """How a run turns updates into symbols and back.

    Args:
        length: d, entries of an update.
        n_symbols: M, complex channel uses of a round.
        sensing: "partial_dft", "random_rows" or "identity".
        receiver: "oamp" or "lmmse".
        prior: prior of OAMP, by name.
        seed: of the run; each round draws its own operator.
    """

    length: int
    n_symbols: int
    sensing: str
    receiver: str
    prior: oamp.PriorName
    seed: int

    def sensing_of(self, round_index: int) -> Sensing:
        """Return the operator A of a round, drawn from the run's seed: agents and server make the same."""
        if self.sensing == "identity":
            return Identity(self.length)
        kind = PartialDFT if self.sensing == "partial_dft" else RandomRows
        return kind(self.length, self.n_symbols, sequence(self.seed, Purpose.SENSING, round_index))

    def recover(self, scaled: Array, noise_var: Array, round_index: int) -> oamp.Recovery:
        """Return the estimate of Σ g_i from Σ s_i + error, shape (M,)."""
        sensing = self.sensing_of(round_index)
        if self.receiver == "lmmse":
            return lmmse.recover(scaled, sensing, noise_var)
        return oamp.recover(scaled, sensing, noise_var, prior=self.prior)


def like(array: Array, values: np.ndarray) -> Array:
    """Return complex values in the library, device and precision of `array`."""
    xp = array_namespace(array)
    narrow = np.complex128 if array.dtype == xp.complex128 else np.complex64
    return xp.asarray(values.astype(narrow), device=device(array))


def real_like(array: Array, values: np.ndarray) -> Array:
    """Return real values in the library, device and precision of the complex `array`."""
    return array_namespace(array).real(like(array, values.astype(complex)))


def mean_power(symbols: Array) -> np.ndarray:
    """Return mean|s|² over the last axis, as NumPy float64."""
    return np.asarray((energy(symbols) / symbols.shape[-1]).tolist(), np.float64)
