"""A bench of simulated radios: each unit has its own draw of what differs between two radios of a kind."""

import numpy as np
import pytest

from fl.radio_config import Loopback
from fl.radios import SERVER, loopback

COUNT = 200
SPREAD = {"offset_ppm": 20.0, "timing_offset": 16.0, "path_loss_db": 12.0, "iq_gain_db": 0.3, "iq_phase_deg": 1.0}


def units(seed=1, **settings):
    bench = loopback(Loopback(**settings), 4e6, level=0.3, snr=100.0, redraw=0.25, seed=seed)
    return [bench.air.unit_of(unit) for unit in range(COUNT + 1)]


def test_what_is_not_asked_for_is_off():
    for unit in units():
        assert (unit.offset_ppm, unit.timing_offset, unit.timing_jitter, unit.path_loss_db) == (0, 0, 0, 0)
        assert unit.wander.is_still
        assert unit.transmit.apply(np.full(3, 0.5 + 0.2j, np.complex64)).tolist() == [np.complex64(0.5 + 0.2j)] * 3


@pytest.mark.parametrize(("quantity", "low", "high"), [
    ("offset_ppm", -20.0, 20.0), ("timing_offset", -16.0, 16.0), ("path_loss_db", 0.0, 12.0),
])  # fmt: skip
def test_agents_are_drawn_uniformly_from_their_range(quantity, low, high):
    drawn = np.array([getattr(unit, quantity) for unit in units(**SPREAD)[1:]])
    assert low <= drawn.min() < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < drawn.max() <= high
    # the mean of 200 uniform draws, five standard errors
    assert abs(drawn.mean() - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * COUNT)


def test_the_server_keeps_the_time_and_is_where_the_agents_are_measured_from():
    server = units(**SPREAD)[SERVER]
    assert (server.timing_offset, server.path_loss_db) == (0.0, 0.0)


def test_noise_is_what_the_ratio_leaves_of_a_full_link():
    """σ² = level²·gain/SNR of a sample: that of a resource element, since the transform is unitary."""
    assert units(gain_db=-15.0)[3].noise_var == pytest.approx(0.09 * 10**-1.5 / 100)


def test_a_unit_is_the_same_however_many_there_are_and_another_with_another_seed():
    first = units(**SPREAD)[7]
    assert first == units(**SPREAD)[7]
    assert first.offset_ppm != units(seed=2, **SPREAD)[7].offset_ppm


def test_an_agent_keeps_its_radio():
    bench = loopback(Loopback(), 4e6, 0.3, 100.0, 0.25, 1)
    assert bench.radio_of(4) is bench.radio_of(4)
    assert bench.radio_of(4).unit == 5
