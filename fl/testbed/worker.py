"""A thread that does one thing after the other, and does not keep its process from ending.

It computes with as many threads of torch as the one that made it: OpenMP counts them for each thread apart, and sums
over another number of threads differ in their last bits.
"""

import queue
import threading
from collections.abc import Callable

import torch


class Worker:
    """One thread, started with the first thing to do.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._threads = torch.get_num_threads()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def submit(self, job: Callable[[], None]) -> None:
        """Do something after all that was submitted before; from one thread."""
        self._jobs.put(job)
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Do nothing more; what is being done goes on until it ends, or its process does."""
        while not self._jobs.empty():
            self._jobs.get_nowait()
        self._jobs.put(None)

    def _run(self) -> None:
        torch.set_num_threads(self._threads)
        while (job := self._jobs.get()) is not None:
            job()
