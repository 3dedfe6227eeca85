import numpy as np
import pytest
import torch

from dsp.metrics import db
from dsp.resample import resample

LENGTH, EDGE = 6000, 40
OCCUPIED = 0.4  # cycles a sample: 80 % of the Nyquist frequency


def tones(seed=0):
    """A band-limited series x(t) = Σ a·e^{j2πft}, as a function of time."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(-OCCUPIED, OCCUPIED, 40)
    gain = np.exp(2j * np.pi * rng.random(40)) / np.sqrt(40)
    return lambda time: np.exp(2j * np.pi * np.multiply.outer(time, frequency)) @ gain


def error_db(offset, delay, count=LENGTH, seed=0):
    """Error of x(r·m + τ) away from the ends of the series, in dB of the signal."""
    signal, ratio = tones(seed), 1 + offset
    read = resample(signal(np.arange(LENGTH))[None], np.array([ratio]), np.array([delay]), count)[0]
    instants = ratio * np.arange(count) + delay
    inside = (instants > EDGE) & (instants < LENGTH - EDGE)
    wanted = signal(instants[inside])
    return float(db(np.mean(np.abs(read[inside] - wanted) ** 2) / np.mean(np.abs(wanted) ** 2)))


@pytest.mark.parametrize("delay", [0.0, 0.5, -0.25, 1e-3, 17.3, -800.7, 2048.49, 5000.5])
@pytest.mark.parametrize("offset_ppm", [-40, 0, 40])
def test_a_band_limited_series_is_read_at_other_instants(offset_ppm, delay):
    assert error_db(offset_ppm * 1e-6, delay) < -80


@pytest.mark.parametrize("delay", [0.0, 3.0, 0.37])
def test_without_drift_the_kernel_sets_the_accuracy(delay):
    """Flat to −90 dB; at ratio 1 and delay 0 this is the identity."""
    assert error_db(0.0, delay) < -90


def test_the_error_of_a_drift_grows_with_its_square():
    """First order Taylor: twice the offset, 12 dB more, within 2 dB, where drift outweighs the kernel.

    The series is the same in each; how the drift moves through it differs.
    """
    errors = [error_db(ppm * 1e-6, 0.0, seed=2) for ppm in (45, 90, 180)]
    assert np.allclose(np.diff(errors), 12.04, atol=2)


def test_each_row_has_its_own_ratio_and_delay():
    ratio, delay = 1 + 1e-6 * np.array([0, 30, -30]), np.array([0.25, -12.4, 700.1])
    x = np.stack([tones(seed)(np.arange(LENGTH)) for seed in range(3)])
    together = resample(x, ratio, delay, 5000)
    for row in range(3):
        alone = resample(x[row : row + 1], ratio[row : row + 1], delay[row : row + 1], 5000)
        assert np.array_equal(together[row], alone[0])


def test_a_correction_undoes_an_offset():
    """There at r with delay τ, and back: r'·m' + τ' = m with r' = 1/r, τ' = −τ/r."""
    ratio, delay = np.array([1 + 35e-6]), np.array([7.3])
    x = tones()(np.arange(LENGTH))[None]
    there = resample(x, ratio, delay, LENGTH)
    back = resample(there, 1 / ratio, -delay / ratio, LENGTH)
    inside = slice(2 * EDGE, -2 * EDGE)
    assert db(np.mean(np.abs(back - x)[0, inside] ** 2) / np.mean(np.abs(x) ** 2)) < -80


def test_parts_add_up():
    x = np.stack([tones(seed)(np.arange(LENGTH)) for seed in (0, 1)])
    ratio, delay = np.full(3, 1 - 20e-6), np.full(3, 3.4)
    a, b, both = resample(np.stack([x[0], x[1], 2 * x[0] - 1j * x[1]]), ratio, delay, 3000)
    assert np.allclose(both, 2 * a - 1j * b, atol=1e-12)


@pytest.mark.parametrize("delay", [-1e9, -7000.0, 7000.0, 1e9])
def test_outside_the_series_there_is_silence(delay):
    x = tones()(np.arange(LENGTH))[None]
    assert not resample(x, np.ones(1), np.array([delay]), 900).any()


@pytest.mark.parametrize("delay", [-300.5, -3000.25, 5700.5])
def test_a_delay_across_an_end_pads_with_zeros(delay):
    """Zero from the kernel's 32 samples on but for the ringing of a fractional shift, −100 dB; the series inside."""
    signal, count = tones(), 4000
    read = resample(signal(np.arange(LENGTH))[None], np.ones(1), np.array([delay]), count)[0]
    instants = np.arange(count) + delay
    outside = (instants < -EDGE) | (instants > LENGTH + EDGE)
    inside = (instants > EDGE) & (instants < LENGTH - EDGE)
    assert outside.any()
    assert inside.any()
    assert np.abs(read[outside]).max() < 1e-5
    assert np.abs(read[inside] - signal(instants[inside])).max() < 1e-4


@pytest.mark.parametrize("count", [1, 447, 448, 449, 1000])
def test_as_many_samples_come_as_are_asked_for(count):
    x = tones()(np.arange(LENGTH))[None]
    some, many = (resample(x, np.array([1 + 1e-5]), np.array([0.3]), size) for size in (count, 3000))
    assert some.shape == (1, count)
    assert np.array_equal(some, many[:, :count])


@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-5), (np.complex128, 1e-12)])
def test_torch_and_numpy_agree_in_both_precisions(dtype, limit):
    x = np.stack([tones(seed)(np.arange(2000)) for seed in range(3)]).astype(dtype)
    ratio, delay = 1 + 1e-6 * np.array([40, 0, -40]), np.array([-100.3, 0.0, 1500.7])
    mine, theirs = resample(x, ratio, delay, 1800), resample(torch.from_numpy(x), ratio, delay, 1800).numpy()
    assert mine.dtype == theirs.dtype == dtype
    assert np.allclose(mine, theirs, atol=limit)


@pytest.mark.parametrize("ratio", [1.002, 0.998])
def test_rate_changes_are_refused(ratio):
    with pytest.raises(ValueError, match=r"ratio must be within 0\.0002 of 1 .*filter bank"):
        resample(np.ones((2, 100), complex), np.array([1.0, ratio]), np.zeros(2), 50)
