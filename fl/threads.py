"""Threads of a run: torch gets as many as asked for, NumPy's linear algebra one.

The products of the link are small. OpenBLAS would wake threads for them, which wait for each other longer than they
compute: it doubles the time of a round over the waveform, and on a busy machine costs ten times as much.
"""

import torch
from threadpoolctl import threadpool_limits


def use_threads(threads: int) -> None:
    """Set the threads of this process; results are reproducible for a fixed number."""
    torch.set_num_threads(threads)
    threadpool_limits(limits=1, user_api="blas")
