"""Random streams: every draw of a run comes from `stream(seed, purpose, round, agent)`.

A stream is a NumPy generator seeded by ``SeedSequence(seed, spawn_key=(purpose, round, agent))``. So a round can be
replayed alone, agents never share a stream, and interrupting a run changes nothing.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every result: never reuse or renumber them."""

    MODEL = 0
    PARTITION = 1
    SCHEDULE = 2
    EPISODE = 3
    SENSING = 4
    FADING = 5
    NOISE = 6
    EVALUATION = 7
    PILOTS = 8
    RADIO = 9
    ENCODING = 10


def sequence(seed: int, purpose: Purpose, round_index: int = 0, agent: int = 0) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose, round and agent of the run with this seed."""
    return np.random.SeedSequence(seed, spawn_key=(int(purpose), round_index, agent))


def stream(seed: int, purpose: Purpose, round_index: int = 0, agent: int = 0) -> np.random.Generator:
    """Return the generator of one purpose, round and agent of the run with this seed."""
    return np.random.default_rng(sequence(seed, purpose, round_index, agent))
