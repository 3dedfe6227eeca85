"""`airmeta radio` and `airmeta run --record` as a user meets them: exit codes, messages, files."""

import json
import os

import pytest
from click.testing import CliRunner

from tools.cli import main

SMALL = """
rounds = 2
[run]
threads = 1
[agents]
count = 3
[task]
ways = 3
shots = 1
queries = 2
[model]
kind = "cnn"
width = 8
[algorithm]
order = "first"
inner_lr = 0.1
[uplink]
kind = "waveform"
snr_db = 25.0
[waveform]
first_soundings = 2
turnaround_s = 0.005
response_s = 0.002
round_period_s = 0.1
[radio.loopback]
delay_spread_s = 5e-8
k_factor_db = 10.0
[evaluation]
every = 2
tasks = 2
queries = 2
steps = 1
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture(scope="module")
def recordings(config, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "here"
    result = call("record", config, folder, "--rounds", 2, "--cache", cache, "--json")
    assert result.exit_code == 0, result.output
    return folder, [json.loads(line) for line in result.stdout.splitlines()]


def call(*arguments, verb="radio"):
    return CliRunner().invoke(main, [verb, *(str(argument) for argument in arguments)])


def refused(result, *words):
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("verb", ["probe", "record", "replay"])
def test_every_verb_has_help_with_an_example(verb):
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert f"airmeta radio {verb}" in result.output


def test_recorded_rounds_decode_to_the_same_bytes(recordings):
    folder, told = recordings
    assert [(line["round"], line["agents_heard"]) for line in told] == [(0, [0, 1, 2]), (1, [0, 1, 2])]
    assert told[0]["bytes"] == sum(file.stat().st_size for file in folder.glob("round-00000.*"))
    result = call("replay", *sorted(folder.iterdir()))  # both files of each: decoded once
    assert result.exit_code == 0, result.output
    assert result.stdout.count("same bytes as live") == 2
    assert "3 of 3 agents heard, noise" in result.stdout


def test_another_receiver_is_not_blamed_for_other_bytes(recordings):
    result = call("replay", recordings[0] / "round-00001", "--set", "uplink.receiver=lmmse")
    assert result.exit_code == 0, result.output
    assert "differs from live, as other settings make it (uplink.receiver: lmmse here, oamp there)" in result.stdout


def test_the_same_settings_with_other_bytes_are_an_alarm(recordings, tmp_path):
    meta, data = ((recordings[0] / f"round-00000.sigmf-{kind}").read_bytes() for kind in ("meta", "data"))
    about = json.loads(meta)
    about["global"]["airmeta:sha256"] = "0" * 64
    about["global"]["airmeta:versions"]["numpy"] = "1.26.0"
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(about))
    (tmp_path / "a.sigmf-data").write_bytes(data)
    result = call("replay", tmp_path / "a")
    assert result.exit_code == 1
    assert "DIFFERS from live with the same settings" in result.stdout
    assert "1.26.0 there" in result.stdout


def test_what_was_sent_cannot_be_overridden(recordings):
    refused(call("replay", recordings[0] / "round-00000", "--set", "seed=7"), "seed: shaped what was sent")


def test_another_sampling_rate_is_refused_with_both(recordings):
    result = call("replay", recordings[0] / "round-00000", "--set", "waveform.sample_rate=5e6")
    refused(result, "sampled at 4000000 per second, got 5000000", "set waveform.sample_rate = 4000000")


def test_one_truncated_recording_does_not_hide_the_others(recordings, tmp_path):
    for file in recordings[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = tmp_path / "round-00000.sigmf-data"
    os.truncate(data, data.stat().st_size - 80)
    result = call("replay", tmp_path / "round-00000", tmp_path / "round-00001", "--json")
    refused(result, "10 samples are missing", "copy the recording again")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert "10 samples are missing" in first["error"]
    assert second["as_live"]


def test_lost_samples_are_counted(recordings, tmp_path):
    about = json.loads((recordings[0] / "round-00001.sigmf-meta").read_text())
    about["captures"][-1]["airmeta:lost"] = 3
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(about))
    (tmp_path / "a.sigmf-data").write_bytes((recordings[0] / "round-00001.sigmf-data").read_bytes())
    refused(call("replay", tmp_path / "a"), "3 samples were lost while", "record it anew")


def test_something_else_is_not_a_recording(tmp_path, config):
    refused(call("replay", tmp_path / "nothing"), "cannot be read: No such file", "needs both its files")
    refused(call("replay", config), "needs both its files")


def test_silence_is_recorded_and_is_no_round(config, cache, tmp_path):
    result = call("record", config, tmp_path / "a", "--listen", 0.01, "--cache", cache, "--json")
    told = json.loads(result.stdout)
    assert (told["samples"], told["clipped"], told["lost"]) == (40_000, 0, 0)
    assert -70 < told["level_dbfs"] < -40  # noise: 15 dB of the link and 25 dB of snr_db below the level of −12 dBFS
    refused(call("replay", told["recording"]), "40000 samples, but no round")
    result = call("record", config, tmp_path / "b", "--listen", 0.01, "--rounds", 2)
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_a_folder_in_use_is_left_alone(recordings, config, cache):
    before = {file: file.read_bytes() for file in recordings[0].iterdir()}
    refused(call("record", config, recordings[0], "--cache", cache), "not empty; choose another folder")
    assert before == {file: file.read_bytes() for file in recordings[0].iterdir()}


def test_a_probe_tells_what_each_agent_hears_and_is_heard_at(config):
    result = call("probe", config)
    assert result.exit_code == 0, result.output
    assert "fits the period of 0.1 s" in result.stdout
    assert result.stdout.count("good") == 3
    told = json.loads(call("probe", config, "--json").stdout)
    assert [agent["verdict"] for agent in told["agents"]] == ["good"] * 3
    assert told["server"] == told["agents"][0]["radio"] | {"lead_time": told["server"]["lead_time"]}
    assert told["round"]["fits_period"]


def test_a_probe_of_more_agents_than_share_a_round_reaches_them_all(config):
    told = json.loads(call("probe", config, "--set", "agents.per_round=2", "--json").stdout)
    assert [agent["agent"] for agent in told["agents"]] == [0, 1, 2]
    assert all(agent["snr_db"] > 0 for agent in told["agents"])


def test_a_probe_that_nobody_answers_fails(config):
    result = call("probe", config, "--set", "uplink.snr_db=-20", "--set", "uplink.min_headroom_db=-30")
    assert result.exit_code == 1
    assert "Agent 0, no beacon: NotDetected" in result.stdout


@pytest.mark.parametrize("arguments", [("radio", "probe"), ("radio", "record"), ("run", "--record", 1)])
def test_a_link_without_radios_cannot_be_probed_or_recorded(config, cache, tmp_path, arguments):
    where = {"probe": [], "record": [tmp_path / "a", "--cache", cache]}.get(arguments[1])
    where = ["--out", tmp_path / "a", "--cache", cache] if where is None else where
    verb, *rest = arguments
    result = call(*rest, config, *where, "--set", "uplink.kind=symbol", verb=verb)
    refused(result, "only waveform goes through radios, got symbol; set uplink.kind = waveform")
    assert not (tmp_path / "a").exists()


def test_a_run_keeps_every_nth_round_and_its_history_is_the_same(config, cache, tmp_path):
    for name, extra in (("a", ["--record", 2]), ("b", [])):
        result = call(config, "--out", tmp_path / name, "--cache", cache, "--quiet", *extra, verb="run")
        assert result.exit_code == 0, result.output
    kept = sorted(file.name for file in (tmp_path / "a" / "recordings").iterdir())
    assert kept == ["round-00001.sigmf-data", "round-00001.sigmf-meta"]
    assert not (tmp_path / "b" / "recordings").exists()
    assert (tmp_path / "a" / "history.jsonl").read_bytes() == (tmp_path / "b" / "history.jsonl").read_bytes()
    result = call("replay", tmp_path / "a" / "recordings" / "round-00001")
    assert "same bytes as live" in result.stdout


def test_replaying_a_folder_says_what_to_give(tmp_path):
    outcome = CliRunner().invoke(main, ["radio", "replay", str(tmp_path)])
    assert outcome.exit_code == 2
    assert "*.sigmf-meta" in outcome.output
