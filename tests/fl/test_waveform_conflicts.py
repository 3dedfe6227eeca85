"""Settings of the waveform that cannot work are refused before a run, with numbers and a remedy."""

import pytest

from fl.config import ConfigError, check


def configuration(**settings):
    """Settings by key path, `__` for a dot, on a waveform uplink."""
    raw = {"uplink": {"kind": "waveform"}}
    for path, value in settings.items():
        table, *tables = raw, *path.split("__")
        for name in tables[:-1]:
            table = table.setdefault(name, {})
        table[tables[-1]] = value
    return check(raw)


@pytest.mark.parametrize(
    ("settings", "problem", "remedy"),
    [
        ({"waveform__cyclic_prefix": 24}, "got 24 with window_lead 22", "set waveform.window_lead between 0 and 18"),
        ({"radio__loopback__timing_offset": 30.0}, "timing_uncertainty \\(30", "waveform.cyclic_prefix >= 66"),
        ({"radio__loopback__timing_jitter": 0.2}, "at most 0.05 samples, got 0.2", "hardware triggers"),
        ({"radio__loopback__delay_spread_s": 3e-7}, "2.9e-06 s", "waveform.delay_spread_s >= 2.9e-06"),
        ({"radio__loopback__delay_spread_s": 3e-6}, "115.9 samples", "at most 1.7e-06 s"),
        ({"waveform__n_fft": 100}, "multiple of 16", "got 100"),
        (
            {"agents__count": 300, "task__partition": "class_overlap"},
            "lasts 0.873 s",
            "waveform.round_period_s >= 1.09",
        ),
        ({"radio__loopback__doppler_hz": 5.0}, "to 0.99 for 0.0064 s", "at most 0.47 Hz"),
        ({"waveform__level_dbfs": 0.0}, "full scale by 3.2 dB", "-4 or lower"),
        ({"waveform__response_s": 1e-5}, "need 640 samples", "0.00016 or more"),
        ({"waveform__turnaround_s": 1e-4}, "6560 samples", "waveform.turnaround_s >= 0.0016"),
        ({"waveform__trigger_lead_s": 0.0}, "got 0 samples", "2.5e-07 or more"),
        ({"radio__loopback__offset_ppm": 40.0}, "192 kHz", "at most 26 ppm"),
        ({"radio__loopback__linewidth_hz": 20.0}, "two oscillators drift apart", "at most"),
        ({"radio__loopback__dc_offset_db": 10.0}, "dc_offset_db", "less than or equal to 0"),
        ({"waveform__half_width": 120}, "80% of the band", "at most 102"),
        (
            {
                "waveform__n_fft": 1024,
                "waveform__half_width": 400,
                "waveform__round_period_s": 0.5,
                "radio__loopback__offset_ppm": 20.0,
            },
            "up to 31 kHz",
            "a smaller waveform.n_fft",
        ),
        ({"waveform__round_period_s": 0.15}, "drawn anew 0.120 s after", "set it to 0.155"),
        ({"radio__loopback__fading": False}, "does not fade", "radio.loopback.profile = flat"),
        ({"uplink__power_rule": "none"}, "phases", "inversion or mmse"),
        ({"uplink__measurements": 0.7}, "partial_dft", "random_rows"),
        ({"uplink__min_gain": 0.1, "uplink__power_rule": "mmse"}, "only inversion", "mmse"),
    ],
)
def test_each_contradiction_is_its_own_error(settings, problem, remedy):
    with pytest.raises(ConfigError, match=problem) as caught:
        configuration(**settings)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"radio__loopback__doppler_hz": 0.4},
        {"radio__loopback__timing_offset": 16.0, "radio__loopback__offset_ppm": 20.0},
        {"waveform__cyclic_prefix": 100, "waveform__window_lead": 45, "radio__loopback__timing_offset": 40.0},
        {"radio__loopback__fading": False, "radio__loopback__profile": "flat"},
    ],
)
def test_what_works_is_not_refused(settings):
    assert configuration(**settings).uplink.kind == "waveform"


def test_the_waveform_is_not_judged_where_it_is_not_used():
    assert check({"uplink": {"kind": "symbol"}, "waveform": {"n_fft": 100}}).waveform.n_fft == 100
