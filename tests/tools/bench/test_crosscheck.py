"""The cross-check against GNU Radio: its verdicts can fail, its formulas hold, and both simulators agree."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from scipy.stats import norm

from radio.air import Air
from radio.fading import WAVES, Fading, profile
from radio.oscillator import COARSE
from radio.unit import Unit
from tests.drivers import need_gnuradio
from tests.tools.cli import call
from tools.bench.crosscheck.bridge import GnuRadio, GnuRadioError
from tools.bench.crosscheck.command import NAMES, as_expected
from tools.bench.crosscheck.effort import SPARE, Effort
from tools.bench.crosscheck.fading import rate_by_design
from tools.bench.crosscheck.phase import allan_by_design
from tools.bench.crosscheck.pictures import PANELS, crosscheck_figure
from tools.bench.crosscheck.samples import CLOCK, tones
from tools.bench.crosscheck.spectra import expected_periodogram, in_bands, periodograms
from tools.bench.crosscheck.verdict import LEVEL, Samples, Statistic

PLANTED = 1.2


def exponential(rng, size=100, figures=5, factor=1.0, design=1.0):
    """Powers of Rayleigh taps: figures whose standard error is 1/√size."""
    ours, theirs = rng.exponential(size=(2, size, figures))
    return Statistic(
        "powers",
        np.arange(figures),
        "",
        (ours, factor * theirs),
        np.full(figures, 1.0),
        design,
        "design" * (design != 1),
    )


def test_two_of_one_law_are_told_apart_no_more_often_than_the_level_says():
    """4,000 trials at a level of 1e-3 are 4 ± 2; exponential figures are skewed, but their difference is not."""
    rng = np.random.default_rng(1)
    wrong = sum(not exponential(rng).agrees for _ in range(4000))
    assert wrong <= 4000 * LEVEL + 5 * np.sqrt(4000 * LEVEL)


@pytest.mark.parametrize("figures", [1, 5, 40])
def test_the_limit_is_what_the_largest_of_all_differences_exceeds_with_the_probability_of_the_level(figures):
    """20,000 segments, so Student's t is a normal to 1e-3; with 16 segments its tails are wider."""
    rng = np.random.default_rng(7)
    allowed = exponential(rng, size=20_000, figures=figures).allowed
    assert np.isclose(1 - (1 - 2 * norm.sf(allowed)) ** figures, LEVEL, rtol=0.02)
    assert exponential(rng, size=16, figures=figures).allowed > 1.2 * allowed


@pytest.mark.parametrize("design", [1.0, 0.5])
def test_differences_of_one_law_vary_by_one_standard_error(design):
    """2,500 differences: their variance is known to √(2/2500), 2.8 %."""
    rng = np.random.default_rng(8)
    drawn = [exponential(rng, size=400, factor=1 / design, design=design).differences for _ in range(500)]
    assert abs(np.square(drawn).mean() - 1) < 5 * np.sqrt(2 / 2500)


def test_a_verdict_is_wrong_where_a_law_is_wrong_by_what_it_says_it_finds():
    """Five of 300 trials, 95 %: all five figures are off, so more than that is found; 60 % of it is not."""
    rng = np.random.default_rng(2)
    finds = exponential(rng, size=2000).finds
    found, hidden = (
        np.mean([not exponential(rng, size=2000, factor=1 + part * finds).agrees for _ in range(300)])
        for part in (1.0, 0.3)
    )
    assert found > 0.95 - 5 * np.sqrt(0.95 * 0.05 / 300)
    assert hidden < 0.5


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.2])
def test_ten_per_cent_planted_in_the_figures_are_found(factor):
    """20,000 segments: 10 % are ten standard errors."""
    assert not exponential(np.random.default_rng(3), size=20_000, factor=factor).agrees


def test_what_differs_by_design_agrees_only_with_its_factor():
    rng = np.random.default_rng(4)
    assert not exponential(rng, size=5000, factor=1 / 0.8).agrees
    designed = exponential(rng, size=5000, factor=1 / 0.8, design=0.8).record()
    assert designed["agrees"]
    assert designed["ours_as_textbook"]
    assert not designed["theirs_as_textbook"]


@pytest.mark.parametrize(
    ("sides", "named"),
    [
        ((np.ones((20, 3)), np.ones((20, 3))), "same in all segments"),
        ((np.zeros((20, 2)), np.zeros((20, 3))), "one figure per place"),
        ((np.random.default_rng(0).random((7, 3)), np.random.default_rng(0).random((9, 3))), "at least 8 segments"),
    ],
)
def test_figures_without_a_standard_error_are_refused(sides, named):
    with pytest.raises(ValueError, match=named):
        Statistic("powers", np.arange(3), "", sides, np.ones(3))


def test_samples_agree_up_to_their_limit_and_no_further():
    exact = np.ones(100, complex)
    for away, agrees in ((0.99e-3, True), (1.01e-3, False)):
        assert Samples("ones", exact + away, exact, exact, -60.0, "").record()["agrees"] is agrees


