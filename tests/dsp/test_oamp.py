import numpy as np
import pytest
import torch

from dsp import lmmse
from dsp.denoise import BernoulliGaussian
from dsp.metrics import nmse_db
from dsp.oamp import recover
from dsp.sensing import Identity, PartialDFT, RandomRows
from dsp.sparsify import top_k
from dsp.state_evolution import predict

LENGTH = 8192


def noisy(symbols, noise_var, seed=0):
    rng = np.random.default_rng(seed + 100)
    noise = rng.standard_normal((2, *symbols.shape)) * np.sqrt(np.asarray(noise_var) / 2)
    return (symbols + noise[0] + 1j * noise[1]).astype(np.complex64)


def superposed(agents, sparsity, seed):
    values = np.random.default_rng(seed).standard_normal((agents, LENGTH)).astype(np.float32)
    return top_k(values, round(sparsity * LENGTH)).sum(0)


def measured(agents, sparsity, measurements, snr_db, receiver, seeds=3):
    errors = []
    for seed in range(seeds):
        x, sensing = superposed(agents, sparsity, seed), PartialDFT(LENGTH, round(measurements * LENGTH), seed)
        clean = sensing.forward(x)
        noise_var = float((np.abs(clean) ** 2).mean()) / 10 ** (snr_db / 10)
        errors.append(nmse_db(receiver(noisy(clean, noise_var, seed), sensing, noise_var).estimate, x))
    return float(np.median(errors))


@pytest.mark.parametrize(
    ("agents", "sparsity", "measurements", "snr_db", "oamp_db", "lmmse_db"),
    [
        (10, 0.04, 0.4, 10, -9.1, -5.6),
        (10, 0.04, 0.4, 19, -21.3, -6.8),
        (10, 0.04, 0.4, 30, -32.6, -6.9),
        (10, 0.04, 0.2, 30, -2.3, -2.2),
        (10, 0.01, 0.2, 10, -12.4, -2.0),
        (10, 0.01, 0.2, 30, -35.1, -2.2),
        (50, 0.01, 0.4, 19, -20.5, -6.9),
    ],
)
def test_the_sum_of_sparse_updates_is_recovered_as_tabulated(agents, sparsity, measurements, snr_db, oamp_db, lmmse_db):
    """Away from the transition, within 1 dB."""
    assert abs(measured(agents, sparsity, measurements, snr_db, recover) - oamp_db) < 1
    assert abs(measured(agents, sparsity, measurements, snr_db, lmmse.recover) - lmmse_db) < 1


@pytest.mark.parametrize("sparsity", [0.1, 0.25])
@pytest.mark.parametrize("snr_db", [10.0, 25.0])
def test_oamp_tracks_state_evolution(sparsity, snr_db):
    """Entries drawn from the prior that is fitted: the theory applies, within 0.5 dB, and so does what is reported."""
    errors, own = [], []
    noise_var = 2 * sparsity / 10 ** (snr_db / 10)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal(LENGTH) * (rng.random(LENGTH) < sparsity)).astype(np.float32)
        sensing = PartialDFT(LENGTH, round(0.4 * LENGTH), seed)
        found = recover(noisy(sensing.forward(x), noise_var, seed), sensing, noise_var)
        errors.append(nmse_db(found.estimate, x))
        own.append(10 * np.log10(found.predicted_nmse))
    prior = BernoulliGaussian(np.array([sparsity]), np.array([1.0]))
    theory = 10 * np.log10(predict(prior, sensing.gain, noise_var)[-1])
    assert abs(np.mean(errors) - theory) < 0.5
    assert abs(np.mean(own) - theory) < 0.5


@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-5), (np.complex128, 1e-10)])
def test_an_orthogonal_operator_without_noise_is_exact(dtype, limit):
    x = np.random.default_rng(0).standard_normal(3000)
    sensing = PartialDFT(3000, 1500, 0)
    estimate = recover(sensing.forward(x).astype(dtype), sensing, 0.0).estimate
    assert np.linalg.norm(estimate - x) < limit * np.linalg.norm(x)


@pytest.mark.parametrize("prior", ["bernoulli_gaussian", "gaussian_mixture"])
def test_sparse_vectors_without_noise_are_found(prior):
    x, sensing = superposed(2, 0.03, 0), PartialDFT(LENGTH, round(0.3 * LENGTH), 0)
    assert nmse_db(recover(sensing.forward(x), sensing, 0.0, prior=prior).estimate, x) < -60


