"""What a search leaves: result.json, figures as files, and one self-contained HTML page."""

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from radio.files import write_text
from tools.report.frame import Card, document, svg
from tools.search import pictures
from tools.search.confirm import Confirmation, percent
from tools.search.folder import SearchFolder
from tools.search.found import Found, front
from tools.search.plan import Search

SHOWN = 20  # trials in the table
NOTES = (
    "Trials are compared by their mean over the tuning seeds, on evaluation tasks of their own. The best of many is "
    "better there than it is: only the confirmation, on fresh seeds and tasks of the experiment, says what it gains.",
    "A setting is given up where it does not fit the experiment or the budget, where a run fails, and, with one "
    "objective, where it is below the median of whole trials after some of its seeds.",
    "The front holds the whole trials that no other one beats in accuracy without more channel uses. From left to "
    "right each of its dots buys accuracy with channel uses; where it is flat, more of them buy nothing. With a "
    "budget of a whole run all trials spend nearly the same, and the front is little more than the best of them.",
)


@dataclass(frozen=True)
class Report:
    """All that a search has found.

    Args:
        search: what was searched.
        trials: what became of each.
        own: the trial of the experiment's own setting; None: it lies outside of what was searched.
        confirmed: its best setting on fresh seeds; None: not asked for, or nothing to confirm.
    """

    search: Search
    trials: Sequence[Found]
    own: Found | None
    confirmed: Confirmation | None

    def described(self) -> dict[str, object]:
        """Return it as JSON would hold it."""
        return {
            "search": self.search.described(),
            "trials": [asdict(trial) for trial in self.trials],
            "front": [trial.number for trial in front(self.trials)],
            "own": None if self.own is None else self.own.number,
            "confirmed": None if self.confirmed is None else self.confirmed.described(),
        }

    def lines(self) -> list[str]:
        """Return the front and what was confirmed, for people."""
        count = sum(trial.is_whole for trial in self.trials)
        lines = [f"{len(self.trials)} trials, {count} of them whole; front, accuracy against channel uses:"]
        lines += [f"  {trial.uses:>12,}  {trial.accuracy:6.1%}  {_spelt(trial)}" for trial in front(self.trials)]
        if self.own is not None and self.own.is_whole:
            lines.append(f"  {self.own.uses:>12,}  {self.own.accuracy:6.1%}  the experiment's own setting")
        if self.confirmed is not None:
            lines += ["On fresh seeds:", *(f"  {line}" for line in self.confirmed.lines())]
        return lines


def write(folder: SearchFolder, report: Report) -> None:
    """Write result.json, figures/*.svg and report.html."""
    write_text(folder.path / "result.json", json.dumps(report.described(), indent=1) + "\n")
    figures = folder.path / "figures"
    figures.mkdir(exist_ok=True)
    cards = _cards(report)
    for name, card in cards.items():
        write_text(figures / f"{name}.svg", f'<?xml version="1.0" encoding="utf-8"?>\n{svg(card.draw())}')
    sections = [
        f'<p class="note">{html.escape(_about(report.search))}</p>',
        _verdict(report.confirmed),
        '<div class="grid">',
        *(card.html() for card in cards.values()),
        "</div>",
        "<h2>Trials</h2>",
        _table(report.trials),
        "<h2>How to read this</h2>",
        *(f'<p class="note">{html.escape(note)}</p>' for note in NOTES),
    ]
    write_text(folder.path / "report.html", document(f"airmeta search: {report.search.base.stem}", sections))


def _cards(report: Report) -> dict[str, Card]:
    search = report.search
    counted = "with pilots and soundings" if search.budget.overhead else "payload"
    found = {
        "front": Card(
            "Accuracy against channel uses",
            "Every trial, mean over the tuning seeds; those given up with the seeds that they had.",
            partial(pictures.pareto, report.trials, report.own, counted),
        ),
        "course": Card("Course of the search", "Whole trials.", partial(pictures.course, report.trials)),
        "axes": Card(
            "What was varied",
            "Whole trials; the other values differ from dot to dot.",
            partial(pictures.against_axes, report.trials, search.axes),
            wide=True,
        ),
    }
    if report.confirmed is not None:
        found["confirmation"] = Card(
            "Confirmation",
            "Accuracy of the best setting minus that of the experiment as it is, seed by seed; 0 is no difference.",
            partial(pictures.confirmation, report.confirmed),
        )
    return found


def _verdict(confirmed: Confirmation | None) -> str:
    if confirmed is None:
        return "<p>Nothing was confirmed on fresh seeds.</p>"
    rows = "".join(
        f"<tr><td>{name}</td><td>{html.escape(', '.join(one.overrides) or 'the experiment as it is')}</td>"
        f"<td>{one.rounds:,}</td><td>{one.uses:,}</td><td>{percent(accuracies)}</td></tr>"
        for name, one, accuracies in (
            ("own", confirmed.own, confirmed.own_accuracies),
            ("best", confirmed.best, confirmed.best_accuracies),
        )
    )
    said = "".join(f"<p>{html.escape(line)}</p>" for line in confirmed.conclusion())
    head = "<tr><th></th><th>setting</th><th>rounds</th><th>uses</th><th>accuracy, 95 % interval</th></tr>"
    return f"<h2>On fresh seeds</h2><table>{head}{rows}</table>{said}"


def _table(trials: Sequence[Found]) -> str:
    ordered = sorted(trials, key=lambda trial: (not trial.is_whole, -trial.accuracy if trial.accuracies else 1.0))
    rows = "".join(
        f"<tr><td>{trial.number}</td><td>{f'{trial.accuracy:.1%}' if trial.accuracies else '–'}</td>"
        f"<td>{trial.rounds:,}</td><td>{trial.uses:,}</td><td>{html.escape(', '.join(trial.overrides))}</td>"
        f"<td>{html.escape(trial.reason)}</td></tr>"
        for trial in ordered[:SHOWN]
    )
    more = f"<p>and {len(trials) - SHOWN} more, in result.json</p>" if len(trials) > SHOWN else ""
    head = "<tr><th>trial</th><th>accuracy</th><th>rounds</th><th>uses</th><th>setting</th><th>given up</th></tr>"
    return f"<table>{head}{rows}</table>{more}"


def _about(search: Search) -> str:
    varied = "; ".join(str(axis) for axis in search.axes)
    return (
        f"{search.base.name}: {search.budget}; {search.seeds} tuning seed{'s' * (search.seeds > 1)} a trial, sampler "
        f"{search.sampler}, seed {search.sampler_seed}, {search.batch} trials at a time. Varied: {varied}."
    )


def _spelt(trial: Found) -> str:
    return f"trial {trial.number}: {', '.join(trial.overrides)}; {trial.rounds} rounds"
