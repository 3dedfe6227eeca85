"""What a payload is made of: its map, which both sides draw, and the resource elements that one agent sends."""

from functools import lru_cache

import numpy as np

from dsp.frame import PayloadMap, map_payload
from fl.streams import Purpose, stream
from fl.uplink.codec import Codec
from fl.uplink.roles import AgentGrant, IncompleteError
from fl.uplink.waveform.settings import Modem


@lru_cache(maxsize=2)  # in one process, server and agents of a round share it
def places_of(modem: Modem, codec: Codec, agents: int, round_index: int) -> PayloadMap:
    """Return the map of a round's payload, drawn from the run's seed: agents and server make the same.

    Args:
        modem: the waveform.
        codec: says M, and the seed.
        agents: that share the payload.
        round_index: of the run.
    """
    rng = stream(codec.seed, Purpose.PILOTS, round_index)
    return map_payload(modem.numerology, codec.n_symbols, agents, modem.pilots, rng)


def payload_grid(symbols: np.ndarray, modem: Modem, grant: AgentGrant, places: PayloadMap, slot: int) -> np.ndarray:
    """Return the resource elements that an agent sends as granted, in units of √P, shape (elements,).

    Args:
        symbols: s_i, shape (M,).
        modem: the waveform.
        grant: the decision on the agent.
        places: map of the payload.
        slot: row of the agent in it.

    Raises:
        IncompleteError: the grant is one without weights.
    """
    if grant.weights is None or grant.pilot_weights is None:
        raise IncompleteError("a grant on the air must have weights for data and pilots, got none")
    width = modem.numerology.n_subcarriers
    grid = np.zeros(places.symbols * width, np.complex64)
    weights = np.broadcast_to(grant.weights, width) * grant.fraction
    grid[places.data] = weights.astype(np.complex64)[places.data % width] * symbols
    held = places.pilots[slot]
    grid[held] = grant.pilot_weights[held % width] * places.pilot_values[slot]
    return grid
