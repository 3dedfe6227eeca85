"""`airmeta calibrate`: what a bench of radios is, measured and kept; what is kept, shown."""

import click

from tools.calibrate.table import diff, expire, show
from tools.calibrate.verbs import VERBS


@click.group("calibrate")
def command() -> None:
    """Measure radios, keep what was found, and look at it.

    The order is levels, clock, iq, latency, channel, reciprocity: each one is measured with the ones before in use.

    \b
    Examples:
        airmeta calibrate all experiments/calibrated.toml --table bench.json --report bench.html
        airmeta calibrate clock experiments/calibrated.toml --agent 3 --table bench.json
        airmeta calibrate show --table bench.json
    """


for verb in (*VERBS, show, diff, expire):
    command.add_command(verb)
