"""The pictures of the bench, each a function from a part's tables to a matplotlib figure."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from tools.bench.waveform.claims import Row
from tools.report.figures import SIZE, axes, colour

Tables = dict[str, list[Row]]
LINK_SNRS = 10, 20, 30
ALLOWED_DB = 1.0, 1.5, 3.0
LEAST = 1e-12


def awgn(tables: Tables) -> Figure:
    """Return the NMSE against SNR with the noise limit."""
    figure, (left, right) = _pair(("SNR of an agent (dB)", "NMSE of the demodulated sum (dB)"),
                                  ("SNR of an agent (dB)", "gap to the noise limit (dB)"))  # fmt: skip
    for index, name in enumerate(dict.fromkeys(row["estimated"] for row in tables["NMSE"])):
        rows = [row for row in tables["NMSE"] if row["estimated"] == name]
        snr = _column(rows, "snr_db")
        if index == 0:
            left.plot(snr, _column(rows, "limit_db"), "k-", linewidth=1, label="noise limit")
            left.plot(snr, _column(rows, "known_db"), "s", color="k", mfc="none", ms=7, label="channel known (genie)")
            right.plot(snr, _column(rows, "known_gap_db"), "s-", color="k", mfc="none", ms=5, label="channel known")
        label = f"estimated, {name}"
        left.plot(snr, _column(rows, "nmse_db"), "ox+"[index], color=colour(index), markersize=5, label=label)
        right.plot(snr, _column(rows, "gap_db"), "ox+"[index] + "-", color=colour(index), markersize=5, label=label)
    right.axhline(0.5, color="#999999", linestyle="--", linewidth=0.8, label="claimed: 0.5 estimated, 0.1 known")
    right.axhline(0.1, color="#999999", linestyle="--", linewidth=0.8)
    return _with_legend(figure)


def everything(tables: Tables) -> Figure:
    """Return the NMSE with everything on beside the genie's, and the gap to it, round by round."""
    figure, (left, right) = _pair(("SNR of an agent (dB)", "NMSE, untruncated subcarriers (dB)"),
                                  ("SNR of an agent (dB)", "gap to the genie in a round (dB)"))  # fmt: skip
    names = [name for name in dict.fromkeys(row["case"] for row in tables["NMSE"]) if "sits out" not in name]
    allowed = np.array(ALLOWED_DB)
    for index, name in enumerate(names):
        rows = [row for row in tables["NMSE"] if row["case"] == name]
        snr, gap = _column(rows, "snr_db"), _column(rows, "gap_db")
        if index == 0:
            genie = _column(rows, "genie_db")
            left.fill_between(snr, genie, genie + allowed, color="#999999", alpha=0.25, lw=0, label="allowed gap")
            left.plot(snr, genie, "k-", linewidth=1, label="genie")
        left.plot(snr, _column(rows, "nmse_db"), "os^"[index % 3], color=colour(index), markersize=4, label=name)
        place = snr + 2 * (index - 1)
        for row, where in zip(rows, place, strict=True):
            gaps = row["gaps_db"]
            right.plot(np.full(len(gaps), where), gaps, ".", color=colour(index), alpha=0.3, markersize=4, mew=0)
        right.plot(place, gap, "os^"[index % 3], color=colour(index), markersize=5, label=f"median, {name}")
    right.hlines(allowed, np.array(LINK_SNRS) - 3, np.array(LINK_SNRS) + 3, color="k", linewidth=1, label="allowed")
    for axis in (left, right):
        axis.set_xticks(LINK_SNRS)
    return _with_legend(figure)


