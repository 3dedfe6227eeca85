"""`airmeta radio` and `airmeta run --record` as a user meets them: exit codes, messages, files."""

import json
import os

import pytest

from tests.tools.cli import call, refused
from tests.tools.small import small

SMALL = small("""
[agents]
count = 3
[uplink]
snr_db = 25.0
[waveform]
first_soundings = 2
turnaround_s = 0.005
response_s = 0.002
round_period_s = 0.1
[radio.loopback]
delay_spread_s = 5e-8
k_factor_db = 10.0
""")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture(scope="module")
def recordings(config, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "here"
    result = call("radio", "record", config, folder, "--rounds", 2, "--cache", cache, "--json")
    return folder, [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("verb", ["probe", "record", "replay"])
def test_every_verb_has_help_with_an_example(verb):
    result = call("radio", verb, "--help")
    assert f"airmeta radio {verb}" in result.output


def test_recorded_rounds_decode_to_the_same_bytes(recordings):
    folder, told = recordings
    assert [(line["round"], line["agents_heard"]) for line in told] == [(0, [0, 1, 2]), (1, [0, 1, 2])]
    assert told[0]["bytes"] == sum(file.stat().st_size for file in folder.glob("round-00000.*"))
    result = call("radio", "replay", *sorted(folder.iterdir()))  # both files of each: decoded once
    assert result.exit_code == 0, result.output
    assert result.stdout.count("same bytes as live") == 2
    assert "3 of 3 agents heard, noise" in result.stdout


def test_another_receiver_is_not_blamed_for_other_bytes(recordings):
    result = call("radio", "replay", recordings[0] / "round-00001", "--set", "uplink.receiver=lmmse")
    assert "differs from live, as other settings make it (uplink.receiver: lmmse here, oamp there)" in result.stdout


def test_the_same_settings_with_other_bytes_are_an_alarm(recordings, tmp_path):
    meta, data = ((recordings[0] / f"round-00000.sigmf-{kind}").read_bytes() for kind in ("meta", "data"))
    about = json.loads(meta)
    about["global"]["airmeta:sha256"] = "0" * 64
    about["global"]["airmeta:versions"]["numpy"] = "1.26.0"
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(about))
    (tmp_path / "a.sigmf-data").write_bytes(data)
    result = call("radio", "replay", tmp_path / "a", code=1)
    assert "DIFFERS from live with the same settings" in result.stdout
    assert "1.26.0 there" in result.stdout


def test_what_was_sent_cannot_be_overridden(recordings):
    refused("radio", "replay", recordings[0] / "round-00000", "--set", "seed=7", says="seed: shaped what was sent")


def test_another_sampling_rate_is_refused_with_both(recordings):
    said = ["sampled at 4000000 per second, got 5000000", "set waveform.sample_rate = 4000000"]
    refused("radio", "replay", recordings[0] / "round-00000", "--set", "waveform.sample_rate=5e6", says=said)


def test_one_truncated_recording_does_not_hide_the_others(recordings, tmp_path):
    for file in recordings[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = tmp_path / "round-00000.sigmf-data"
    os.truncate(data, data.stat().st_size - 80)
    result = call("radio", "replay", tmp_path / "round-00000", tmp_path / "round-00001", "--json", code=1)
    assert "10 samples are missing" in result.stderr
    assert "copy the recording again" in result.stderr
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert "10 samples are missing" in first["error"]
    assert second["as_live"]


def test_lost_samples_are_counted(recordings, tmp_path):
    about = json.loads((recordings[0] / "round-00001.sigmf-meta").read_text())
    about["captures"][-1]["airmeta:lost"] = 3
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(about))
    (tmp_path / "a.sigmf-data").write_bytes((recordings[0] / "round-00001.sigmf-data").read_bytes())
    refused("radio", "replay", tmp_path / "a", says=["3 samples were lost while", "record it anew"])


def test_something_else_is_not_a_recording(tmp_path, config):
    refused("radio", "replay", tmp_path / "nothing", says=["cannot be read: No such file", "needs both its files"])
    refused("radio", "replay", config, says="needs both its files")


def test_silence_is_recorded_and_is_no_round(config, cache, tmp_path):
    result = call("radio", "record", config, tmp_path / "a", "--listen", 0.01, "--cache", cache, "--json")
    told = json.loads(result.stdout)
    assert (told["samples"], told["clipped"], told["lost"]) == (40_000, 0, 0)
    assert -70 < told["level_dbfs"] < -40  # noise: 15 dB of the link and 25 dB of snr_db below the level of −12 dBFS
    refused("radio", "replay", told["recording"], says="40000 samples, but no round")
    both = ["--listen", 0.01, "--rounds", 2]
    refused("radio", "record", config, tmp_path / "b", *both, code=2, says="exclude each other")


def test_a_folder_in_use_is_left_alone(recordings, config, cache):
    before = {file: file.read_bytes() for file in recordings[0].iterdir()}
    refused("radio", "record", config, recordings[0], "--cache", cache, says="not empty; choose another folder")
    assert before == {file: file.read_bytes() for file in recordings[0].iterdir()}


def test_a_probe_tells_what_each_agent_hears_and_is_heard_at(config):
    result = call("radio", "probe", config)
    assert "fits the period of 0.1 s" in result.stdout
    assert result.stdout.count("good") == 3
    told = json.loads(call("radio", "probe", config, "--json").stdout)
    assert [agent["verdict"] for agent in told["agents"]] == ["good"] * 3
    assert told["server"] == told["agents"][0]["radio"] | {"lead_time": told["server"]["lead_time"]}
    assert told["round"]["fits_period"]


def test_a_probe_of_more_agents_than_share_a_round_reaches_them_all(config):
    told = json.loads(call("radio", "probe", config, "--set", "agents.per_round=2", "--json").stdout)
    assert [agent["agent"] for agent in told["agents"]] == [0, 1, 2]
    assert all(agent["snr_db"] > 0 for agent in told["agents"])


def test_a_probe_that_nobody_answers_fails(config):
    faint = ["--set", "uplink.snr_db=-20", "--set", "uplink.min_headroom_db=-30"]
    result = call("radio", "probe", config, *faint, code=1)
    assert "Agent 0, no beacon: NotDetected" in result.stdout


@pytest.mark.parametrize("arguments", [("radio", "probe"), ("radio", "record"), ("run", "--record", 1)])
def test_a_link_without_radios_cannot_be_probed_or_recorded(config, cache, tmp_path, arguments):
    where = {"probe": [], "record": [tmp_path / "a", "--cache", cache]}.get(arguments[1])
    where = ["--out", tmp_path / "a", "--cache", cache] if where is None else where
    said = "only waveform goes through radios, got symbol; set uplink.kind = waveform"
    refused(*arguments, config, *where, "--set", "uplink.kind=symbol", says=said)
    assert not (tmp_path / "a").exists()


def test_a_run_keeps_every_nth_round_and_its_history_is_the_same(config, cache, tmp_path):
    for name, extra in (("a", ["--record", 2]), ("b", [])):
        call("run", config, "--out", tmp_path / name, "--cache", cache, "--quiet", *extra)
    kept = sorted(file.name for file in (tmp_path / "a" / "recordings").iterdir())
    assert kept == ["round-00001.sigmf-data", "round-00001.sigmf-meta"]
    assert not (tmp_path / "b" / "recordings").exists()
    assert (tmp_path / "a" / "history.jsonl").read_bytes() == (tmp_path / "b" / "history.jsonl").read_bytes()
    result = call("radio", "replay", tmp_path / "a" / "recordings" / "round-00001")
    assert "same bytes as live" in result.stdout


def test_replaying_a_folder_says_what_to_give(tmp_path):
    refused("radio", "replay", tmp_path, code=2, says="*.sigmf-meta")


@pytest.mark.parametrize("other", ["serial=30C5A1F", "addr=192.168.10.2", "channel", "mine.py"])
def test_mute_says_of_radios_that_are_no_plutos_what_silences_them(other):
    output = refused("radio", "mute", other)
    for part in (f"got '{other}'", "PlutoSDRs only", "A USRP sends nothing without", "A flowgraph of GNU Radio"):
        assert part in output
