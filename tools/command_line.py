"""The command that the user has called, to be called again with something added."""

import shlex
from typing import Any

import click
from click.core import ParameterSource


def command_line() -> list[str]:
    """Return the words of the command that runs: its name, and all that the user gave it."""
    context = click.get_current_context()
    words = ["airmeta", *context.command_path.removeprefix(context.find_root().command_path).split()]
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words += _words(parameter, context.params[name])
    return words


def again() -> str:
    """Return the same as a line for a shell: what goes on where this command was stopped."""
    return shlex.join(command_line())


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    values = list(value) if parameter.multiple or parameter.nargs != 1 else [value]
    if isinstance(parameter, click.Argument):
        return [_spelt(one) for one in values]
    if getattr(parameter, "is_flag", False):
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    option = max(parameter.opts, key=len)
    if parameter.nargs > 1:
        several = value if parameter.multiple else [value]
        return [word for words in several for word in (option, *map(_spelt, words))]
    return [word for one in values for word in (option, _spelt(one))]


def _spelt(value: Any) -> str:
    """Return a value as it is typed; a pair has an equals sign between."""
    return "=".join(f"{one:g}" for one in value) if isinstance(value, tuple) else str(value)
