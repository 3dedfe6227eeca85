"""The buffers of a unit: when what is in them starts, what they hold, and what is left of them once they are closed."""

import numpy as np
import pytest

from radio.emulation.bench import quiet_air
from radio.emulation.layout import ADC, DDS
from radio.emulation.sending import AHEAD, PIPELINE, Source
from radio.unit import Unit
from tests.radio.emulation.standing import RATE, play, standing
from tests.radio.emulation.test_streams import air_of
from tests.radio.emulation.wire import pack

N = 64
SPREAD = 1e-3


@pytest.fixture
def unit():
    return standing().units[0]


def counts(*levels):
    """Return blocks of constant amplitude."""
    return [pack(np.full(N, level)) for level in levels]


def positions(delivery):
    return [block.position for block in delivery.blocks]


def test_each_device_is_open_from_its_opening_to_its_closing(unit):
    buffers = unit.buffers
    assert [buffers.is_open(device) for device in (ADC, DDS)] == [False, False]
    buffers.open_reception(N)
    assert [buffers.is_open(device) for device in (ADC, DDS)] == [True, False]
    buffers.open_delivery(N, cyclic=False)
    buffers.close_reception()
    assert [buffers.is_open(device) for device in (ADC, DDS)] == [False, True]
    buffers.close_delivery()
    assert not buffers.is_open(DDS)
    assert not unit.medium.is_busy


def test_a_transmission_starts_within_its_spread_and_each_at_another_instant():
    """Uniform within 4,000 samples: none of 40 in the last tenth has a probability of 1.5 %, for this seed it is so."""
    (unit,) = standing(start_spread=SPREAD).units
    starts = []
    for _ in range(40):
        delivery = unit.buffers.open_delivery(N, cyclic=False)
        unit.buffers.deliver(delivery, counts(0.1)[0])
        starts.append(delivery.blocks[0].position - unit.front.now)
        unit.buffers.close_delivery()
    assert 0 <= min(starts) < 0.1 * SPREAD * RATE
    assert 0.9 * SPREAD * RATE < max(starts) < SPREAD * RATE
    assert len(set(starts)) > 30


def test_blocks_of_a_stream_follow_without_a_gap_and_one_that_ran_dry_starts_anew():
    (unit,) = standing(start_spread=SPREAD).units
    delivery = unit.buffers.open_delivery(N, cyclic=False)
    for data in counts(0.1, 0.2, 0.3):
        unit.buffers.deliver(delivery, data)
    first = positions(delivery)[0]
    assert positions(delivery) == [first, first + N, first + 2 * N]
    play(unit, first + 3 * N + 10_000)
    assert delivery.dry
    unit.buffers.deliver(delivery, counts(0.4)[0])
    assert delivery.blocks[-1].position > unit.front.now  # drawn anew, 0 of 4,000 with a probability of 0.03 %
    assert not delivery.dry


def test_a_start_is_off_by_the_offset_of_the_unit_and_by_its_jitter_from_start_to_start():
    """200 starts: the standard error of a standard deviation is 1/√400 of it, of a mean 1/√200; five of each."""
    about = Unit(timing_offset=40.0, timing_jitter=2.0)
    (unit,) = standing(air_at=air_of(about)).units
    offsets = []
    for _ in range(200):
        delivery = unit.buffers.open_delivery(N, cyclic=False)
        unit.buffers.deliver(delivery, counts(0.1)[0])
        offsets.append(unit.front.sending.offset)
        unit.buffers.deliver(delivery, counts(0.1)[0])
        assert unit.front.sending.offset == offsets[-1]
        unit.buffers.close_delivery()
    assert np.mean(offsets) == pytest.approx(PIPELINE + 40, abs=5 * 2 / np.sqrt(200))
    assert np.std(offsets) == pytest.approx(2, rel=5 / np.sqrt(400))


def test_a_start_is_never_so_early_that_it_would_have_been_heard_already():
    (unit,) = standing(air_at=air_of(Unit(timing_offset=-1000.0))).units
    delivery = unit.buffers.open_delivery(N, cyclic=False)
    unit.buffers.deliver(delivery, counts(0.1)[0])
    assert unit.front.sending.offset == AHEAD


def test_what_starts_at_an_edge_of_a_clock_starts_there_and_without_jitter():
    (unit,) = standing(air_at=air_of(Unit(timing_jitter=2.0)), start_spread=SPREAD).units
    unit.buffers.wait = lambda _: 12_345
    delivery = unit.buffers.open_delivery(N, cyclic=False)
    unit.buffers.deliver(delivery, counts(0.1)[0])
    assert positions(delivery) == [unit.front.now + 12_345]
    assert unit.front.sending.offset == PIPELINE


@pytest.fixture
def held(unit):
    """A unit that waits for a pulse, its delivery with two blocks, and its reception."""
    unit.buffers.wait = lambda _: None
    delivery = unit.buffers.open_delivery(N, cyclic=False)
    reception = unit.buffers.open_reception(N)
    for data in counts(0.5, 0.25):
        unit.buffers.deliver(delivery, data)
    return unit, delivery, reception


