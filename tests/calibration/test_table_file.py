"""The calibration table as a file: kept whole, refused when it is not, shared by several writers."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from calibration.entry import Entry, digest, entry_of
from calibration.measurement import CalibrationError, Measurement, Quantity, Verdict
from calibration.rules import RULES
from calibration.table import Refused, Table, TableError, look_up
from calibration.table_file import expire, load, render, store
from tests.calibration.entries import AGENT, NOW, SECOND, SERVER, SETTINGS, entry

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calibration.json"


def test_what_is_stored_is_what_is_loaded(path):
    entries = [
        entry(kind, radio, verdict=Verdict("unstable", "ü: it jumps")) for kind in RULES for radio in (AGENT, SECOND)
    ]
    after = store(path, entries)
    assert load(path) == after
    assert set(map(Entry.model_dump_json, load(path).entries)) == set(map(Entry.model_dump_json, entries))
    assert digest(load(path).entries) == digest(reversed(entries))


def test_infinity_survives_in_plain_json(path):
    measurement = Measurement("iq", "agent", None, {"coherence": Quantity(math.inf, math.inf, "s")})
    store(path, [entry_of(measurement, AGENT, None, NOW, "0.1.0")])
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert load(path).entries[0].quantities["coherence"] == Quantity(math.inf, math.inf, "s")


def test_measuring_again_replaces_and_other_settings_coexist(path):
    elsewhere = replace(AGENT, settings=replace(SETTINGS, rx_gain_db=-12.0))
    store(path, [entry(gain_db=1.0), entry("clock"), entry("clock", partner=SECOND)])
    store(path, [entry(radio=elsewhere, gain_db=2.0)])
    again = replace(AGENT, session="start 7", settings=replace(SETTINGS, clock_trim_ppm=3.0))  # neither matters to iq
    store(path, [entry(radio=again, gain_db=3.0)])
    values = [one.quantities["gain_db"].value for one in load(path).entries if one.kind == "iq"]
    assert values == [3.0, 2.0]
    assert [one.kind for one in load(path).entries].count("clock") == 2


def test_other_settings_of_the_partner_are_another_entry(path):
    partner = replace(SERVER, settings=replace(SETTINGS, clock_trim_ppm=3.0))
    store(path, [entry("reciprocity"), entry("reciprocity", partner=partner)])
    assert len(load(path).entries) == 2


def test_a_file_does_not_depend_on_the_order_of_storing(tmp_path):
    entries = [entry(kind, radio) for kind in RULES for radio in (AGENT, SECOND)]
    store(tmp_path / "a", entries)
    for one in reversed(entries):
        store(tmp_path / "b", [one])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_new_value_is_one_changed_line(path):
    one, other = ({"gain_db": 0.5, "phase_deg": value} for value in (2.0, 2.5))
    texts = [
        render(Table().updated([entry(**one), entry("clock")])),
        render(Table().updated([entry(**other), entry("clock")])),
    ]
    changed = [pair for pair in zip(*(text.splitlines() for text in texts), strict=True) if pair[0] != pair[1]]
    assert [line.strip() for line in changed[0]] == [
        f'"phase_deg": {{"uncertainty": 0.1, "unit": "dB", "value": {value}}}' for value in (2.0, 2.5)
    ]
    assert len(changed) == 1


def test_a_table_never_written_is_empty(path):
    assert load(path) == Table()
    assert not path.exists()


@pytest.mark.parametrize("cut", [0, 1, 40, 400, -2])
def test_a_truncated_table_is_refused_and_left_alone(path, cut):
    store(path, [entry(), entry("clock")])
    path.write_text(path.read_text()[:cut])
    before = path.read_bytes()
    with pytest.raises(TableError, match=r"cut off or damaged|not a calibration table|is empty") as caught:
        load(path)
    assert cut in (0, 1) or "measure anew: airmeta calibrate all" in str(caught.value)
    with pytest.raises(TableError):
        store(path, [entry()])
    assert path.read_bytes() == before


def test_a_newer_table_is_refused_and_left_alone(path):
    store(path, [entry()])
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    before = path.read_bytes()
    with pytest.raises(TableError, match="version 2, this airmeta reads 1; use the airmeta that wrote it"):
        store(path, [entry()])
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"[]", b'{"format": "other"}', b"x = 1\n", b"\xff\xfe\x00"])
def test_something_else_is_no_table(path, content):
    path.write_bytes(content)
    with pytest.raises(TableError, match="not a calibration table; name another file"):
        load(path)


def spoil(content, how):
    first = content["entries"][0]
    match how:
        case "setting":
            first["radio"]["settings"]["gain"] = 3.0
        case "quantity":
            first["quantities"]["gain_db"]["sigma"] = 3.0
        case "entry":
            first["note"] = "x"
        case "table":
            content["author"] = "x"
        case "kind":
            first["kind"] = "iqq"
        case "time":
            first["time"] = "2026-03-01T12:00:00"
        case "twice":
            content["entries"].append(first)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("setting", "entries.0.radio.settings.gain: unknown key"),
        ("quantity", "entries.0.quantities.gain_db.sigma: unknown key"),
        ("entry", "entries.0.note: unknown key"),
        ("table", "author: unknown key"),
        ("kind", "entries.0.kind: no kind of calibration is called 'iqq'"),
        ("time", "entries.0.time: Input should have timezone info"),
        ("twice", "entries: 1 of them say the same as another one"),
    ],
)
def test_what_was_edited_wrongly_is_named(path, how, message):
    store(path, [entry()])
    content = json.loads(path.read_text())
    spoil(content, how)
    path.write_text(json.dumps(content))
    with pytest.raises(TableError, match=r"1 problem\(s\); correct it, or delete those entries:\n") as caught:
        load(path)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_opened_or_written_says_why(tmp_path):
    with pytest.raises(TableError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError, match=r"cannot be written .*it is as it was; free space or permit writing"):
        store(tmp_path / "file" / "calibration.json", [entry()])


def test_a_calibration_that_fails_leaves_the_old_entry(path, monkeypatch):
    store(path, [entry()])
    before = path.read_bytes()

    def measured():
        yield entry("clock")
        raise CalibrationError("nothing heard; look at the antennas")

    with pytest.raises(CalibrationError):
        store(path, measured())
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(TableError, match="No space left on device"):
        store(path, [entry("clock")])
    assert path.read_bytes() == before
    assert not [file for file in path.parent.iterdir() if file.suffix not in (".json", ".lock")]


def test_a_link_to_a_table_stays_one(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    store(link, [entry()])
    assert link.is_symlink()
    assert load(path) == load(link) == Table((entry(),))


# --- several writers


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from calibration.table_file import store
from tests.calibration.entries import AGENT, entry
serial, path = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for index in range(10):
    radio = replace(AGENT, serial=f"{serial}-{index}")
    store(Path(path), [entry(radio=radio)], patience=60)
"""
HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def start(script, *arguments):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, **pipes)
    assert process.stdout.readline()  # so far that only the signal is missing
    return process


