"""`airmeta status`: how a running server and its agents are."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from tools.options import json_option
from tools.testbed_options import agent_endpoint, key_option, plaintext_option, server_key_option


@click.command("status")
@click.argument("server", metavar="tcp://HOST:PORT")
@server_key_option
@key_option
@plaintext_option
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds to wait.")
@json_option
def command(
    server: str, server_key: str | None, key_path: Path, plaintext: bool, timeout: float, as_json: bool
) -> None:
    """Ask a server how its run is: round, phase, and each agent's state.

    \b
    Examples:
        airmeta status tcp://127.0.0.1:5555 --plaintext
        airmeta status tcp://192.168.2.10:5555 --server-key server.pub --json
    """
    import msgspec

    from fl.testbed.inquiry import inquire
    from tools.testbed_errors import readable_errors

    with readable_errors():
        endpoint = agent_endpoint(server, key_path, server_key, plaintext)
        try:
            found = asyncio.run(inquire(endpoint, timeout))
        except TimeoutError as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
        return
    click.echo("\n".join(_lines(found)))


def _lines(found: Any) -> list[str]:
    head = f"run {found.run}: {found.committed} of {found.rounds} rounds done, phase {found.phase}"
    rows = [
        f"agent {one.agent:4d}  {one.name:16s} {one.state or 'there':12s} heard in {one.heard} round(s), last message "
        f"{one.silent_s:.1f} s ago"
        for one in found.agents
    ]
    return [head, *(rows or ["no agent has registered"])]
