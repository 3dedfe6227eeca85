"""What a reproduction is made of: a paper, its sweeps, and how what they found is judged and drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from tools.reproduce.verdict import Verdict
from tools.sweep.results import Results


@dataclass(frozen=True)
class Material:
    """What the verdicts are drawn from.

    Args:
        sweeps: results of each sweep, by its name.
        folder: of the reproduction; measurements that are no runs keep what they found there.
        cache: folder of the data caches.
        quick: whether the short form was run.
        say: is told of progress.
        overrides: `key=value` over every experiment, for measurements that are no runs.
    """

    sweeps: Mapping[str, Results]
    folder: Path
    cache: Path
    quick: bool
    say: Callable[[str], None]
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Drawing:
    """A figure of the page.

    Args:
        name: of its file, and unique.
        caption: what it shows.
        draw: makes it.
    """

    name: str
    caption: str
    draw: Callable[[Material], Figure]


@dataclass(frozen=True)
class Paper:
    """One paper.

    Args:
        key: p1 to p4.
        title: authors, title, where it appeared.
        question: what the page answers.
        setting: how, in a paragraph; what is our reconstruction is marked.
        sweeps: names of the files under experiments/KEY/, without .toml, in the order in which they run.
        judge: returns the verdicts.
        drawings: figures.
    """

    key: str
    title: str
    question: str
    setting: str
    sweeps: Sequence[str]
    judge: Callable[[Material], Sequence[Verdict]]
    drawings: Sequence[Drawing]
