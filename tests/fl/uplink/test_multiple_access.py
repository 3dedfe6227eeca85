"""What the uplinks on the multiple-access channel share: agents are told the grant, and only those told are heard."""

import numpy as np
import pytest
import torch

from fl.fading import BlockFading
from fl.uplink.grant import PowerControl
from fl.uplink.multiple_access import MultipleAccess
from fl.uplink.roles import TransmitReport

AGENTS = (3, 5, 8, 9)


def granted(absent=(), power=(1.0, 1.0, 1.0, 1.0), noise_var=0.01):
    control = PowerControl(
        "inversion", noise_var, min_gain=0.01, min_headroom=0.0, max_norm_ratio=5.0, mean_amplitude=1
    )
    channel = MultipleAccess(control, BlockFading("rayleigh"), 2, seed=1)
    return channel.granted(AGENTS, np.array(power), 0, absent)


def test_an_outlier_is_told_to_scale_down_to_the_ratio_and_nobody_else_is():
    """Its norm is 100 times the median, of which 5 times are let through."""
    fractions = {agent: grant.fraction for agent, grant in granted(power=(1.0, 1.0, 1.0, 1e4)).grants().items()}
    assert fractions == {3: 1.0, 5: 1.0, 8: 1.0, 9: pytest.approx(0.05)}


def test_weights_told_are_those_of_the_agents_own_row():
    access = granted()
    for row, agent in enumerate(AGENTS):
        inverted = access.grants()[agent].weights * access.gains[row]
        sent = access.grants()[agent].weights != 0
        assert sent.any()
        np.testing.assert_allclose(inverted[sent], np.sqrt(access.grant.common_scale))


def test_who_is_absent_is_told_nothing_and_not_heard_whatever_arrives():
    access = granted(absent=(5,))
    assert set(access.grants()) == {3, 8, 9}
    assert access.heard({3, 5, 9}).tolist() == [True, False, False, True]


def test_what_is_received_is_the_weighted_sum_of_those_who_have_sent():
    """Without noise to speak of; each agent sends one symbol on each of the two blocks, as it was granted."""
    access, symbols = granted(noise_var=1e-20), {3: 1.0 + 2j, 9: -0.5j}
    sent = {
        agent: TransmitReport(1.0, symbols=torch.from_numpy(access.grants()[agent].weights * value))
        for agent, value in symbols.items()
    }
    received = access.received(sent, 2, torch.zeros(1, dtype=torch.float64)).numpy()
    weights = {agent: access.grants()[agent].weights != 0 for agent in symbols}
    expected = sum(weights[agent] * value for agent, value in symbols.items()) * np.sqrt(access.grant.common_scale)
    np.testing.assert_allclose(received, expected, atol=1e-8)
