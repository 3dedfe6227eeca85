"""A flowgraph that runs, from its start to its end: process, sockets, the streams of its units, and their pace."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radio.base import RadioError
from radio.gnuradio.bridge import Bridge
from radio.gnuradio.pace import OnDemand
from radio.gnuradio.plan import Plan
from radio.gnuradio.process import Process
from radio.streaming.free_running import FreeRunning
from radio.streaming.pace import QUEUE, thread_blocks
from radio.streaming.pump import Pump
from radio.streaming.ring import Ring

UNLIMITED = 1 << 62
CREDIT_BLOCKS = thread_blocks(QUEUE) - 2  # on the way; the others are for threads that come late
MEASURED = 0.5  # seconds from which the rate of a flowgraph with a clock is told
TOLERANCE = 0.1


@dataclass(eq=False)
class Running:
    """One run of a flowgraph, which `close` ends, however far `start` came.

    Args:
        plan: what is run.
        pumps: the streams of its units.
        pace: what keeps them going.
        lead_time: samples by which a burst must be ahead.
        is_learned: whether it has said by how many samples what is heard is behind what is sent.
    """

    plan: Plan
    pumps: list[Pump] = field(default_factory=list)
    pace: OnDemand | FreeRunning = field(default_factory=FreeRunning)
    lead_time: int = 0
    is_learned: bool = True
    _process: Process | None = None
    _context: Any = None
    _folder: Path | None = None

    @property
    def process_id(self) -> int | None:
        """Id of its process; None: it has none of ours."""
        return None if self._process is None else self._process.number

    @property
    def is_timed(self) -> bool:
        """Whether it has a clock of its own, which nobody can stop."""
        return isinstance(self.pace, FreeRunning)

    @property
    def failure(self) -> RadioError | None:
        """Why it stopped."""
        return next((pump.failure for pump in self.pumps if pump.failure is not None), None)

    def start(self) -> None:
        """Start it, and keep the streams of its units going.

        Raises:
            RadioError: it does not run, or is another one than planned.
        """
        import zmq

        self._context = zmq.Context()
        plan, send, hear = self.plan, self.plan.send, self.plan.hear
        if not send:
            self._folder = Path(tempfile.mkdtemp(prefix="airmeta-"))
            send, hear = (tuple(f"ipc://{self._folder}/{way}{unit}" for unit in range(plan.units)) for way in "sh")
        bridges = [self._bridge(unit, *ends) for unit, ends in enumerate(zip(send, hear, strict=True))]
        self.pumps = [Pump(bridge, Ring(round(plan.sample_rate), bridge.label)) for bridge in bridges]
        for bridge in bridges:
            bridge.open(self._context)
        self._settle(self._run(send, hear), bridges)
        for pump in self.pumps:
            self.pace.start(pump, plan.sample_rate)

    def wait(self, unit: int, heard: int) -> None:
        """Return when a unit has heard so many samples since the start.

        Raises:
            RadioError: why it has not.
        """
        pump = self.pumps[unit]
        self.pace.wait(pump, heard)
        if pump.failure is not None:
            raise pump.failure

    def check_samples(self) -> None:
        """Hear a block of each unit of a flowgraph that says nothing of itself, and measure the rate of its clock.

        Raises:
            RadioError: it has ended, gives no samples, or those of another rate than the one that is configured.
        """
        plan = self.plan
        if plan.wanted is not None:
            return
        for unit in range(plan.units):
            self.wait(unit, plan.block)
        if not self.is_timed:
            return
        begun, first = time.monotonic(), self.pumps[0].stream.heard
        time.sleep(MEASURED)
        rate = (self.pumps[0].stream.heard - first) / (time.monotonic() - begun)
        if abs(rate / plan.sample_rate - 1) > TOLERANCE + plan.block / (MEASURED * plan.sample_rate):
            raise RadioError(
                f"{plan.label}: samples must come at waveform.sample_rate = {plan.sample_rate:g} Hz, come at about "
                f"{rate:.3g} Hz; set both to the same rate, and the ZMQ blocks to complex"
            )

    def close(self) -> None:
        """End the process and the streams; sockets that a thread is stuck in are left alone, and what they belong to.

        A socket of ZeroMQ that is closed by another thread than the one inside of it crashes the process, and a context
        waits for the last of its sockets.
        """
        for pump in self.pumps:
            pump.stream.cancel()
        ended = [pump for pump in self.pumps if self.pace.stop(pump)]
        if self._process is not None:
            self._process.end()
        for pump in ended:
            pump.stream.close()
        if self._context is not None and len(ended) == len(self.pumps):
            self._context.term()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _bridge(self, unit: int, send: str, hear: str) -> Bridge:
        plan, label = self.plan, f"{self.plan.label} unit {unit}"
        return Bridge(label, send, hear, plan.block, UNLIMITED, plan.timeout, self._check_process, self._stalled)

    def _run(self, send: Sequence[str], hear: Sequence[str]) -> dict[str, Any]:
        """Return what the flowgraph says it is."""
        plan = self.plan
        about = {"delay": plan.delay, "held": plan.held, "real_time": plan.real_time, "units": plan.units,
                 "clocks": [0.0] * plan.units}  # fmt: skip
        if not plan.command:
            return about
        self._process = Process(plan.label, plan.command)
        if plan.wanted is None:
            return about
        common = {"sample_rate": plan.sample_rate, "send": [*send], "hear": [*hear], "block": plan.block}
        said = self._process.meet(plan.wanted | common)
        for key, wanted in (("item", "complex64"), ("sample_rate", plan.sample_rate), ("units", plan.units)):
            if said.get(key) != wanted:
                raise RadioError(
                    f"{plan.label}: {key} must be {wanted}, the flowgraph has {said.get(key)}; take airmeta and its "
                    "flowgraphs from one installation"
                )
        return about | said

    def _settle(self, about: dict[str, Any], bridges: list[Bridge]) -> None:
        """Choose the pace that suits the flowgraph."""
        plan, delay = self.plan, about["delay"]
        if about["real_time"]:
            self.pace = FreeRunning()
            self.lead_time = self.pace.lead(plan.block)
            for bridge in bridges:
                bridge.credit = CREDIT_BLOCKS * plan.block
        else:
            self.pace = OnDemand(tuple(about["clocks"]), about["held"])
            self.lead_time = self.pace.lead(plan.block) + max(delay, 0)
        for pump, bridge in zip(self.pumps, bridges, strict=True):
            pump.offset = bridge.offset = delay or 0
        self.is_learned = delay is not None

    def _check_process(self) -> None:
        if self._process is not None:
            self._process.check()

    def _stalled(self) -> str:
        if self._process is None or self.plan.wanted is None:
            return "see whether the flowgraph runs, and what it says"
        return self._process.counts()
