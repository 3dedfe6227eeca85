"""Table, summary, figures and report of a sweep, from folders written by hand."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from tools.sweep import figures, page, table
from tools.sweep.folder import SweepFolder
from tools.sweep.groups import band, groups
from tools.sweep.plan import Point, Study, jobs
from tools.sweep.terminal import shown

ROUNDS, EVERY, USES = 15, 5, 100
SEEDS = (1, 2, 3)


def records(accuracy, rng):
    """The history of a run that ends at an accuracy."""
    for index in range(ROUNDS):
        record = {"schema": 1, "round": index, "outcome": "ok", "train_loss": 2.0 - index / ROUNDS}
        record |= {"channel_uses": USES, "channel_uses_total": USES + 10, "oracle_nmse_db": -20.0 - index}
        record |= {"receive_snr_db": 15.0}
        if (index + 1) % EVERY == 0:
            now = accuracy * (index + 1) / ROUNDS
            record |= {"new_agent_accuracy": now, "new_agent_interval": [now - 0.1, now + 0.1], "new_agent_loss": 1.5}
            record |= {"accuracy_by_step": [0.2, now], "train_agent_accuracy": 0.9, "train_agent_loss": 1.25}
        yield record


def accuracy(point, seed):
    """A spread over seeds that all settings share, and a difference that has little."""
    return 0.5 + 0.1 * (seed - 2) + (0.0 if point == 0 else 0.05 * point + 0.01 * (seed == 3))


@pytest.fixture
def swept(experiment, tmp_path):
    """Jobs of two grid keys, a folder with their histories, one of them failed and one half done."""
    grid = {"uplink.snr_db": [10, 19], "server.lr": [0.001, 0.1]}
    planned = Study(experiment, grid=grid, seeds=SEEDS).jobs()
    return planned, filled(planned, tmp_path / "sweep")


def filled(planned, path):
    """Write the folder of a sweep whose runs are all finished."""
    folder, names = SweepFolder(path), list(dict.fromkeys(job.point for job in planned))
    folder.plan(planned)
    for job in planned:
        where = folder.run(job.key)
        where.path.mkdir(exist_ok=True)
        history = records(accuracy(names.index(job.point), job.seed), None)
        where.history.write_text("".join(json.dumps(record) + "\n" for record in history))
        where.timing.write_text('{"schema":1,"round":0,"local":1.5,"link_and_server":0.5}\n' * ROUNDS)
    return folder


def unfinished(folder, job, reason=""):
    """Let a run have half its rounds, and a reason if it failed."""
    history = folder.run(job.key).history
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:7]))
    if reason:
        folder.note_failure(job.key, reason, "Traceback")


def test_a_row_has_what_varies_and_what_was_found(swept):
    planned, folder = swept
    rows = table.rows(planned, folder)
    assert len(rows) == 12
    row = rows[4]
    assert (row["uplink.snr_db"], row["server.lr"], row["seed"]) == (10.0, 0.1, 2)
    assert [key for key in row if "." in key] == ["server.lr", "uplink.snr_db"]
    assert row["status"] == "finished"
    assert row["new_agent_accuracy"] == pytest.approx(0.55)
    assert row["accuracy_before"] == 0.2
    assert row["generalisation_gap"] == 0.25
    assert row["channel_uses"] == ROUNDS * USES
    assert row["oracle_nmse_db"] == -20.0 - ROUNDS // 2
    assert row["train_loss"] == pytest.approx(2.0 - np.mean([13, 14]) / ROUNDS)
    assert row["seconds"] == 2.0 * ROUNDS


def test_csv_and_parquet_hold_the_same_rows(swept):
    planned, folder = swept
    rows = table.rows(planned, folder)
    table.write(folder, rows, table.summary(rows))
    with (folder.path / "table.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    parquet = pq.read_table(folder.path / "table.parquet").to_pylist()
    assert [row["run"] for row in read] == [row["run"] for row in parquet] == [row["run"] for row in rows]
    assert [float(row["new_agent_accuracy"]) for row in read] == [row["new_agent_accuracy"] for row in parquet]
    assert parquet[0]["server.lr"] == 0.001
    assert parquet[0]["heldout_loss"] is None
    assert read[0]["heldout_loss"] == ""


def test_values_of_several_kinds_are_one_column_of_texts(experiment, tmp_path):
    points = [Point("a", ("radio.tx.authorised_band=[1.0, 2.0]", "uplink.kind=ideal")), Point("b")]
    planned = jobs(experiment, points, SEEDS)
    folder = filled(planned, tmp_path / "sweep")
    rows = table.rows(planned, folder)
    table.write(folder, rows, table.summary(rows))
    parquet = pq.read_table(folder.path / "table.parquet").to_pylist()
    assert (parquet[0]["radio.tx.authorised_band"], parquet[-1]["radio.tx.authorised_band"]) == ("[1.0, 2.0]", None)


def test_a_mean_has_its_student_interval_over_seeds(swept):
    rows = table.rows(*swept)
    first = table.summary(rows)[0]
    values = np.array([accuracy(0, seed) for seed in SEEDS])
    assert first["seeds"] == len(SEEDS)
    assert first["new_agent_accuracy"] == pytest.approx(values.mean())
    low, high = stats.t.interval(0.95, len(SEEDS) - 1, values.mean(), stats.sem(values))
    assert (first["new_agent_accuracy_low"], first["new_agent_accuracy_high"]) == pytest.approx((low, high))
    mean, below, above = band(values[:, None])
    assert (mean[0], below[0], above[0]) == pytest.approx((values.mean(), low, high))


def test_differences_are_paired_by_seed_and_so_narrower_than_the_means(swept):
    second = table.summary(table.rows(*swept))[1]
    difference = np.array([accuracy(1, seed) - accuracy(0, seed) for seed in SEEDS])
    low, high = stats.t.interval(0.95, len(SEEDS) - 1, difference.mean(), stats.sem(difference))
    found = [second[f"new_agent_accuracy_difference{end}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx([difference.mean(), low, high])
    assert high - low < 0.2 * (second["new_agent_accuracy_high"] - second["new_agent_accuracy_low"])


def test_unfinished_runs_are_rows_and_not_in_any_mean(swept):
    planned, folder = swept
    unfinished(folder, planned[0], "ValueError: too loud")
    unfinished(folder, planned[3])
    rows = table.rows(planned, folder)
    assert [rows[index]["status"] for index in (0, 1, 3)] == ["failed", "finished", "begun"]
    assert rows[0]["error"] == "ValueError: too loud"
    first, second, *_ = table.summary(rows)
    assert (first["seeds"], second["seeds"]) == (2, 2)
    # seeds 2 and 3 of the first, of the second 2 and 3: what both have
    assert second["new_agent_accuracy_difference"] == pytest.approx(np.mean([0.05, 0.06]))


def test_a_damaged_history_is_a_row_and_in_no_mean_nor_figure(swept):
    planned, folder = swept
    history = folder.run(planned[0].key).history
    history.write_text(history.read_text().replace(":", "|", 1))
    folder.run(planned[1].key).timing.write_text("{\n")
    rows = table.rows(planned, folder)
    assert [row["status"] for row in rows[:2]] == ["damaged", "finished"]
    assert "line 1 is damaged" in rows[0]["error"]
    assert rows[1]["seconds"] is None
    lines = table.summary(rows)
    assert lines[0]["seeds"] == 2
    table.write(folder, rows, lines)
    assert "11 of 12 runs finished" in page.write_report(planned, folder, lines).read_text()


def test_one_seed_has_no_interval(experiment, tmp_path):
    planned = jobs(experiment, [Point("a"), Point("b", ("uplink.snr_db=30",))], [1])
    lines = table.summary(table.rows(planned, filled(planned, tmp_path / "sweep")))
    assert lines[1]["new_agent_accuracy_low"] is None
    assert lines[1]["new_agent_accuracy_difference"] is None
    assert "–" in shown(lines)


def test_curves_stand_at_their_rounds_and_channel_uses(swept):
    first = groups(*swept)[0]
    assert first.evaluations.tolist() == [5, 10, 15]
    assert first.channel_uses.tolist() == [5 * USES, 10 * USES, 15 * USES]
    assert first.evaluated("new_agent_accuracy").shape == (3, 3)


def test_the_key_with_the_most_values_is_the_axis_and_the_others_are_lines(swept):
    found = groups(*swept)
    assert figures.numeric(found, ["server.lr", "uplink.snr_db"]) == "server.lr"
    axis = figures.against(found, "server.lr", ["uplink.snr_db"]).axes[0]
    assert axis.get_legend_handles_labels()[1] == ["uplink.snr_db=10.0", "uplink.snr_db=19.0"]
    assert axis.get_xscale() == "log"
    assert figures.numeric(found, ["uplink.kind"]) is None


def test_the_report_is_one_file_with_every_setting_and_each_figure_is_one_too(swept):
    planned, folder = swept
    unfinished(folder, planned[0], "ValueError: <too> loud")
    lines = table.summary(table.rows(planned, folder))
    text = page.write_report(planned, folder, lines).read_text()
    for job in planned:
        assert job.point in text
    assert "ValueError: &lt;too&gt; loud" in text
    assert "11 of 12 runs finished" in text
    assert "src=" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    names = {path.stem for path in (folder.path / "figures").iterdir()}
    assert names == {"against-key", "differences", "accuracy", "channel-uses", "training-loss", "gap"}
    for path in (folder.path / "figures").iterdir():
        ElementTree.parse(path)


def test_a_report_of_nothing_finished_says_so(swept):
    planned, folder = swept
    for job in planned:
        unfinished(folder, job, "RadioError: gone")
    lines = table.summary(table.rows(planned, folder))
    assert "0 of 12 runs finished" in page.write_report(planned, folder, lines).read_text()
    assert shown(lines)


def test_many_settings_are_told_apart_and_some_are_left_out_of_overlays(experiment, tmp_path):
    planned = Study(experiment, grid={"uplink.snr_db": list(range(10, 32))}, seeds=[1]).jobs()
    folder = filled(planned, tmp_path / "sweep")
    text = page.write_report(planned, folder, table.summary(table.rows(planned, folder))).read_text()
    assert f"The first {page.DRAWN} of 22 settings." in text
