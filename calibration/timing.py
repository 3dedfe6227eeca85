"""Where a known wave lies in a capture, to a small part of a sample, and how a radio sends one to arrive at an instant.

    Y[k] = H[k]·X[k]·e^{−j2πkτ/N} + n,    τ̂ = argmax_τ |Σ_k Y[k]·X*[k]·e^{j2πkτ/N}|²

τ̂ is the ML delay of a flat channel, found from the phase slope over all subcarriers, and the peak of all paths of
another. The Cramér-Rao bound of R repeats is Var τ̂ = σ²/(2R·P·Σ_k (2πk/N)²).

Paths closer than N/2K samples make one peak, which lies near none of them in particular. That there are several shows
in what one path at the peak does not explain, and in how far the energy's delay lies from the peak's:

    ρ = 1 − |Σ_k H[k]·e^{j2πkτ̂/N}|²/(2K·Σ_k |H[k]|²)
    τ_e = −N/2π·∠Σ_k H[k+1]·H*[k]
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from calibration.exchange import Meeting
from dsp.channel_estimation import average, estimate, strongest_delay
from dsp.frame import SOUNDING_REPEATS, slot_prefix, training_symbol
from dsp.ofdm import Numerology, delay_ramp, from_bins
from dsp.resample import resample

LEAST_STRENGTH = 2.0  # energy of ten repeats over that of noise; 1 where nothing was sent, never above 1.5 there


def path_delay(channel: np.ndarray, numerology: Numerology) -> float:
    """Return the delay τ of the largest |Σ_k H[k]·e^{j2πkτ/N}| in samples, in [−N/2, N/2).

    Args:
        channel: H, shape (2K,).
        numerology: the grid's numbers.
    """
    coarse = strongest_delay(channel, numerology)
    near = channel * np.conj(delay_ramp(numerology, coarse))

    def missed(delay: float) -> float:
        return -float(np.abs(np.vdot(delay_ramp(numerology, delay), near)))

    found = minimize_scalar(missed, bounds=(-0.3, 0.3), method="bounded", options={"xatol": 1e-7})
    return coarse + float(found.x)


@dataclass(frozen=True)
class Arrival:
    """What a sounding says of when it came.

    Args:
        late: τ̂, by how many samples its peak comes late.
        noise_std: standard deviation of that from noise, in samples.
        unexplained: ρ, share of the energy that one path does not explain, less that of noise: 0 on average if there
            is one path.
        skew: τ_e − τ̂, in samples.
    """

    late: float
    noise_std: float
    unexplained: float
    skew: float


def sounding_delay(samples: np.ndarray, numerology: Numerology, spread: float) -> Arrival | None:
    """Return when a sounding came; None where none was heard.

    The delay is that of the unsmoothed channel: a smoothed one is drawn towards the delays that it assumes.

    Args:
        samples: a slot, from where its first prefix sample is expected on; up to half a prefix early or late.
        numerology: the grid's numbers.
        spread: delays of a channel that are allowed for, in samples.
    """
    seen = estimate(samples, numerology, spread)
    if seen.strength < LEAST_STRENGTH:
        return None
    n, first = numerology.n_fft, slot_prefix(numerology) - numerology.window_lead
    time = np.arange(SOUNDING_REPEATS * n) - (SOUNDING_REPEATS * n - 1) / 2
    turn = np.exp(-2j * np.pi * seen.frequency / numerology.sample_rate * time)
    still = (samples[first : first + SOUNDING_REPEATS * n] * turn).reshape(SOUNDING_REPEATS, n)
    mean, noise_var = average(from_bins(np.fft.fft(still, norm="ortho"), numerology))
    channel, error_var = mean * np.conj(training_symbol(numerology)), noise_var / SOUNDING_REPEATS
    power = float(np.mean(np.abs(channel) ** 2)) - error_var
    late = path_delay(channel, numerology)
    unexplained, skew = _shape(channel, late, numerology)
    # the peak takes the noise of its gain, and half as much because it is sought: three real numbers of 4K
    unexplained = (unexplained - error_var * (1 - 1.5 / mean.size)) / power
    std = np.sqrt(error_var / (2 * power * mean.size)) / band_rms(numerology)
    return Arrival(late - numerology.window_lead, float(std), unexplained, skew)


def band_rms(numerology: Numerology) -> float:
    """Return B = √mean (2πk/N)², in radians a sample.

    A weak path, a times a strong one, in quadrature to it and d samples away leaves ρ = (a·d·B)².
    """
    return float(np.sqrt(np.mean((2 * np.pi * numerology.subcarriers / numerology.n_fft) ** 2)))


def _shape(channel: np.ndarray, late: float, numerology: Numerology) -> tuple[float, float]:
    """Return the power that one path at a delay does not explain, and by how much the energy comes later than it."""
    still = channel * np.conj(delay_ramp(numerology, late))
    rest = float(np.mean(np.abs(still) ** 2) - np.abs(np.mean(still)) ** 2)
    beside = np.diff(numerology.subcarriers) == 1  # the carrier between two of them is unused
    turned = np.sum((still[1:] * np.conj(still[:-1]))[beside])
    return rest, -float(np.angle(turned)) * numerology.n_fft / (2 * np.pi)


def aimed(wave: np.ndarray, meeting: Meeting, cfo: float, at: int, sample_rate: float) -> tuple[np.ndarray, int]:
    """Return samples and own index of a wave that is to reach the radio that was heard, at an index of its clock.

    Sent is x(r·m + τ)·e^{j2π·f·m/fs}, so that it arrives in the other radio's clock and on its carrier.

    Args:
        wave: x, samples in the other radio's time, shape (count,).
        meeting: at which the other radio was the sender.
        cfo: f, at which its carrier was received, in Hz.
        at: index of the other radio.
        sample_rate: fs in Hz.
    """
    start, ratio = meeting.heard_at(at), 1 + meeting.offset
    first = int(np.floor(start))
    count = wave.size + 2
    moved = resample(wave[None].astype(np.complex128), np.array([ratio]), np.array([(first - start) * ratio]), count)
    turned = moved[0] * np.exp(2j * np.pi * np.mod(cfo / sample_rate * np.arange(count), 1.0))
    return turned.astype(np.complex64), first
