"""What a report shows of a run on the air: pictures of a round, then every agent over the rounds."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from tools.report import on_air
from tools.report.figures import COLOURS, agent_legend, axes, legend, running_mean, shade
from tools.report.frame import Card
from tools.report.series import RunSeries

MOST_POINTS = 4000  # of one figure as vectors, more become pixels: a long run of many agents would weigh megabytes


def cards(run: RunSeries) -> list[Card]:
    """Return the figures that a run has what it takes for."""
    return [*_round_cards(run), *_history_cards(run)]


def summary(run: RunSeries) -> str:
    """Return which round the pictures show, and how many rounds were not received, and why."""
    failed = sum(run.failures.values())
    kinds = ", ".join(f"{kind} {count} time{'s' * (count > 1)}" for kind, count in run.failures.items())
    received = f"{failed} of {len(run.records)} rounds were not received: {kinds}." if failed else ""
    if run.snapshot is None:
        return f"No pictures of a round: it has no waveform.npz, which an evaluation writes. {received}".strip()
    return f"Pictures of round {int(run.snapshot['round']) + 1}, then every round. {received}".strip()


def _round_cards(run: RunSeries) -> list[Card]:
    found = {} if run.snapshot is None else run.snapshot
    wanted = [
        (
            "soundings",
            Card(
                "Spectrum",
                "Received by the server, full scale is 0 dBFS; subcarriers occupy the shaded band, outside is noise.",
                lambda: on_air.spectrum(run),
            ),
        ),
        (
            "channel_magnitude",
            Card(
                "Channels",
                "As the server estimated them from the soundings; crosses are subcarriers on which an agent stays "
                "silent, dashed lines are agents that were left out.",
                lambda: on_air.channels(run),
            ),
        ),
        (
            "soundings",
            Card(
                "Spectrogram",
                "Last cycle of soundings, one agent after another (its id above), then the payload of all together. "
                "The stripes are the repeats of a sounding. The time between the two parts is not drawn.",
                lambda: on_air.spectrogram(run),
                wide=True,
            ),
        ),
        (
            "received",
            Card(
                "The sum of all agents' symbols",
                "Expected is what the agents heard had to send, added up without error (oracle). Symbols of a "
                "compressed update have no fixed alphabet, so the cloud is round; darker cells hold more symbols. The "
                "error holds noise, misalignment and truncated subcarriers.",
                lambda: on_air.constellation(run),
                wide=True,
            ),
        ),
    ]
    return [card for key, card in wanted if key in found]


def _history_cards(run: RunSeries) -> list[Card]:
    if not run.of_agents("cfo_hz"):
        return []
    pilots = (
        "with which an agent's pilots arrived in the payload, against what was expected; noise is in it, 0 is perfect."
    )
    of_agents = [
        ("Carrier offset", "cfo_hz", "carrier offset (kHz)", 1e-3, "Of each agent, as it measures it on the beacon."),
        ("Residual frequency", "residual_hz", "frequency (Hz)", 1, "What an agent's own correction left, as tracked."),
        ("Delay", "delay_samples", "delay (samples)", 1, "Where the energy of a channel begins; the prefix covers it."),
        ("Timing residual", "pilot_delay_samples", "delay (samples)", 1, f"Delay {pilots}"),
        ("Trigger", "trigger_deg", "phase (degrees)", 1, "What the trigger told an agent to mend before it sent."),
        ("Phase residual", "pilot_phase_deg", "phase (degrees)", 1, f"Phase {pilots}"),
        ("Gain residual", "pilot_gain_db", "gain (dB)", 1, f"Power {pilots}"),
        ("Peak to average", "papr_db", "PAPR (dB)", 1, "Of each agent's payload, before its radio."),
    ]
    return [
        *(
            Card(name, caption, partial(agents_over_rounds, run, key, label, scale))
            for name, key, label, scale, caption in of_agents
            if any(np.isfinite(values).any() for values in run.of_agents(key).values())
        ),
        Card("Noise", "Noise on the silent elements, and the sum, over full power of an agent.", lambda: levels(run)),
        Card(
            "Error of the symbols",
            "Against everything the agents heard had to send, and against what was sent on the subcarriers that they "
            "use (both oracle); noise alone would give the dotted line.",
            lambda: symbol_error(run),
        ),
        Card("Clipping", "Samples at the limit of the server's converter.", lambda: clipping(run)),
    ]


def agents_over_rounds(run: RunSeries, key: str, label: str, scale: float = 1.0) -> Figure:
    """Return a number of every agent, times `scale`, over the rounds; in a long run as dots with a running mean."""
    figure, axis = axes("round", label)
    figure.set_dpi(on_air.DOTS_PER_INCH)
    agents = run.of_agents(key)
    many = len(agents) * len(run.records) > MOST_POINTS
    for agent, values in agents.items():
        good, colour = np.isfinite(values), shade(run.config.agents.count, agent)
        where, series = run.rounds[good], scale * values[good]
        if many:
            axis.plot(where, series, ".", color=colour, markersize=1.5, alpha=0.3, rasterized=True)
            series = running_mean(series, max(10, len(run.records) // 20))
        style = "-" if many else ".-"
        axis.plot(where, series, style, color=colour, linewidth=0.9, markersize=3, label=str(agent), rasterized=many)
    return agent_legend(figure, axis, len(agents))


def levels(run: RunSeries) -> Figure:
    """Return noise and received sum of each round, relative to P."""
    figure, axis = axes("round", "power of an element over P (dB)")
    noise = run.diagnostics("noise_db")
    axis.plot(run.rounds, noise + run.values("receive_snr_db"), ".-", color=COLOURS[0], linewidth=1, label="sum")
    axis.plot(run.rounds, noise, ".-", color=COLOURS[1], linewidth=1, label="noise")
    return legend(figure, axis)


def symbol_error(run: RunSeries) -> Figure:
    """Return the error of the received symbols, and what noise alone would give."""
    figure, axis = axes("round", "error over the sum (dB)")
    axis.plot(run.rounds, run.values("oracle_symbol_nmse_db"), ".-", color=COLOURS[0], label="against the full sum")
    sent = run.diagnostics("oracle_sent_symbol_nmse_db")
    axis.plot(run.rounds, sent, ".--", color=COLOURS[1], label="against what was sent")
    axis.plot(run.rounds, -run.values("receive_snr_db"), "k:", linewidth=0.9, label="noise alone")
    return legend(figure, axis)


def clipping(run: RunSeries) -> Figure:
    """Return the fraction of clipped samples of each round."""
    figure, axis = axes("round", "clipped samples (%)")
    axis.plot(run.rounds, 100 * run.diagnostics("clipped_fraction"), ".-", color=COLOURS[0], linewidth=1)
    axis.set_ylim(bottom=0)
    return figure
