"""Multipath fading: the taps of a link at any instant, as a pure function of (seed, time).

Delay profiles: 3GPP TR 38.901 V17, tables 7.7.2-1 (TDL-A), 7.7.2-3 (TDL-C) and 7.7.2-4 (TDL-D), and an exponential one.
Doppler: Jakes' spectrum by a sum of 16 waves from uniform angles, each with a complex Gaussian amplitude (Monte Carlo
method of Hoeher, IEEE Trans. Veh. Technol. 41(4), 1992, but with Gaussian instead of constant amplitudes, so that a tap
is Gaussian for any number of waves).

Deviations from TR 38.901: the line of sight arrives from a uniform angle instead of at 0.7 f_D, and delays are not
scaled again when `k_factor` overrides that of the profile (its section 7.7.6 would).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

WAVES = 16
AT_ONCE = 64
"""Times whose waves are summed together."""


@dataclass(frozen=True, eq=False)
class Profile:
    """A power delay profile.

    Args:
        name: what `profile` knows it by.
        delays: of the taps, in rms delay spreads, shape (L,), in any order.
        powers: of the taps, linear, shape (L,), sum 1.
        k_factor: K of the first tap, power of its line of sight over that of its scattered part; 0 is Rayleigh.

    Raises:
        ValueError: no such profile can be.
    """

    name: str
    delays: np.ndarray
    powers: np.ndarray
    k_factor: float = 0.0

    def __post_init__(self) -> None:
        if self.delays.ndim != 1 or self.delays.size == 0 or self.delays.shape != self.powers.shape:
            raise ValueError(
                f"delays and powers must have one entry per tap, got shapes {self.delays.shape} and {self.powers.shape}"
            )
        if not (np.isfinite(self.delays).all() and (self.delays >= 0).all()):
            raise ValueError(f"delays must be finite and at least 0, got {self.delays}; count them from the first tap")
        if not ((self.powers >= 0).all() and math.isclose(self.powers.sum(), 1, abs_tol=1e-9)):
            raise ValueError(
                f"powers must be at least 0 and sum to 1, got sum {self.powers.sum()}; divide them by their sum"
            )
        _check_not_negative("k_factor", self.k_factor, "0 is Rayleigh fading")
        self.delays.flags.writeable = False
        self.powers.flags.writeable = False


@dataclass(frozen=True)
class Fading:
    """The fading of one kind of link: L taps of total mean power 1.

        g_l(t) = √(p_l/S) Σ_s a_ls e^{j2π f_D cos(α_ls) t},   a ~ CN(0, 1), α uniform, S = 16

    so each tap is complex Gaussian with E[g*(t) g(t+τ)] = p_l·J0(2π f_D τ). With a line of sight of power P, the first
    tap gets √P e^{j(φ + 2π f_D cos(α) t)} on top, φ and α uniform.

    Args:
        profile: delays and powers.
        delay_spread: rms, in seconds, of the profile as tabulated.
        sample_rate: in Hz.
        doppler: f_D, the largest Doppler shift, in Hz; 0: taps stand still.
        k_factor: K of the whole link, line of sight over all scattered power, in place of the K of the profile's
            first tap; None: as the profile has it.
        redraw: seconds after which all taps are drawn anew (block fading); 0: never.

    Raises:
        ValueError: a quantity is out of range.
    """

    profile: Profile
    delay_spread: float
    sample_rate: float
    doppler: float = 0.0
    k_factor: float | None = None
    redraw: float = 0.0

    def __post_init__(self) -> None:
        _check_not_negative("delay_spread", self.delay_spread, "0 puts all taps on one instant")
        _check_not_negative("doppler", self.doppler, "0 makes the taps stand still")
        _check_not_negative("redraw", self.redraw, "0 never draws the taps anew")
        if self.k_factor is not None:
            _check_not_negative("k_factor", self.k_factor, "0 is Rayleigh fading, 1e6 as good as none")
        if not 0 < self.sample_rate < math.inf:
            raise ValueError(f"sample_rate must be positive and finite, got {self.sample_rate}; give it in Hz")

    @property
    def delays(self) -> np.ndarray:
        """Delay of each tap in samples, shape (L,), not rounded."""
        return self.profile.delays * (self.delay_spread * self.sample_rate)

    @property
    def span(self) -> float:
        """Delay of the last tap in samples."""
        return float(self.delays.max())

    def gains(self, seed: Sequence[int], times: np.ndarray) -> np.ndarray:
        """Return the gain of every tap at every time, complex128, shape (T, L).

        A gain depends on the seed, its time and the number of its block, ⌊t/redraw⌋, and on no other time asked for.
        With Doppler the cost is 17·T·L sines and cosines: ask for as many times as f_D needs, not for every sample.

        Args:
            seed: entropy and then spawn key of a `SeedSequence`; one link, one seed.
            times: in seconds since the epoch of the clock, any order, shape (T,).

        Raises:
            ValueError: the seed is empty or negative, or times are not one finite series.
        """
        if len(seed) == 0 or min(seed) < 0:
            raise ValueError(f"seed must be one or more integers of at least 0, got {tuple(seed)}; name the link by it")
        if times.ndim != 1 or not np.isfinite(times).all():
            raise ValueError(f"times must be one series of finite seconds, got shape {times.shape} or a NaN or inf")
        if times.size == 0:
            return np.zeros((0, self.profile.delays.size), np.complex128)
        if self.redraw > 0:
            distinct, member = np.unique(np.floor(times / self.redraw).astype(np.int64), return_inverse=True)
        else:
            distinct, member = np.zeros(1, np.int64), np.zeros(times.size, np.intp)
        if self.doppler == 0 and distinct.size == 1:
            return np.broadcast_to(_still(self, tuple(seed), int(distinct[0])), (times.size, self.profile.delays.size))
        waves = [_draw(self, tuple(seed), block) for block in distinct.tolist()]
        amplitudes = np.stack([amplitude for amplitude, _ in waves], axis=-1)
        if self.doppler == 0:
            return amplitudes.sum(0).T[member]
        turns = np.stack([shift for _, shift in waves], axis=-1) * (2 * np.pi)
        # Some times at once: one by one costs mostly calls, all would hold (T, L, 17) complex numbers.
        parts = range(0, times.size, AT_ONCE)
        return np.concatenate(
            [_wave_sum(amplitudes, turns, member[at : at + AT_ONCE], times[at : at + AT_ONCE]) for at in parts]
        )

    def _powers(self) -> tuple[np.ndarray, float]:
        """Return the scattered power of every tap, shape (L,), and that of the line of sight; their sum is 1."""
        scattered, k = self.profile.powers.copy(), self.profile.k_factor
        scattered[0] /= k + 1
        if self.k_factor is None:
            return scattered, float(self.profile.powers[0] * k / (k + 1))
        return scattered / (scattered.sum() * (self.k_factor + 1)), self.k_factor / (self.k_factor + 1)


@lru_cache(maxsize=1024)
def _draw(fading: Fading, seed: tuple[int, ...], block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return amplitudes and shifts in Hz of one block's waves, shapes (17, L); the last is the line of sight."""
    # Blocks before time 0 get the odd keys, because a spawn key cannot be negative.
    key = 2 * block if block >= 0 else -2 * block - 1
    rng = np.random.default_rng(np.random.SeedSequence(seed[0], spawn_key=(*seed[1:], key)))
    scattered, line_of_sight = fading._powers()
    shape = (WAVES, scattered.size)
    amplitudes = np.zeros((WAVES + 1, scattered.size), np.complex128)
    amplitudes[:WAVES] = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    amplitudes[:WAVES] *= np.sqrt(scattered / (2 * WAVES))
    amplitudes[WAVES, 0] = math.sqrt(line_of_sight) * np.exp(2j * np.pi * rng.random())
    shifts = fading.doppler * np.cos(2 * np.pi * rng.random(amplitudes.shape))
    amplitudes.flags.writeable = shifts.flags.writeable = False
    return amplitudes, shifts


