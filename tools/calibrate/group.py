"""`airmeta calibrate`: what a bench of radios is, measured and kept; what is kept, shown."""

import click

from tools.calibrate.table import diff, expire, show
from tools.calibrate.verbs import VERBS


@click.group("calibrate")
def command() -> None:
    """Measure radios, keep what was found, and look at it.

    The order is levels, clock, latency, iq, channel, reciprocity: each one is measured with the ones before in use.

    \b
    Examples:
        airmeta calibrate all --radio loopback:agents=4,offset_ppm=20,latency=60 --report calibration.html
        airmeta calibrate clock experiments/omniglot-bench.toml --agent 3
        airmeta calibrate show
    """


for verb in (*VERBS, show, diff, expire):
    command.add_command(verb)