def test_what_waits_for_a_pulse_is_open_counted_and_neither_sent_nor_heard(held):
    unit, delivery, reception = held
    assert [unit.buffers.is_open(device) for device in (ADC, DDS)] == [True, True]
    assert unit.buffers.queued(delivery) == 2
    play(unit, 10_000)
    assert not delivery.dry
    assert unit.radiated_power() == 0.0
    assert not reception.ready
    assert not unit.medium.is_busy


def test_a_pulse_starts_what_waits_for_it_at_its_instant_and_in_order(held):
    unit, delivery, reception = held
    play(unit, 10_000)
    unit.buffers.wait = {ADC: 0, DDS: 500}.get
    unit.buffers.release()
    assert positions(delivery) == [10_500, 10_500 + N]
    assert [block.data for block in delivery.blocks] == counts(0.5, 0.25)
    assert (delivery.start, reception.start) == (10_500, 10_000)
    assert unit.front.sending.offset == PIPELINE
    assert unit.buffers.queued(delivery) == 2
    play(unit, N)
    assert len(reception.ready) == 1


@pytest.mark.parametrize("device", [ADC, DDS])
def test_a_pulse_starts_only_the_device_that_it_is_for(held, device):
    unit, delivery, reception = held
    unit.buffers.wait = {device: 0}.get
    unit.buffers.release()
    assert [unit.front.reception is reception, unit.front.sending.delivery is delivery] == [
        device == ADC,
        device == DDS,
    ]


def test_what_is_closed_while_it_waits_for_a_pulse_is_gone(held):
    unit, delivery, reception = held
    unit.buffers.close_delivery()
    unit.buffers.close_reception()
    unit.buffers.wait = lambda _: 0
    unit.buffers.release()
    assert not unit.medium.is_busy
    assert [unit.buffers.is_open(device) for device in (ADC, DDS)] == [False, False]
    assert not delivery.blocks
    assert unit.buffers.open_reception(N) is not reception


def test_closing_a_transmit_buffer_drops_its_queue_and_gives_the_converter_to_the_tones(unit):
    delivery = unit.buffers.open_delivery(N, cyclic=True)
    assert unit.front.sending.source is Source.BUFFER
    unit.buffers.deliver(delivery, counts(0.5)[0])
    assert unit.radiated_power() == pytest.approx(0.25, rel=1e-5)
    unit.tones.scales[0] = 0.125
    unit.buffers.close_delivery()
    assert unit.front.sending.source is Source.TONES
    assert unit.radiated_power() == pytest.approx(0.125**2 / 2, rel=1e-3)


def test_a_stream_that_begins_while_somebody_hears_is_heard_from_its_first_sample():
    sender, hearer = standing(2).units
    reception = hearer.buffers.open_reception(1024)
    delivery = sender.buffers.open_delivery(512, cyclic=False)
    play(hearer, 500)
    sender.buffers.deliver(delivery, pack(np.full(512, 0.5)))
    play(hearer, 1548)
    heard = np.abs(np.concatenate([np.frombuffer(data, "<i2").astype(float).view(complex) for data in reception.ready]))
    assert heard[500 + PIPELINE : 500 + PIPELINE + 512] == pytest.approx(1024, abs=2)
    assert heard[: 500 + PIPELINE].max() == heard[500 + PIPELINE + 512 :].max() == 0


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_as_many_blocks_are_kept_as_there_are_kernel_buffers_and_the_loss_of_others_is_told(depth):
    (unit,) = standing().units
    lost = []
    unit.buffers.overflowed = lambda: lost.append(unit.front.now)
    unit.buffers.depths[ADC] = depth
    reception = unit.buffers.open_reception(N)
    play(unit, depth * N)
    assert (len(reception.ready), lost) == (depth, [])
    play(unit, 3 * N)
    assert (len(reception.ready), len(lost)) == (depth, 3)


def test_the_digital_loopback_hears_the_converter_and_nothing_of_the_air():
    sender, hearer = standing(2, quiet_air).units
    for unit, level in ((sender, 0.5), (hearer, 0.25)):
        unit.buffers.deliver(unit.buffers.open_delivery(N, cyclic=True), counts(level)[0])
    hearer.chip.loopback = 1
    reception = hearer.buffers.open_reception(N)
    play(hearer, N)
    assert set(np.frombuffer(reception.ready[0], "<i2").tolist()) == {512, 0}


@pytest.mark.parametrize("amplitude", [0.5, 0.125])
def test_the_level_of_a_block_is_its_power_in_decibels_of_full_scale(unit, amplitude):
    unit.chip.loopback = 1
    unit.buffers.deliver(unit.buffers.open_delivery(N, cyclic=True), counts(amplitude)[0])
    unit.buffers.open_reception(N)
    play(unit, N)
    assert unit.chip.level_dbfs == pytest.approx(20 * np.log10(amplitude), abs=0.01)
