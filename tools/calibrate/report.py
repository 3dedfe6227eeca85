"""One self-contained HTML page about a calibration: what came out for each radio, then every kind of measurement."""

import html
from collections.abc import Sequence
from pathlib import Path

from radio.files import write_text
from tools.calibrate.cards import NOTES, cards, palette
from tools.calibrate.done import Done
from tools.calibrate.numbers import badge, label, row, tables
from tools.report.frame import document

KINDS = {
    "levels": "Levels",
    "clock": "Clock",
    "latency": "Latency",
    "iq": "IQ imbalance",
    "channel": "Channel",
    "reciprocity": "Reciprocity",
}
HEADLINES = {
    "levels": "link_gain_db",
    "clock": "offset_ppm",
    "latency": "delay_samples",
    "iq": "tx_rejection_db",
    "channel": "snr_db",
    "reciprocity": "gain_db",
}
STYLE = """
.grid { grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)) }
.grid.iq { grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)) } .iq h2 { margin-top: .5rem }
.word { display: inline-block; padding: 0 .5em; border-radius: 3px; white-space: nowrap; font-size: .85rem }
.good { background: #e3eed9; color: #2f5016 } .bad { background: #fbe6d6; color: #8a3413 }
.failed { background: #c1121f; color: #fff } .skipped { background: #e8e8e8; color: #555 }
.summary { font-size: .85rem } .summary td, .summary th { padding-right: .7rem }
.serial { color: #777; font-size: .75rem; min-width: 9em; max-width: 11em; overflow-wrap: anywhere }
.small { color: #555; font-size: .8rem } .number { white-space: nowrap }
.numbers { font-size: .85rem; margin-bottom: 1rem } .numbers th { white-space: normal; vertical-align: bottom }
.reason { max-width: 70em; overflow-wrap: anywhere; font-size: .85rem; margin: .3rem 0 }
.numbers td { padding-right: 1.2rem }
.numbers td:first-child { white-space: nowrap } .sheet { overflow-x: auto }
"""


def write(path: Path, title: str, done: list[Done]) -> None:
    """Write the page about a calibration.

    Args:
        path: of the page.
        title: its heading.
        done: measurements that were tried, in any order.

    Raises:
        OSError: the page cannot be written.
    """
    write_text(path, page(title, done))


def page(title: str, done: Sequence[Done]) -> str:
    """Return the page as text."""
    known = [kind for kind in KINDS if any(one.kind == kind for one in done)]
    kinds = list(dict.fromkeys([*known, *(one.kind for one in done)]))
    colours = palette([one.name for one in done])
    names = [name for name in colours if any(one.name == name for one in done)]
    ordered = sorted(done, key=lambda one: names.index(one.name))
    parts = [_section(kind, [one for one in ordered if one.kind == kind], colours) for kind in kinds]
    return document(title, [_outcome(done), _summary(names, kinds, ordered), *parts], STYLE)


def _outcome(done: Sequence[Done]) -> str:
    worked = [one for one in done if one.measurement is not None]
    good, held = sum(one.word == "good" for one in worked), sum(bool(one.origin) for one in done)
    skipped = sum(not one.applies for one in done)
    text = f"{len(done) - held} measurements, {sum(one.seconds for one in done):.1f} s of measuring"
    text += f", and {held} from the table" if held else ""
    text += f": {good} good, {len(worked) - good} in need of attention, "
    text += f"{skipped} skipped, " if skipped else ""
    return f"<p>{text}{len(done) - len(worked) - skipped} failed. Numbers are given with their 95 % interval.</p>"


def _summary(names: Sequence[str], kinds: Sequence[str], done: Sequence[Done]) -> str:
    """Return the table of radios and kinds, with a verdict and a number in each cell."""
    head = row("th", ["radio", *(_heading(kind) for kind in kinds)])
    rows = []
    for name in names:
        own = [one for one in done if one.name == name]
        rows.append(
            row("td", [_radio(name, own), *(_cell([one for one in own if one.kind == kind]) for kind in kinds)])
        )
    return f'<div class="sheet"><table class="summary">{head}{"".join(rows)}</table></div>'


def _cell(done: Sequence[Done]) -> str:
    return "<br>".join(f"{badge(one)}{_headline(one)}" for one in done) or "–"


def _headline(one: Done) -> str:
    """Return the number that says most about a measurement: the one named for its kind, or else its first."""
    quantities = {} if one.measurement is None else one.measurement.quantities
    if not quantities:
        return ""
    wanted = HEADLINES.get(one.kind)
    name = wanted if wanted in quantities else next(iter(quantities))
    about = quantities[name]
    number, meaning = html.escape(f"{about.value:.3g} {about.unit}".rstrip()), label(name, about.unit)
    origin = f"<br>{html.escape(one.origin)}" if one.origin else ""
    return f'<br><span class="number">{number}</span><br><span class="small">{meaning}{origin}</span>'


def _section(kind: str, done: Sequence[Done], colours: dict[str, str | tuple[float, ...]]) -> str:
    """Return what is known of one kind: what failed, the figures, the numbers."""
    failed = [
        f"<li>{badge(one)} {html.escape(f'{one.name}: {one.failure}')}</li>" for one in done if one.word == "failed"
    ]
    failed += _skipped([one for one in done if one.word == "skipped"])
    drawn = "".join(card.html() for card in cards(kind, done, colours))
    return "".join(
        [
            f'<h2 class="part">{_heading(kind)}</h2>',
            f"<ul>{''.join(failed)}</ul>" if failed else "",
            f'<p class="note">{NOTES[kind]}</p>' if drawn and kind in NOTES else "",
            f'<div class="grid {html.escape(kind)}">{drawn}</div>' if drawn else "",
            *tables([one for one in done if one.measurement is not None]),
        ]
    )


def _skipped(done: Sequence[Done]) -> list[str]:
    """Return one item for all radios that cannot be measured in a way; what keeps them from it is said of the first."""
    if not done:
        return []
    names = ", ".join(one.name for one in done)
    return [f"<li>{badge(done[0])} {html.escape(f'{names}: {done[0].failure}')}</li>"]


def _radio(name: str, done: Sequence[Done]) -> str:
    serials = dict.fromkeys(one.measurement.serial for one in done if one.measurement is not None)
    return f'{html.escape(name)}<div class="serial">{html.escape(", ".join(serials))}</div>'


def _heading(kind: str) -> str:
    return html.escape(KINDS.get(kind, kind))
