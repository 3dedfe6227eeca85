"""Folders of runs as kills, disks and people leave them: what is normal goes on, all else is named beforehand."""

import json
import shutil
from dataclasses import replace

import pytest

from fl import checkpoint
from tests.tools.cli import refused
from tools.sweep.execute import execute
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.left import left_of
from tools.sweep.results import is_finished, run_folder
from tools.sweep.work import carry_out


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folders of the first run, by the rounds that it has, made once."""
    return {}, tmp_path_factory.mktemp("whole")


@pytest.fixture
def begun(order, whole):
    """Return a function that puts the first run where it belongs, so many rounds old, and returns its folder."""
    made, store = whole

    def put(rounds):
        where = run_folder(order.folder, order.job).path
        if rounds not in made:
            left = iter([False] * (rounds - 1))
            carry_out(order, lambda said: None, lambda: next(left, True))
            made[rounds] = store / str(rounds)
            shutil.copytree(where, made[rounds])
        elif not where.exists():
            shutil.copytree(made[rounds], where)
        return where

    return put


def torn(path, bytes_left=-10):
    path.write_bytes(path.read_bytes()[:bytes_left])


def rewrite(path, number, change):
    """Change a line of a history."""
    lines = path.read_text().splitlines(keepends=True)
    lines[number] = change(lines[number])
    path.write_text("".join(lines))


def of_another_configuration(where):
    config = where / "config.toml"
    config.write_text(config.read_text().replace("rounds = 15", "rounds = 16"))


def of_another_run(where):
    path = where / checkpoint.NAME
    checkpoint.save(where, replace(checkpoint.load(where), config_hash="0" * 64))
    (where / checkpoint.PREVIOUS).write_bytes(path.read_bytes())


def schema(line):
    return json.dumps(json.loads(line) | {"schema": 99}) + "\n"


def without_checkpoints(where):
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (where / name).unlink()


def torn_checkpoints(where):
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        torn(where / name)


def broken_line(where):
    rewrite(where / "history.jsonl", 3, lambda line: line.replace(":", "|"))


def short_history(where):
    torn(where / "history.jsonl")


def broken_config(where):
    (where / "config.toml").write_text("rounds = ")


def no_config(where):
    (where / "config.toml").unlink()


DAMAGE = [
    (7, torn_checkpoints, "not a whole checkpoint"),
    (7, broken_line, "line 4 is damaged"),
    (15, broken_line, "line 4 is damaged"),
    (7, short_history, "the checkpoint needs"),
    (15, short_history, "the checkpoint needs"),
    (7, broken_config, "config.toml: damaged"),
    (7, of_another_configuration, "another configuration (rounds: 15 here, 16 there)"),
    (15, of_another_run, "of a run of another configuration"),
    (7, no_config, "not empty and not a run"),
]


@pytest.mark.parametrize(("rounds", "harm", "says"), DAMAGE)
def test_damage_is_named_with_the_remedy_before_any_run_starts(begun, order, planned, experiment, rounds, harm, says):
    where = begun(rounds)
    harm(where)
    shutil.rmtree(order.folder / "locks")
    before = {path: path.read_bytes() for path in order.folder.rglob("*") if path.is_file()}
    with pytest.raises(SweepError, match="1 of 4 runs cannot go on") as caught:
        execute(planned, order.folder, order.cache, lambda said: None)
    assert says in str(caught.value)
    assert f"delete {where} to do the run again" in str(caught.value)
    assert "19 dB, seed 1: " in str(caught.value)
    assert before == {path: path.read_bytes() for path in order.folder.rglob("*") if path.is_file()}
    words = ["--point", "19 dB", "", "--point", "30 dB", "uplink.snr_db=30", "--seeds", "2"]
    refused("sweep", experiment, *words, "--out", order.folder, "--dry-run", says=says)
    shutil.rmtree(where)  # the remedy
    assert left_of(planned, order.folder) == planned


@pytest.mark.parametrize("rounds", [7, 15])
def test_a_history_of_another_version_names_the_airmeta_that_made_it(begun, order, planned, rounds):
    where = begun(rounds)
    rewrite(where / "history.jsonl", 0, schema)
    about = where / "manifest.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"versions": {"airmeta": "0.0.7"}}))
    with pytest.raises(SweepError, match=r"schema 99, this version reads 1; go on with the airmeta .* \(0\.0\.7\)"):
        left_of(planned, order.folder)


def torn_line(where):
    with (where / "history.jsonl").open("ab") as file:
        file.write(b'{"schema":1,"round":')


def garbage_after_the_checkpoint(where):
    with (where / "history.jsonl").open("ab") as file:
        file.write(bytes(100) + b"\n{\n")


@pytest.mark.parametrize(
    "harm",
    [torn_line, garbage_after_the_checkpoint, lambda where: torn(where / checkpoint.NAME),
     lambda where: (where / checkpoint.NAME).unlink(), without_checkpoints],
    ids=["torn", "garbage", "cut short", "gone", "begun with a lower checkpoint_every"],
)  # fmt: skip
def test_what_kills_leave_is_normal_and_the_run_comes_to_the_same_bytes(begun, order, undisturbed, harm):
    where = begun(7)
    harm(where)
    assert left_of([order.job], order.folder) == [order.job]
    assert carry_out(order, lambda said: None, lambda: False).how == "finished"
    assert (where / "history.jsonl").read_bytes() == undisturbed(order.job)


def test_a_finished_run_whose_model_is_damaged_is_done_again_from_the_checkpoint_before(begun, order, undisturbed):
    where = begun(15)
    torn(where / checkpoint.NAME)
    assert left_of([order.job], order.folder) == [order.job]
    assert carry_out(order, lambda said: None, lambda: False).how == "finished"
    assert (where / "history.jsonl").read_bytes() == undisturbed(order.job)
    assert is_finished(order.folder, order.job)


def test_a_run_that_is_being_written_is_not_judged(begun, order):
    where = begun(7)
    (where / "config.toml").unlink()
    with SweepFolder(order.folder).lock(order.job.key):
        assert left_of([order.job], order.folder) == [order.job]


def test_many_damaged_runs_are_counted_and_some_of_them_named(order, planned, monkeypatch):
    monkeypatch.setattr("tools.sweep.left.SHOWN", 1)
    for job in planned[:3]:
        where = run_folder(order.folder, job).path
        where.mkdir()
        (where / "thesis.tex").write_text("")
    with pytest.raises(SweepError, match=r"3 of 4 runs cannot go on:\n  19 dB, seed 1: .*\n  and 2 more"):
        left_of(planned, order.folder)
