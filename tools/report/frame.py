"""The frame of a self-contained HTML page: its style, figures as inline SVG; no script, nothing to fetch."""

import html
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e6e6e6; vertical-align: top }
th { font-weight: 600; white-space: nowrap }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: .5rem 1.5rem }
figure { margin: 0 }
figcaption { color: #555; font-size: .85rem; margin: 0 .5rem 1rem } svg { width: 100%; height: auto }
.wide { grid-column: 1 / -1 }
.part { font-size: 1.3rem; margin-top: 3rem }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
.note { color: #555; max-width: 60em }
"""


@dataclass(frozen=True)
class Card:
    """A figure with its heading and what it shows."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    wide: bool = False

    def html(self) -> str:
        """Return it, drawn, as an element of the page."""
        kind = ' class="wide"' if self.wide else ""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>"
        return f"<figure{kind}><h2>{html.escape(self.name, quote=False)}</h2>{svg(self.draw())}{caption}</figure>"


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """Return a page as text: its title as a heading, then sections that are HTML already.

    Args:
        title: as text.
        sections: in order.
        style: CSS beyond that of all pages.
    """
    name = html.escape(title)
    head = f'<meta charset="utf-8"><title>{name}</title><style>{STYLE}{style}</style>'
    body = f"<h1>{name}</h1>{''.join(sections)}"
    return f"<!DOCTYPE html><html lang=en><head>{head}</head><body>{body}</body></html>\n"


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element, with text as text."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "airmeta", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
