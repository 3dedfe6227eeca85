from itertools import pairwise

import numpy as np
import pytest

from dsp import frame as layout
from dsp.frame import Frame, map_payload, payload_symbols
from dsp.metrics import papr_db
from dsp.ofdm import Numerology, from_bins, to_bins

NUMEROLOGIES = [
    Numerology(),
    Numerology(n_fft=128, cyclic_prefix=32, half_width=50, window_lead=10),
    Numerology(cyclic_prefix=100, window_lead=80),
]
NAMES = ["recommended", "small", "long_prefix"]
AMPLE = 6000


def a_frame(numerology=NUMEROLOGIES[0], **changes):
    usual = {"agents": 3, "cycles": 1, "payload_symbols": 5, "response": 4000, "turnaround": AMPLE, "trigger_lead": 800}
    return Frame(numerology, **usual | changes)


def parts(frame):
    """(first sample, length) of everything that is sent in a round."""
    own_markers = frame.markers[1:] if frame.cycles == 1 else frame.markers
    slots = [frame.slot(cycle, agent) for cycle in range(frame.cycles) for agent in range(frame.agents)]
    return [
        (0, frame.beacon_length),
        *((at, frame.marker_length) for at in own_markers),
        *((at, frame.slot_length) for at in slots),
        (frame.payload, frame.payload_length),
    ]


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
@pytest.mark.parametrize("agents", [1, 2, 10, 50])
@pytest.mark.parametrize("cycles", [1, 2, 3, 4])
@pytest.mark.parametrize("trigger_lead", [None, 0, 800])
@pytest.mark.parametrize("response", [0, 20_000])
def test_nothing_of_a_round_overlaps(numerology, agents, cycles, trigger_lead, response):
    frame = a_frame(numerology, agents=agents, cycles=cycles, trigger_lead=trigger_lead, response=response)
    sent = sorted(parts(frame))
    assert sent[0] == (0, frame.beacon_length)
    assert all(first + length <= after for (first, length), (after, _) in pairwise(sent))
    assert sent[-1] == (frame.payload, frame.payload_length)
    assert frame.end == sum(sent[-1])


@pytest.mark.parametrize("cycles", [1, 2, 4])
@pytest.mark.parametrize("trigger_lead", [None, 800])
def test_sounding_uses_count_what_is_sent_besides_the_payload(cycles, trigger_lead):
    frame = a_frame(cycles=cycles, trigger_lead=trigger_lead)
    assert frame.sounding_uses == sum(length for _, length in parts(frame)) - frame.payload_length


@pytest.mark.parametrize("cycles", [1, 3])
def test_markers_embrace_the_last_soundings_and_the_trigger_leads_the_payload(cycles):
    frame = a_frame(cycles=cycles)
    opening, closing, trigger = frame.markers
    assert opening + frame.marker_length <= frame.slot(cycles - 1, 0)
    assert closing == frame.soundings_end == frame.slot(cycles - 1, 2) + frame.slot_length
    assert trigger + frame.marker_length + 800 == frame.payload == frame.soundings_end + AMPLE
    assert len(a_frame(cycles=cycles, trigger_lead=None).markers) == 2


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_in_a_round_of_one_cycle_the_beacon_opens(numerology):
    """Its long part is the marker, sample for sample."""
    frame, sent = a_frame(numerology), layout.beacon(numerology)
    opening = frame.markers[0]
    assert np.array_equal(sent[opening : opening + frame.marker_length], layout.marker(numerology))
    assert opening + frame.marker_length == frame.beacon_length == sent.size


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
@pytest.mark.parametrize("response", [0, 4000])
def test_a_round_without_soundings_is_beacon_silence_and_payload(numerology, response):
    frame = a_frame(numerology, cycles=0, trigger_lead=None, response=response)
    assert (frame.cycle_starts, frame.markers) == ((), ())
    assert frame.soundings_end == frame.beacon_length + response
    assert frame.soundings_end + frame.silence_length <= frame.payload == frame.soundings_end + AMPLE
    assert frame.end == frame.payload + frame.payload_length
    assert frame.sounding_uses == frame.beacon_length


def test_without_soundings_the_turnaround_holds_the_silence_and_there_is_no_trigger():
    """Ten periods of 256."""
    assert a_frame(cycles=0, trigger_lead=None, turnaround=2560).payload
    with pytest.raises(ValueError, match=r"turnaround must hold the silence .* \(2560 samples\), got 2559; set .*_s"):
        a_frame(cycles=0, trigger_lead=None, turnaround=2559)
    with pytest.raises(ValueError, match=r"got 0; 0 only with trigger_lead = None"):
        a_frame(cycles=0)


def test_few_agents_are_sounded_at_0_4_16_and_48_ms():
    frame = a_frame(agents=5, cycles=4, numerology=Numerology(sample_rate=4e6))
    assert np.array_equal(np.array(frame.cycle_starts) - frame.cycle_starts[0], [0, 16_000, 64_000, 192_000])


