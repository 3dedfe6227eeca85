"""How the rounds of a run are made: with soundings, from the downlink, or as a genie would."""

from collections.abc import Callable
from dataclasses import dataclass

from fl.uplink.codec import Codec
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.round import Round
from fl.uplink.waveform.stations import ServerStation


def as_it_is(_agent: int, plain: WaveformAgent) -> WaveformAgent:
    """Return an agent that sounds."""
    return plain


@dataclass(frozen=True)
class Manner:
    """How both sides of a round are made.

    Args:
        round_of: the server's stages, from its station, the codec, the agents and the index of the round.
        agent_of: an agent's side, from its id and one that sounds.
    """

    round_of: Callable[[ServerStation, Codec, tuple[int, ...], int], Round] = Round
    agent_of: Callable[[int, WaveformAgent], WaveformAgent] = as_it_is
