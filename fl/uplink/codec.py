"""Between updates and symbols: the sensing operator of a round, and the recovery of the sum on the server."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from array_api_compat import array_namespace, device

from dsp import amp, lmmse, matched_filter, oamp
from dsp.gaussian_projection import GaussianProjection
from dsp.metrics import energy
from dsp.sensing import Identity, PartialDFT, RandomRows, Seed, Sensing
from dsp.shared_support import SharedSupport
from fl.streams import Purpose, sequence
from fl.uplink.base import Array
from fl.uplink.roles import scaled

OPERATORS: dict[str, Callable[[int, int, Seed], Sensing]] = {
    "partial_dft": PartialDFT,
    "random_rows": RandomRows,
    "gaussian": GaussianProjection,
    "shared_support": SharedSupport,
}


@dataclass(frozen=True)
class Codec:
    """How a run turns updates into symbols and back.

    Args:
        length: d, entries of an update.
        n_symbols: M, complex channel uses of a round.
        sensing: "identity", or one of `OPERATORS`.
        receiver: "oamp", "lmmse", "amp" or "matched_filter".
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
        return _sensing(self, round_index)

    def recover(self, symbols: Array, noise_var: Array, round_index: int) -> oamp.Recovery:
        """Return the estimate of Σ g_i from Σ s_i + error, shape (M,)."""
        sensing = self.sensing_of(round_index)
        if self.receiver == "amp":
            return amp.recover(symbols, sensing)
        if self.receiver == "oamp":
            return oamp.recover(symbols, sensing, noise_var, prior=self.prior)
        linear = lmmse if self.receiver == "lmmse" else matched_filter
        return linear.recover(symbols, sensing, noise_var)

    def carried(self, kept: Array, sent: Array, fraction: float, round_index: int) -> Array:
        """Return what of an update g_i an agent's symbols carry, shape (d,).

        All of c_i·g_i, of which every symbol has a part; of entries on a shared support those whose symbol was sent.

        Args:
            kept: g_i, shape (d,).
            sent: x_i, shape (M,); 0 where the agent was silent.
            fraction: c_i.
            round_index: of the run.
        """
        if self.sensing != "shared_support":
            return scaled(kept, fraction)
        xp = array_namespace(sent)
        on_air = xp.where(sent != 0, xp.ones_like(sent) * (1 + 1j), xp.zeros_like(sent))
        return scaled(kept, fraction) * self.sensing_of(round_index).adjoint(on_air)


@lru_cache(maxsize=2)  # in one process, server and agents of a round share it
def _sensing(codec: Codec, round_index: int) -> Sensing:
    if codec.sensing == "identity":
        return Identity(codec.length)
    return OPERATORS[codec.sensing](codec.length, codec.n_symbols, sequence(codec.seed, Purpose.SENSING, round_index))


def placed(array: Array, values: Array) -> Array:
    """Return values in the library and on the device of `array`, in their own precision."""
    return array_namespace(array).asarray(values, device=device(array))


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
