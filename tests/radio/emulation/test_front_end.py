"""What of a unit's settings reaches the air: power, phases, and the medium of its sample rate."""

import numpy as np
import pytest

from radio.emulation.layout import PHY
from radio.emulation.protocol import Address
from radio.emulation.sending import Source
from tests.radio.emulation.standing import RATE, RX_LO, SAMPLE_RATE, TX_GAIN, TX_LO, play, standing
from tests.radio.emulation.wire import pack

N = 64
DOWN = Address(PHY, "OUTPUT", "altvoltage1", "powerdown")
STATE = Address(PHY, "", "", "ensm_mode")


@pytest.fixture
def unit():
    return standing().units[0]


def send(unit, samples, cyclic=True):
    delivery = unit.buffers.open_delivery(samples.size, cyclic)
    unit.buffers.deliver(delivery, pack(samples))
    return delivery


@pytest.mark.parametrize("amplitude", [0.5, 0.25])
@pytest.mark.parametrize("attenuation", [0, 6.25, 20])
def test_what_leaves_the_antenna_is_what_is_sent_less_the_attenuation(unit, amplitude, attenuation):
    assert unit.radiated_power() == 0.0
    send(unit, np.full(N, amplitude))
    unit.write(TX_GAIN, str(-attenuation))
    assert unit.radiated_power() == pytest.approx(amplitude**2 * 10 ** (-attenuation / 10), rel=1e-5)


@pytest.mark.parametrize("address, off, on", [(DOWN, "1", "0"), (STATE, "alert", "fdd"), (STATE, "wait", "fdd")])
def test_nothing_leaves_a_mixer_that_does_not_run(unit, address, off, on):
    send(unit, np.full(N, 0.5))
    unit.write(address, off)
    assert unit.radiated_power() == 0.0
    unit.write(address, on)
    assert unit.radiated_power() == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize("address, drawn, kept", [(RX_LO, "hear", "send"), (TX_LO, "send", "hear")])
def test_a_retune_draws_the_phase_of_its_own_mixer_alone(unit, address, drawn, kept):
    seen = []
    for _ in range(40):
        before = unit.front.phases
        unit.write(address, "2400000000")
        assert getattr(unit.front.phases, kept) == getattr(before, kept)
        seen.append(getattr(unit.front.phases, drawn))
    assert len(set(seen)) == 40
    assert 0 <= min(seen) < 36
    assert 324 < max(seen) < 360


def test_other_settings_draw_no_phase(unit):
    before = unit.front.phases
    for address, text in ((TX_GAIN, "-10"), (DOWN, "1"), (DOWN, "0"), (SAMPLE_RATE, "5000000")):
        unit.write(address, text)
    assert unit.front.phases == before


def test_phases_are_those_of_the_unit_and_the_seed():
    first, again, other = (standing(2, seed=seed) for seed in (0, 0, 1))
    assert [unit.front.phases for unit in first.units] == [unit.front.phases for unit in again.units]
    drawn = [unit.front.phases for bench in (first, other) for unit in bench.units]
    assert len({phase for one in drawn for phase in (one.send, one.hear)}) == 8


def test_a_unit_is_on_the_air_of_its_sample_rate_and_on_no_other():
    bench = standing(2)
    moved, stays = bench.units
    old = moved.medium
    reception = moved.buffers.open_reception(N)
    send(moved, np.full(N, 0.5))
    moved.write(SAMPLE_RATE, "5000000")
    assert moved.medium is bench.medium(5_000_000)
    assert [sending.unit for sending in old.sendings] == [stays.number]
    assert old.receptions == []
    assert moved.medium.sendings == [moved.front.sending]
    assert moved.medium.receptions == [reception]
    assert moved.medium.air.sample_rate == 5e6


def test_a_block_that_repeats_goes_on_at_another_sample_rate_and_a_queue_is_dropped():
    for cyclic, left in ((True, 1), (False, 0)):
        (unit,) = standing().units
        unit.write(SAMPLE_RATE, "5000000")
        play(unit, 1000)
        unit.write(SAMPLE_RATE, str(RATE))
        delivery = send(unit, np.full(N, 0.5), cyclic)
        unit.write(SAMPLE_RATE, "5000000")
        assert len(delivery.blocks) == left
        assert unit.radiated_power() == pytest.approx(0.25 * left, rel=1e-5)
        assert delivery.start == unit.front.now == 1000


def test_a_block_that_was_begun_is_begun_again_at_another_sample_rate(unit):
    reception = unit.buffers.open_reception(N)
    play(unit, N // 2)
    unit.write(SAMPLE_RATE, "5000000")
    assert (reception.start, reception.filled) == (unit.front.now, unit.front.now)
    play(unit, N)
    assert [len(data) for data in reception.ready] == [4 * N]


def test_a_change_takes_effect_at_once_and_not_on_what_was_heard_before():
    """The attenuation rises between two blocks: the first has the old amplitude, the second the new one."""
    sender, hearer = standing(2).units
    send(sender, np.full(N, 0.5))
    play(sender, 1024)
    reception = hearer.buffers.open_reception(1024)
    play(hearer, 1024)
    sender.write(TX_GAIN, "-20")
    play(hearer, 2048)
    first, _, last = (np.frombuffer(data, "<i2").astype(float).view(complex) for data in reception.ready)
    assert np.abs(first[:-128]) == pytest.approx(1024, abs=2)
    assert np.abs(last) == pytest.approx(102.4, abs=2)


def test_a_clock_that_is_trimmed_counts_on_from_where_it_is(unit):
    """By 200 ppm, there and back: each million samples of the air are 200 counts more, or none."""
    trim = Address(PHY, "", "", "xo_correction")
    for text, passed in (("39992000", 1_000_200), ("40000000", 1_000_000), ("39992000", 1_000_200)):
        before = unit.front.now
        unit.write(trim, text)
        assert abs(unit.front.now - before) <= 1
        play(unit, 1_000_000)
        assert abs(unit.front.now - before - passed) <= 1


def test_the_converter_is_taken_from_tones_by_a_switch_and_given_back_by_it(unit):
    raw = Address("cf-ad9361-dds-core-lpc", "OUTPUT", "altvoltage0", "raw")
    for text, source in (("0", Source.ZERO), ("1", Source.TONES)):
        unit.write(raw, text)
        assert unit.front.sending.source is source
