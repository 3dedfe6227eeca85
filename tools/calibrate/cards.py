"""Which figures show a kind of measurement, and what good looks like in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from tools.calibrate import figures
from tools.calibrate.done import Done
from tools.calibrate.figures import Coordinate, Trace
from tools.report.figures import shade
from tools.report.frame import Card

SERVER = "#222222"

DRIVE = Coordinate("transmit_in_dbfs", "level handed to the transmitter (dBFS)")
OUT = Coordinate("transmit_out_dbfs", "level received (dBFS)")
GAIN = Coordinate("transmit_gain_db", "gain from input to output (dB)", height=2.0)
RECEIVE_GAIN = Coordinate("receive_gain_db", "receive gain (dB)")
RECEIVED = Coordinate("receive_out_dbfs", "level received (dBFS)")
NOISE = Coordinate("receive_noise_dbfs", "")
TIME = Coordinate("time_s", "time (s)")
OFFSET = Coordinate("frequency_ppm", "offset, less its median (ppm)", height=0.002)
BURST = Coordinate("burst", "sounding")
DELAY = Coordinate("delay_samples", "delay, less its median (samples)", height=1.0)
FREQUENCY = Coordinate("frequency_hz", "frequency from the carrier (MHz)", 1e-6)
RESPONSE = Coordinate("response_db", "|H| (dB)", height=10.0)
PHASE = Coordinate("response_phase_deg", "phase of H (degrees)", height=90.0, turns=True)
PATH = Coordinate("delay_s", "delay (µs)", 1e6)
PREFIX = Coordinate("prefix_s", "", 1e6)
PROFILE = Coordinate("profile_db", "power (dB)")
LAG = Coordinate("lag_s", "lag (ms)", 1e3)
CORRELATION = Coordinate("correlation", "correlation of the channel")
RATIO = Coordinate("ratio_db", "ratio of the chains (dB)")
LEFT = Coordinate("left_db", "what the model leaves (dB)", height=1.0)
LEFT_PHASE = Coordinate("left_deg", "what the model leaves (degrees)", height=10.0)
SUBCARRIER = Coordinate("subcarrier_hz", FREQUENCY.label, FREQUENCY.scale)
RATIO_PHASE = Coordinate("ratio_phase_deg", "phase of the ratio (degrees)")


@dataclass(frozen=True)
class Drawing:
    """A figure of a kind.

    Args:
        heading: what it shows and what good looks like.
        caption: how to read it.
        needs: arrays that a radio must have to be in it.
        draw: from radios to the figure.
    """

    heading: str
    caption: str
    needs: tuple[str, ...]
    draw: Callable[[Sequence[Trace]], Figure]


def _lines(heading: str, caption: str, x: Coordinate, y: Coordinate) -> Drawing:
    return Drawing(heading, caption, (x.curve, y.curve), partial(figures.lines, x=x, y=y))


def _model(heading: str, caption: str, y: Coordinate, fit: str) -> Drawing:
    needs = FREQUENCY.curve, y.curve
    return Drawing(heading, caption, needs, partial(figures.fitted, x=FREQUENCY, y=y, fit=fit, name="model"))


DRAWINGS: dict[str, tuple[Drawing, ...]] = {
    "levels": (
        Drawing(
            "Transmitter: good is straight up to the circle",
            "Received level over the level handed over; lines that lie on each other are nested. At a circle the "
            "output is 1 dB below the straight line; where there is none, the amplifier was never driven so far. "
            "Shaded is where all are above the noise and below their circle: send there.",
            (DRIVE.curve, OUT.curve),
            partial(figures.level, x=DRIVE, y=OUT),
        ),
        Drawing(
            "Transmitter gain: good is flat",
            "The same, as output less input. A fall to the right is compression, scatter at the left is noise.",
            (DRIVE.curve, GAIN.curve),
            partial(figures.level, x=DRIVE, y=GAIN),
        ),
        Drawing(
            "Receiver: good is far above the noise",
            "Level of a constant signal, and the server's noise floor; lines that lie on each other are nested. Where "
            "both rise alike, more gain no longer helps; where the upper bends, or nears 0 dBFS, the signal is too "
            "strong.",
            (RECEIVE_GAIN.curve, RECEIVED.curve, NOISE.curve),
            partial(figures.two_lines, x=RECEIVE_GAIN, y=RECEIVED, second=NOISE, names=("signal", "noise floor")),
        ),
    ),
    "clock": (
        Drawing(
            "Clock over time: good is flat",
            "The median, in the legend, can be trimmed away; a slope is drift, after which it must be measured anew.",
            (TIME.curve, OFFSET.curve),
            partial(figures.around_median, x=TIME, y=OFFSET, unit="ppm"),
        ),
        Drawing(
            "Allan deviation: good is low, and does not rise",
            "How much the frequency differs between two neighbouring spans of length τ. It falls as noise averages "
            "out and rises again with drift; at the dotted line it is the noise of the measurement, not the clock.",
            ("allan_tau_s", "allan_deviation"),
            figures.allan,
        ),
    ),
    "latency": (
        Drawing(
            "Delay of each sounding: good is flat to ±0.5",
            "The median, in the legend, is aimed off; what is left must fit into the cyclic prefix. A step is a stream "
            "that was restarted or lost samples, a slope is a clock that is off.",
            (BURST.curve, DELAY.curve),
            partial(figures.around_median, x=BURST, y=DELAY, unit="samples"),
        ),
    ),
    "channel": (
        _lines(
            "Frequency response: good has no deep notches",
            "An agent stays silent on subcarriers on which its channel is too weak.",
            FREQUENCY,
            RESPONSE,
        ),
        _lines(
            "Phase of the response: good has no sudden turns",
            "Without jumps by whole turns. A slope is a delay, which a sounding takes off; a sudden turn is a notch.",
            FREQUENCY,
            PHASE,
        ),
        Drawing(
            "Delay profile: good ends within the cyclic prefix",
            "Power over delay; what comes outside the prefix disturbs another symbol. Dotted is how one path looks in "
            "this band, at the strongest: only what is wider is the channel.",
            (PATH.curve, PROFILE.curve),
            partial(figures.profile, x=PATH, y=PROFILE, prefix=PREFIX, one_path="one_path_db"),
        ),
        Drawing(
            "Correlation over lag: good stays near 1",
            "How alike the channel is after a while. Where it has fallen, a sounding no longer says what the payload "
            "meets; good is near 1 for as long as a round takes.",
            (LAG.curve, CORRELATION.curve),
            partial(figures.correlation, x=LAG, y=CORRELATION, fit="correlation_fit"),
        ),
    ),
    "reciprocity": (
        _model(
            "Chain ratio: good lies on the model",
            "Uplink over downlink, less what the air gives to both: what a downlink estimate is multiplied with.",
            RATIO,
            "model_db",
        ),
        _model(
            "Phase of the ratio: good lies on the model",
            "A slope is a difference of the chains' delays.",
            RATIO_PHASE,
            "model_phase_deg",
        ),
        _lines(
            "Chain ratio, residual: good is noise around 0",
            "Level of the measured ratio over gain, phase and delay fitted to it. A smooth shape is ripple of the "
            "filters; bursts are noise where the channel is weak.",
            SUBCARRIER,
            LEFT,
        ),
        _lines("Its phase, residual: good is noise around 0", "A shape is ripple, as at left.", SUBCARRIER, LEFT_PHASE),
    ),
}  # fmt: skip
HIDDEN_DB = 6.0  # below the whole error: what is taken out changes it by 1.2 dB
PLANES = "received", "corrected"
NOTES = {
    "iq": "A known payload as it was received, and with the imbalance taken out. Good is a tight spot for each of the "
    "four symbols at the right, on a square around 0. An image makes the spots wide, noise does so too and stays."
}


def cards(kind: str, done: Sequence[Done], colours: dict[str, str | tuple[float, ...]]) -> list[Card]:
    """Return the figures for which some radio has what it takes.

    Args:
        kind: of measurement.
        done: measurements of this kind; those that failed have nothing to draw.
        colours: of radios, by name.
    """
    traces = [
        Trace(one.name.removeprefix("agent "), colours[one.name], one.measurement)
        for one in done
        if one.measurement is not None
    ]
    if kind == "iq":
        return [_planes(trace) for trace in _having(traces, PLANES)]
    wanted = [(drawing, _having(traces, drawing.needs)) for drawing in DRAWINGS.get(kind, ())]
    return [Card(one.heading, one.caption, partial(one.draw, found)) for one, found in wanted if found]


def palette(names: Sequence[str]) -> dict[str, str | tuple[float, ...]]:
    """Return a colour for each radio: dark for the server, agents by number."""
    agents = sorted({name for name in names if name != "server"}, key=lambda name: (len(name), name))
    return {"server": SERVER} | {agent: shade(len(agents), index) for index, agent in enumerate(agents)}


def _having(traces: Sequence[Trace], needs: tuple[str, ...]) -> list[Trace]:
    return [one for one in traces if all(np.isfinite(one.measurement.curves.get(name, ())).any() for name in needs)]


def _planes(trace: Trace) -> Card:
    name = trace.label if trace.label == "server" else f"agent {trace.label}"
    return Card(name, _seen(trace), partial(figures.planes, trace))


def _seen(trace: Trace) -> str:
    """Return whether noise lets see what the correction takes out."""
    curves = trace.measurement.curves
    if not {"image_db", "evm_before_db"} <= set(curves):
        return ""
    image, error = float(curves["image_db"]), float(curves["evm_before_db"])
    if image > error - HIDDEN_DB:
        return f"The images alone make {image:.1f} dB of error, which is what the correction takes out."
    return f"The images alone make {image:.1f} dB of error; most of it is noise, which stays."
