"""`airmeta calibrate` as a user meets it: exit codes, messages, what is stored, and that a run uses it."""

import json
from datetime import datetime, timedelta

import pytest

from tests.tools.cli import call, refused
from tests.tools.small import small
from tools.calibrate.work import Work

FAULTS = "agents=2,offset_ppm=20,latency=40,level_error_db=2,iq_gain_db=0.5,iq_phase_deg=2,tx_attenuation_db=3"
RADIO = f"loopback:{FAULTS},snr_db=25"
CONFIG = small("""
[uplink]
snr_db = 25.0
[radio.loopback]
offset_ppm = 20.0
latency = 40.0
level_error_db = 2.0
iq_gain_db = 0.5
iq_phase_deg = 2.0
tx_attenuation_db = 3.0
redraw = false
""")
KINDS = ["levels", "clock", "iq", "latency", "channel"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A table with everything about two agents, the lines that were printed for it, and the page."""
    folder = tmp_path_factory.mktemp("bench")
    table, page = folder / "table.json", folder / "page.html"
    told = call("calibrate", "all", "--radio", RADIO, "--table", table, "--report", page, "--json")
    return table, [json.loads(line) for line in told.stdout.splitlines()], page


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "bench.toml"
    path.write_text(CONFIG)
    return path


def test_everything_is_measured_in_order_and_stored(bench):
    table, lines, page = bench
    measured = list(dict.fromkeys(line["kind"] for line in lines if "quantities" in line))
    assert measured == KINDS
    stored = json.loads(table.read_text())["entries"]
    assert {(entry["radio"]["serial"], entry["kind"]) for entry in stored} == {
        (line["serial"], line["kind"]) for line in lines if "quantities" in line
    }
    for name in ("agent 0", "agent 1"):
        assert {line["kind"] for line in lines if line["name"] == name and line["verdict"] == "good"} >= {*KINDS[:4]}
    assert "<svg" in page.read_text()


def test_radios_without_a_common_clock_are_calibrated_but_for_reciprocity(bench):
    skipped = [line for line in bench[1] if line["kind"] == "reciprocity"]
    assert [line["verdict"] for line in skipped] == ["skipped"] * 2
    assert "common clock" in skipped[0]["reason"]


def test_reciprocity_alone_fails_without_a_common_clock(bench, tmp_path):
    message = call("calibrate", "reciprocity", "--radio", RADIO, "--table", tmp_path / "t.json", code=1).output
    assert "common clock" in message


def test_resuming_measures_nothing_again_that_still_holds(bench):
    before = bench[0].read_bytes()
    told = call("calibrate", "all", "--radio", RADIO, "--table", bench[0], "--resume", "--json")
    assert {json.loads(line)["kind"] for line in told.stdout.splitlines()} == {"reciprocity"}
    assert "is fresh, not measured again" in told.stderr
    assert bench[0].read_bytes() == before


def test_a_calibration_that_is_stopped_leaves_a_report_and_resuming_completes_it(bench, tmp_path, monkeypatch):
    def one_and_stop(work, kinds, resume, _run=Work.run):
        yield next(_run(work, kinds, resume))
        raise KeyboardInterrupt

    path = changed(bench, tmp_path, lambda by, entries: [entries.remove(by["latency", f"agent {n}"]) for n in (0, 1)])
    common = ["calibrate", "latency", "--radio", RADIO, "--table", path, "--report", tmp_path / "page.html"]
    with monkeypatch.context() as patch:
        patch.setattr(Work, "run", one_and_stop)
        assert "stopped; what is stored stays, go on with --resume" in call(*common, code=1).stderr
    assert "1 measurements, " in (tmp_path / "page.html").read_text()
    call(*common, "--resume")
    page = (tmp_path / "page.html").read_text()
    assert "1 measurements, " in page
    assert ", and 1 from the table: 2 good" in page
    assert page.count("from the table, ") == 1


@pytest.mark.parametrize("option", ["--table", "--report"])
def test_what_cannot_be_written_is_found_out_before_anything_is_sent(tmp_path, option):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x"
    table = [] if option == "--table" else ["--table", tmp_path / "t.json"]
    message = refused("calibrate", "clock", "--radio", "loopback:agents=1", option, path, *table)
    assert f"{option} {path}: cannot be written" in message
    assert "nothing was measured" in message
    assert not (tmp_path / "t.json").exists()


def test_a_reference_in_dbm_belongs_to_one_agent(tmp_path):
    radio = ["--radio", "loopback:agents=2,snr_db=30,level_error_db=3", "--table", tmp_path / "t.json"]
    told = call("calibrate", "levels", *radio, "--reference-dbm", "1=-20", "--json")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(line["name"], line["verdict"]) for line in lines if "full_scale_dbm" in line["quantities"]] == [
        ("server", "good"), ("agent 1", "good"),
    ]  # fmt: skip
    assert "this bench has agents 0 to 1" in refused("calibrate", "levels", *radio, "--reference-dbm", "2=-20")
    assert "write N=DBM" in call("calibrate", "levels", *radio, "--reference-dbm", "-20", code=2).stderr


def test_examples_of_help_leave_out_an_agent_where_it_would_be_refused():
    for kind, one in (("levels", False), ("all", False), ("clock", True)):
        assert ("--agent 3" in call("calibrate", kind, "--help").stdout) == one


def test_what_all_agents_fail_for_is_said_once(tmp_path):
    radio = ["--radio", "loopback:agents=2,snr_db=30", "--table", tmp_path / "t.json", "--target-db", 20]
    told = call("calibrate", "levels", *radio, code=1).stdout
    assert told.count("lower the target") == 1
    assert told.count("as above") == 1


def test_one_agent_can_be_measured_again(bench, tmp_path):
    table = tmp_path / "again.json"
    table.write_bytes(bench[0].read_bytes())
    told = call("calibrate", "latency", "--radio", RADIO, "--table", table, "--agent", 1, "--json")
    assert [json.loads(line)["name"] for line in told.stdout.splitlines()] == ["agent 1"]
    assert len(json.loads(table.read_text())["entries"]) == len(json.loads(bench[0].read_text())["entries"])


def test_a_measurement_that_fails_leaves_the_old_entry_untouched(bench, tmp_path):
    table = tmp_path / "kept.json"
    table.write_bytes(bench[0].read_bytes())
    loud = f"{RADIO},interferer_dbfs=-20"
    message = call("calibrate", "levels", "--radio", loud, "--table", table, code=1).output
    assert "interferer" in message
    assert table.read_bytes() == bench[0].read_bytes()


def test_a_run_uses_the_table_and_its_history_says_which(bench, config, cache, tmp_path):
    folder = tmp_path / "run"
    call("run", config, "--set", f"calibration.table={bench[0]}", "--out", folder, "--cache", cache)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    digest = json.loads((folder / "manifest.json").read_text())["calibration"]["digest"]
    assert [line["calibration"] for line in lines] == [digest] * 2
    assert all(line["outcome"] == "ok" for line in lines)
    used = json.loads((folder / f"calibration-{digest}.json").read_text())["entries"]
    assert {entry["kind"] for entry in used} == {"levels", "clock", "latency", "iq"}


def test_without_calibration_the_same_radios_do_worse(bench, config, cache, tmp_path):
    errors = {}
    for name, table in (("raw", []), ("calibrated", ["--set", f"calibration.table={bench[0]}"])):
        call("run", config, *table, "--out", tmp_path / name, "--cache", cache)
        lines = [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        errors[name] = [line["oracle_symbol_nmse_db"] for line in lines if line["oracle_symbol_nmse_db"] is not None]
    assert max(errors["calibrated"]) < -15
    assert not errors["raw"] or min(errors["raw"]) > -12


@pytest.mark.parametrize(("change", "words"), [
    ("radio.loopback.offset_ppm=19", ["levels", "never measured"]),
    ("radio.loopback.carrier_hz=2.5e9", ["levels", "carrier"]),
])  # fmt: skip
def test_what_does_not_hold_stops_a_run_with_the_command_that_renews_it(bench, config, cache, tmp_path, change, words):
    message = refused(
        "run", config, "--set", f"calibration.table={bench[0]}", "--set", change, "--out", tmp_path / "r",
        "--cache", cache,
    )  # fmt: skip
    for word in [*words, f"airmeta calibrate all CONFIG --resume --table {bench[0]}"]:
        assert word in message


def test_what_a_restart_voids_is_refused_if_it_is_not_to_be_measured_again(bench, config, cache, tmp_path):
    message = refused(
        "run", config, "--set", f"calibration.table={bench[0]}", "--set", "radio.loopback.restarts=1", "--set",
        "calibration.renew=false", "--out", tmp_path / "r", "--cache", cache,
    )  # fmt: skip
    for word in ("latency", "restart", "airmeta calibrate all CONFIG --resume"):
        assert word in message


def test_what_a_restart_voids_is_measured_again_when_a_run_starts_and_said(bench, config, cache, tmp_path):
    folder, before = tmp_path / "run", bench[0].read_bytes()
    told = call(
        "run", config, "--set", f"calibration.table={bench[0]}", "--set", "radio.loopback.restarts=1", "--out", folder,
        "--cache", cache,
    )  # fmt: skip
    assert "latency of 2 agent(s) measured again: their streams were started anew" in told.stderr
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert all(line["outcome"] == "ok" for line in lines)
    assert max(line["oracle_symbol_nmse_db"] for line in lines) < -15
    (kept,) = (json.loads(path.read_text())["entries"] for path in folder.glob("calibration-*.json"))
    sessions = {entry["kind"]: entry["radio"]["session"] for entry in kept}
    assert sessions["latency"].startswith("start 1")
    assert sessions["levels"].startswith("start 0")
    assert bench[0].read_bytes() == before


def test_levels_are_chosen_for_all_agents_or_none(bench):
    before = bench[0].read_bytes()
    message = refused("calibrate", "levels", "--radio", RADIO, "--table", bench[0], "--agent", 1)
    assert "levels are chosen for all agents together; leave out --agent" in message
    assert bench[0].read_bytes() == before


def test_a_doubtful_measurement_does_not_replace_a_good_one(bench, tmp_path):
    """An interferer 25 dB below the agents is weak enough for a measurement, and too strong for a good one."""
    table = tmp_path / "kept.json"
    table.write_bytes(bench[0].read_bytes())
    loud = f"{RADIO},interferer_dbfs=-22,interferer_hz=510000"
    told = call("calibrate", "iq", "--radio", loud, "--table", table, code=1)
    assert "the earlier measurement, which is good, is kept" in told.stdout
    assert "airmeta calibrate expire --kind iq" in told.stdout
    assert table.read_bytes() == bench[0].read_bytes()


def test_resuming_measures_the_server_again_if_its_entry_is_gone(bench, tmp_path):
    table, serial = tmp_path / "t.json", next(line["serial"] for line in bench[1] if line["name"] == "server")
    content = json.loads(bench[0].read_text())
    content["entries"] = [one for one in content["entries"] if (one["kind"], one["radio"]["serial"]) != ("iq", serial)]
    table.write_text(json.dumps(content))
    told = call("calibrate", "all", "--radio", RADIO, "--table", table, "--resume", "--json")
    measured = {(line["kind"], line["name"]) for line in map(json.loads, told.stdout.splitlines())}
    assert ("iq", "server") in measured
    call("doctor", "--radio", RADIO, "--table", table)


def test_delays_too_long_to_answer_a_beacon_in_time_stop_a_run_with_the_remedy(config, cache, tmp_path):
    table = tmp_path / "late.json"
    late = ["--set", "radio.loopback.latency=9000", "--set", "calibration.use=['latency']"]
    call("calibrate", "latency", config, *late, "--table", table)
    message = refused(
        "run", config, *late, "--set", f"calibration.table={table}", "--out", tmp_path / "r", "--cache", cache
    )
    assert "raise waveform.response_s by" in message


def test_imbalance_needs_the_levels_it_was_measured_at(bench, config, tmp_path):
    message = refused(
        "run", config, "--set", f"calibration.table={bench[0]}", "--set", "calibration.use=['iq']", "--out",
        tmp_path / "r",
    )  # fmt: skip
    assert "iq needs levels" in message


def test_a_run_goes_on_with_another_calibration_and_its_history_says_from_where(bench, config, cache, tmp_path):
    folder, table = tmp_path / "run", tmp_path / "t.json"
    table.write_bytes(bench[0].read_bytes())
    start = ["run", config, "--out", folder, "--cache", cache, "--set", f"calibration.table={table}"]
    call(*start)
    lines = (folder / "history.jsonl").read_text().splitlines()
    call("calibrate", "latency", "--radio", RADIO, "--table", table)
    (folder / "checkpoint.safetensors").unlink()
    call(*start, "--resume")
    digests = {json.loads(line)["calibration"] for line in lines}
    digests |= {json.loads(line)["calibration"] for line in (folder / "history.jsonl").read_text().splitlines()}
    assert len(digests) == 2
    assert {path.name for path in folder.glob("calibration-*.json")} == {f"calibration-{one}.json" for one in digests}


def test_a_table_that_is_not_there_is_named_with_the_command_that_makes_it(config, cache, tmp_path):
    table = tmp_path / "none.json"
    message = refused("run", config, "--set", f"calibration.table={table}", "--out", tmp_path / "r", "--cache", cache)
    assert f"airmeta calibrate all CONFIG --table {table}" in message


def test_channels_that_are_drawn_anew_cannot_have_their_levels_calibrated(bench, config, tmp_path):
    message = refused(
        "run", config, "--set", f"calibration.table={bench[0]}", "--set", "radio.loopback.redraw=true", "--out",
        tmp_path / "r",
    )  # fmt: skip
    assert "radio.loopback.redraw" in message
    assert "calibration.use" in message


def test_the_doctor_says_whether_the_calibration_is_fresh(bench, config, tmp_path):
    assert "holds for" in call("doctor", "--radio", RADIO, "--table", bench[0]).stdout
    assert "holds for" in call("doctor", config, "--set", f"calibration.table={bench[0]}").stdout
    none = tmp_path / "none.json"
    told = call("doctor", "--radio", RADIO, "--table", none, code=1).stdout
    for name in ("server", "agent 0", "agent 1"):
        assert f"BAD  {name}, calibration: was never measured\n" in told
    assert (
        f"     measure all that does not hold with: airmeta calibrate all --radio {RADIO} --resume --table {none}"
        in told
    )
    assert told.count("airmeta calibrate") == 1


def changed(bench, tmp_path, change):
    """Return a copy of the table after `change`, which gets its entries by kind and place: server, agent 0, agent 1."""
    content, serials = json.loads(bench[0].read_text()), {line["name"]: line["serial"] for line in bench[1]}
    names = {serial: name for name, serial in serials.items()}
    change({(one["kind"], names[one["radio"]["serial"]]): one for one in content["entries"]}, content["entries"])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return path


def test_the_doctor_warns_of_what_is_doubtful_and_a_run_uses_all_the_same(bench, config, cache, tmp_path):
    doubtful = {"word": "too noisy", "reason": "rx_phase_deg is known to 0.6"}
    path = changed(bench, tmp_path, lambda by, _: by["iq", "agent 1"].update(verdict=doubtful))
    told = call("doctor", config, "--table", path).stdout
    assert "WARN agent 1, iq: too noisy" in told
    assert "rx_phase_deg is known to 0.6; a run uses it as it is" in told
    call("run", config, "--set", f"calibration.table={path}", "--out", tmp_path / "r", "--cache", cache, "--quiet")


def test_the_doctor_gives_one_command_for_one_thing_that_does_not_hold(bench, config, tmp_path):
    path = changed(bench, tmp_path, lambda by, entries: entries.remove(by["iq", "agent 1"]))
    told = call("doctor", config, "--table", path, code=1).stdout
    assert f"     airmeta calibrate iq {config} --agent 1 --table {path}\n" in told
    assert "--resume" not in told


def test_the_doctor_refuses_what_a_run_refuses(bench, config):
    """Redrawn channels are put off for a measurement; a ratio for the downlink needs a clock that is common."""
    table = ["--table", bench[0]]
    told = call("doctor", config, *table, "--set", "radio.loopback.redraw=true", code=1).stdout
    assert "BAD  experiment: calibration.use: levels that were chosen for one channel do not fit" in told
    told = call("doctor", config, *table, "--set", "waveform.channel_from=downlink", code=1).stdout
    assert "BAD  experiment: radio.loopback.offset_ppm: what agents hear says what the server hears only with" in told


def test_the_doctor_takes_the_ratio_from_the_table_that_it_is_given_and_says_when_it_is_void(config, tmp_path):
    common = ["--set", "radio.loopback.offset_ppm=0", "--table", tmp_path / "common.json"]
    down = ["--set", "waveform.channel_from=downlink"]
    call("calibrate", "all", config, *common)
    assert "ok   agent 1, reciprocity: good" in call("doctor", config, *common, *down).stdout
    content = json.loads((tmp_path / "common.json").read_text())
    later = max(one["time"] for one in content["entries"] if one["kind"] == "reciprocity")
    later = (datetime.fromisoformat(later) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    for one in content["entries"]:
        if one["kind"] == "iq":
            one["time"] = later
    (tmp_path / "common.json").write_text(json.dumps(content))
    told = call("doctor", config, *common, *down, code=1).stdout
    assert "BAD  agent 0, reciprocity: reciprocity of" in told
    assert "is void: iq of" in told


def test_the_doctor_has_nothing_to_say_of_radios_where_an_experiment_has_none(config):
    told = call("doctor", config, "--set", "uplink.kind=symbol").stdout
    assert "ok   radios: none in this experiment: uplink.kind = symbol" in told


def test_a_table_that_cannot_be_read_is_one_finding_of_the_doctor_among_others(config, tmp_path):
    (tmp_path / "t.json").write_text("{}")
    told = call("doctor", config, "--table", tmp_path / "t.json", code=1).stdout
    assert "ok   link at zero noise" in told
    assert "not a calibration table" in told


def test_resuming_measures_again_what_was_not_good(bench, tmp_path):
    doubtful = {"word": "too noisy", "reason": "faded"}
    path = changed(bench, tmp_path, lambda by, _: by["latency", "agent 1"].update(verdict=doubtful))
    told = call("calibrate", "all", "--radio", RADIO, "--table", path, "--resume", "--json").stdout
    lines = [json.loads(line) for line in told.splitlines()]
    assert [(one["kind"], one["name"]) for one in lines if one["verdict"] != "skipped"] == [("latency", "agent 1")]


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "--radio loopback"),
    (["--radio", "ether:192.168.2.1"], "no such kind of radio"),
    (["--radio", "ip:192.168.2.1", "--radio", "pluto"], "as libiio does"),
    (["--radio", "pluto:agents=1,blok=3"], "unknown key blok; did you mean block?"),
    (["--radio", "pluto:agent=1"], "unknown key agent; did you mean agents?"),
    (["--radio", "pluto:zzz=1"], "pluto:KEY=VALUE takes keys of radio.pluto"),
    (["--radio", "pluto", "--radio", "pluto"], "agents=N"),
    (["--radio", "loopback:offset_pm=3"], "did you mean offset_ppm?"),
    (["--radio", "loopback:nonsense"], "KEY=VALUE"),
    (["--radio", "loopback", "--radio", "loopback"], "agents=N"),
    (["--radio", "loopback:agents=2", "--agent", "2"], "agents 0 to 1"),
    (["nowhere.toml"], "cannot be read"),
])  # fmt: skip
def test_what_cannot_be_opened_is_said_with_the_remedy(arguments, words, tmp_path):
    message = refused("calibrate", "clock", *arguments, "--table", tmp_path / "t.json")
    assert words in message
    assert ("the configuration has" in message) == (words in ("cannot be read", "--radio loopback"))


def test_an_agent_that_is_not_there_fails_alone(tmp_path):
    """All agents are 0 to 200 dB weaker, drawn uniformly: of four, some are heard and some are not."""
    table = tmp_path / "t.json"
    told = call(
        "calibrate", "latency", "--radio", "loopback:agents=4,path_loss_db=200,snr_db=40", "--table", table, "--json",
        code=1,
    )  # fmt: skip
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert {line["verdict"] for line in lines} == {"good", "failed"}
    assert "heard no beacon" in next(line["reason"] for line in lines if line["verdict"] == "failed")
    assert len(json.loads(table.read_text())["entries"]) == sum(line["verdict"] == "good" for line in lines)
