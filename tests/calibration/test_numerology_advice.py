"""What the advice promises: with it, the checks of the waveform pass, and nothing changes that fits."""

from dataclasses import astuple, replace

import pytest

from calibration.measurement import Measurement, Quantity
from calibration.numerology import COHERENCE, Present, Seen, advise, seen
from dsp.ofdm import Numerology
from fl.config import parse
from fl.radio_config import Waveform
from fl.radios import modem
from fl.uplink.waveform.settings import check_radio

GRID = Numerology()
PRESENT = Present(GRID, 6.0)
FS = GRID.sample_rate


def followed(present, advice):
    """Return the waveform after its user has typed what the advice says."""
    changed = {key.removeprefix("waveform."): value for key, value in advice.settings.items()}
    grid = replace(present.numerology, **{key: value for key, value in changed.items() if hasattr(GRID, key)})
    spread = changed.get("delay_spread_s", present.delay_spread / FS) * FS
    return Present(grid, spread, changed.get("turnaround_s", present.turnaround_s), present.payload_s)


def test_what_fits_stays():
    advice = advise(PRESENT, Seen(1e-6, 5e-6, 0.1, 1e6))
    assert advice.fits
    assert advice.settings == {}
    assert (advice.cyclic_prefix, advice.n_fft, advice.window_lead) == (48, 256, 22)
    assert "fits" in advice.text


CHANNELS = [
    Seen(1e-6),
    Seen(4e-6, 3e-6),
    Seen(16e-6, 0.25e-6),
    Seen(2e-6, 10e-6, 0.5, 4e5),
    Seen(0.0, 0.0, 1.0, 8e4),
    Seen(8e-6, 5e-6, 3.0, 1e5),
]


@pytest.mark.parametrize("channel", CHANNELS)
def test_with_the_advice_all_fits(channel):
    advice = advise(PRESENT, channel)
    after = followed(PRESENT, advice)
    assert advise(after, channel).problems == ()
    assert (after.numerology.cyclic_prefix, after.numerology.n_fft) == (advice.cyclic_prefix, advice.n_fft)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_waveform_takes_the_advice(channel):
    advice = advise(PRESENT, channel)
    overrides = tuple(f"{key}={value}" for key, value in advice.settings.items())
    config = parse("", ("uplink.kind=waveform", "task.partition=class_overlap", *overrides), "test")
    about = modem(config.waveform, 2.4e9)
    check_radio(about, round(channel.timing_s * FS), 0.0)
    assert about.delay_spread >= channel.delay_spread_s * FS - 1e-3


@pytest.mark.parametrize("channel", CHANNELS)
def test_its_laws_hold(channel):
    advice = advise(PRESENT, channel)
    after = followed(PRESENT, advice)
    grid, spacing = after.numerology, FS / after.numerology.n_fft
    assert grid.cyclic_prefix >= (channel.delay_spread_s + 2 * channel.timing_s) * FS - 1e-6
    assert 5 * grid.cyclic_prefix <= grid.n_fft
    assert 50 * channel.doppler_hz <= spacing <= channel.coherence_bandwidth_hz / 10
    assert after.turnaround_s * channel.doppler_hz <= COHERENCE
    assert grid.bandwidth <= GRID.bandwidth * 1.01


def test_options_are_those_of_the_command_line():
    advice = advise(PRESENT, Seen(16e-6, 0.25e-6))
    assert advice.settings["waveform.cyclic_prefix"] == 72  # 64 + 2·1, in steps of 8
    assert advice.settings["waveform.n_fft"] == 512
    assert advice.settings["waveform.half_width"] == 200
    assert "--set waveform.cyclic_prefix=72" in advice.text
    assert "--set waveform.delay_spread_s=1.6e-05" in advice.options
    assert set(advice.settings) <= {f"waveform.{name}" for name in Waveform.model_fields}


def test_each_number_that_does_not_fit_is_named():
    problems = " ".join(advise(PRESENT, Seen(16e-6, 0.25e-6, 2.0, 8e4)).problems)
    for number in ("delay_spread_s", "cyclic_prefix", "window_lead", "n_fft", "turnaround_s"):
        assert number in problems


def test_timing_alone_can_ask_for_a_longer_prefix():
    advice = advise(PRESENT, Seen(0.0, 25 / FS))
    assert advice.settings == {"waveform.cyclic_prefix": 56, "waveform.window_lead": 25, "waveform.n_fft": 512,
                               "waveform.half_width": 200}  # fmt: skip


def test_a_channel_that_is_too_fast_for_any_turnaround_is_said_to_be():
    advice = advise(PRESENT, Seen(1e-6, 0.0, 30.0))
    assert not advice.fits
    assert "waveform.turnaround_s" not in advice.settings
    assert "hold antennas" in advice.text


def test_a_payload_counts_with_the_turnaround():
    slow = Seen(1e-6, 0.0, 0.5)  # alike for 64 ms
    assert advise(PRESENT, slow).fits
    advice = advise(replace(PRESENT, payload_s=0.03), slow)
    assert advice.settings == {"waveform.turnaround_s": pytest.approx(0.034, abs=1e-5)}


def test_limits_that_exclude_each_other_are_said_to_do_so():
    # subcarriers of 50·400 Hz and more, and of a tenth of 100 kHz and less
    advice = advise(PRESENT, Seen(1e-6, 0.0, 400.0, 1e5))
    assert "no n_fft holds all of this" in advice.text


def test_a_measurement_is_taken_at_the_worse_end_of_its_intervals():
    quantities = {
        "first_path_s": Quantity(-1e-6, 0.2e-6, "s"),
        "last_path_s": Quantity(3e-6, 0.3e-6, "s"),
        "doppler_hz": Quantity(2.0, 0.5, "Hz"),
        "coherence_bandwidth_hz": Quantity(3e5, 5e4, "Hz"),
    }
    found = seen(Measurement("channel", "a", "b", quantities), 1e-6)
    assert astuple(found) == pytest.approx((4.5e-6, 1e-6, 2.5, 2.5e5))
    bare = {name: quantities[name] for name in ("first_path_s", "last_path_s")}
    assert astuple(seen(Measurement("channel", "a", "b", bare))) == pytest.approx((4.5e-6, 0.0, 0.0, float("inf")))


def test_a_lone_path_in_a_narrow_band_asks_for_no_more_than_its_rms_spread():
    """What the band cannot tell apart widens the ends of a profile, whatever the noise; the rms knows better."""
    ends = {name: Quantity(0.0, 1.76e-6, "s") for name in ("first_path_s", "last_path_s")}
    narrow = Present(Numerology(64, 25, 16, 6, 1e6), 1.5)
    for rms in ({"rms_delay_at_most_s": Quantity(2e-7, 0.0, "s")}, {"rms_delay_s": Quantity(1.5e-7, 0.5e-7, "s")}):
        channel = seen(Measurement("channel", "a", "b", ends | rms))
        assert channel.delay_spread_s == pytest.approx(5.3 * 2e-7)
        assert not any("delay_spread_s" in problem for problem in advise(narrow, channel).problems)
    apart = ends | {"last_path_s": Quantity(4e-6, 1.76e-6, "s"), "rms_delay_s": Quantity(4e-7, 0.0, "s")}
    assert seen(Measurement("channel", "a", "b", apart)).delay_spread_s == pytest.approx(4e-6)


@pytest.mark.parametrize(
    "wrong", [{"delay_spread_s": -1e-6}, {"doppler_hz": float("nan")}, {"coherence_bandwidth_hz": 0.0}]
)
def test_impossible_channels_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Seen(**({"delay_spread_s": 1e-6} | wrong))
