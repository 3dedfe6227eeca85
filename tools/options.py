"""Options that several verbs share, and how errors reach the user: one message, no traceback, exit code 1."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tools.paths import default_cache

Command = Callable[..., Any]

config_argument = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable."
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_cache,
    help="Folder of the data caches.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the errors that have a message for the user into one; others are bugs and keep their traceback."""
    from fl.analytic.solve import SingularGramError
    from fl.checkpoint import CheckpointError
    from fl.config import ConfigError
    from fl.data.files import DataError
    from fl.history import HistoryError
    from fl.residuals import ResidualError
    from fl.run_folder import RunError
    from radio.base import RadioError

    try:
        yield
    except ConfigError as error:
        if all(problem.startswith("--") for problem in error.problems):  # the fault of an option is none of a file
            raise click.ClickException("\n".join(error.problems)) from error
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise click.ClickException(f"the configuration has {len(error.problems)} problem(s):\n{lines}") from error
    except (
        DataError, RunError, CheckpointError, HistoryError, ResidualError, RadioError, SingularGramError
    ) as error:  # fmt: skip
        raise click.ClickException(str(error)) from error
