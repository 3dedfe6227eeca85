"""Batches of a size that suits the machine, so that slow agents are less slow.

Batches that adapt against stragglers are of FedACnnL (Gu, You, Guo, Qu, Ren, Xie, Luo, arXiv 2502.06915) [T]; how they
do is our reconstruction [R].

The size doubles for as long as images a second do, by a tenth or more; where they fall it goes back and stays. Sums
are in another order then, so what is sent is the same to rounding and not to the byte.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fl.data.local import MiniBatches
from fl.data.tensors import Set

FASTER = 1.1


def paced(batches: MiniBatches, clock: Callable[[], float] = time.perf_counter) -> Iterator[Set]:
    """Yield the images of all batches, in their order, in batches of an adapted size.

    Args:
        batches: the first says with how many images it begins.
        clock: seconds; read when a batch is given out, and when the next is asked for.
    """
    indices, labels = np.concatenate(batches.indices), np.concatenate(batches.labels)
    size, best, settled, done = len(batches.indices[0]), 0.0, False, 0
    while done < len(indices):
        part = slice(done, done + size)
        started = clock()
        yield from replace(batches, indices=[indices[part]], labels=[labels[part]])
        done += size
        speed = size / max(clock() - started, 1e-9)
        if settled:
            continue
        if speed >= FASTER * best:
            best, size = speed, 2 * size
        else:
            size, settled = size // 2, True
