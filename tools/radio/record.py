"""`airmeta radio record`: the first rounds of an experiment, or silence, as SigMF recordings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

BLOCK = 1 << 20  # samples heard at a time
LONGEST = 30.0  # seconds: at 4 MS/s, 1 GB


@click.command("record")
@config_argument
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@set_option
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds to run and record; default 1.")
@click.option(
    "--listen",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=LONGEST),
    help="Instead: record what the server's radio hears with nobody sending.",
)
@json_option
@cache_option
def record(
    config: Path,
    folder: Path,
    overrides: tuple[str, ...],
    rounds: int | None,
    listen: float | None,
    as_json: bool,
    cache: Path,
) -> None:
    """Run the first rounds of an experiment, learning included, and keep in FOLDER what the server receives.

    FOLDER holds round-00000.sigmf-meta and .sigmf-data, and so on. `airmeta run --record N` does the same within a run.

    \b
    Examples:
        airmeta radio record experiments/quickstart.toml recordings --set uplink.kind=waveform --rounds 3
        airmeta radio record experiments/quickstart.toml silence --set uplink.kind=waveform --listen 0.5
    """
    from fl.config import load

    if listen is not None and rounds is not None:
        raise click.UsageError("--listen and --rounds exclude each other: take one of them")
    with readable_errors():
        experiment = load(config, overrides)
        try:
            if folder.exists() and any(folder.iterdir()):
                raise click.ClickException(f"{folder}: not empty; choose another folder for the recordings")
            found = (
                _rounds(experiment, folder, cache, rounds or 1)
                if listen is None
                else [_listen(experiment, folder, listen)]
            )
            for about in found:
                click.echo(json.dumps(about) if as_json else _line(about))
        except OSError as error:
            raise click.ClickException(
                f"{error.filename or folder}: {error.strerror or error}; choose a folder that can be written"
            ) from error


def _rounds(experiment: Any, folder: Path, cache: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield what is known of each round once it is recorded."""
    from fl.residuals import ResidualStore
    from fl.round import run_round
    from fl.server import ServerState
    from fl.setup import assemble, record_rounds
    from fl.threads import use_threads
    from fl.uplink.waveform.recording import name_of

    use_threads(experiment.run.threads)
    parts = assemble(experiment, cache)
    record_rounds(parts, folder, 1)
    state, residuals = ServerState.start(parts.first_theta()), ResidualStore(folder / "residuals")  # never saved
    for index in range(rounds):
        result = run_round(parts, state, residuals, index)
        state, told = result.state, result.record
        path = folder / name_of(index)
        yield {
            "round": index,
            "recording": str(path) if path.with_name(f"{path.name}.sigmf-meta").exists() else None,
            "bytes": sum(file.stat().st_size for file in folder.glob(f"{path.name}.sigmf-*")),
        } | {key: told.get(key) for key in ("agents_scheduled", "agents_heard", "predicted_nmse_db", "failure")}


def _listen(experiment: Any, folder: Path, seconds: float) -> dict[str, Any]:
    """Record silence, and return how loud it was."""
    import numpy as np

    from fl.setup import stations
    from fl.uplink.waveform.recording import save_listening

    used = stations(experiment)
    server, left, heard = used.server, max(round(seconds * used.modem.sample_rate), 1), []
    while left:
        count = min(left, BLOCK)
        heard.append(server.receive(count, server.now()))
        left -= count
    folder.mkdir(parents=True, exist_ok=True)
    save_listening(heard, folder / "silence", used.modem.sample_rate, used.modem.carrier)
    count = sum(samples.data.size for samples in heard)
    power = sum(float(np.vdot(samples.data, samples.data).real) for samples in heard) / count
    return {
        "recording": str(folder / "silence"),
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "samples": count,
        "level_dbfs": 10 * float(np.log10(power)) if power else None,
        "clipped": sum(samples.clipped for samples in heard),
        "lost": sum(samples.lost for samples in heard),
    }


def _line(about: dict[str, Any]) -> str:
    size = f"{about['recording']}  {about['bytes'] / 1e6:.2f} MB"
    if "samples" in about:
        level = "digital silence" if about["level_dbfs"] is None else f"{about['level_dbfs']:.1f} dBFS"
        return f"{size}, {about['samples']} samples, {level}, {about['clipped']} clipped, {about['lost']} lost"
    if about["recording"] is None:
        return f"round {about['round']}  nothing was received, so nothing is recorded; {about['failure']}"
    if about["failure"] is not None:
        return f"{size}  the round failed: {about['failure']}"
    nmse = about["predicted_nmse_db"]
    heard = f"{size}  {len(about['agents_heard'])} of {len(about['agents_scheduled'])} agents heard"
    return heard if nmse is None else f"{heard}, predicted NMSE {nmse:.1f} dB"
