"""The page of a reproduction: question, setting, verdicts, figures, and how to get it again.

Written twice from the same content: one self-contained HTML file, and Markdown with SVG files for the documentation.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from radio.files import write_text
from tools.report.frame import document, svg
from tools.reproduce.paper import Paper
from tools.reproduce.verdict import Outcome, Verdict

MARKS = {Outcome.SHOWN: "#4f772d", Outcome.NOT_SHOWN: "#d1603d", Outcome.NOT_TESTABLE: "#6c757d"}
HOW_KNOWN = (
    "How a statement is known: [A] the paper's abstract or its authors' own text; [T] third-party public code or notes "
    "that follow the paper; [R] our reconstruction; [C] checked numerically. Intervals are 95 % Student-t intervals "
    "over seeds; differences are paired over seeds where runs share them. An interval at one evaluation holds the "
    "scatter of the last outer step as well. A rule that was changed after figures had been seen says so."
)


@dataclass(frozen=True)
class Made:
    """How a page was made.

    Args:
        command: that makes it again.
        effort: runs, time, machine, in a sentence.
        version: of airmeta, with its commit, of the runs and of what is none.
        changes: `key=value` over every experiment, by which the setting is not what it says.
    """

    command: str
    effort: str
    version: str
    changes: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Args:
        name: of its file.
        caption: what it shows.
        figure: drawn.
    """

    name: str
    caption: str
    figure: Figure


def write_page(
    folder: Path, paper: Paper, verdicts: Sequence[Verdict], pictures: Sequence[Picture], made: Made
) -> Path:
    """Write the page in both forms and return the HTML file.

    Args:
        folder: gets index.html, and docs/KEY.md with docs/figures/KEY-NAME.svg.
        paper: what it is about.
        verdicts: in order.
        pictures: in order.
        made: how.
    """
    drawn = [(picture, svg(picture.figure)) for picture in pictures]
    figures = folder / "docs" / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for picture, text in drawn:
        write_text(figures / f"{paper.key}-{picture.name}.svg", text)
    write_text(folder / "docs" / f"{paper.key}.md", markdown(paper, verdicts, pictures, made))
    page = folder / "index.html"
    write_text(page, _html(paper, verdicts, drawn, made))
    return page


def markdown(paper: Paper, verdicts: Sequence[Verdict], pictures: Sequence[Picture], made: Made) -> str:
    """Return the page for the documentation; its figures lie in figures/ beside it."""
    rows = [f"| {one.item} | {_cell(one.claim)} | **{one.outcome.value}** | {_cell(one.numbers)} |" for one in verdicts]
    whys = [f"**{one.item}, {one.outcome.value}.** {one.reading}" for one in verdicts if one.reading]
    shown = [f"![{_cell(one.caption)}](figures/{paper.key}-{one.name}.svg)\n\n*{one.caption}*" for one in pictures]
    parts = [
        f"# {paper.key.upper()}: {paper.title}",
        f"**Question.** {paper.question}",
        f"**Setting.** {paper.setting}{_changed(made, '`')}",
        f"    {made.command}\n\n{made.effort} {made.version}",
        "## Verdicts",
        "\n".join(["| | what would have to be seen | verdict | measured |", "|---|---|---|---|", *rows]),
        HOW_KNOWN,
        "## Figures",
        *shown,
        "## Why, and what was tried",
        *whys,
    ]
    return "\n\n".join(parts) + "\n"


def _html(paper: Paper, verdicts: Sequence[Verdict], drawn: Sequence[tuple[Picture, str]], made: Made) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(one.item)}</th><td>{html.escape(one.claim)}</td>"
        f'<td style="color:{MARKS[one.outcome]}"><b>{one.outcome.value}</b></td>'
        f"<td>{html.escape(one.numbers)}</td></tr>"
        for one in verdicts
    )
    cards = "".join(
        f"<figure>{text}<figcaption>{html.escape(picture.caption)}</figcaption></figure>" for picture, text in drawn
    )
    whys = "".join(
        f"<p><b>{html.escape(one.item)}, {one.outcome.value}.</b> {html.escape(one.reading)}</p>"
        for one in verdicts
        if one.reading
    )
    heads = "<tr><th></th><th>what would have to be seen</th><th>verdict</th><th>measured</th></tr>"
    return document(
        f"{paper.key.upper()}: {paper.title}",
        [
            f"<p><b>Question.</b> {html.escape(paper.question)}</p>",
            f"<p><b>Setting.</b> {html.escape(paper.setting + _changed(made))}</p>",
            f"<p><code>{html.escape(made.command)}</code><br>{html.escape(f'{made.effort} {made.version}')}</p>",
            f"<h2>Verdicts</h2><table>{heads}{rows}</table>",
            f'<p class="note">{html.escape(HOW_KNOWN)}</p>',
            f'<h2>Figures</h2><div class="grid">{cards}</div>',
            f"<h2>Why, and what was tried</h2>{whys}",
        ],
    )


def _changed(made: Made, mark: str = "") -> str:
    """Return what this call has set otherwise, as a sentence; empty: nothing."""
    if not made.changes:
        return ""
    return f" Set otherwise than this says: {', '.join(f'{mark}{one}{mark}' for one in made.changes)}."


def _cell(text: str) -> str:
    """Return a text that stays within its cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