def alone(tables: Tables) -> Figure:
    """Return bars of what each impairment costs."""
    rows = [row for row in tables["NMSE and cost"] if row["impairment"] != "TDL-A alone"]
    figure, axis = axes("cost over TDL-A fading and noise alone (dB)", "")
    place = np.arange(len(rows))
    for index, snr in enumerate(LINK_SNRS):
        cost = _column(rows, f"cost_{snr}_db")
        bars = axis.barh(place + 0.27 * (index - 1), cost, 0.25, color=colour(index), label=f"{snr} dB")
        axis.bar_label(bars, fmt="%.2f", fontsize=6, padding=2)
    axis.set_yticks(place, [row["impairment"] for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.grid(visible=False, axis="y")
    return _with_legend(figure)


def detection(tables: Tables) -> Figure:
    """Return misses and false alarms beside theory."""
    figure, (left, right) = _pair(("SNR of a sample (dB)", "miss probability"),
                                  ("false-alarm probability set", "false-alarm probability measured"))  # fmt: skip
    rows = tables["misses"]
    snr = _column(rows, "snr_db")
    for index, rate in enumerate(("0.01", "1e-06")):
        left.plot(
            snr, _column(rows, f"theory_{rate}"), "-", color=colour(index), lw=1, label=f"theory, $P_{{fa}}$ {rate}"
        )
        left.plot(snr, _positive(rows, f"miss_{rate}"), "o", color=colour(index), markersize=4, label="measured")
    left.plot(snr, _positive(rows, "whole"), "x", color=colour(2), markersize=5, label="whole search, 1e-06")
    left.set_yscale("log")
    left.set_ylim(bottom=2e-4)
    rates = tables["false alarms"]
    theory = _column(rates, "theory")
    right.plot(theory, theory, "k-", linewidth=1, label="as set")
    error = 2 * _column(rates, "standard_error")
    right.errorbar(
        theory, _column(rates, "measured"), error, fmt="o", color=colour(0), ms=4, elinewidth=1, label="±2 errors"
    )
    right.set_xscale("log")
    right.set_yscale("log")
    return _with_legend(figure)


def estimation(tables: Tables) -> Figure:
    """Return the rms errors of carrier offset and timing beside their bounds."""
    figure, pair = _pair(("SNR of a subcarrier (dB)", "rms error of the carrier offset (Hz)"),
                         ("SNR of a subcarrier (dB)", "rms error of timing (samples)"))  # fmt: skip
    rows = tables["estimates in flat AWGN"]
    snr = _column(rows, "snr_db")
    for axis, name in zip(pair, ("cfo", "timing"), strict=True):
        unit = "_hz" if name == "cfo" else ""
        bound, rms = _column(rows, f"{name}_bound{unit}"), _column(rows, f"{name}_rms{unit}")
        axis.fill_between(snr, bound, bound * 10 ** (1.5 / 20), color="#999999", alpha=0.25, lw=0, label="1.5 dB")
        axis.plot(snr, bound, "k-", linewidth=1, label="Cramér-Rao bound")
        axis.plot(snr, rms, "o", color=colour(0), markersize=4, label="measured")
        axis.set_yscale("log")
        axis.yaxis.set_minor_formatter(NullFormatter())
        lowest, highest = float(bound.min()), float(rms.max())
        ticks = [t for power in range(-6, 4) for t in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)]
        axis.set_yticks(shown := [t for t in ticks if 0.8 * lowest < t < 1.25 * highest], [f"{t:g}" for t in shown])
    return _with_legend(figure)


def phase(tables: Tables) -> Figure:
    """Return the coherent loss over time with and without prediction."""
    figure, axis = axes("time since the last sounding (ms)", "coherent loss (dB)")
    rows = tables["coherent loss"]
    after = _column(rows, "after_ms")
    for index, width in enumerate(("0.01", "0.1", "0.2")):
        predicted, unpredicted = _column(rows, f"loss_{width}_db"), _column(rows, f"unpredicted_{width}_db")
        axis.plot(after, predicted, "o-", color=colour(index), markersize=3, label=f"predicted, {width} Hz")
        axis.plot(after, unpredicted, "--", color=colour(index), lw=1, label=f"not predicted, {width} Hz")
    axis.set_yscale("log")
    axis.set_ylim(1e-3, 60)
    axis.plot([50], [0.5], "kv", markersize=6, label="claim: below")
    axis.plot([50], [6.0], "k^", markersize=6, label="claim: above")
    return _with_legend(figure, columns=2)


def presence(tables: Tables) -> Figure:
    """Return the probability of a wrong decision in a round against SNR."""
    figure, axis = axes("SNR of an agent (dB)", "any wrong decision in a round")
    rows = tables["decisions on drawn channels, theory"]
    snr = _column(rows, "snr_db")
    axis.plot(snr, np.maximum(_column(rows, "wrong"), LEAST), "o-", color=colour(0), ms=4, label="default rules")
    everyone = np.maximum(_column(rows, "wrong_everyone"), LEAST)
    axis.plot(snr, everyone, "s-", color=colour(1), ms=4, label="no min_headroom_db: only pilots have to suffice")
    simulated = tables["decisions on drawn channels, simulated"][0]
    if simulated["wrong"]:
        axis.plot(simulated["snr_db"], simulated["wrong_a_round"], "x", color="k", label="simulated decisions")
    else:
        most = 3 / max(simulated["rounds"], 1)
        axis.plot(simulated["snr_db"], most, "kv", ms=5, label=f"95 % bound: none in {simulated['rounds']:,d} rounds")
    axis.axhline(1e-4, color="#999999", linestyle="--", linewidth=0.8)
    axis.annotate("claim at 10 dB", (0, 1e-4), (2, 3), textcoords="offset points", fontsize=7, color="#666666")
    axis.set_yscale("log")
    axis.set_xticks(snr)
    return _with_legend(figure)


PICTURES: dict[str, dict[str, Callable[[Tables], Figure]]] = {
    "awgn": {"awgn": awgn},
    "everything": {"everything_on": everything},
    "alone": {"impairments": alone},
    "beacon": {"detection": detection, "estimation": estimation},
    "phase": {"phase_prediction": phase},
    "presence": {"presence": presence},
}


def _column(rows: list[Row], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], float)


def _positive(rows: list[Row], key: str) -> np.ndarray:
    """Return a column, nan where it is 0: a logarithmic axis has no place for it."""
    values = _column(rows, key)
    return np.where(values > 0, values, np.nan)


def _pair(*labels: tuple[str, str]) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with two axes side by side, in the style of the report."""
    figure, first = axes(*labels[0])
    first.remove()
    figure.set_size_inches(2 * SIZE[0] * 0.85, SIZE[1])
    pair = list(figure.subplots(1, 2))
    for axis, (xlabel, ylabel) in zip(pair, labels, strict=True):
        axis.set_xlabel(xlabel)
        axis.set_ylabel(ylabel)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.7)
        axis.set_axisbelow(True)
    return figure, pair


def _with_legend(figure: Figure, columns: int = 1) -> Figure:
    for axis in figure.axes:
        axis.legend(fontsize=7, frameon=False, ncols=columns)
    return figure
