"""White Gaussian noise as a function of absolute time: any span, in any order, gives the same samples."""

from functools import lru_cache

import numpy as np

NOISE_CHUNK = 4096


@lru_cache(maxsize=64)
def normal_chunk(key: int, chunk: int) -> np.ndarray:
    """Return NOISE_CHUNK samples of noise of variance 1; who hears piece by piece needs many a chunk twice."""
    bits = np.random.Philox(key=key, counter=[0, 0, 0, chunk & (2**64 - 1)]).random_raw(NOISE_CHUNK).view(np.uint32)
    uniform = bits.astype(np.float32)
    uniform += np.float32(0.5)
    radius = np.sqrt(-np.log(uniform[::2] * np.float32(2**-32)))
    angle = uniform[1::2] * np.float32(2 * np.pi * 2**-32)
    normal = np.empty(NOISE_CHUNK, np.complex64)
    np.multiply(radius, np.cos(angle), out=normal.real)
    np.multiply(radius, np.sin(angle), out=normal.imag)
    normal.flags.writeable = False
    return normal


@lru_cache(maxsize=1024)
def noise_key(seed: int, unit: int) -> int:
    """Return the key of a unit's noise, 128 bits."""
    words = np.random.SeedSequence([seed, 0, unit]).generate_state(2, np.uint64)
    return int(words[0]) << 64 | int(words[1])
