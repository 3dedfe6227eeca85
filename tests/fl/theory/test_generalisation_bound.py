import numpy as np
import pytest

from fl.theory.generalisation import bounded_sigma, generalisation_bound, independent_tasks, is_vacuous
from fl.theory.information import capacity, information_of, round_information

CHANNEL = {"channel_uses": 100, "receive_snr_db": 10.0, "agents_scheduled": [0, 1], "outcome": "ok"}
NATS = 100 * np.log(11) + 2 * 64 * np.log(2)


def test_at_the_sizes_of_an_experiment_the_bound_is_vacuous_by_two_orders_of_magnitude():
    """PAPERS: M = 11,342, T = 500, 964 tasks give over 200 σ_ℓ; here at a receive SNR of 19 dB."""
    bound = generalisation_bound(capacity(11_342, 19.0, 500), 964)
    assert 200 < bound < 250
    assert is_vacuous(bound, 1.0)


def test_noise_and_fewer_channel_uses_shrink_the_bound():
    bounds = [
        float(generalisation_bound(capacity(uses, snr_db, 100), 50))
        for uses, snr_db in [(50, 0.0), (100, 0.0), (100, 10.0), (100, 30.0)]
    ]
    assert bounds == sorted(bounds)
    assert bounds[1] / bounds[0] == pytest.approx(np.sqrt(2))
    assert generalisation_bound(capacity(100, -200.0, 100), 50) < 1e-7


def test_the_bound_is_met_where_all_that_is_known_is_a_single_datum():
    """n = 1, W = Z fair ±1 known exactly (log 2 nats), ℓ = −wz: on its own datum −1, on a new one 0 in the mean."""
    gap, sigma = 1.0, bounded_sigma(2.0)
    assert gap <= generalisation_bound(np.log(2), 1, sigma) < 1.2 * gap


def test_a_gaussian_channel_of_one_symbol_carries_its_capacity():
    assert round_information(np.array([1.0]), np.array([0.0])) == pytest.approx(np.log(2))


def test_information_adds_up_over_the_rounds_with_what_agents_tell_by_wire():
    assert np.allclose(information_of([CHANNEL] * 3), NATS * np.array([1, 2, 3]))
    assert np.allclose(information_of([CHANNEL], scalar_bits=0), 100 * np.log(11))


@pytest.mark.parametrize(
    "failed",
    [
        {"outcome": "nothing_to_send"},
        {"outcome": "nobody_heard", "channel_uses": 100, "receive_snr_db": None},
        {"outcome": "not_received", "channel_uses": 100, "receive_snr_db": 40.0},
        {"outcome": "ok", "channel_uses": 100, "receive_snr_db": None},
    ],
)
def test_a_round_that_did_not_change_the_model_tells_no_more_than_the_wire(failed):
    total = information_of([CHANNEL, {"agents_scheduled": [0, 1], **failed}])
    assert total[1] - total[0] == pytest.approx(2 * 64 * np.log(2))


def test_an_error_free_link_has_no_bound():
    ideal = CHANNEL | {"channel_uses": None, "receive_snr_db": None}
    assert np.isinf(information_of([ideal, ideal])).all()


def test_an_episode_takes_all_of_its_classes():
    assert independent_tasks([48, 48, 4], ways=5) == 18


def test_the_loss_that_is_cut_has_the_spread_of_a_coin():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 2, 1000) * 3.0
    for tilt in (-2.0, -0.5, 0.5, 2.0):
        growth = np.log(np.mean(np.exp(tilt * (losses - losses.mean()))))
        assert growth <= tilt**2 * bounded_sigma(3.0) ** 2 / 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: generalisation_bound(1.0, 0),
        lambda: generalisation_bound(1.0, 5, 0.0),
        lambda: generalisation_bound(-1.0, 5),
        lambda: generalisation_bound(float("nan"), 5),
        lambda: round_information(np.array([-1.0]), np.array([3.0])),
        lambda: round_information(np.array([1.0]), np.array([float("nan")])),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
