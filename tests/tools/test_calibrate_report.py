"""The page about a calibration says what the measurements say, in words, numbers and figures."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from calibration.measurement import Measurement, Quantity, Verdict
from tools.calibrate.cards import cards, palette
from tools.calibrate.done import Done, written
from tools.calibrate.report import page, write

AGENTS = 10
NAMES = ["server", *(f"agent {number}" for number in range(AGENTS))]
SERIALS = {"agent 3": "pluto-104473b04a060006f4ff1a00c5f5b4a3d2-usb-1.22.5-revision-C", "server": "loopback-0"}
KINDS = "levels", "clock", "latency", "iq", "channel", "reciprocity"
SEVERAL = {"levels": 3, "clock": 2, "latency": 1, "iq": 1, "channel": 4, "reciprocity": 4}  # figures of a kind
DRIVE = np.arange(-40.0, 1.0, 2.0)


def levels(rng, place):
    compression = -9.0 + 0.5 * place
    gain = -20.0 - place - 10 * np.log10(1 + 0.259 * 10 ** ((DRIVE - compression) / 10))
    setting = np.arange(0.0, 62.0, 3.0)
    signal = -75.0 + place + setting
    curves = {
        "transmit_in_dbfs": DRIVE,
        "transmit_out_dbfs": DRIVE + gain,
        "transmit_gain_db": gain + 0.05 * rng.standard_normal(DRIVE.size),
        "receive_gain_db": setting,
        "receive_out_dbfs": np.minimum(signal, -6.0),
        "receive_noise_dbfs": 10 * np.log10(10**-7.8 + 10 ** ((setting - 120) / 10)),
    }
    return curves, {
        "rx_gain_db": Quantity(21.0, 0.0, "dB"),
        "link_gain_db": Quantity(-20.0 - place, 0.21, "dB"),
        "linear_low_dbfs": Quantity(-36.0 + 0.1 * place, 0.1, "dBFS"),
        "compression_dbfs": Quantity(compression, 0.21, "dBFS"),
        "noise_floor_dbfs": Quantity(-77.42, 0.034, "dBFS"),
    }


def clock(rng, place):
    offset = 25.0 * np.sin(place)
    tau = 0.02 * 2.0 ** np.arange(5)
    deviation = 3e-10 / np.sqrt(tau) * (1 + 0.1 * place)
    curves = {
        "time_s": 0.01 + 0.02 * np.arange(65),
        "frequency_ppm": offset + 2e-3 * rng.standard_normal(65) + 1e-3 * place * np.linspace(-1, 1, 65),
        "allan_tau_s": tau,
        "allan_deviation": deviation,
        "allan_low": deviation * 0.8,
        "allan_high": deviation * 1.3,
        "allan_floor": 1e-10 / tau,
    }
    return curves, {
        "offset_ppm": Quantity(offset, 0.0031, "ppm"),
        "drift_ppm_per_s": Quantity(-1.23e-4, 2.1e-5, "ppm/s"),
        "adev_min": Quantity(8.1e-11, 1.4e-11, ""),
    }


def latency(rng, place):
    delay = 20.0 * place
    curves = {"burst": np.arange(16), "delay_samples": delay + 0.1 * rng.standard_normal(16)}
    return curves, {"delay_samples": Quantity(delay, 0.05, "samples"), "jitter_samples": Quantity(0.1, 0.03, "samples")}


def iq(rng, place):
    sent = np.exp(0.5j * np.pi * (rng.integers(4, size=(12, 96)) + 0.5))
    noise = 0.02 * (rng.standard_normal(sent.shape) + 1j * rng.standard_normal(sent.shape))
    image = 0.02 * (1 + place)
    curves = {
        "received": sent + image * sent.conj() + 0.05 + noise,
        "corrected": sent + noise,
        "evm_before_db": np.array(20 * np.log10(image)),
        "evm_after_db": np.array(-31.0),
    }
    names = [f"{chain}_{name}" for chain in ("tx", "rx") for name in ("gain_db", "phase_deg", "dc_i", "dc_q")]
    quantities = {name: Quantity(0.1234, 0.021, "dB" if name.endswith("db") else "°") for name in names}
    return curves, quantities | {"tx_rejection_db": Quantity(31.2, 0.4, "dB"), "rx_rejection_db": Quantity(29, 1, "dB")}


def channel(rng, place):
    frequency = np.linspace(-1.5e6, 1.5e6, 97)
    taps = (rng.standard_normal(4) + 1j * rng.standard_normal(4)) * 10 ** (-0.2 * np.arange(4)) / 3
    response = np.exp(-2j * np.pi * np.outer(frequency, np.arange(4) * 2.5e-7)) @ taps
    lag = np.linspace(0, 0.05, 20)
    fit = np.exp(-((lag / 0.08) ** 2) * (1 + 0.1 * place))
    curves = {
        "frequency_hz": frequency,
        "response_db": 20 * np.log10(np.abs(response)),
        "response_phase_deg": np.degrees(np.unwrap(np.angle(response))),
        "delay_s": np.arange(-4, 28) * 2.5e-7,
        "profile_db": np.concatenate([np.full(4, -45.0), 20 * np.log10(np.abs(taps)), np.full(24, -45.0)])
        + rng.standard_normal(32),
        "lag_s": lag,
        "correlation": fit + 0.01 * rng.standard_normal(20),
        "correlation_fit": fit,
    }
    return curves, {"snr_db": Quantity(24.1 - place, 0.3, "dB"), "coherence_bandwidth_hz": Quantity(4.1e5, 2e4, "Hz")}


def reciprocity(rng, place):
    frequency = np.linspace(-1.5e6, 1.5e6, 97)
    level, phase = 1.0 + 0.4 * place + 1e-7 * frequency, 15.0 * place + 8e-6 * frequency
    curves = {
        "frequency_hz": frequency,
        "ratio_db": level + 0.1 * rng.standard_normal(97),
        "ratio_phase_deg": phase + rng.standard_normal(97),
        "model_db": level,
        "model_phase_deg": phase,
        "subcarrier_hz": frequency,
        "left_db": 0.1 * rng.standard_normal(97),
        "left_deg": rng.standard_normal(97),
    }
    return curves, {"gain_db": Quantity(1 + 0.4 * place, 0.02, "dB"), "phase_deg": Quantity(phase[48], 0.2, "°")}


MAKE = {"levels": levels, "clock": clock, "latency": latency, "iq": iq, "channel": channel, "reciprocity": reciprocity}


def measured(kind, name, verdict=None):
    place = NAMES.index(name)
    curves, quantities = MAKE[kind](np.random.default_rng(place), place)
    serial = SERIALS.get(name, f"loopback-1-94942c{place:02d}")
    return Done(name, kind, Measurement(kind, serial, None, quantities, verdict or Verdict(), curves), "", 0.4)


def bench():
    """Return every kind of every radio, with verdicts of all words, and a failure."""
    noisy = Verdict("too noisy", "the training is 4.1 dB above noise and interference; a tone +310.0 kHz from the "
                    "hearer's carrier is in the band: remove it, or choose another carrier <soon>")  # fmt: skip
    verdicts = {
        ("levels", "agent 1"): Verdict("too strong", "full scale at 21 dB; lower rx_gain_db to 15"),
        ("channel", "agent 9"): Verdict("too weak", "6.1 dB SNR; raise its level by 6 dB"),
        ("clock", "agent 6"): Verdict("unstable", "it drifts by 0.1 ppm in a minute; let it warm up"),
        ("iq", "agent 2"): noisy,
    }
    done = [measured(kind, name, verdicts.get((kind, name))) for kind in KINDS for name in NAMES
            if name != "server" or kind in ("levels", "iq")]  # fmt: skip
    lost = "no beacon of agent 4 was heard in 3 tries; look whether it is on and its antenna connected"
    return [
        Done(one.name, one.kind, None, lost, 3.0) if (one.name, one.kind) == ("agent 4", "latency") else one
        for one in done
    ]


@pytest.fixture(scope="module")
def done():
    return bench()


@pytest.fixture(scope="module")
def text(done, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "cal.html"
    few = [without(one, "received") if one.kind == "iq" and one.name not in NAMES[:2] else one for one in done]
    write(path, "Calibration <of> the bench", few)
    return path.read_text(encoding="utf-8")


def figures(kind, done):
    return [card.draw() for card in cards(kind, done, palette([one.name for one in done]))]


def without(one, *names):
    curves = {name: curve for name, curve in one.measurement.curves.items() if name not in names}
    return replace(one, measurement=replace(one.measurement, curves=curves))


def named_lines(axis):
    return [line for line in axis.lines if not line.get_label().startswith("_")]


def test_the_page_is_whole_and_fetches_nothing(text):
    assert "<h1>Calibration &lt;of&gt; the bench</h1>" in text
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawing)


def test_every_radio_has_a_row_and_every_kind_a_verdict_and_a_number(text):
    rows = re.search(r'<table class="summary">(.*?)</table>', text, re.DOTALL)[1].split("<tr>")[1:]
    assert [re.search(r"<td>(.*?)<div", row)[1] for row in rows[1:]] == NAMES
    assert SERIALS["agent 3"] in rows[5]
    assert rows[1].count("<td>–</td>") == 4  # the server has levels and iq only
    assert all(row.count('class="word') == 6 for row in rows[2:])
    assert ">-23 dB<" in rows[4]  # three digits; the rest is in the tables
    assert '<span class="small">link gain</span>' in rows[4]


@pytest.mark.parametrize(
    "word, look", [("good", "good"), ("too strong", "bad"), ("unstable", "bad"), ("failed", "failed")]
)
def test_a_verdict_is_a_coloured_word(word, look, text):
    assert f'<span class="word {look}">{word}</span>' in text


def test_reasons_and_failures_are_told(text):
    assert "choose another carrier &lt;soon&gt;" in text
    assert "agent 4: no beacon of agent 4 was heard in 3 tries" in text
    assert "62 measurements, 27.4 s of measuring: 57 good, 4 in need of attention, 1 failed." in text


def test_all_quantities_are_in_the_tables_with_their_uncertainty(text, done):
    tables = re.findall(r'<table class="numbers">(.*?)</table>', text, re.DOTALL)
    assert len(tables) == 12  # two a kind: six radios side by side, and the rest
    assert "-0.000123 ± 0.000021" in tables[2]
    assert "<tr><td>drift (ppm/s)</td>" in tables[2]
    assert any("0.123 ± 0.021" in table for table in tables[5:8])
    assert "<tr><td>coherence bandwidth (kHz)</td>" in tables[8]
    assert "410 ± 20" in tables[8]
    shown = sum(table.count('class="number"') for table in tables)
    assert shown == sum(len(one.measurement.quantities) for one in done if one.measurement)


def test_what_is_skipped_for_all_radios_is_said_once_and_is_no_fault():
    text = page("Skipped", [Done(f"agent {n}", "reciprocity", None, f"{n} is trimmed", 0.0, False) for n in range(3)])
    assert text.count("is trimmed") == 1
    assert '<span class="word skipped">skipped</span> agent 0, agent 1, agent 2: 0 is trimmed' in text


def test_a_reason_that_radios_share_is_said_once():
    verdict = Verdict("good", "no 1 dB point")
    both = [measured("levels", name) for name in ("agent 0", "agent 1")]
    both = [replace(one, measurement=replace(one.measurement, verdict=verdict)) for one in both]
    assert '<p class="reason">agent 0, agent 1: no 1 dB point</p>' in page("Shared", both)


def test_a_profile_shows_the_prefix_and_what_one_path_would_look_like():
    one = measured("channel", "agent 0")
    place = one.measurement.curves["delay_s"]
    known = {"prefix_s": np.array([-5.5e-6, 6.5e-6]), "one_path_db": -np.abs(place) * 1e7}
    more = replace(one, measurement=replace(one.measurement, curves=one.measurement.curves | known))
    axis = figures("channel", [more])[2].axes[0]
    assert axis.patches[0].get_extents().transformed(axis.transData.inverted()).intervalx == pytest.approx([-5.5, 6.5])
    (dotted,) = [line for line in axis.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    assert dotted.get_ydata() == pytest.approx(known["one_path_db"])


def test_curves_that_lie_on_each_other_are_nested():
    axis = figures("levels", [measured("levels", f"agent {n}") for n in range(3)])[0].axes[0]
    widths = [line.get_linewidth() for line in named_lines(axis)][:3]
    assert widths[0] > widths[1] > widths[2]


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_of_a_kind_is_drawn_for_one_radio_and_for_ten(kind, done):
    some = [one for one in done if one.kind == kind]
    assert len(figures(kind, some[1:2])) == SEVERAL[kind]
    assert len(figures(kind, some)) == (11 if kind == "iq" else SEVERAL[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_figures_without_their_arrays_are_left_out(kind, done):
    some = [one for one in done if one.kind == kind and one.measurement]
    assert figures(kind, [replace(one, measurement=replace(one.measurement, curves={})) for one in some]) == []
    for name in some[0].measurement.curves:
        assert len(figures(kind, [without(some[0], name)])) <= SEVERAL[kind]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_a_radio_of_which_an_array_holds_nothing_is_missing_too(values):
    one = measured("latency", "agent 0")
    curves = {"burst": np.arange(len(values)), "delay_samples": np.array(values)}
    assert figures("latency", [replace(one, measurement=replace(one.measurement, curves=curves))]) == []


def test_a_radio_without_an_array_is_missing_in_that_figure_only():
    first, second = measured("clock", "agent 0"), without(measured("clock", "agent 1"), "allan_deviation")
    offset, deviation = figures("clock", [first, second])
    assert len(named_lines(offset.axes[0])) == 2
    assert len(named_lines(deviation.axes[0])) == 1


def test_the_one_decibel_point_lies_on_the_curve_where_it_was_measured():
    one = measured("levels", "agent 0")
    axis = figures("levels", [one])[0].axes[0]
    (point,) = [line for line in axis.lines if line.get_marker() == "o" and len(line.get_xdata())]
    curves = one.measurement.curves
    expected = np.interp(-8.5, curves["transmit_in_dbfs"], curves["transmit_out_dbfs"])
    assert point.get_xdata() == pytest.approx([-8.5])
    assert point.get_ydata() == pytest.approx([expected])


def test_the_shaded_range_begins_at_the_weakest_link_and_ends_at_the_weakest_amplifier():
    axis = figures("levels", [measured("levels", name) for name in ("agent 5", "agent 0", "agent 8")])[0].axes[0]
    low, high = axis.patches[0].get_extents().transformed(axis.transData.inverted()).intervalx
    assert (low, high) == pytest.approx((-35.1, -8.5))


def test_a_level_curve_without_a_known_point_is_drawn_without_it():
    one = measured("levels", "agent 0")
    axis = figures("levels", [replace(one, measurement=replace(one.measurement, quantities={}))])[0].axes[0]
    assert len(axis.lines) == 1
    assert len(axis.patches) == 0


def test_an_amplifier_that_was_never_driven_to_its_point_is_linear_up_to_the_last_level():
    one = measured("levels", "agent 0")
    highest = {"linear_high_at_least_dbfs": Quantity(0.0, 0.0, "dBFS")}
    axis = figures("levels", [replace(one, measurement=replace(one.measurement, quantities=highest))])[0].axes[0]
    low, high = axis.patches[0].get_extents().transformed(axis.transData.inverted()).intervalx
    assert (low, high) == pytest.approx((-40.0, 0.0))
    assert [label.get_text() for label in axis.get_legend().get_texts()] == ["all are linear"]


def test_clocks_far_apart_are_drawn_around_their_median_which_the_legend_says():
    pair = [measured("clock", name) for name in ("agent 0", "agent 3")]
    lines = named_lines(figures("clock", pair)[0].axes[0])
    medians = [np.median(one.measurement.curves["frequency_ppm"]) for one in pair]
    assert [line.get_label() for line in lines] == [f"0:  {medians[0]:+.5g} ppm", f"3:  {medians[1]:+.5g} ppm"]
    assert all(abs(np.median(line.get_ydata())) < 1e-9 for line in lines)


def test_constellations_have_equal_axes_and_their_error_in_the_title():
    left, right = figures("iq", [measured("iq", "agent 0")])[0].axes
    assert left.get_title() == "received, EVM -28.0 dB"
    assert right.get_title() == "corrected, EVM -31.0 dB"
    assert left.get_aspect() == right.get_aspect() == 1.0
    assert left.get_xlim() == right.get_xlim() == left.get_ylim()


def test_a_radio_has_one_colour_on_the_whole_page(done):
    colours = palette([one.name for one in done])
    assert [*colours] == NAMES
    assert len({to_hex(colour) for colour in colours.values()}) == len(NAMES)
    for kind in ("levels", "channel"):
        for card in cards(kind, [one for one in done if one.kind == kind], colours):
            for line in named_lines(card.draw().axes[0]):
                label = line.get_label()
                assert to_hex(line.get_color()) == to_hex(colours.get(label) or colours[f"agent {label}"])


def test_kinds_and_radios_that_are_new_to_the_page_are_shown_too():
    new = Measurement("phase_noise", "x", None, {"linewidth_hz": Quantity(0.5, 0.1, "Hz")}, Verdict(), {})
    text = page("New", [Done("probe", "phase_noise", new, "", 1.0)])
    assert "0.5 Hz" in text
    assert "0.50 ± 0.10" in text
    assert "probe" in text


def test_nothing_done_gives_a_page_that_says_so():
    assert "0 measurements" in page("Empty", [])


def test_a_phase_is_drawn_without_jumps_by_whole_turns():
    one = measured("channel", "agent 0")
    slope = np.linspace(0.0, 1000.0, 97)
    curves = one.measurement.curves | {"response_phase_deg": (slope + 180) % 360 - 180}
    line = figures("channel", [replace(one, measurement=replace(one.measurement, curves=curves))])[1].axes[0].lines[0]
    assert line.get_ydata() == pytest.approx(slope)


def test_signal_and_noise_floor_are_both_in_view():
    one = measured("levels", "agent 0")
    low, high = figures("levels", [one])[2].axes[0].get_ylim()
    assert low < one.measurement.curves["receive_noise_dbfs"].min()
    assert high > one.measurement.curves["receive_out_dbfs"].max()


@pytest.mark.parametrize("swing, height", [(1e-3, 1.0), (4.0, 8.8)])
def test_small_noise_looks_small_and_large_noise_is_in_view(swing, height):
    """Margins are 5 % on each side of ±4."""
    one = measured("latency", "agent 0")
    curves = one.measurement.curves | {"delay_samples": 70 + swing * np.array([0, 1, 0, -1] * 4)}
    axis = figures("latency", [replace(one, measurement=replace(one.measurement, curves=curves))])[0].axes[0]
    low, high = axis.get_ylim()
    assert (low, high) == pytest.approx((-height / 2, height / 2))


def test_agents_come_in_the_order_of_their_numbers():
    assert [*palette(["agent 10", "agent 2", "server"])] == ["server", "agent 2", "agent 10"]


@pytest.mark.parametrize(
    "value, uncertainty, unit, text",
    [
        (12.3456, 0.0211, "ppm", "12.346 ± 0.021 ppm"),
        (-1.0, 0.0996, "dB", "-1.00 ± 0.10 dB"),
        (-15.0, 0.0, "dB", "-15 dB"),
        (410012.0, 20345.0, "Hz", "410012 ± 20345 Hz"),
        (6.448201, 1.3e-6, "ppm", "6.4482010 ± 0.0000013 ppm"),
        (-2.0e-7, 1.5e-6, "ppm", "(-0.2 ± 1.5)·10⁻⁶ ppm"),
        (8.1e-11, 1.4e-11, "", "(8.1 ± 1.4)·10⁻¹¹"),
        (2.4e9, 120.0, "Hz", "(2.40000000 ± 0.00000012)·10⁹ Hz"),
        (3.0, np.inf, "s", "3 ± unknown s"),
        (np.inf, 1.0, "s", "inf s"),
    ],
)
def test_a_number_is_written_to_the_second_digit_of_its_uncertainty(value, uncertainty, unit, text):
    assert written(Quantity(value, uncertainty, unit)) == text


def test_a_result_is_a_measurement_or_a_failure():
    with pytest.raises(ValueError, match="agent 1, clock: without a measurement there must be a failure"):
        Done("agent 1", "clock", None, "", 1.0)
