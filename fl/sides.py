"""From a configuration to one side of its uplink, for a server and agents that are separate processes.

A side opens no more than its own radio: it is given one, and knows of the others what it is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from calibration.ratio import Ratio
from fl.config import Config, ConfigError
from fl.radios import modem
from fl.uplink.roles import AgentRole, ServerRole
from fl.uplink.settings import codec, kept_entries, power_control
from fl.uplink.table import OFF_AIR
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.downlink import downlink
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.server_role import WaveformServer
from fl.uplink.waveform.settings import check_radio
from fl.uplink.waveform.stations import ServerStation
from radio.base import Radio


@dataclass(frozen=True)
class OpenRadio:
    """The radio of one side.

    Args:
        radio: opened, and corrected where that is asked for.
        runs_on: whether its time runs on while nobody sends or receives.
        breaks: how often its streams have broken so far.
        ratios: chain ratios for channels from the downlink, by agent: the server's of all, an agent's its own.
    """

    radio: Radio
    runs_on: bool = False
    breaks: Callable[[], int] = lambda: 0
    ratios: Mapping[int, Ratio] = field(default_factory=dict)


def server_role(config: Config, length: int, radio: OpenRadio | None = None) -> ServerRole:
    """Return the server's side of the uplink of updates of d entries.

    Args:
        config: of the experiment.
        length: d.
        radio: of the server; None where the uplink has none.

    Raises:
        ConfigError: a waveform without a radio.
        ValueError: the radio's timing does not suit the waveform.
    """
    reference = torch.zeros(1, device=config.run.device)
    if config.uplink.kind in OFF_AIR:
        return OFF_AIR[config.uplink.kind].server(config, length, reference)
    opened = _opened(radio)
    about = modem(config.waveform, config.radio.carrier)
    check_radio(about, opened.radio.timing_uncertainty, opened.radio.timing_repeatability)
    station = ServerStation(about, lambda: opened.radio, opened.runs_on, opened.breaks)
    symbols, control = codec(config, length), power_control(config)
    return WaveformServer(symbols, control, station, reference, _manner(config, opened).round_of)


def agent_role(
    config: Config, length: int, agent: int, radio: OpenRadio | None = None, oracle: bool = False
) -> AgentRole:
    """Return an agent's side of the uplink of updates of d entries.

    Args:
        config: of the experiment.
        length: d.
        agent: id.
        radio: of the agent; None where the uplink has none.
        oracle: whether its reports carry what only a simulation may ask for.

    Raises:
        ConfigError: a waveform without a radio.
    """
    if config.uplink.kind in OFF_AIR:
        return OFF_AIR[config.uplink.kind].agent(config, length, oracle)
    opened = _opened(radio)
    about = modem(config.waveform, config.radio.carrier)
    symbols, k = codec(config, length), kept_entries(config, length)
    plain = WaveformAgent(symbols, k, about, lambda: opened.radio, opened.runs_on, oracle)
    return _manner(config, opened).agent_of(agent, plain)


def _opened(radio: OpenRadio | None) -> OpenRadio:
    if radio is None:
        raise ConfigError(["uplink.kind: a waveform goes through radios, and this side was given none; name its URI"])
    return radio


def _manner(config: Config, opened: OpenRadio) -> Manner:
    return downlink(opened.ratios) if config.waveform.channel_from == "downlink" else Manner()
