"""`airmeta bench round`: what a round costs, stage by stage, and what the link and the server add to learning."""

import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import click

from tools.options import cache_option, config_argument, json_option, readable_errors, set_option


@click.command("round")
@config_argument
@set_option
@click.option(
    "--rounds", type=click.IntRange(min=3), default=12, show_default=True, help="Rounds; the first two warm up."
)
@json_option
@cache_option
def round_cost(config: Path, overrides: tuple[str, ...], rounds: int, cache: Path, as_json: bool) -> None:
    """Time the stages of a round of an experiment, medians over its rounds, and watch its memory.

    \b
    Examples:
        airmeta bench round experiments/quickstart.toml
        airmeta bench round experiments/quickstart.toml --rounds 60 --set agents.count=10000 \\
            --set agents.per_round=20 --set task.partition=class_overlap
    """
    from fl.config import load
    from fl.residuals import ResidualStore
    from fl.round import run_round
    from fl.server import ServerState
    from fl.setup import assemble
    from fl.threads import use_threads

    with readable_errors():
        parts = assemble(load(config, overrides), cache)
    use_threads(parts.config.run.threads)
    state, seconds, peaks = ServerState.start(parts.first_theta()), [], []
    with tempfile.TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder))
        for round_index in range(rounds):
            result = run_round(parts, state, residuals, round_index)
            state = result.state
            seconds.append(result.seconds)
            started = time.perf_counter()
            residuals.save(round_index + 1)
            residuals.prune(round_index + 1)
            seconds[-1]["residuals_to_disk"] = time.perf_counter() - started
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    medians = {stage: statistics.median(record[stage] for record in seconds[2:]) for stage in seconds[0]}
    share = medians["link_and_server"] / sum(medians.values())
    if as_json:
        click.echo(json.dumps(medians | {"link_share": share, "peak_mib": peaks}))
        return
    for stage, value in medians.items():
        click.echo(f"{stage:16s} {1e3 * value:8.1f} ms a round")
    click.echo(f"link and server take {100 * share:.1f} % of a round (claimed: at most 10 %)")
    click.echo(f"peak memory {peaks[2]:.0f} MiB after 3 rounds, {peaks[-1]:.0f} MiB after {rounds}")
