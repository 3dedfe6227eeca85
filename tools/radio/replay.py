"""`airmeta radio replay`: recorded rounds decoded again."""

import json
from pathlib import Path
from typing import Any

import click

from tools.options import json_option, readable_errors, set_option


@click.command("replay")
@click.argument("recordings", metavar="RECORDING...", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
@json_option
def replay(recordings: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Decode recorded rounds again, with the same settings or with other receiver settings.

    RECORDING is a file of a recording, or its name without the suffix. The same settings must give the same bytes; exit
    status 1 if they do not, or if a recording cannot be decoded.

    \b
    Examples:
        airmeta radio replay runs/first/recordings/*.sigmf-meta
        airmeta radio replay recordings/round-00000 --set uplink.receiver=lmmse
        airmeta radio replay recordings/round-00000 --set uplink.prior=gaussian_mixture --json
    """
    from radio.base import RadioError
    from radio.sigmf.layout import files_of

    folders = [path for path in recordings if path.is_dir()]
    if folders:
        raise click.UsageError(f"{folders[0]} is a folder; give {folders[0]}/*.sigmf-meta")
    good = True
    with readable_errors():
        for path in dict.fromkeys(files_of(recording)[0] for recording in recordings):
            try:
                about = _decode(path, overrides)
            except RadioError as error:
                good = False
                if as_json:
                    click.echo(json.dumps({"recording": str(path), "error": str(error)}))
                click.echo(f"Error: {error}", err=True)
            else:
                good &= about["as_live"] or bool(about["changed"])
                click.echo(json.dumps(about) if as_json else _text(about))
    if not good:
        raise SystemExit(1)


def _decode(path: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    from dsp.metrics import db
    from fl.uplink.waveform.recording import load, versions
    from fl.uplink.waveform.replay import decode

    recorded = load(path)
    found = decode(recorded, overrides)
    payload = found.payload
    return {
        "recording": str(path),
        "round": recorded.fields.round,
        "agents_scheduled": list(recorded.fields.agents),
        "agents_heard": list(found.heard),
        "excluded": found.excluded,
        "links": {agent: _link(link) for agent, link in found.links.items()},
        "noise_db": None if payload is None else float(db(payload.element_noise)),
        "receive_snr_db": None if payload is None else float(db(payload.receive_snr)),
        "predicted_nmse_db": found.predicted_nmse_db,
        "failure": found.failure,
        "sha256": found.sha256,
        "live_sha256": found.live_sha256,
        "as_live": found.as_live,
        "changed": list(found.changed),
        "versions": recorded.fields.versions,
        "versions_here": versions(),
    }


def _link(link: Any) -> dict[str, float]:
    """Return what a round's soundings say of an agent's link."""
    import numpy as np

    from dsp.metrics import db

    gain = float(np.mean(np.abs(link.channel) ** 2))
    return {
        "channel_db": float(db(gain)),
        "snr_db": float(db(gain / max(link.noise_var, 1e-30))),
        "window_delay_samples": link.delay,
        "residual_hz": link.residual.frequency,
    }


def _text(about: dict[str, Any]) -> str:
    lines = [f"{about['recording']}: round {about['round']}, {_outcome(about)}"]
    lines += [f"  agent {agent} not heard: {reason}" for agent, reason in about["excluded"].items()]
    return "\n".join([*lines, f"  sha256 {about['sha256'] or '–'}, {_verdict(about)}"])


def _outcome(about: dict[str, Any]) -> str:
    heard = f"{len(about['agents_heard'])} of {len(about['agents_scheduled'])} agents heard"
    if about["noise_db"] is not None:
        heard += f", noise {about['noise_db']:.1f} dB, receive SNR {about['receive_snr_db']:.1f} dB"
    if about["failure"] is not None:
        return f"{heard}; nothing decoded: {about['failure']}"
    return f"{heard}, predicted NMSE {about['predicted_nmse_db']:.1f} dB"


def _verdict(about: dict[str, Any]) -> str:
    settings = "; ".join(about["changed"])
    if about["as_live"]:
        same = "same bytes as live" if about["sha256"] else "as live: no estimate"
        return f"{same}, with other settings ({settings})" if settings else same
    live = about["live_sha256"] or "no estimate"
    if settings:
        return f"differs from live, as other settings make it ({settings}); live: {live}"
    here, there = about["versions_here"], about["versions"]
    other = [
        f"{name} {here.get(name)} here, {there.get(name)} there" for name in there if there[name] != here.get(name)
    ]
    return f"DIFFERS from live with the same settings; live: {live}; " + (
        f"decode it with the versions that recorded it ({', '.join(other)})"
        if other
        else "the versions are the same: "
        "another processor or library of linear algebra rounds otherwise, or this is a bug"
    )
