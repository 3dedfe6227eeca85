"""The bench of the waveform runs, and judges and draws what it measured; its figures are not tested here."""

import json

import numpy as np
import pytest

from dsp.ofdm import Numerology
from tests.tools.cli import call
from tools.bench.waveform.beacon import bounds
from tools.bench.waveform.claims import Claim, Effort, Part, chunks, share
from tools.bench.waveform.command import NAMES
from tools.bench.waveform.pictures import PICTURES
from tools.bench.waveform.presence import miss_probability
from tools.bench.waveform.rounds import EVERYTHING, Case, paired, play
from tools.bench.waveform.silent import play_silent


def test_the_command_prints_claims_and_writes_pictures(tmp_path):
    size = ["--rounds", 1, "--trials", 2, "--processes", 1]
    done = call("bench", "waveform", *size, "--only", "beacon", "--only", "phase", "--out", tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["parts"]) == {"beacon", "phase"}
    assert "claimed <= 0.5" in done.stdout
    assert "phase prediction: 3 of 3" in done.stderr
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {"detection.png", "estimation.png", "phase_prediction.png"}


def test_the_machine_readable_output_is_nothing_but_json():
    result = json.loads(call("bench", "waveform", "--trials", 1, "--processes", 1, "--only", "phase", "--json").stdout)
    assert len(result["parts"]["phase"]["claims"]) == 2
    assert set(PICTURES) == set(NAMES)


def test_the_genie_is_better_on_the_same_rounds_and_repeats_itself():
    case = Case("all", 20, EVERYTHING)
    mine, genie = play(case, 1, 2), play(case.with_genie(), 1, 2)
    gaps = paired(mine, genie)
    assert len(gaps) > 0
    assert np.median(gaps) > 0
    assert genie == play(case.with_genie(), 1, 2)
    assert genie[0]["limit_db"] < genie[0]["nmse_db"]


def test_a_silent_agent_is_found_and_named(tmp_path):
    rows = play_silent(1, 1, 20, {}, tmp_path, tmp_path)
    assert [row["wrong"] for row in rows] == [0]
    assert rows[0]["named"]
    assert rows[0]["mean_error"] < 1e-3


def test_the_bounds_are_those_of_a_tone_and_of_a_flat_spectrum():
    """At 10 dB a subcarrier: 17.0 Hz and 5.5e-3 samples, from the Fisher information of 1,024 samples in numbers."""
    numerology, snr = Numerology(), 10.0
    frequency, timing = bounds(snr)
    n = np.arange(1024)
    information = 2 * snr * numerology.crest_power * np.sum((n - n.mean()) ** 2) * (2 * np.pi / 4e6) ** 2
    assert frequency == pytest.approx(information**-0.5)
    ramp = 2 * np.pi * numerology.subcarriers / 256
    assert timing == pytest.approx((2 * 4 * snr * np.sum(ramp**2)) ** -0.5)


def test_strong_pilots_are_not_missed_and_absent_ones_nearly_always():
    assert miss_probability(1000.0, 1e-6) < 1e-12
    assert miss_probability(0.0, 1e-3) == pytest.approx(1 - 1e-3)


def test_a_claim_that_is_missed_says_so():
    assert Claim("gap", 0.4, 0.5).line() == "pass  gap: 0.4 dB (claimed <= 0.5)"
    assert Claim("gap", 0.6, 0.5).line().startswith("SHORT")
    assert Claim("loss", 7.0, 6.0, above=True).met
    assert not Claim("gap", float("nan"), 0.5).met
    part = Part("title", {"rows": [{"a": 1, "b": 0.25, "all": [1]}]}, [Claim("gap", 0.4, 0.5)])
    assert list(part.lines())[:4] == ["title", "\n  rows", "    a      b", "    1  0.250"]


def test_work_is_shared_without_a_change_of_order():
    told = []
    effort = Effort(1, 1, processes=1, say=told.append)
    assert share(divmod, [(7, 2), (9, 4)], effort, "division") == [(3, 1), (2, 1)]
    assert told[-1] == "division: 2 of 2"
    assert chunks(5, 2) == [(0, 2), (2, 2), (4, 1)]
