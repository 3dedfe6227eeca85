"""`airmeta radio probe`: can these radios do a round of this experiment?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tools.options import config_argument, json_option, readable_errors, set_option

FIGURES = (
    ("CFO Hz", "cfo_hz", "+.1f"),
    ("ppm", "cfo_ppm", "+.3f"),
    ("delay", "delay_samples", "+.2f"),
    ("gain dB", "channel_db", ".1f"),
    ("SNR dB", "snr_db", ".1f"),
    ("residual Hz", "residual_hz", "+.2f"),
)


@click.command("probe")
@config_argument
@set_option
@json_option
def probe(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Let the server of an experiment send a beacon and every agent sound, and say what arrived.

    Delays are in samples, SNR is per resource element, the residual is what an agent's correction left of its offset.
    Nothing is learned, no payload is sent. Exit status 1 if an agent was not heard.

    \b
    Examples:
        airmeta radio probe experiments/quickstart.toml --set uplink.kind=waveform
        airmeta radio probe experiments/quickstart.toml --set uplink.kind=waveform --set uplink.snr_db=0 --json
    """
    from fl.config import load
    from fl.setup import stations

    with readable_errors():
        experiment = load(config, overrides)
        used = stations(experiment)
        about = {"server": _radio(experiment, used.server), "round": _round(experiment, used)}
        found = _probe(experiment, used)
        agents = [asdict(finding) | {"radio": _radio(experiment, used.radio_of(finding.agent))} for finding in found]
    if as_json:
        click.echo(json.dumps(about | {"agents": agents}))
    else:
        _print(about, agents)
    if not all(finding.was_heard for finding in found):
        raise SystemExit(1)


def _probe(experiment: Any, used: Any) -> list[Any]:
    """Return the findings of all agents, as many at a time as share a round."""
    from fl.uplink.settings import power_control
    from fl.uplink.waveform.probe import probe

    agents, found = experiment.agents, []
    for index, first in enumerate(range(0, agents.count, agents.scheduled)):
        some = tuple(range(first, min(first + agents.scheduled, agents.count)))
        found += probe(used, some, power_control(experiment), experiment.seed, index)
    return found


def _radio(experiment: Any, radio: Any) -> dict[str, Any]:
    names = "sample_rate", "lead_time", "timing_uncertainty", "timing_repeatability"
    return {"kind": experiment.radio.kind} | {name: getattr(radio, name) for name in names}


def _round(experiment: Any, used: Any) -> dict[str, Any]:
    """Return how long a first round of the experiment lasts, and which delays its prefix covers."""
    from fl.dimension import message_length
    from fl.uplink.settings import codec

    modem = used.modem
    symbols = codec(experiment, message_length(experiment)).n_symbols
    frame, grid = modem.frame(experiment.agents.scheduled, symbols, True), modem.numerology
    return {
        "carrier_hz": modem.carrier,
        "agents": frame.agents,
        "seconds": frame.end / modem.sample_rate,
        "period_s": modem.period / modem.sample_rate,
        "fits_period": frame.end <= modem.period,
        "early_samples": grid.window_lead,
        "late_samples": grid.cyclic_prefix - grid.window_lead - modem.delay_spread,
        "delay_spread_samples": modem.delay_spread,
    }


def _print(about: dict[str, Any], agents: list[dict[str, Any]]) -> None:
    once = about["round"]
    click.echo(f"Server     {_described(about['server'])}, carrier {once['carrier_hz'] / 1e9:g} GHz")
    for radio in {_described(agent["radio"]): None for agent in agents}:
        same = [agent["agent"] for agent in agents if _described(agent["radio"]) == radio]
        click.echo(f"{f'{len(same)} agents':10s} {radio}")
    click.echo(
        f"Round      {once['agents']} agents, {once['seconds']:.3f} s, "
        f"{'fits' if once['fits_period'] else 'longer than'} the period of {once['period_s']:g} s"
    )
    click.echo(
        f"Prefix     covers agents {once['early_samples']} samples early to {once['late_samples']:g} late, and "
        f"{once['delay_spread_samples']:g} of echoes after that\n"
    )
    click.echo("agent " + " ".join(f"{name:>11s}" for name, _, _ in FIGURES) + "  verdict")
    for agent in agents:
        values = [(agent[key], form) for _, key, form in FIGURES]
        row = " ".join(f"{'–' if value is None else format(value, form):>11s}" for value, form in values)
        click.echo(f"{agent['agent']:5d} {row}  {agent['verdict']}")
    for agent in agents:
        if agent["reason"]:
            click.echo(f"\nAgent {agent['agent']}, {agent['verdict']}: {agent['reason']}")


def _described(radio: dict[str, Any]) -> str:
    return (
        f"{radio['kind']}, {radio['sample_rate'] / 1e6:g} MS/s, lead time {radio['lead_time']} samples, timing within "
        f"±{radio['timing_uncertainty']} samples, repeatable to {radio['timing_repeatability']:g} rms"
    )
