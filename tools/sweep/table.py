"""What the runs of a sweep found, as a table: one row a run, and one line a setting with intervals over its seeds."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fl.config import leaves
from fl.evaluation import interval, paired_difference
from fl.history import HistoryError, read
from radio.files import atomic_path, write_text
from tools.sweep.folder import SweepFolder
from tools.sweep.grid import spelt
from tools.sweep.plan import Job
from tools.sweep.results import is_whole, seconds

Row = dict[str, Any]
TAIL = 0.1  # share of the rounds over which the training loss is averaged
FINAL = (
    "new_agent_accuracy",
    "new_agent_loss",
    "train_agent_accuracy",
    "train_agent_loss",
    "heldout_accuracy",
    "heldout_loss",
)
"""Numbers of the last evaluation, as the history calls them."""
METRICS: dict[str, str] = {
    **dict.fromkeys(FINAL, "of the last evaluation"),
    "accuracy_before": "of new agents, before fine-tuning",
    "generalisation_gap": "new_agent_loss − train_agent_loss",
    "train_loss": "mean over the last tenth of the rounds",
    "channel_uses": "payload, sum over the rounds",
    "channel_uses_total": "with pilots and sounding, sum over the rounds",
    "oracle_nmse_db": "median over the rounds",
    "receive_snr_db": "median over the rounds",
    "rounds_lost": "rounds that delivered nothing",
    "seconds": "wall clock of all rounds",
}
SUMMARISED = ("new_agent_accuracy", "new_agent_loss", "generalisation_gap", "train_loss", "channel_uses")
PAIRED = "new_agent_accuracy"


def varied(jobs: Sequence[Job]) -> list[str]:
    """Return the keys in which settings differ; the seed is none of them."""
    points = list({job.point: leaves(job.config.model_dump(mode="json")) for job in jobs}.values())
    keys = dict.fromkeys(key for point in points for key in point if key != "seed")
    return [key for key in keys if any(point.get(key) != points[0].get(key) for point in points)]


def rows(jobs: Sequence[Job], folder: SweepFolder) -> list[Row]:
    """Return one row for each run, whatever became of it."""
    keys = varied(jobs)
    return [_row(job, keys, folder) for job in jobs]


def _row(job: Job, keys: Sequence[str], folder: SweepFolder) -> Row:
    where, settings = folder.run(job.key), leaves(job.config.model_dump(mode="json"))
    error = folder.reason(job.key)
    try:
        records, spent = read(where.history) if where.history.exists() else [], _spent(where.timing)
        status = "finished" if is_whole(records, job) else "failed" if error else "begun" if records else "planned"
    except HistoryError as damage:
        records, spent, status, error = [], None, "damaged", str(damage)
    return {
        "point": job.point,
        **{key: settings.get(key) for key in keys},
        "seed": job.seed,
        "status": status,
        "rounds": len(records),
        **(_metrics(records, spent) if records else dict.fromkeys(METRICS)),
        "error": error or None,
        "run": str(where.path.relative_to(folder.path)),
    }


def _metrics(records: Sequence[Mapping[str, Any]], spent: float | None) -> Row:
    last: Mapping[str, Any] = next((record for record in reversed(records) if "new_agent_accuracy" in record), {})
    gap = last["new_agent_loss"] - last["train_agent_loss"] if last.get("train_agent_loss") is not None else None
    tail = records[-max(1, round(TAIL * len(records))) :]
    return {
        **{key: last.get(key) for key in FINAL},
        "accuracy_before": last["accuracy_by_step"][0] if last else None,
        "generalisation_gap": gap,
        "train_loss": _over(np.mean, tail, "train_loss"),
        "channel_uses": _over(np.sum, records, "channel_uses"),
        "channel_uses_total": _over(np.sum, records, "channel_uses_total"),
        "oracle_nmse_db": _over(np.median, records, "oracle_nmse_db"),
        "receive_snr_db": _over(np.median, records, "receive_snr_db"),
        "rounds_lost": sum(record["outcome"] != "ok" for record in records),
        "seconds": spent,
    }


def _spent(timing: Path) -> float | None:
    try:
        return seconds(timing)
    except HistoryError:  # of a file that says nothing about what was found
        return None


def _over(statistic: Any, records: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [record[key] for record in records if record.get(key) is not None]
    return float(statistic(values)) if values else None


def summary(table: Sequence[Row]) -> list[Row]:
    """Return mean and 95 % Student-t interval over the seeds of each setting, and the difference to the first one.

    The difference is paired: over the seeds that both have finished. Intervals need two seeds, else they are None.
    """
    points: dict[str, dict[int, Row]] = {}
    for row in table:
        points.setdefault(row["point"], {})
        if row["status"] == "finished":
            points[row["point"]][row["seed"]] = row
    first = next(iter(points.values()), {})
    return [_line(name, found, first) for name, found in points.items()]


def _line(name: str, found: Mapping[int, Row], first: Mapping[int, Row]) -> Row:
    line: Row = {"point": name, "seeds": len(found)}
    for metric in SUMMARISED:
        values = [row[metric] for row in found.values() if row[metric] is not None]
        low, high = interval(np.array(values)) if len(values) > 1 else (None, None)
        line |= {metric: float(np.mean(values)) if values else None, f"{metric}_low": low, f"{metric}_high": high}
    shared = [seed for seed in found if seed in first]
    mine, theirs = (np.array([one[seed][PAIRED] for seed in shared], float) for one in (found, first))
    paired = paired_difference(mine, theirs) if len(shared) > 1 and found is not first else (None, None, None)
    names = (f"{PAIRED}_difference", f"{PAIRED}_difference_low", f"{PAIRED}_difference_high")
    return line | dict(zip(names, paired, strict=True))


def write(folder: SweepFolder, table: Sequence[Row], lines: Sequence[Row]) -> None:
    """Write table.csv, table.parquet and summary.csv."""
    write_text(folder.path / "table.csv", _csv(table))
    write_text(folder.path / "summary.csv", _csv(lines))
    with atomic_path(folder.path / "table.parquet") as temporary:
        pq.write_table(pa.table({key: _column([row[key] for row in table]) for key in table[0]}), temporary)


def _csv(table: Sequence[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in table)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Return a value for a cell: what is no number or text is written as TOML would."""
    return value if value is None or type(value) in (int, float, str) else spelt(value)


def _column(values: Sequence[Any]) -> Any:
    """Return a column of one type: numbers if all are, else texts."""
    types = {type(value) for value in values if value is not None}
    if types <= {int, float} and float in types:
        return pa.array(values, pa.float64())
    if len(types) == 1 and types <= {int, bool, str}:
        return pa.array(values)
    if not types:
        return pa.array(values, pa.float64())
    return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values])