def test_writers_of_different_entries_all_find_theirs(path):
    writers = [start(WRITER, name, path) for name in "abc"]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert {one.radio.serial for one in load(path).entries} == {
        f"{name}-{index}" for name in "abc" for index in range(10)
    }


def test_a_second_writer_is_told_to_wait(path):
    store(path, [entry()])
    before = path.read_bytes()
    holder = start(HOLDER, path.with_name(".calibration.json.lock"))
    with pytest.raises(TableError, match=r"another process has been writing it for 0\.2 s .* let that one finish"):
        store(path, [entry("clock")], patience=0.2)
    assert path.read_bytes() == before
    assert load(path) == Table((entry(),))  # reading waits for nobody
    holder.kill()
    holder.communicate()
    store(path, [entry("clock")], patience=5)  # a process that died holds nothing
    assert len(load(path).entries) == 2


def test_a_lock_left_behind_does_no_harm(path):
    with FileLock(path.with_name(".calibration.json.lock")):
        pass
    store(path, [entry()], patience=0.2)
    assert load(path).entries == (entry(),)


# --- expiring


def test_expired_by_hand_is_refused_but_readable(path):
    store(path, [entry(), entry("clock"), entry(radio=SECOND)])
    chosen = expire(path, "agent", None, NOW + timedelta(hours=1))
    assert [one.kind for one in chosen] == ["clock", "iq"]
    with pytest.raises(Refused, match="iq of agent expired 60 min ago, 60 min after it was measured"):
        look_up(load(path), "iq", AGENT, None, NOW + timedelta(hours=2))
    assert look_up(load(path), "iq", SECOND, None, NOW + timedelta(hours=2))
    expire(path, "agent", "iq", NOW + timedelta(hours=3))
    assert load(path).select("agent", "iq")[0].expires == NOW.replace(microsecond=0) + timedelta(hours=1)


def test_a_partner_takes_part_in_an_entry():
    table = Table().updated([entry("clock"), entry()])
    assert [one.kind for one in table.select("server")] == ["clock"]


def test_a_selection_of_nothing_names_what_there_is(path):
    store(path, [entry(), entry("clock")])
    before = path.read_bytes()
    with pytest.raises(TableError, match=r"has no iq of agnt; it has clock, iq of agent, server; did you mean agent\?"):
        expire(path, "agnt", "iq", NOW)
    with pytest.raises(TableError, match=r"calibration.json has no levels; it has clock, iq of agent, server$"):
        expire(path, None, "levels", NOW)
    assert path.read_bytes() == before
    with pytest.raises(TableError, match="no entries yet; measure some with: airmeta calibrate all"):
        Table().select()