def test_a_round_that_has_just_room_enough_is_allowed_and_no_other():
    """Closing marker 1,280, trigger 1,280, lead 800."""
    assert a_frame(turnaround=3360).markers[1] + 1280 == a_frame(turnaround=3360).markers[2]
    with pytest.raises(ValueError, match=r"turnaround must hold .* \(3360 samples\), got 3359; set .*turnaround_s"):
        a_frame(turnaround=3359)
    assert a_frame(turnaround=1280, trigger_lead=None).payload
    with pytest.raises(ValueError, match=r"turnaround must hold .* \(1280 samples\), got 1279"):
        a_frame(turnaround=1279, trigger_lead=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cycles": 0}, "cycles must be between 1 and 4, got 0"),
        ({"cycles": 5}, "cycles must be between 1 and 4, got 5"),
        ({"agents": 0}, "agents must be at least 1, got 0"),
        ({"payload_symbols": 0}, "payload_symbols must be at least 1, got 0"),
        ({"response": -1}, "response must be at least 0, got -1"),
        ({"trigger_lead": -1}, "trigger_lead must be at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        a_frame(**changes)


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_the_parts_of_a_beacon_are_periodic(numerology):
    sent, n, short = layout.beacon(numerology), numerology.n_fft, 2 * numerology.n_fft
    assert np.allclose(sent[: short - n // 16], sent[n // 16 : short], atol=1e-12)
    assert np.allclose(sent[short:-n], sent[short + n :], atol=1e-12)
    assert sent.size == short + 5 * n


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_every_part_has_the_power_of_unit_elements(numerology):
    for wave in (layout.short_period, layout.long_period, layout.marker, layout.beacon):
        assert np.isclose((np.abs(wave(numerology)) ** 2).mean(), numerology.crest_power)


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_the_training_symbol_is_flat_and_small_of_crest(numerology):
    """Below 3 dB between samples too (four times oversampled), and 4 dB below what random phases have."""
    symbol = layout.training_symbol(numerology)
    assert np.allclose(np.abs(symbol), 1)

    def crest(elements):
        bins = np.zeros((*elements.shape[:-1], 4 * numerology.n_fft), complex)
        bins[..., numerology.subcarriers] = elements
        return papr_db(np.fft.ifft(bins))

    assert crest(symbol) < 3
    random = np.exp(2j * np.pi * np.random.default_rng(0).random((50, numerology.n_subcarriers)))
    assert np.median(crest(random)) > crest(symbol) + 4


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_no_part_leaves_the_occupied_band(numerology):
    for period in (np.tile(layout.short_period(numerology), 16), layout.long_period(numerology)):
        bins = np.fft.fft(period)
        assert np.allclose(to_bins(from_bins(bins, numerology), numerology), bins, atol=1e-10)


@pytest.mark.parametrize("numerology", NUMEROLOGIES, ids=NAMES)
def test_a_sounding_fills_its_slot_but_for_the_guard_and_is_the_chirp_wherever_one_looks(numerology):
    sent, n = layout.sounding(numerology), numerology.n_fft
    assert sent.size == a_frame(numerology).slot_length - layout.SLOT_GUARD
    assert np.allclose(sent[:-n], sent[n:], atol=1e-12)
    prefix = layout.slot_prefix(numerology)
    assert np.allclose(sent[prefix:][:n], layout.long_period(numerology), atol=1e-12)
    assert prefix >= numerology.cyclic_prefix > numerology.window_lead


@pytest.mark.parametrize(("n_symbols", "agents", "pilots"), [(11_343, 10, 32), (1, 1, 1), (200, 3, 0), (136, 0, 8)])
def test_data_pilots_and_silence_share_out_every_element(n_symbols, agents, pilots):
    numerology = NUMEROLOGIES[0]
    places = map_payload(numerology, n_symbols, agents, pilots, np.random.default_rng(0))
    used = np.concatenate([places.data, places.pilots.reshape(-1), places.silent])
    assert np.array_equal(np.sort(used), np.arange(places.symbols * numerology.n_subcarriers))
    assert places.data.size == n_symbols
    assert places.pilots.shape == places.pilot_values.shape == (agents, pilots)
    assert np.allclose(np.abs(places.pilot_values), 1)
    assert places.silent.size >= layout.SILENT_ELEMENTS


def test_a_payload_is_no_longer_than_it_has_to_be():
    for n_symbols in range(1, 500, 7):
        symbols = payload_symbols(NUMEROLOGIES[0], n_symbols, 4, 8)
        held = n_symbols + 4 * 8 + layout.SILENT_ELEMENTS
        assert (symbols - 1) * 200 < held <= symbols * 200


def test_both_ends_draw_the_same_map_from_a_seed_and_another_from_another():
    def drawn(seed):
        places = map_payload(NUMEROLOGIES[0], 1000, 5, 16, np.random.default_rng(seed))
        return np.concatenate([places.data, places.pilots.reshape(-1), places.silent]), places.pilot_values

    (places, values), (again, same), (others, differ) = drawn(0), drawn(0), drawn(1)
    assert np.array_equal(places, again)
    assert np.array_equal(values, same)
    assert not np.array_equal(places, others)
    assert not np.array_equal(values, differ)


def test_pilots_and_neighbouring_data_are_scattered_over_the_band():
    """3,200 of either over 8 parts of the band: each holds 400, five standard deviations are 5·√(3200·7/64) = 94."""
    places = map_payload(NUMEROLOGIES[0], 20_000, 10, 320, np.random.default_rng(0))
    for elements in (places.pilots.reshape(-1), places.data[:3200]):
        counts = np.bincount(elements % 200 // 25, minlength=8)
        assert np.abs(counts - 400).max() < 94
