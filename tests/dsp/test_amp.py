import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from dsp.amp import recover
from dsp.denoise import BernoulliGaussian
from dsp.gaussian_projection import GaussianProjection
from dsp.metrics import nmse_db
from dsp.sparsify import top_k
from dsp.state_evolution import predict_amp

LENGTH = 8192


def sparse(sparsity, seed, length=LENGTH):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(length) * (rng.random(length) < sparsity)).astype(np.float32)


def noisy(symbols, noise_var, seed=0):
    pairs = np.random.default_rng(seed + 100).standard_normal((2, *symbols.shape)) * np.sqrt(noise_var / 2)
    return (symbols + pairs[0] + 1j * pairs[1]).astype(symbols.dtype)


def law(sparsity):
    return BernoulliGaussian(np.array([sparsity]), np.array([1.0]))


@pytest.mark.parametrize(
    ("sparsity", "ratio", "snr_db"), [(0.1, 0.8, 10), (0.1, 0.8, 25), (0.25, 0.8, 25), (0.1, 0.4, 10), (0.2, 0.4, 10)]
)
def test_amp_tracks_its_state_evolution(sparsity, ratio, snr_db):
    """Mean of ten problems within five of its standard errors, which are below 0.15 dB, plus 0.1 dB for d = 8192; so is
    what the receiver says of itself."""
    errors, own = [], []
    noise_var = 2 * sparsity * ratio / 10 ** (snr_db / 10)
    for seed in range(10):
        x, sensing = sparse(sparsity, seed), GaussianProjection(LENGTH, round(ratio / 2 * LENGTH), seed)
        found = recover(noisy(sensing.forward(x), noise_var, seed), sensing)
        errors.append(nmse_db(found.estimate, x))
        own.append(10 * np.log10(found.predicted_nmse))
    theory = 10 * np.log10(predict_amp(law(sparsity), ratio, noise_var)[-1])
    for values in (errors, own):
        assert abs(np.mean(values) - theory) < 5 * np.std(values) / np.sqrt(10) + 0.1
        assert np.std(values) / np.sqrt(10) < 0.25


def test_it_tracks_it_iteration_by_iteration():
    """t of each of the first eight, within 10 %; five standard errors of the mean of 6554 squares are 9 %."""
    x, sensing = sparse(0.1, 0), GaussianProjection(LENGTH, round(0.4 * LENGTH), 0)
    noise_var = 0.002
    measured = recover(noisy(sensing.forward(x), noise_var), sensing, max_iterations=8, tolerance=0).trace
    v = np.concatenate([[1.0], predict_amp(law(0.1), 0.8, noise_var, 7)]) * 0.1
    assert np.allclose(measured * (0.1 / (x**2).mean()), (0.5 * noise_var + v) / 0.8, rtol=0.1)


def transition(ratio):
    """Return ε up to which soft thresholds recover without noise (Donoho, Maleki, Montanari): the ratio is the minimum
    over a of ε(1 + a²) + (1 − ε)·2[(1 + a²)Q(a) − aφ(a)]."""

    def curve(a):
        zeros = 2 * ((1 + a**2) * norm.sf(a) - a * norm.pdf(a))
        return -(ratio - zeros) / (1 + a**2 - zeros)

    return -minimize_scalar(curve, bounds=(0.1, 5), method="bounded").fun


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
def test_state_evolution_has_the_transition_of_donoho_maleki_and_montanari(ratio):
    below, above = 0.9 * transition(ratio), 1.1 * transition(ratio)
    assert predict_amp(law(below), ratio, 0.0, 400)[-1] < 1e-6
    assert predict_amp(law(above), ratio, 0.0, 400)[-1] > 1e-3


def test_at_half_the_entries_the_transition_is_where_it_is_known_to_be():
    """ρ = ε/δ = 0.386 at δ = 0.5, of the formula above, with which that of `l1` minimisation agrees (DMM 2009)."""
    assert np.isclose(transition(0.5) / 0.5, 0.386, atol=0.002)


