"""From the tables `radio.usrp` and `radio.tx` to radios: a server and its agents on the USRPs of this host."""

import atexit
from contextlib import ExitStack
from dataclasses import replace

from fl.radio_config import Radio as RadioConfig
from fl.radios import Bench, authorised
from fl.uplink.waveform.settings import Modem
from fl.usrp_config import Usrp
from radio.exits import close_together
from radio.usrp.host import find_channels, open_radios
from radio.usrp.library import load
from radio.usrp.manner import Manner
from radio.usrp.pace import FreeRunning
from radio.usrp.shared_time import FirstHost, JoiningHost
from radio.usrp.sources import Sources
from radio.usrp.tuning import Tuning


def usrp(config: RadioConfig, agents: int, about: Modem, hosts: FirstHost | JoiningHost | None = None) -> Bench:
    """Return a server and agents on USRPs.

    Args:
        config: radios, and what they may send.
        agents: how many.
        about: the waveform.
        hosts: how this host shares its time with others; None: it is the only one.

    Raises:
        RadioError: UHD is missing, or one of the radios cannot be opened.
    """
    wished = config.usrp
    channels = find_channels(load(), wished.devices, wished.channels, 1 + agents)
    devices = list({channel.device.args: channel.device for channel in channels}.values())
    manner = replace(_manner(wished), share=None if hosts is None else hosts.set_time)
    radios = open_radios(devices, channels, usrp_tuning(wished, about), manner, authorised(config.tx))
    ending = ExitStack()
    ending.callback(close_together, radios)
    atexit.register(ending.close)
    return Bench(
        about.carrier,
        radios[0],
        lambda agent: radios[agent + 1],
        None,
        ending.close,
        True,
        lambda: sum(radio.breaks for radio in radios),
    )


def usrp_tuning(config: Usrp, about: Modem) -> Tuning:
    """Return what USRPs are opened with."""
    return Tuning(
        carrier=about.carrier,
        sample_rate=about.sample_rate,
        bandwidth=config.bandwidth_hz,
        tx_attenuation_db=config.tx_attenuation_db,
        rx_gain_db=config.rx_gain_db,
        tx_antenna=config.tx_antenna,
        rx_antenna=config.rx_antenna,
        occupied=about.numerology.bandwidth,
    )


def _manner(config: Usrp) -> Manner:
    sources = Sources(config.clock_source, config.time_source)
    return Manner(FreeRunning(), sources, config.block, config.lead_s, config.timing_uncertainty)
