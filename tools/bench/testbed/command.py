"""`airmeta bench testbed`: what a testbed costs beside learning, radio and decoding, and how many agents it bears."""

import json
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, json_option, readable_errors

CLAIMED_SHARE = 0.05
RECIPE = Path("experiments/quickstart.toml")


@click.command("testbed")
@click.option(
    "--agents", type=click.IntRange(min=2), default=1000, show_default=True, help="Simulated, in one process."
)
@click.option("--rounds", type=click.IntRange(min=3), default=40, show_default=True, help="With 20 of these agents.")
@click.option(
    "--only", type=click.Choice(["agents", "control"]), help="Many agents, or the control plane of eight processes."
)
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=RECIPE, show_default=True,
    help="Experiment of the control plane's part.",
)  # fmt: skip
@click.option("--control-rounds", type=click.IntRange(min=3), default=10, show_default=True, help="Of that part.")
@json_option
@cache_option
def testbed(agents: int, rounds: int, only: str | None, cache: Path, as_json: bool, **given: Any) -> None:
    """Register many simulated agents and do rounds with some; then time a round of eight processes at d = 112,005.

    \b
    Examples:
        airmeta bench testbed --only agents --agents 1000
        airmeta bench testbed --only control
    """
    from tools.bench.testbed.control import control_plane
    from tools.bench.testbed.population import population

    result: dict[str, Any] = {}
    with readable_errors():
        if only != "control":
            result["population"] = population(agents, rounds, cache)
        if only != "agents":
            links = ("symbol", "waveform")
            result["control"] = [control_plane(given["config"], link, given["control_rounds"], cache) for link in links]
    if as_json:
        click.echo(json.dumps(result))
        return
    if "population" in result:
        _show_population(result["population"])
    for one in result.get("control", ()):
        _show_control(one)


def _show_population(one: dict[str, Any]) -> None:
    click.echo(
        f"{one['registered']} of {one['agents']} agents registered, {one['registrations_per_s']:.0f} a second, "
        "starting them included"
    )
    took = "–" if one["round_s"] is None else f"{one['round_s']:.3f} s"
    click.echo(
        f"{one['rounds']} rounds of {max(one['heard'])} agents, {min(one['heard'])} heard at least; median {took}"
    )
    click.echo(f"memory: server {one['server_mib']:.0f} MiB for them, all agents {one['agents_mib']:.0f} MiB")


def _show_control(one: dict[str, Any]) -> None:
    stages = ", ".join(f"{stage} {1e3 * seconds:.0f} ms" for stage, seconds in one["seconds"].items())
    click.echo(f"{one['uplink']}, 8 processes, d = 112,005, medians of {one['rounds']} rounds: {stages}")
    click.echo(
        f"the control plane takes {100 * one['control_share']:.1f} % of a round (claimed: below "
        f"{100 * CLAIMED_SHARE:.0f} %)"
    )
