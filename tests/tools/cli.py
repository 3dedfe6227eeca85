"""`airmeta` as a user meets it: an exit code, what is printed, and messages in place of tracebacks."""

from click.testing import CliRunner

from tools.cli import main


def call(*arguments, code=0):
    """Run a command, which must exit with `code`, and return what it printed.

    What it raises and does not turn into a message is raised here: the runner alone takes it for an exit with code 1.
    """
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def refused(*arguments, says=(), code=1):
    """Return the message of a command that ends with nothing but one, in which all of `says` must be."""
    result = call(*arguments, code=code)
    assert not result.stdout
    for words in [says] if isinstance(says, str) else says:
        assert words in result.stderr
    return result.stderr
