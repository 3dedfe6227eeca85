"""Whom the server learned from: of each agent, in what share of its rounds it was heard, and why not in the others.

An agent that is always left out (far away, faded, slow) is not learned from: the model is that of the others.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tools.report.figures import axes, legend
from tools.report.series import RunSeries

HEARD = "heard"
NO_REASON = "round not received"
GREY = ("#c44e52", "#dd8452", "#937860", "#8172b3", "#8c8c8c", "#ccb974", "#64b5cd")


def shares(records: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Return of each agent that was scheduled the share of its rounds by outcome: heard, or the head of the reason."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for record in records:
        heard = set(record["agents_heard"]) if record["outcome"] == "ok" else set()
        for agent in record["agents_scheduled"]:
            reason = record["excluded"].get(str(agent), NO_REASON)
            counts[agent][HEARD if agent in heard else reason.split(":")[0]] += 1
    return {
        agent: {outcome: count / found.total() for outcome, count in found.items()}
        for agent, found in sorted(counts.items())
    }


def has_bias(run: RunSeries) -> bool:
    """Return whether any agent was left out of a round."""
    return any(found.get(HEARD, 0.0) < 1 for found in shares(run.records).values())


def selection(run: RunSeries) -> Figure:
    """Return a bar of each agent: how often it was heard, and what else became of its rounds."""
    found = shares(run.records)
    figure, axis = axes("agent", "share of its rounds")
    outcomes = [HEARD, *sorted({name for one in found.values() for name in one} - {HEARD})]
    below = [0.0] * len(found)
    for place, outcome in enumerate(outcomes):
        heights = [one.get(outcome, 0.0) for one in found.values()]
        shade = "#4c72b0" if outcome == HEARD else GREY[(place - 1) % len(GREY)]
        axis.bar(list(found), heights, bottom=below, color=shade, width=0.9, label=outcome[:30])
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0, 1.2)  # room for the legend
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    return legend(figure, axis)
