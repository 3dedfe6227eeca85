"""The report of a sweep: one self-contained HTML page, and its figures as files."""

import html
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from radio.files import write_text
from tools.report.frame import document, svg
from tools.report.page import NOTES
from tools.sweep import figures
from tools.sweep.folder import SweepFolder
from tools.sweep.groups import Group, groups
from tools.sweep.plan import Job
from tools.sweep.table import PAIRED, Row, varied
from tools.sweep.terminal import percent, uses

DRAWN = 20  # settings in one figure
STYLE = """
td.number, th.number { text-align: right; white-space: nowrap; padding: .25rem 0 .25rem 1.2rem }
.scroll { overflow-x: auto; font-size: .86rem }
"""
Drawing = tuple[str, str, str, Callable[[], Figure]]


def write_report(jobs: Sequence[Job], folder: SweepFolder, lines: Sequence[Row]) -> Path:
    """Write figures/ and report.html, and return where the report is.

    Args:
        jobs: of the sweep.
        folder: its folder.
        lines: its summary.
    """
    found = groups(jobs, folder)
    keys = varied(jobs)
    drawn = [(*about, svg(draw())) for *about, draw in _drawings(found, keys, lines)] if found else []
    (folder.path / "figures").mkdir(exist_ok=True)
    for name, _, _, text in drawn:
        write_text(folder.path / "figures" / f"{name}.svg", f'<?xml version="1.0" encoding="utf-8"?>\n{text}')
    cards = [
        f"<figure><h2>{html.escape(title)}</h2>{text}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for _, title, caption, text in drawn
    ]
    sections = [
        f'<p class="note">{html.escape(_about(jobs, lines, keys))}</p>',
        _failures(jobs, folder),
        _table(lines),
        '<div class="grid">',
        *cards,
        "</div>",
        "<h2>How to read this</h2>",
        *(f'<p class="note">{html.escape(note)}</p>' for note in (INTERVALS, *NOTES)),
    ]
    path = folder.path / "report.html"
    write_text(path, document(f"airmeta sweep: {folder.path.name}", sections, STYLE))
    return path


INTERVALS = (
    "Intervals are 95 % Student-t intervals of the mean over seeds; a seed draws partition, first model, training "
    "tasks, channel and noise anew, while the tasks of the evaluation are the same in all runs: their choice is not in "
    "the intervals. Differences are paired by seed, over the seeds that both settings have. No correction is made for "
    "the number of settings: of twenty that equal the first one, one is expected to differ from it."
)


def _drawings(found: Sequence[Group], keys: Sequence[str], lines: Sequence[Row]) -> list[Drawing]:
    shown = found[:DRAWN]
    more = f" The first {DRAWN} of {len(found)} settings." if len(found) > DRAWN else ""
    channel = any(np.isfinite(group.channel_uses).all() for group in shown)
    drawings: list[Drawing] = []
    key = figures.numeric(found, keys)
    if key is not None:
        others = [other for other in keys if other != key]
        drawings.append(
            (
                "against-key",
                f"Accuracy against {key}",
                "New agents, last evaluation; mean and 95 % interval over seeds.",
                partial(figures.against, found, key, others),
            )
        )
    if key is None and len(found) > 1:
        drawings.append(
            ("finals", "Accuracy", "New agents, last evaluation; 95 % intervals.", partial(figures.finals, lines))
        )
    if any(line[f"{PAIRED}_difference"] is not None for line in lines):
        drawings.append(
            (
                "differences",
                "Differences",
                f"Accuracy on new agents minus that of {lines[0]['point'] or 'the experiment'}, paired by seed; 95 % "
                "intervals.",
                partial(figures.differences, lines),
            )
        )
    drawings.append(
        ("accuracy", "Accuracy against rounds", f"New agents; bands are 95 % intervals over seeds.{more}",
         partial(figures.accuracy, shown))
    )  # fmt: skip
    if channel:
        drawings.append(
            ("channel-uses", "Accuracy against channel uses", f"Complex payload symbols since the start.{more}",
             partial(figures.accuracy, shown, True))
        )  # fmt: skip
    return [
        *drawings,
        ("training-loss", "Training loss", f"Query loss of the scheduled agents, running mean of ten rounds.{more}",
         partial(figures.training_loss, shown)),
        ("gap", "Meta-generalisation gap",
         f"Loss on new agents minus loss on training images of the training agents.{more}",
         partial(figures.gap, shown)),
    ]  # fmt: skip


def _about(jobs: Sequence[Job], lines: Sequence[Row], keys: Sequence[str]) -> str:
    seeds = sorted({job.seed for job in jobs})
    config = jobs[0].config
    finished = sum(line["seeds"] for line in lines)
    settings = "one setting" if len(lines) == 1 else f"{len(lines)} settings"
    what = f"; what varies: {', '.join(keys)}" if keys else ""
    return (
        f"{finished} of {len(jobs)} runs finished: {settings}, seeds {', '.join(map(str, seeds))}{what}. "
        f"{config.task.dataset}, {config.algorithm.kind}, uplink {config.uplink.kind}, {config.rounds} rounds where "
        "nothing else is said."
    )


def _failures(jobs: Sequence[Job], folder: SweepFolder) -> str:
    failed = [(job, reason) for job in jobs if (reason := folder.reason(job.key))]
    if not failed:
        return ""
    items = "".join(
        f"<li>{html.escape(f'{job.point}, seed {job.seed}' if job.point else f'seed {job.seed}')}: "
        f"{html.escape(reason)}</li>"
        for job, reason in failed
    )
    return f"<h2>Failed runs</h2><ul>{items}</ul>"


def _table(lines: Sequence[Row]) -> str:
    heads = ("seeds", "new agents", "against the first", "loss", "gap in loss", "training loss", "payload channel uses")
    head = "".join(f'<th class="number">{name}</th>' for name in heads)
    body = "".join(
        f"<tr><td>{_key(lines, place)}{html.escape(line['point'] or 'the experiment')}</td>"
        + "".join(f'<td class="number">{html.escape(cell)}</td>' for cell in _cells(line))
        + "</tr>"
        for place, line in enumerate(lines)
    )
    return f'<div class="scroll"><table><tr><th>setting</th>{head}</tr>{body}</table></div>'


def _key(lines: Sequence[Row], place: int) -> str:
    """Return a patch of the colour that a setting has in the figures; empty: it is not in them."""
    drawn = [index for index, line in enumerate(lines) if line["seeds"]][:DRAWN]
    if place not in drawn:
        return ""
    shade = to_hex(figures.shade(len(drawn), drawn.index(place)))
    return f'<span class="key" style="background:{shade}"></span>'


def _cells(line: Row) -> list[str]:
    return [
        str(line["seeds"]),
        percent(line, PAIRED),
        percent(line, f"{PAIRED}_difference", sign=True),
        _with_interval(line, "new_agent_loss"),
        _with_interval(line, "generalisation_gap"),
        _with_interval(line, "train_loss"),
        uses(line),
    ]


def _with_interval(line: Row, key: str) -> str:
    value, low, high = line[key], line[f"{key}_low"], line[f"{key}_high"]
    if value is None:
        return "–"
    return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
