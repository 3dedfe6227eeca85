"""`airmeta device`: one agent of a testbed."""

from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, config_argument, set_option
from tools.testbed_options import agent_endpoint, key_option, plaintext_option, server_key_option, with_parent_option


@click.command("device")
@config_argument
@set_option
@click.option("--id", "agent", type=click.IntRange(min=0), required=True, help="Of the agent, from 0 on.")
@click.option("--server", required=True, metavar="tcp://HOST:PORT", help="Where airmeta serve listens.")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=Path("agents"), show_default=True,
    help="Folder of what the agent keeps: its residual, its log.",
)  # fmt: skip
@click.option("--radio", metavar="URI", help="Of the agent's radio; default: as the configuration says.")
@server_key_option
@key_option
@plaintext_option
@with_parent_option
@cache_option
def command(config: Path, overrides: tuple[str, ...], agent: int, server: str, **given: Any) -> None:
    """Be an agent: learn on its own data, send its updates as the server asks, keep what was not confirmed.

    It waits for a server that is not there, and goes on where it was when it is started again with the same --state.

    \b
    Examples:
        airmeta device experiments/quickstart.toml --id 3 --server tcp://192.168.2.10:5555 --server-key server.pub
        airmeta device experiments/quickstart.toml --id 0 --server tcp://127.0.0.1:5555 --plaintext
    """
    from fl.config import load
    from fl.testbed.hosting import Host, take_part
    from tools.terminal_log import logged_to_terminal
    from tools.testbed_errors import readable_errors

    with readable_errors(), logged_to_terminal():
        experiment = load(config, overrides)
        endpoint = agent_endpoint(server, given["key_path"], given["server_key"], given["plaintext"])
        click.echo(f"agent {agent}: looks for the server at {server}; log in {given['state']}", err=True)
        host = Host(endpoint, given["cache"], given["radio"], given["with_parent"])
        if not take_part(experiment, agent, given["state"], host):
            click.echo("Stopped; start it again with the same --state to go on.", err=True)
            raise SystemExit(130)
        click.echo("The run is done.", err=True)
