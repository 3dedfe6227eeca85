"""Options that the verbs of a testbed share: where the server is, and the keys of this host."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.paths import default_allow_list, default_key

Command = Callable[..., Any]
MOST_PORT = 65535
KEY_LENGTH = 40  # of a CURVE key in Z85

key_option = click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=default_key,
    show_default="of this user",
    help="File of this host's secret key (airmeta keys new).",
)
allowed_option = click.option(
    "--allowed",
    "allow_list",
    type=click.Path(path_type=Path, dir_okay=False),
    default=default_allow_list,
    show_default="of this user",
    help="File of the keys that are let in (airmeta keys allow).",
)
plaintext_option = click.option("--plaintext", is_flag=True, help="No keys: anybody may listen and take part; logged.")
server_key_option = click.option(
    "--server-key", metavar="KEY|FILE", help="The server's public key, or its file; not with --plaintext."
)
with_parent_option = click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this one has ended."
)


def checked_address(address: str, option: str) -> str:
    """Return an address as ZeroMQ takes it; of its own accord it takes port 70000, and means port 4464.

    Raises:
        ClickException: it is not tcp://HOST:PORT.
    """
    found = re.fullmatch(r"tcp://(\[[^\]]+\]|[^:\[\]\s/]+):(\*|\d{1,5})", address)
    if not found or (found[2] != "*" and int(found[2]) > MOST_PORT):
        raise click.ClickException(
            f"{option}: an address is tcp://HOST:PORT, the port at most {MOST_PORT}, got {address!r}"
        )
    return address


def server_endpoint(address: str, key_path: Path, allow_list: Path, plaintext: bool) -> Any:
    """Return where a server listens, with its keys.

    Raises:
        ClickException: it has none.
    """
    from fl.control.keys import KeyFileError, load
    from fl.control.sockets import Identity
    from fl.testbed.hosting import Endpoint

    checked_address(address, "--listen")
    if plaintext:
        return Endpoint(address, None, True)
    try:
        return Endpoint(address, Identity(load(key_path), allow_list))
    except KeyFileError as error:
        raise click.ClickException(f"{error}; or say --plaintext, if nobody else is on this network") from error


def agent_endpoint(address: str, key_path: Path, server_key: str | None, plaintext: bool) -> Any:
    """Return where the server of an agent is, with the keys to speak to it.

    Raises:
        ClickException: one is missing.
    """
    from fl.control.keys import KeyFileError, check_public, load
    from fl.control.sockets import Identity
    from fl.testbed.hosting import Endpoint

    checked_address(address, "the server")
    if plaintext:
        return Endpoint(address, None, True)
    if server_key is None:
        raise click.UsageError(
            "--server-key: give the server's public key (airmeta keys list on its host), or --plaintext"
        )
    if not Path(server_key).is_file() and len(server_key) != KEY_LENGTH:
        raise click.ClickException(
            f"--server-key: {server_key!r} is neither a file nor a public key ({KEY_LENGTH} characters); airmeta keys "
            "list on the server's host prints it"
        )
    try:
        public = Path(server_key).read_text(encoding="ascii").strip() if Path(server_key).is_file() else server_key
        return Endpoint(address, Identity(load(key_path), check_public(public)))
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{server_key}: cannot be read ({error}); give a public key or its file") from error
    except KeyFileError as error:
        raise click.ClickException(f"{error}; or say --plaintext, if the server does") from error
