"""`airmeta radio`: the radios of an experiment, and what they received."""

import click

from tools.radio.air import air
from tools.radio.emulate import emulate
from tools.radio.mute import mute
from tools.radio.probe import probe
from tools.radio.record import record
from tools.radio.replay import replay


@click.group("radio")
def command() -> None:
    """Probe radios, emulate and mute them, share a simulated air; record what a server receives, and decode it again.

    \b
    Examples:
        airmeta radio probe experiments/quickstart.toml --set uplink.kind=waveform
        airmeta radio record experiments/quickstart.toml recordings --set uplink.kind=waveform --rounds 3
        airmeta radio replay recordings/*.sigmf-meta --set uplink.receiver=lmmse
        airmeta radio emulate --units 2
        airmeta radio air experiments/quickstart.toml --set uplink.kind=waveform
        airmeta radio mute ip:192.168.2.1
    """


command.add_command(air)
command.add_command(emulate)
command.add_command(mute)
command.add_command(probe)
command.add_command(record)
command.add_command(replay)
