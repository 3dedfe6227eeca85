"""Pictures of one round on the air, as the server received it and what it made of it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.signal.windows import hann

from dsp.metrics import db, evm_db
from tools.report.figures import COLOURS, agent_legend, axes, shade
from tools.report.series import RunSeries

WIDE = 11.2, 3.6
SEGMENT = 256  # samples of a periodogram
MOST_SEGMENTS, MOST_COLUMNS = 20_000, 600
MOST_NAMES = 20  # of agents above a spectrogram
SCATTERED = 3000  # more symbols than these are drawn as a density
FLOOR = 1e-30
DOTS_PER_INCH = 160  # of what an SVG holds as pixels


def spectrum(run: RunSeries) -> Figure:
    """Return the power density of soundings and payload over frequency."""
    shot = _shot(run)
    figure, axis = axes("frequency from the carrier (MHz)", "power density (dBFS/Hz)")
    edge = np.abs(shot["subcarrier_hz"]).max() / 1e6
    axis.axvspan(-edge, edge, color="#e3e9ee")
    above = axis.get_xaxis_transform()
    axis.text(0, 0.04, f"occupied, ±{edge:.2f} MHz", transform=above, ha="center", fontsize=8, color="#444444")
    for index, part in enumerate(("payload", "soundings")):
        if part in shot:
            frequency, density = periodograms(shot[part], float(shot["sample_rate"]))
            axis.plot(frequency / 1e6, db(density.mean(0) + FLOOR), color=COLOURS[index], linewidth=1.1, label=part)
    axis.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def spectrogram(run: RunSeries) -> Figure:
    """Return the power density over time and frequency: the last cycle of soundings, then the payload."""
    shot, rate = _shot(run), float(_shot(run)["sample_rate"])
    parts = [part for part in ("soundings", "payload") if part in shot]
    figure = Figure(figsize=WIDE, dpi=DOTS_PER_INCH, layout="constrained")
    grid = figure.subplots(1, len(parts), sharey=True, squeeze=False, width_ratios=[shot[part].size for part in parts])
    pictures = {part: db(periodograms(shot[part], rate)[1].T + FLOOR) for part in parts}
    levels = np.concatenate([picture.ravel() for picture in pictures.values()])
    low, high = np.percentile(levels, [2, 99.8])
    for axis, part in zip(grid[0], parts, strict=True):
        begins = (int(shot[f"{part}_start"]) - int(shot["start"])) / rate * 1e3
        ends = begins + shot[part].size / rate * 1e3
        edge = rate / 2e6
        image = axis.imshow(pictures[part], extent=(begins, ends, -edge, edge), aspect="auto", origin="lower", vmin=low,
                            vmax=high, cmap="viridis", interpolation="nearest")  # fmt: skip
        axis.set_xlabel("time since the beacon (ms)")
        axis.set_title(f"{part}, {ends - begins:.2f} ms", fontsize=10, pad=16)
        if part == "soundings":
            _name_slots(axis, shot, begins, rate)
    grid[0, 0].set_ylabel("frequency from the carrier (MHz)")
    figure.colorbar(image, ax=grid, label="dBFS/Hz", pad=0.01)
    return figure


def _name_slots(axis: Axes, shot: dict[str, np.ndarray], begins: float, rate: float) -> None:
    slot = float(shot["slot_length"]) / rate * 1e3
    step = -(-shot["agents"].size // MOST_NAMES)
    for row in range(0, shot["agents"].size, step):
        middle = begins + (row + 0.5) * slot
        above = axis.get_xaxis_transform()
        axis.text(middle, 1.01, str(shot["agents"][row]), transform=above, ha="center", va="bottom", fontsize=7)


def constellation(run: RunSeries) -> Figure:
    """Return the received sum beside the expected one and their difference, in units of the expected rms."""
    shot = _shot(run)
    received, expected = shot["received"], shot.get("oracle_expected")
    if expected is None:
        clouds = [("received", received)]
    else:
        error = evm_db(received, expected)
        heading = f"received, EVM {100 * 10 ** (error / 20):.1f} % ({error:.1f} dB)"
        clouds = [("expected (oracle)", expected), (heading, received), ("received − expected", received - expected)]
    unit = max(float(np.sqrt(np.mean(np.abs(clouds[0][1]) ** 2))), FLOOR)
    return side_by_side([(title, cloud / unit) for title, cloud in clouds], "rms", WIDE)


def side_by_side(clouds: Sequence[tuple[str, np.ndarray]], unit: str, size: tuple[float, float]) -> Figure:
    """Return complex planes with equal axes, the same for all, under titles.

    Args:
        clouds: title and complex symbols of each.
        unit: of the symbols.
        size: of the figure, width and height in inches.
    """
    limit = 1.02 * max(float(np.percentile(np.abs(cloud), 99.9)) for _, cloud in clouds)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    grid = figure.subplots(1, len(clouds), sharey=True, squeeze=False)
    for axis, (title, cloud) in zip(grid[0], clouds, strict=True):
        _cloud(axis, cloud, limit)
        axis.set_title(title, fontsize=10)
        axis.set(xlabel=f"in phase ({unit})", xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axis.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel(f"quadrature ({unit})")
    return figure


def _cloud(axis: Axes, symbols: np.ndarray, limit: float) -> None:
    if symbols.size <= SCATTERED:
        axis.plot(symbols.real, symbols.imag, ".", color=COLOURS[0], markersize=2, alpha=0.5, rasterized=True)
        return
    box = (-limit, limit, -limit, limit)
    axis.hexbin(symbols.real, symbols.imag, gridsize=60, extent=box, norm=LogNorm(), mincnt=1, cmap="cividis_r",
                linewidths=0, rasterized=True)  # fmt: skip


def channels(run: RunSeries) -> Figure:
    """Return |Ĥ|² of every agent over frequency, with the subcarriers that power control truncated."""
    shot = _shot(run)
    figure, axis = axes("frequency from the carrier (MHz)", "channel gain |Ĥ|² (dB)")
    frequency, gains = shot["subcarrier_hz"] / 1e6, db(shot["channel_magnitude"] ** 2)
    granted = shot.get("granted", np.zeros(len(gains), bool))
    for row, agent in enumerate(shot["agents"].tolist()):
        colour, line = shade(run.config.agents.count, agent), "-" if granted[row] else "--"
        axis.plot(frequency, gains[row], line, color=colour, linewidth=1.1, label=str(agent))
        silent = np.full(frequency.size, False) if not granted[row] else ~shot["active"][row]
        axis.plot(frequency[silent], gains[row][silent], "x", color="#c1121f", markersize=4, markeredgewidth=1)
    return agent_legend(figure, axis, len(gains))


def periodograms(samples: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (F,) and the power density per Hz over time, shape (T, F): means of windowed periodograms.

    The mean over time is Welch's estimate. Segments overlap by three quarters, less in long receptions.
    """
    segment = min(SEGMENT, samples.size)
    hop = max(segment // 4, samples.size // MOST_SEGMENTS)
    window = hann(segment, sym=False)
    pieces = np.lib.stride_tricks.sliding_window_view(samples, segment)[::hop] * window
    density = np.abs(np.fft.fftshift(np.fft.fft(pieces), axes=-1)) ** 2 / (rate * np.sum(window**2))
    group = -(-len(density) // MOST_COLUMNS)
    columns = density[: len(density) // group * group].reshape(-1, group, segment).mean(1)
    return np.fft.fftshift(np.fft.fftfreq(segment, 1 / rate)), columns


def _shot(run: RunSeries) -> dict[str, np.ndarray]:
    if run.snapshot is None:
        raise ValueError(f"{run.name} has no waveform.npz, so no round to show; it is written at an evaluation")
    return run.snapshot
