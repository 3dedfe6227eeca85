"""How errors of a testbed reach the user: one message, no traceback, exit code 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from tools.options import readable_errors as readable


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the errors that have a message for the user into one; others are bugs and keep their traceback."""
    from fl.control.keys import KeyFileError
    from fl.control.sockets import AddressError, PlaintextError
    from fl.control.tensors import ProtocolError
    from fl.testbed.agent import RefusedError
    from fl.testbed.agent_store import AgentStoreError

    try:
        with readable():
            yield
    except (AddressError, KeyFileError, PlaintextError, RefusedError, AgentStoreError) as error:
        raise click.ClickException(str(error)) from error
    except ProtocolError as error:
        raise click.ClickException(f"the other side says what cannot be understood: {error}") from error
