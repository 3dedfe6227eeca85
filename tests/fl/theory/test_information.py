"""What the server's model can know of the data at most: a sum over rounds of what channel and wire carry."""

import numpy as np
import pytest

from fl.theory.information import information_of, round_information

CHANNEL = {"channel_uses": 100, "receive_snr_db": 10.0, "agents_scheduled": [0, 1], "outcome": "ok"}
NATS = 100 * np.log(11) + 2 * 64 * np.log(2)


def test_a_gaussian_channel_of_one_symbol_carries_its_capacity():
    assert round_information(np.array([1.0]), np.array([0.0])) == pytest.approx(np.log(2))


def test_no_scaling_of_a_gaussian_input_carries_more_than_the_capacity():
    """Mutual information of x and x + n, both Gaussian, from their exact covariance: ½·log det ratios, two parts."""
    for power in (0.1, 1.0, 30.0):
        covariance = np.array([[power, power], [power, power + 1.0]]) / 2  # of one part, real or imaginary
        exact = 2 * 0.5 * np.log(covariance[0, 0] * covariance[1, 1] / np.linalg.det(covariance))
        assert exact == pytest.approx(float(round_information(np.array([1]), np.array([10 * np.log10(power)]))[0]))


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


@pytest.mark.parametrize(
    "call",
    [
        lambda: round_information(np.array([-1.0]), np.array([3.0])),
        lambda: round_information(np.array([1.0]), np.array([float("nan")])),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