def test_a_mixture_helps_where_values_have_heavy_tails():
    """Student-t values with two degrees of freedom on a tenth of the entries, 25 dB; five problems, paired."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = (rng.standard_t(2, LENGTH) * (rng.random(LENGTH) < 0.1)).astype(np.float32)
        sensing = PartialDFT(LENGTH, round(0.3 * LENGTH), seed)
        noise_var = float((np.abs(sensing.forward(x)) ** 2).mean()) / 10**2.5
        received = noisy(sensing.forward(x), noise_var, seed)
        found = [recover(received, sensing, noise_var, prior=name).estimate for name in PRIORS]
        gains.append(nmse_db(found[0], x) - nmse_db(found[1], x))
    assert min(gains) > 0.1


PRIORS = "bernoulli_gaussian", "gaussian_mixture"


def test_a_batch_gives_what_its_problems_give_alone():
    sensing = PartialDFT(LENGTH, round(0.4 * LENGTH), 0)
    x = np.stack([superposed(agents, 0.04, agents) for agents in (1, 5, 20)])
    noise_var = np.array([[0.001], [0.1], [0.5]])
    received = noisy(sensing.forward(x), noise_var)
    together = recover(received, sensing, noise_var.astype(np.float32))
    for row in range(3):
        alone = recover(received[row], sensing, float(noise_var[row, 0]))
        assert np.linalg.norm(together.estimate[row] - alone.estimate) < 1e-4 * np.linalg.norm(alone.estimate)
        assert np.isclose(together.predicted_nmse[row], alone.predicted_nmse, rtol=1e-3)


def test_torch_agrees_with_numpy():
    x, sensing = superposed(10, 0.04, 0), PartialDFT(LENGTH, round(0.4 * LENGTH), 0)
    received = noisy(sensing.forward(x), 0.01)
    mine, theirs = recover(received, sensing, 0.01), recover(torch.from_numpy(received), sensing, 0.01)
    assert np.linalg.norm(theirs.estimate.numpy() - mine.estimate) < 1e-4 * np.linalg.norm(mine.estimate)
    assert theirs.estimate.dtype == torch.float32


def test_knowing_which_symbols_are_noisy_pays():
    """5 % of the symbols 25 dB noisier: about −19.8 dB; taken for equally noisy, more than 10 dB worse."""
    x, sensing = superposed(10, 0.04, 0), PartialDFT(LENGTH, round(0.4 * LENGTH), 0)
    clean = sensing.forward(x)
    noise_var = np.full(clean.shape, float((np.abs(clean) ** 2).mean()) / 10**1.9, np.float32)
    noise_var[np.random.default_rng(1).random(clean.size) < 0.05] *= 10**2.5
    received = noisy(clean, noise_var)
    assert abs(nmse_db(recover(received, sensing, noise_var).estimate, x) - -19.8) < 1.5
    assert nmse_db(recover(received, sensing, float(noise_var.mean())).estimate, x) > -9.8


@pytest.mark.parametrize("excess_db", [40, 60, 80])
def test_a_few_symbols_drowned_in_noise_do_not_matter(excess_db):
    """One symbol in a hundred: within 1 dB of −21.3 dB, where all of them are at 19 dB."""
    x, sensing = superposed(10, 0.04, 0), PartialDFT(LENGTH, round(0.4 * LENGTH), 0)
    clean = sensing.forward(x)
    noise_var = np.full(clean.shape, float((np.abs(clean) ** 2).mean()) / 10**1.9, np.float32)
    noise_var[::100] *= 10 ** (excess_db / 10)
    assert abs(nmse_db(recover(noisy(clean, noise_var), sensing, noise_var).estimate, x) - -21.3) < 1


@pytest.mark.parametrize("prior", ["bernoulli_gaussian", "gaussian_mixture"])
def test_where_too_few_symbols_are_sent_it_is_no_worse_than_linear(prior):
    """Below the transition EM is slow; a receiver that stops while it is still learning loses .3 dB to LMMSE."""

    def receiver(*problem):
        return recover(*problem, prior=prior)

    assert measured(10, 0.04, 0.2, 30, receiver) < measured(10, 0.04, 0.2, 30, lmmse.recover) + 0.15


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_is_not_taken_for_an_update(seed):
    """At −30 dB the energy seen is below its own standard error, σ'²·√(2/2M); the estimate must stay below that."""
    x, sensing = superposed(10, 0.01, seed), PartialDFT(LENGTH, round(0.4 * LENGTH), seed)
    clean = sensing.forward(x)
    noise_var = float((np.abs(clean) ** 2).mean()) * 1000
    found = recover(noisy(clean, noise_var, seed), sensing, noise_var)
    assert (found.estimate**2).mean() < 0.5 * noise_var / np.sqrt(sensing.n_symbols)
    assert found.predicted_nmse > 0.9


@pytest.mark.parametrize("sensing", [Identity(LENGTH), RandomRows(LENGTH, round(0.8 * LENGTH), 0)])
def test_other_operators_work_too(sensing):
    x = superposed(3, 0.04, 0)
    clean = sensing.forward(x)
    noise_var = float((np.abs(clean) ** 2).mean()) / 1000
    assert nmse_db(recover(noisy(clean, noise_var), sensing, noise_var).estimate, x) < -25


def test_it_stops_by_itself():
    x, sensing = superposed(10, 0.04, 0), PartialDFT(LENGTH, round(0.4 * LENGTH), 0)
    assert recover(noisy(sensing.forward(x), 0.01), sensing, 0.01, max_iterations=100).iterations < 20


def test_silence_is_recovered_as_nothing():
    sensing = PartialDFT(LENGTH, 1000, 0)
    found = recover(np.zeros(1000, np.complex64), sensing, 0.1)
    assert np.abs(found.estimate).max() == 0
    assert np.isfinite(found.predicted_nmse)


@pytest.mark.parametrize("receiver", [recover, lmmse.recover])
@pytest.mark.parametrize(
    ("received", "noise_var", "quantity"),
    [
        (np.full(1000, np.nan + 0j), 0.1, "received"),
        (np.ones(999, complex), 0.1, "received"),
        (np.ones(1000), 0.1, "received"),
        (np.ones(1000, complex), np.ones(7), "noise_var"),
        (np.ones(1000, complex), -0.1, "noise_var"),
        (np.ones(1000, complex), np.inf, "noise_var"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(receiver, received, noise_var, quantity):
    with pytest.raises(ValueError, match=quantity):
        receiver(received, PartialDFT(LENGTH, 1000, 0), noise_var)


def test_a_prior_must_have_a_known_name():
    with pytest.raises(ValueError, match="prior must be"):
        recover(np.ones(1000, np.complex64), PartialDFT(LENGTH, 1000, 0), 0.1, prior="laplace")
