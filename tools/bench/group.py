"""`airmeta bench`: the figures that the documentation claims, each a command that reproduces it."""

import click

from tools.bench.air import air
from tools.bench.analytic.command import analytic
from tools.bench.bridge import bridge
from tools.bench.calibration.command import calibration
from tools.bench.crosscheck.command import crosscheck
from tools.bench.emulator import emulator
from tools.bench.inner_steps import inner_steps
from tools.bench.local import local
from tools.bench.oamp import oamp
from tools.bench.per_fedavg.command import per_fedavg
from tools.bench.round import round_cost
from tools.bench.sweep import sweep
from tools.bench.testbed.command import testbed
from tools.bench.uplinks.command import uplinks
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
command.add_command(inner_steps)
command.add_command(per_fedavg)
command.add_command(round_cost)
command.add_command(air)
command.add_command(analytic)
command.add_command(bridge)
command.add_command(waveform)
command.add_command(calibration)
command.add_command(emulator)
command.add_command(crosscheck)
command.add_command(sweep)
command.add_command(testbed)
command.add_command(uplinks)
