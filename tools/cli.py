"""The `airmeta` command: one thin module per verb, loaded when it is called."""

from importlib import import_module

import click

COMMANDS = {
    "run": ("tools.run", "Train over the air, all roles in one process."),
    "testbed": ("tools.testbed", "Train with server, agents and air as processes of this machine."),
    "serve": ("tools.serve", "Be the server of a run whose agents are processes of their own."),
    "device": ("tools.device", "Be one agent of such a run."),
    "status": ("tools.status", "Ask a server how its run and its agents are."),
    "evaluate": ("tools.evaluate", "Fine-tune a finished run on new agents."),
    "sweep": ("tools.sweep.command", "Run many settings and seeds side by side, and compare them."),
    "search": ("tools.search.command", "Search k, M, rates and power floor at a budget of channel uses."),
    "report": ("tools.report_command", "Draw one or several runs as one HTML file."),
    "reproduce": ("tools.reproduce.command", "Reproduce a paper: figures, and a verdict for each of its statements."),
    "calibrate": ("tools.calibrate.group", "Measure radios: levels, clocks, delays, IQ, channels, reciprocity."),
    "radio": ("tools.radio.group", "Probe radios; record and replay rounds."),
    "keys": ("tools.keys", "Make keys, and say whose keys a server lets in."),
    "data": ("tools.data", "List, fetch, verify and show datasets."),
    "doctor": ("tools.doctor", "Check this installation."),
    "bench": ("tools.bench.group", "Measure what the documentation claims."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that --help does not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs, in the order of the documentation."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one verb, or None if there is no such verb."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of contents without importing the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="airmeta")
def main() -> None:
    """Over-the-air federated meta-learning: simulate it, run it, measure it.

    \b
    Example:
        airmeta run experiments/quickstart.toml --out runs/first
    """


if __name__ == "__main__":
    main()