@pytest.mark.parametrize(("share", "lowest", "highest"), [(0.7, -np.inf, -40), (1.3, -15, 0)])
def test_without_noise_amp_recovers_below_the_transition_and_only_there(share, lowest, highest):
    x, sensing = sparse(share * transition(0.5), 0), GaussianProjection(LENGTH, LENGTH // 4, 0)
    found = recover(sensing.forward(x), sensing, max_iterations=200)
    assert lowest < nmse_db(found.estimate, x) < highest


def test_where_it_ends_it_solves_a_lasso(monkeypatch):
    """|Aᵀ(y − Ax̂)| <= λ, with equality and the sign of x̂ where x̂ is not 0; of one level, SURE may not settle."""
    monkeypatch.setattr("dsp.amp.LEVELS", (1.4,))
    x, sensing = sparse(0.05, 0, 1500).astype(float), GaussianProjection(1500, 600, 0)
    received = noisy(sensing.forward(x), 0.02)
    found = recover(received, sensing, max_iterations=400, tolerance=0).estimate
    gradient = sensing.adjoint(received - sensing.forward(found))[:1500]
    level = np.abs(gradient[found != 0]).mean()
    assert np.allclose(gradient[found != 0], level * np.sign(found[found != 0]), rtol=1e-4)
    assert np.abs(gradient).max() < 1.0001 * level


@pytest.mark.parametrize(("snr_db", "expected"), [(10, -5.0), (19, -12.1), (30, -22.6)])
def test_the_sum_of_sparse_updates_is_recovered_as_tabulated(snr_db, expected):
    """Ten agents, k/d = 0.04, M/d = 0.4, within 1 dB: 4 to 10 dB above OAMP in `test_oamp`."""
    errors = []
    for seed in range(3):
        values = np.random.default_rng(seed).standard_normal((10, LENGTH)).astype(np.float32)
        x, sensing = top_k(values, round(0.04 * LENGTH)).sum(0), GaussianProjection(LENGTH, round(0.4 * LENGTH), seed)
        clean = sensing.forward(x)
        noise_var = float((np.abs(clean) ** 2).mean()) / 10 ** (snr_db / 10)
        errors.append(nmse_db(recover(noisy(clean, noise_var, seed), sensing).estimate, x))
    assert abs(np.median(errors) - expected) < 1


def test_a_batch_gives_what_its_problems_give_alone():
    sensing = GaussianProjection(2000, 800, 0)
    received = np.stack([noisy(sensing.forward(sparse(0.1, seed, 2000)), 0.01, seed) for seed in range(3)])
    together = recover(received, sensing, max_iterations=6, tolerance=0)
    for row in range(3):
        alone = recover(received[row], sensing, max_iterations=6, tolerance=0)
        assert np.allclose(together.estimate[row], alone.estimate, atol=1e-4)
        assert np.isclose(together.predicted_nmse[row], alone.predicted_nmse, rtol=1e-3)


def test_torch_agrees_with_numpy():
    sensing = GaussianProjection(2000, 800, 0)
    received = noisy(sensing.forward(sparse(0.1, 0, 2000)), 0.01)
    mine, theirs = recover(received, sensing), recover(torch.from_numpy(received), sensing)
    assert np.linalg.norm(theirs.estimate.numpy() - mine.estimate) < 1e-3 * np.linalg.norm(mine.estimate)
    assert theirs.estimate.dtype == torch.float32


def test_noise_alone_is_not_taken_for_an_update():
    sensing = GaussianProjection(LENGTH, 3000, 0)
    found = recover(noisy(np.zeros(3000, np.complex64), 1.0), sensing)
    assert (found.estimate**2).mean() < 1e-3 * found.trace[0]


def test_silence_is_recovered_as_nothing():
    sensing = GaussianProjection(2000, 800, 0)
    found = recover(np.zeros(800, np.complex64), sensing)
    assert np.abs(found.estimate).max() == 0
    assert found.predicted_nmse == 1


@pytest.mark.parametrize(
    ("received", "limit", "quantity"),
    [
        (np.full(800, np.nan + 0j), 9, "received"),
        (np.ones(799, complex), 9, "received"),
        (np.ones(800), 9, "received"),
        (np.ones(800, complex), 0, "max_iterations"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(received, limit, quantity):
    with pytest.raises(ValueError, match=quantity):
        recover(received, GaussianProjection(2000, 800, 0), max_iterations=limit)


@pytest.mark.parametrize(("ratio", "noise_var"), [(0.0, 1.0), (0.5, -1.0)])
def test_an_evolution_of_what_cannot_be_is_refused(ratio, noise_var):
    with pytest.raises(ValueError, match=r"ratio|noise_var"):
        predict_amp(law(0.1), ratio, noise_var)