@lru_cache(maxsize=1024)
def _still(fading: Fading, seed: tuple[int, ...], block: int) -> np.ndarray:
    """Return the gains of one block of a link that does not move, shape (L,)."""
    gains = _draw(fading, seed, block)[0].sum(0)
    gains.flags.writeable = False
    return gains


def _wave_sum(amplitudes: np.ndarray, turns: np.ndarray, member: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return Σ_s a_s·e^{jω_s t} of every tap, waves added one after the other, shape (T, L).

    Args:
        amplitudes: a of each wave, tap and block, shape (S, L, B).
        turns: ω likewise, in radians a second.
        member: block of each time, shape (T,).
        times: t in seconds, shape (T,).
    """
    if amplitudes.shape[-1] == 1:
        waves = _cis(turns[:, None, :, 0] * times[:, None])
        np.multiply(amplitudes[:, None, :, 0], waves, out=waves)
    else:
        waves = _cis(np.moveaxis(turns[:, :, member], 1, 2) * times[:, None])
        np.multiply(np.moveaxis(amplitudes[:, :, member], 1, 2), waves, out=waves)
    total: np.ndarray = waves.sum(0)
    return total


def _cis(angle: np.ndarray) -> np.ndarray:
    """Return e^{jα}: with a real sine and cosine, several times faster than a complex exponential."""
    turn = np.empty(angle.shape, np.complex128)
    np.cos(angle, out=turn.real)
    np.sin(angle, out=turn.imag)
    return turn


def profile(name: str) -> Profile:
    """Return the delay profile with this name, one of `PROFILES`.

    Raises:
        ValueError: there is none.
    """
    if name not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {name!r}")
    return PROFILES[name]


def rms_delay_spread(delays: np.ndarray, powers: np.ndarray) -> float:
    """Return √(Σ p (τ − Σ p τ)²), the rms delay spread of taps whose powers sum to 1."""
    return float(np.sqrt(powers @ (delays - powers @ delays) ** 2))


def _check_not_negative(quantity: str, value: float, neutral: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{quantity} must be finite and at least 0, got {value}; {neutral}")


def _tabulated(name: str, delays: list[float], powers_db: list[float]) -> Profile:
    powers = 10 ** (np.array(powers_db) / 10)
    return Profile(name, np.array(delays), powers / powers.sum())


def _tdl_d() -> Profile:
    """Return TDL-D, whose first tap is a line of sight of −0.2 dB and a scattered part of −13.5 dB."""
    first = [10**-0.02, 10**-1.35]
    others_db = [-18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0, -27.7]
    powers = np.array([sum(first), *(10 ** (np.array(others_db) / 10))])
    delays = [0, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525]
    return Profile("tdl_d", np.array(delays), powers / powers.sum(), first[0] / first[1])


def _exponential() -> Profile:
    """Return e^{−τ}, sampled every 0.25 up to 6, then stretched by 4 %, which restores an rms delay spread of 1."""
    delays = np.arange(25) / 4
    powers = np.exp(-delays) / np.exp(-delays).sum()
    return Profile("exponential", delays / rms_delay_spread(delays, powers), powers)


# fmt: off
PROFILES = {
    "flat": Profile("flat", np.zeros(1), np.ones(1)),
    "tdl_a": _tabulated(
        "tdl_a",
        [0, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242, 2.1718, 2.4942,
         2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586],
        [-13.4, 0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2,
         -10.8, -11.3, -12.7, -16.2, -18.3, -18.9, -16.6, -19.9, -29.7],
    ),
    "tdl_c": _tabulated(
        "tdl_c",
        [0, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213, 0.9336, 1.2285, 1.3083,
         2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374, 7.0427, 8.6523],
        [-4.4, -1.2, -3.5, -5.2, -2.5, 0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8,
         -8.7, -13.2, -13.9, -13.9, -15.8, -17.1, -16.0, -15.7, -21.6, -22.8],
    ),
    "tdl_d": _tdl_d(),
    "exponential": _exponential(),
}
# fmt: on
