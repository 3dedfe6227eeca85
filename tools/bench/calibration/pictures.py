"""The pictures of the bench of calibration, each a function from a part's tables to a figure."""

from collections.abc import Callable

from matplotlib.figure import Figure

from tools.bench.waveform.claims import Row
from tools.report.figures import axes, colour

Tables = dict[str, list[Row]]
MARKS = "os^"


def worth(tables: Tables) -> Figure:
    """Return the NMSE before and after calibration, with that of the bench without faults."""
    return _compared(tables, {
        "uncalibrated": "with faults, uncalibrated", "calibrated": "with faults, calibrated",
        "ideal": "without faults",
    })  # fmt: skip


def reciprocity(tables: Tables) -> Figure:
    """Return the NMSE with channels from the downlink, with that of soundings."""
    return _compared(tables, {
        "downlink, 1": "from the beacon, ratio unknown", "downlink": "from the beacon, ratio calibrated",
        "sounded": "from soundings",
    })  # fmt: skip


def _compared(tables: Tables, names: dict[str, str]) -> Figure:
    figure, axis = axes("SNR of an agent (dB)", "NMSE of the demodulated sum (dB)")
    rows = tables["NMSE"]
    for index, (name, label) in enumerate(names.items()):
        shift = 0.4 * (index - 1)
        for row in rows:
            axis.plot([row["snr_db"] + shift] * len(row[f"{name}, all"]), row[f"{name}, all"], ".", color=colour(index),
                      alpha=0.3, markersize=4, mew=0)  # fmt: skip
        axis.plot([row["snr_db"] + shift for row in rows], [row[f"{name}_db"] for row in rows], f"{MARKS[index]}-",
                  color=colour(index), markersize=5, linewidth=1, label=f"{label}, median")  # fmt: skip
    axis.legend(frameon=False)
    return figure


PICTURES: dict[str, Callable[[Tables], Figure]] = {"worth": worth, "reciprocity": reciprocity}
