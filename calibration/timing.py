"""Where a known wave lies in a capture, to a small part of a sample, and how a radio sends one to arrive at an instant.

    Y[k] = H[k]·X[k]·e^{−j2πkτ/N} + n,    τ̂ = argmax_τ |Σ_k Y[k]·X*[k]·e^{j2πkτ/N}|²

τ̂ is the ML delay of a flat channel, found from the phase slope over all subcarriers, and the strongest path of another.
The Cramér-Rao bound of R repeats is Var τ̂ = σ²/(2R·P·Σ_k (2πk/N)²).
"""

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


def sounding_delay(samples: np.ndarray, numerology: Numerology, spread: float) -> tuple[float, float] | None:
    """Return by how many samples a sounding's strongest path comes late, and the standard deviation from noise.

    The delay is that of the unsmoothed channel: a smoothed one is drawn towards the delays that it assumes.

    Args:
        samples: a slot, from where its first prefix sample is expected on; up to half a prefix early or late.
        numerology: the grid's numbers.
        spread: delays of a channel that are allowed for, in samples.

    Returns:
        Both in samples; None where no sounding was heard.
    """
    seen = estimate(samples, numerology, spread)
    if seen.strength < LEAST_STRENGTH:
        return None
    n, first = numerology.n_fft, slot_prefix(numerology) - numerology.window_lead
    time = np.arange(SOUNDING_REPEATS * n) - (SOUNDING_REPEATS * n - 1) / 2
    turn = np.exp(-2j * np.pi * seen.frequency / numerology.sample_rate * time)
    still = (samples[first : first + SOUNDING_REPEATS * n] * turn).reshape(SOUNDING_REPEATS, n)
    mean, noise_var = average(from_bins(np.fft.fft(still, norm="ortho"), numerology))
    slopes = float(np.sum((2 * np.pi * numerology.subcarriers / n) ** 2))
    power = float(np.mean(np.abs(mean) ** 2)) - noise_var / SOUNDING_REPEATS
    std = np.sqrt(noise_var / (2 * SOUNDING_REPEATS * power * slopes))
    late = path_delay(mean * np.conj(training_symbol(numerology)), numerology)
    return late - numerology.window_lead, float(std)


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
