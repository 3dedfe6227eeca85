"""`airmeta bench`: the figures that the documentation claims, each a command that reproduces it."""

import click

from tools.bench.air import air
from tools.bench.calibration.command import calibration
from tools.bench.crosscheck.command import crosscheck
from tools.bench.emulator import emulator
from tools.bench.local import local
from tools.bench.oamp import oamp
from tools.bench.round import round_cost
from tools.bench.waveform.command import waveform


@click.group("bench")
def command() -> None:
    """Measure what the documentation claims.

    \b
    Example:
        airmeta bench oamp --quick
    """


command.add_command(oamp)
command.add_command(local)
command.add_command(round_cost)
command.add_command(air)
command.add_command(waveform)
command.add_command(calibration)
command.add_command(emulator)
command.add_command(crosscheck)
