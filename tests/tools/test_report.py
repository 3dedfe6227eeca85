"""The pictures of a round on the air say what the arrays behind them say."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.tools.cli import call
from tests.tools.small import plain
from tools.report import on_air, waveform
from tools.report.page import page, svg
from tools.report.series import load_run

SMALL = plain("rounds = 3", "uplink.kind = 'waveform'", "evaluation = { every = 2, tasks = 2, queries = 2, steps = 1 }")
RATE = 4e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache):
    path = tmp_path_factory.mktemp("runs")
    (path / "small.toml").write_text(SMALL)
    call("run", path / "small.toml", "--out", path / "air", "--cache", cache, "--quiet")
    return path / "air"


@pytest.fixture(scope="module")
def run(folder):
    return load_run(folder)


@pytest.fixture(scope="module")
def text(run):
    wire = run.config.model_copy(update={"uplink": run.config.uplink.model_copy(update={"kind": "symbol"})})
    return page([run, replace(run, name="wire", config=wire, snapshot=None, samples=None)])


def names(run):
    return [card.name for card in waveform.cards(run)]


def changed(run, **arrays):
    """Return the run with arrays of its snapshot replaced; None removes one."""
    shot = {key: value for key, value in (run.snapshot | arrays).items() if value is not None}
    return replace(run, snapshot=shot)


def test_the_last_round_is_drawn_with_the_error_that_its_history_has(run, text):
    error = run.records[-1]["oracle_symbol_nmse_db"]
    assert "Pictures of round 3" in text
    assert f"EVM {100 * 10 ** (error / 20):.1f} % ({error:.1f} dB)" in text
    assert {"Spectrum", "Spectrogram", "Channels", "Carrier offset", "Phase residual", "Clipping"} <= set(names(run))
    assert all(f"<h2>{name}</h2>" in text for name in names(run))


def test_a_picture_is_the_same_bytes_each_time(run):
    assert svg(on_air.constellation(run)) == svg(on_air.constellation(run))


def test_a_run_from_before_there_were_pictures_still_has_its_history_drawn(run):
    old = replace(run, snapshot=None)
    assert "Spectrum" not in names(old)
    assert "Noise" in names(old)
    assert "no waveform.npz" in waveform.summary(old)


def test_only_runs_on_the_air_get_a_section(text):
    assert "air: on the air" in text
    assert "wire: on the air" not in text


def test_a_round_that_was_not_received_is_drawn_as_far_as_it_got(run):
    parts = "payload", "payload_start", "received", "heard", "granted", "active", "oracle_expected"
    failed = [{**record, "failure": "OverrunError: the server lost 1 of 9"} for record in run.records[:2]]
    half = replace(changed(run, **dict.fromkeys(parts)), records=failed)
    assert names(half)[:3] == ["Spectrum", "Channels", "Spectrogram"]
    assert half.failures == Counter(OverrunError=2)
    assert "2 of 2 rounds were not received: OverrunError 2 times" in waveform.summary(half)
    assert len(on_air.spectrogram(half).axes) == 2  # soundings and the colour bar


def test_a_run_of_which_nothing_was_received_has_no_pictures_and_says_so(run):
    lost = [{key: value for key, value in record.items() if key != "waveform"} for record in run.records]
    nothing = replace(changed(run, soundings=None, channel_magnitude=None, received=None), records=lost, samples=None)
    assert names(nothing) == []
    assert "air: on the air" in page([nothing])


def test_truncated_subcarriers_are_crossed_and_agents_left_out_are_dashed(run):
    active, granted = np.ones_like(run.snapshot["active"]), np.array([True, True, False, True])
    active[1, 10:17] = active[2] = False
    axis = on_air.channels(changed(run, active=active, granted=granted)).axes[0]
    crosses = [len(line.get_xdata()) for line in axis.lines if line.get_marker() == "x"]
    assert crosses == [0, 7, 0, 0]
    assert [line.get_linestyle() for line in axis.lines if line.get_marker() != "x"] == ["-", "-", "--", "-"]


def test_without_an_oracle_only_what_was_received_is_drawn(run):
    assert len(on_air.constellation(changed(run, oracle_expected=None)).axes) == 1
    assert len(on_air.constellation(run).axes) == 3


def test_a_number_that_an_agent_lacks_in_a_round_is_a_gap(run):
    records = [dict(record) for record in run.records]
    records[1] = {key: value for key, value in records[1].items() if key != "waveform"}
    seen = replace(run, records=records).of_agents("papr_db")
    agent = next(iter(seen))
    assert np.isnan(seen[agent]).tolist()[1]
    assert np.isfinite(seen[agent][[0, 2]]).any()


def test_the_density_of_white_noise_is_its_power_over_the_sample_rate():
    """Squared Hann windows a quarter apart add up to a constant, so the total is the mean of |x|², of which each has
    the standard deviation of its mean: five standard errors are 5/√size."""
    rng, size = np.random.default_rng(1), 400 * on_air.SEGMENT
    noise = (rng.standard_normal(size) + 1j * rng.standard_normal(size)) * 0.01
    _, density = on_air.periodograms(noise.astype(np.complex64), RATE)
    assert np.mean(density) * RATE == pytest.approx(2e-4, rel=5 / np.sqrt(size))


@pytest.mark.parametrize("bin_number", [-100, 7])
def test_a_tone_lies_at_its_frequency_and_has_its_power(bin_number):
    tone_hz = bin_number * RATE / on_air.SEGMENT
    tone = 0.5 * np.exp(2j * np.pi * tone_hz / RATE * np.arange(4096))
    frequency, density = on_air.periodograms(tone.astype(np.complex64), RATE)
    assert frequency[density.mean(0).argmax()] == pytest.approx(tone_hz)
    assert density.mean(0).sum() * RATE / on_air.SEGMENT == pytest.approx(0.25, rel=1e-3)


def test_a_long_reception_is_averaged_to_few_columns_without_losing_power():
    size = 3 * on_air.MOST_COLUMNS * on_air.SEGMENT
    _, density = on_air.periodograms(np.full(size, 0.5, np.complex64), RATE)
    assert len(density) <= on_air.MOST_COLUMNS
    assert density.sum(1) * RATE / on_air.SEGMENT == pytest.approx(0.25, rel=1e-3)
