"""Tables of the numbers that a calibration found, as HTML."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibration.measurement import Measurement, Quantity
from tools.calibrate.done import Done, written

PREFIXES = {  # unit -> least value, factor and unit in which it is written
    "s": ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs")),
    "Hz": ((1e6, 1e-6, "MHz"), (1e3, 1e-3, "kHz")),
}
SHORT = "dc", "i", "iq", "q", "rx", "snr", "tx"
WORDS = {  # of names that are keys more than words
    "adev": "least Allan deviation",
    "tau_min": "averaged over, at its least",
    "advised_n_fft": "advised FFT size",
    "at_rx_gain": "at RX gain of the server",
    "heard_at_rx_gain": "downlink at RX gain",
    "heard_at_tx_attenuation": "downlink at TX attenuation",
    "plan_target": "target |H|² of the plan",
    "rms_delay": "rms delay spread",
    "rms_delay_at_most": "rms delay spread at most",
}
MOST_COLUMNS = 6  # radios side by side


@dataclass(frozen=True)
class Line:
    """A quantity of many radios.

    Args:
        name: of the quantity.
        label: in words, as HTML.
        unit: in which it is written.
        factor: from its own unit to that.
    """

    name: str
    label: str
    unit: str
    factor: float

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({html.escape(self.unit)})" if self.unit else self.label

    def cell(self, of: Measurement) -> str:
        """Return the number that a measurement has for it."""
        if self.name not in of.quantities:
            return "–"
        own = of.quantities[self.name]
        number = written(Quantity(self.factor * own.value, self.factor * own.uncertainty, ""))
        return f'<span class="number">{html.escape(number)}</span>'


def tables(done: Sequence[Done]) -> Iterable[str]:
    """Yield tables of all quantities, one a row and a few radios side by side, behind what is said of these radios."""
    measured = [(one, one.measurement) for one in done if one.measurement is not None]
    rows = [_line(name, [of for _, of in measured]) for name in _names(of for _, of in measured)]
    for first in range(0, len(measured), MOST_COLUMNS):
        some = measured[first : first + MOST_COLUMNS]
        head = row("th", ["", *(html.escape(one.name) for one, _ in some)])
        verdicts = row("td", ["verdict", *(badge(one) for one, _ in some)])
        body = "".join(row("td", [line.heading, *(line.cell(of) for _, of in some)]) for line in rows)
        yield f'<div class="sheet"><table class="numbers">{head}{verdicts}{body}</table></div>'
    yield from reasons([(one.name, of.verdict.reason) for one, of in measured if of.verdict.reason])


def reasons(said: Sequence[tuple[str, str]]) -> Iterable[str]:
    """Yield a paragraph for each reason, with all radios that have it.

    Args:
        said: name of a radio, and reason.
    """
    for reason in dict.fromkeys(reason for _, reason in said):
        names = ", ".join(name for name, other in said if other == reason)
        yield f'<p class="reason">{html.escape(f"{names}: {reason}")}</p>'


def _names(measurements: Iterable[Measurement]) -> list[str]:
    return list(dict.fromkeys(name for of in measurements for name in of.quantities))


def _line(name: str, measurements: Sequence[Measurement]) -> Line:
    """Return a quantity of many radios in a unit that suits the largest of them."""
    found = [of.quantities[name] for of in measurements if name in of.quantities]
    unit, largest = found[0].unit, max(abs(one.value) for one in found)
    fitting = (prefix for prefix in PREFIXES.get(unit, ()) if largest >= prefix[0])
    _, factor, shown = next(fitting, (0.0, 1.0, unit))
    return Line(name, label(name, unit), shown, factor)


def label(name: str, unit: str) -> str:
    """Return the name of a quantity in words, without its unit."""
    suffix = "_" + unit.lower().replace("/", "_per_").replace("°", "deg").replace("µ", "u")
    known = WORDS.get(name.removesuffix(suffix)) or WORDS.get(name.removesuffix("_min"))
    if known is not None:
        return html.escape(known)
    words = name.removesuffix(suffix).split("_")
    return html.escape(" ".join(word.upper() if word in SHORT else word for word in words))


def badge(one: Done) -> str:
    """Return the verdict as a coloured word."""
    look = one.word if one.word in ("good", "failed", "skipped") else "bad"
    return f'<span class="word {look}">{html.escape(one.word)}</span>'


def row(tag: str, cells: Iterable[str], look: str = "") -> str:
    """Return a row of a table.

    Args:
        tag: "td" or "th".
        cells: as HTML.
        look: class of the row.
    """
    opening = f'<tr class="{look}">' if look else "<tr>"
    return f"{opening}{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"
