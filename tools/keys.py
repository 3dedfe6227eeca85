"""`airmeta keys`: who may take part in an experiment over the network."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from tools.options import json_option
from tools.testbed_options import allowed_option, key_option


@click.group("keys")
def command() -> None:
    """Make this host's keys, and say whose keys a server lets in.

    \b
    Examples:
        airmeta keys new                                 # on every host; prints its public key
        airmeta keys allow 'PUBLIC-KEY' --name bench-3   # on the server
        airmeta keys list
        airmeta keys revoke bench-3
    """


@command.command("new")
@key_option
def new(key_path: Path) -> None:
    """Make this host's pair of keys and print the public one.

    The secret key is written to a file that only you can read, and shown nowhere; the public one also to FILE.pub.

    \b
    Example:
        airmeta keys new
    """
    from fl.control import keys

    with _readable_errors():
        pair = keys.create(key_path)
    click.echo(f"secret key in {key_path}, readable by you alone; the public key is", err=True)
    click.echo(pair.public)


@command.command("list")
@key_option
@allowed_option
@json_option
def list_keys(key_path: Path, allow_list: Path, as_json: bool) -> None:
    """Show this host's public key, and the keys that a server here lets in.

    \b
    Example:
        airmeta keys list --json
    """
    from fl.control import allow_list as allowed
    from fl.control import keys

    with _readable_errors():
        mine = keys.load(key_path).public if key_path.exists() else None
        entries = allowed.load(allow_list)
    if as_json:
        rows = [
            {"key": one.key, "name": one.name, "since": one.since.isoformat(), "agents": one.agents} for one in entries
        ]
        click.echo(json.dumps({"public": mine, "allowed": rows}))
        return
    click.echo(f"this host   {mine or 'has no key: airmeta keys new'}")
    width = max((len(one.name) for one in entries), default=0)
    for one in entries:
        click.echo(f"{one.name:{width}s}  {one.key}  since {one.since:%Y-%m-%d}, {_speaks_for(one.agents)}")
    if not entries:
        click.echo(f"nobody is let in ({allow_list}): airmeta keys allow PUBLIC-KEY --name NAME")


@command.command("allow")
@click.argument("public_key")
@click.option("--name", required=True, help="Of the host, for people.")
@click.option("--agent", "agents", type=click.IntRange(min=0), multiple=True, help="Id it may speak for; repeatable.")
@allowed_option
def allow(public_key: str, name: str, agents: tuple[int, ...], allow_list: Path) -> None:
    """Let a key in, from the next connection on.

    \b
    Example:
        airmeta keys allow 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' --name bench-3 --agent 3
    """
    from fl.control import allow_list as allowed

    with _readable_errors():
        allowed.allow(allow_list, allowed.Allowed(public_key, name, datetime.now(UTC), agents or None))
    click.echo(f"{name}: allowed, as {_speaks_for(agents)}")


@command.command("revoke")
@click.argument("which", metavar="NAME|KEY")
@allowed_option
def revoke(which: str, allow_list: Path) -> None:
    """Let a key in no more; a running server drops it with its next message.

    \b
    Example:
        airmeta keys revoke bench-3
    """
    from fl.control import allow_list as allowed

    with _readable_errors():
        entry = allowed.revoke(allow_list, which)
    click.echo(f"{entry.name}: revoked ({entry.key})")


def _speaks_for(agents: Sequence[int] | None) -> str:
    return ", ".join(f"agent {one}" for one in agents) if agents else "any agent"


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Show what is wrong with keys as one message; no secret is in any of them."""
    from fl.control.keys import KeyFileError

    try:
        yield
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
