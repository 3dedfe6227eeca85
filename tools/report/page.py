"""One self-contained HTML page about one or several runs."""

import html
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fl.config import differences
from radio.files import write_text
from tools.report import figures, theory, waveform
from tools.report.frame import Card, document, svg
from tools.report.selection import has_bias, selection
from tools.report.series import RunSeries, load_run

NOTES = (
    "Batch norm uses the statistics of the images at hand, query images included: accuracies are transductive.",
    "Quantities marked oracle compare with what the agents really sent; only a simulation knows it, and no receiver "
    "used it.",
    "The sensing operator by half of a real FFT, the small truncation threshold, the form of OAMP for unequal noise "
    "and the ν-step algorithm are our reconstructions; docs/ says of each formula where it comes from.",
)


def write_report(folders: Sequence[Path], out: Path) -> None:
    """Write the report of these runs.

    Raises:
        RunError, HistoryError: a folder is not a run, or its history is damaged.
    """
    write_text(out, page([load_run(folder) for folder in folders]))


def page(runs: Sequence[RunSeries]) -> str:
    """Return the page as text."""
    title = "airmeta: " + ", ".join(run.name for run in runs)
    sections = [
        _table(runs),
        _differences(runs),
        '<div class="grid">',
        *_drawings(runs),
        *(card.html() for card in theory.cards(runs)),
        "</div>",
        *(_on_air(run) for run in runs if run.is_waveform),
        *(_tasks(run) for run in runs if run.samples is not None),
        "<h2>How to read this</h2>",
        *(f'<p class="note">{note}</p>' for note in NOTES),
    ]
    return document(title, sections)


def _drawings(runs: Sequence[RunSeries]) -> list[str]:
    channel = any(run.is_channel for run in runs)
    evaluated = any(run.evaluations for run in runs)
    wanted: list[tuple[bool, str, str, Callable[[], Figure]]] = [
        (
            True,
            "Training loss",
            "Query loss of the scheduled agents after their inner steps.",
            lambda: figures.training_loss(runs),
        ),
        (
            evaluated,
            "Accuracy",
            "New agents solid, training agents dashed; bands are 95 % intervals over tasks.",
            lambda: figures.accuracy(runs, False),
        ),
        (
            evaluated and channel,
            "Accuracy against channel uses",
            "Complex payload symbols since the start.",
            lambda: figures.accuracy(runs, True),
        ),
        (
            evaluated,
            "Meta-generalisation gap",
            "Loss on new agents minus loss on training images of the training agents.",
            lambda: figures.generalisation_gap(runs),
        ),
        (evaluated, "Fine-tuning", "New agents, last evaluation.", lambda: figures.accuracy_by_step(runs)),
        (
            channel,
            "Recovery",
            "Error of the recovered sum, measured (oracle) and as the receiver predicts it.",
            lambda: figures.recovery_error(runs),
        ),
        (
            channel,
            "Power",
            "Common scale granted by the server, and the strongest agent of each round.",
            lambda: figures.power(runs),
        ),
        (True, "Active agents", _exclusions(runs), lambda: figures.agents_heard(runs)),
        *((has_bias(run), f"Selection: {run.name}", LEFT_OUT, partial(selection, run)) for run in runs),
        (
            channel,
            "Union support",
            "Fraction of entries that at least one agent sent; recovery needs it below 2M/d.",
            lambda: figures.support(runs),
        ),
    ]
    return [Card(name, caption, draw).html() for show, name, caption, draw in wanted if show]


LEFT_OUT = "Of the rounds of each agent; who is always left out is not learned from."


def _on_air(run: RunSeries) -> str:
    cards = "".join(card.html() for card in waveform.cards(run))
    heading = f'<h2 class="part">{html.escape(run.name)}: on the air</h2>'
    return f'{heading}<p class="note">{html.escape(waveform.summary(run))}</p><div class="grid">{cards}</div>'


def _table(runs: Sequence[RunSeries]) -> str:
    names = "".join(
        f'<th><span class="key" style="background:{figures.colour(index)}"></span>{html.escape(run.name)}</th>'
        for index, run in enumerate(runs)
    )
    columns = [_summary(run) for run in runs]
    rows = "".join(
        f"<tr><th>{key}</th>{''.join(f'<td>{html.escape(column[key])}</td>' for column in columns)}</tr>"
        for key in columns[0]
    )
    return f"<table><tr><th></th>{names}</tr>{rows}</table>"


def _summary(run: RunSeries) -> dict[str, str]:
    last = run.evaluations[-1] if run.evaluations else None
    gap = None if last is None else last["new_agent_loss"] - last["train_agent_loss"]
    return {
        "rounds": f"{len(run.records)} of {run.config.rounds}",
        "uplink": run.config.uplink.kind,
        "new agents, fine-tuned": "–"
        if last is None
        else _percent(last["new_agent_accuracy"], last["new_agent_interval"]),
        "new agents, before": "–"
        if last is None
        else _percent(last["accuracy_by_step"][0], last["interval_by_step"][0]),
        "training agents": "–"
        if last is None
        else _percent(last["train_agent_accuracy"], last["train_agent_interval"]),
        "held-out images": _optional(last, "heldout_accuracy"),
        "gap in loss": "–" if gap is None else f"{gap:+.4f}",
        "NMSE, median (oracle)": _median(run.values("oracle_nmse_db"), "dB") if run.is_channel else "–",
        "channel uses, payload": f"{run.values('channel_uses')[np.isfinite(run.values('channel_uses'))].sum():,.0f}",
        "with pilots and sounding": f"{np.nansum(run.values('channel_uses_total')):,.0f}",
    }


def _differences(runs: Sequence[RunSeries]) -> str:
    """Say in which keys the runs differ from the first one."""
    items = [
        f"<li>{html.escape(other.name)}: {html.escape('; '.join(lines))}</li>"
        for other in runs[1:]
        if (lines := differences(other.config, runs[0].config))
    ]
    return f"<p>Against {html.escape(runs[0].name)} (there):</p><ul>{''.join(items)}</ul>" if items else ""


def _tasks(run: RunSeries) -> str:
    caption = "Tasks of new agents: for each class a support image (blue), then query images; wrong ones in red."
    drawing = svg(figures.sample_tasks(run))
    return f"<figure><h2>{html.escape(run.name)}: tasks</h2>{drawing}<figcaption>{caption}</figcaption></figure>"


def _exclusions(runs: Sequence[RunSeries]) -> str:
    counted = [
        f"{run.name}: {reason} {count} time{'s' * (count > 1)}"
        for run in runs
        for reason, count in run.exclusions.items()
    ]
    return "Left out: " + "; ".join(counted) + "." if counted else "No agent was left out."


def _percent(value: float, interval: Sequence[float]) -> str:
    return f"{100 * value:.1f} % [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _optional(record: dict[str, float] | None, key: str) -> str:
    return f"{100 * record[key]:.1f} %" if record and key in record else "–"


def _median(values: np.ndarray, unit: str) -> str:
    good = values[np.isfinite(values)]
    return f"{np.median(good):.1f} {unit}" if good.size else "–"
