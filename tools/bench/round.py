"""`airmeta bench round`: what a round costs, stage by stage, and what the link and the server add to learning."""

import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

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
        airmeta bench round experiments/omniglot-bench.toml
        airmeta bench round experiments/quickstart.toml --rounds 60 --set agents.count=10000 \\
            --set agents.per_round=20 --set task.partition=class_overlap
    """
    from fl.config import load
    from fl.setup import assemble
    from fl.threads import use_threads

    with readable_errors():
        experiment = load(config, overrides)
        links = [experiment]
        if experiment.uplink.kind == "waveform":
            links.append(load(config, [*overrides, "uplink.kind=symbol"]))
        players = [_Player(assemble(link, cache)) for link in links]
    use_threads(experiment.run.threads)
    with tempfile.TemporaryDirectory() as folder:
        for round_index in range(rounds):
            for place, player in enumerate(players):  # in turn, so that a busy machine slows all alike
                player.play(round_index, Path(folder) / str(place))
    medians, peaks = players[0].medians(), players[0].peaks
    result: dict[str, Any] = {
        **medians,
        "link_share": medians["link_and_server"] / sum(medians.values()),
        "peak_mib": peaks,
    }
    if len(players) > 1:
        result["waveform_adds"] = sum(medians.values()) / sum(players[1].medians().values()) - 1
    if as_json:
        click.echo(json.dumps(result))
        return
    for stage, value in medians.items():
        click.echo(f"{stage:16s} {1e3 * value:8.1f} ms a round")
    claim = "" if len(players) > 1 else " (claimed: at most 10 %)"
    click.echo(f"link and server take {100 * result['link_share']:.1f} % of a round{claim}")
    if len(players) > 1:
        click.echo(
            f"the waveform adds {100 * result['waveform_adds']:.1f} % to a round over symbol (claimed: at most 25 %)"
        )
    click.echo(f"peak memory {peaks[2]:.0f} MiB after 3 rounds, {peaks[-1]:.0f} MiB after {rounds}")


class _Player:
    """Plays rounds of an experiment and keeps the time."""

    def __init__(self, parts: Any) -> None:
        from fl.server import ServerState

        self.parts, self.state = parts, ServerState.start(parts.first_theta())
        self.seconds: list[dict[str, float]] = []
        self.peaks: list[float] = []
        self.residuals: Any = None

    def play(self, round_index: int, folder: Path) -> None:
        """Play one round; residuals go to disk as in a run."""
        from fl.residuals import ResidualStore
        from fl.round import run_round

        if self.residuals is None:
            self.residuals = ResidualStore(folder)
        result = run_round(self.parts, self.state, self.residuals, round_index)
        self.state = result.state
        started = time.perf_counter()
        self.residuals.save(round_index + 1)
        self.residuals.prune(round_index + 1)
        self.seconds.append(result.seconds | {"residuals_to_disk": time.perf_counter() - started})
        self.peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    def medians(self) -> dict[str, float]:
        """Return the median seconds of each stage, the first two rounds left out."""
        return {stage: statistics.median(record[stage] for record in self.seconds[2:]) for stage in self.seconds[0]}