@pytest.mark.parametrize("decay", [0.01, 0.3, np.inf])
def test_the_expected_periodogram_is_the_mean_of_periodograms(decay):
    """A Gauss-Markov process; 2,000 segments, the largest of 16 bands within five standard errors."""
    rng, size = np.random.default_rng(5), 128
    keep = np.exp(-decay)
    x = np.empty((2000, size))
    white = rng.standard_normal((2000, size))
    x[:, 0] = white[:, 0]
    for place in range(1, size):
        x[:, place] = keep * x[:, place - 1] + np.sqrt(1 - keep**2) * white[:, place]
    edges = np.arange(-size // 2, size // 2 + 1, 8)
    found = in_bands(periodograms(x), edges)
    expected = in_bands(expected_periodogram(keep ** np.arange(size)), edges)
    assert (np.abs(found.mean(0) - expected) < 5 * found.std(0) / np.sqrt(len(x))).all()


def test_bands_count_bins_from_the_middle():
    assert in_bands(np.arange(8.0), np.array([-4, -2, 0, 3])).tolist() == [0.5, 2.5, 5.0]


def test_level_crossings_by_design_are_those_of_random_shifts():
    """√(1 − v), v the variance of the spread: to second order in 1/S, 1 − 1/(2S) − 1/(16S); the third is below 1e-2."""
    assert abs(rate_by_design() - (1 - 1 / (2 * WAVES) - 1 / (16 * WAVES))) < 2e-3


@pytest.mark.parametrize("span", [1, 2, 4])
def test_the_allan_variance_by_design_is_that_of_a_frequency_straight_between_its_steps(span):
    """Steps of variance 1, 16 points in each: 3/span times the measured variance; 4,000 paths, five errors."""
    rng, points, paths = np.random.default_rng(6), 16, 4000
    walk = np.cumsum(rng.standard_normal((paths, 2 * span + 3)), axis=1)
    places = np.arange((2 * span + 2) * points) / points
    straight = np.stack([np.interp(places + 0.5 / points, np.arange(walk.shape[1]), row) for row in walk])
    phase = np.concatenate([np.zeros((paths, 1)), np.cumsum(straight, axis=1) / points], axis=1)
    length = span * points
    starts = np.arange(0, points)
    bend = phase[:, starts + 2 * length] - 2 * phase[:, starts + length] + phase[:, starts]
    variance = (bend**2).mean(1) / (2 * span**2) / (span / 3)
    assert abs(variance.mean() - allan_by_design(span)) < 5 * variance.std() / np.sqrt(paths)
    assert 0.99 < allan_by_design(20) < 1


def test_the_gains_compared_are_those_that_samples_carry():
    """One sample of each block of the air, where its gain is that of the instant."""
    fading = Fading(profile("flat"), 0.0, 2e6, 40.0)
    unit = Unit()
    air = Air(lambda _: unit, fading, 2.4e9, 2e6, 1)
    air.transmit(1, np.ones(20 * 896, np.complex64), at=0)
    heard, _ = air.receive(0, 20 * 896, at=0)
    middles = 896 * np.arange(20) + 447.5
    assert np.allclose(heard[448::896], air.oracle_taps(1, 0, middles)[1][:, 0], atol=1e-6)


def test_tones_stay_below_full_scale_and_the_clock_offset_is_one_that_a_float_holds():
    assert np.abs(tones(1).at(np.arange(1000.0))).max() < 1
    assert np.float32(1 + CLOCK) == 1 + CLOCK


def test_no_two_links_of_gnu_radio_share_a_seed():
    """A link of 23 taps has a seed for each and the next; another seed of the bench has other links, but for chance."""
    first, second = (Effort(GnuRadio(""), 5000, seed).seeds for seed in (1, 2))
    assert np.diff(sorted(first)).min() > profile("tdl_a").delays.size + 1
    assert min(first) > 0
    assert max(first) + SPARE <= 2**31
    assert len(set(first) & set(second)) < 10


def test_walks_are_compared_at_spans_of_whole_steps_of_ours():
    assert COARSE == 4096


def crosscheck(*arguments):
    """Return what the bench measured; it ends well where every verdict is as it should be."""
    return json.loads(call("bench", "crosscheck", "--json", *arguments).stdout)


@pytest.mark.parametrize("effect", ["samples", "rayleigh", "rice", "tdl", "noise"])
def test_simulators_agree_and_a_planted_discrepancy_is_found(effect):
    need_gnuradio("gnuradio.channels")
    for planted in (1.0, PLANTED):
        result = crosscheck("--segments", 200, "--only", effect, "--planted", planted)
        verdicts = {record["name"]: record["agrees"] for record in result["parts"][effect]["records"]}
        assert set(verdicts.values()) == {planted == 1}, verdicts


@pytest.mark.parametrize("effect", ["pll", "linewidth", "walk"])
def test_oscillators_agree(effect):
    """20 % in so short a run may be chance: what is planted here is found by the slow test."""
    need_gnuradio("gnuradio.channels")
    result = crosscheck("--segments", 32, "--only", effect)
    assert as_expected(result)


@pytest.mark.slow
@pytest.mark.parametrize("planted", [1.0, PLANTED])
def test_every_verdict_of_the_whole_bench_is_as_it_should_be(planted, tmp_path):
    need_gnuradio("gnuradio.channels")
    result = crosscheck("--planted", planted, "--out", tmp_path)
    assert set(result["parts"]) == set(NAMES)
    assert (tmp_path / "crosscheck.svg").stat().st_size > 0
    assert len(crosscheck_figure(result).axes) == len(PANELS)


def test_an_unexpected_verdict_is_told_by_the_exit_code():
    agreed = {"parts": {"a": {"records": [{"agrees": True}]}}}
    mixed = {"parts": {"a": {"records": [{"agrees": True}, {"agrees": False}]}}}
    assert as_expected(agreed | {"planted": 1.0})
    assert not as_expected(agreed | {"planted": 1.2})
    assert not as_expected(mixed | {"planted": 1.0})
    assert not as_expected(mixed | {"planted": 1.2})


def test_without_gnu_radio_the_bench_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    result = crosscheck()
    assert "apt install gnuradio" in result["skipped"]


def test_a_gnu_radio_that_fails_says_where_and_why():
    with pytest.raises(GnuRadioError, match="failed at iq"):
        GnuRadio(need_gnuradio("gnuradio.channels")).run("iq", np.ones(10))
