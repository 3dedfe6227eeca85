"""Arguments of the verbs that measure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.options import Command, json_option, set_option


class Reference(click.ParamType):
    """The power of an agent's chirp, from N=DBM."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, float]:
        """Return agent and power in dBm."""
        agent, _, power = value.partition("=")
        try:
            return int(agent), float(power)
        except ValueError:
            self.fail(f"{value!r}: write N=DBM, such as 0=-20 for the chirp of agent 0 at -20 dBm", param, ctx)


EXTRA: dict[str, tuple[Callable[[Command], Command], ...]] = {
    "levels": (
        click.option(
            "--reference-dbm", multiple=True, type=Reference(), metavar="N=DBM",
            help="Power of agent N's unattenuated chirp at the server's antenna connector: gives full scale in dBm.",
        ),
        click.option(
            "--target-db", type=float,
            help="|H|² for all agents, at the gain that the server has before; default: the largest that all can "
            "reach."
        ),
        click.option(
            "--cutoff-db", type=click.FloatRange(min=0), default=10.0, show_default=True,
            help="Agents weaker than the median by more are dropped.",
        ),
    ),
    "iq": (
        click.option(
            "--tracking", type=click.Choice(["on", "off"]), help="Quadrature tracking of radios that have it."
        ),
    ),
    "clock": (
        click.option(
            "--seconds", type=click.FloatRange(min=0.2, max=60), default=1.3, show_default=True,
            help="For which clocks are compared.",
        ),
    ),
}  # fmt: skip
COMMON = (
    click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False)),
    click.option(
        "--radio",
        "uris",
        multiple=True,
        metavar="URI",
        help="ip:… or usb:… of each radio, the server's first; or loopback[:KEY=VALUE,…], pluto[:KEY=VALUE,…].",
    ),
    set_option,
    click.option("--agent", "agents", multiple=True, type=int, metavar="N", help="Only this agent; repeatable."),
    click.option(
        "--table",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Calibration table; default: calibration.table of CONFIG, else this user's.",
    ),
    click.option("--resume", is_flag=True, help="Leave out what the table still holds."),
    click.option("--dry-run", is_flag=True, help="Say what would be sent, for how long; open and send nothing."),
    click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write one HTML page."),
    json_option,
)
