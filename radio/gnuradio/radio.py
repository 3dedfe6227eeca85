"""A unit behind a flowgraph of GNU Radio as a `Radio`.

Streams run all the time, or as far as somebody listens; a burst is placed into the running transmit stream, and an
index is a count of received samples. Whatever breaks the flowgraph voids the counts: it is raised, and the next call of
any of its radios starts it again, in a new session.
"""

import uuid
from dataclasses import dataclass, field

import numpy as np

from radio.base import LateError, Samples, check_burst
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.transmitter import Transmitter
from radio.gnuradio.upkeep import Upkeep
from radio.settings import Change, Limits, Settings, changed, is_heard, is_retuned
from radio.streaming.pieces import in_pieces


@dataclass(eq=False)
class FlowgraphRadio:
    """A transceiver behind a flowgraph.

    Args:
        flowgraph: that of all its units, running.
        unit: which of them.
        timing_uncertainty: samples by which a burst may leave early or late.
        epoch: with which names of sessions begin; "" for one that nobody else has.
    """

    flowgraph: Flowgraph
    unit: int
    timing_uncertainty: int = 0
    epoch: str = ""
    timing_repeatability: float = 0.0
    lead_time: int = field(init=False)
    serial: str = field(init=False)
    sample_rate: float = field(init=False)
    limits: Limits = field(init=False)
    _upkeep: Upkeep = field(init=False)
    _transmitter: Transmitter = field(init=False)

    def __post_init__(self) -> None:
        controls = self.flowgraph.controls[self.unit]
        self.serial, self.limits = controls.serial, controls.limits
        self.sample_rate = self.flowgraph.plan.sample_rate
        self.lead_time = self.flowgraph.lead_time
        self._upkeep = Upkeep(self.flowgraph, self.unit, self.epoch or uuid.uuid4().hex)
        self._transmitter = Transmitter(self._upkeep)

    @property
    def session(self) -> str:
        """Changes when the flowgraph is started, or a mixer is tuned again or has power again."""
        return self._upkeep.session

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet.

        Raises:
            LostRadioError: the flowgraph had failed, and cannot be started again.
        """
        if not self._upkeep.is_closed and not self.flowgraph.is_open:
            self._upkeep.ready()
        return self.flowgraph.end(self.unit)

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on; waits for those to come.

        Raises:
            ValueError: none are asked for.
            OverrunError: they are no longer kept, or some were lost.
            LateError: the transmitter ran dry meanwhile.
            RadioError: the flowgraph failed, or this radio is closed.
        """
        return in_pieces(self._heard, count, at, self.sample_rate)

    def _heard(self, count: int, at: int) -> Samples:
        self._upkeep.ready()
        self._upkeep.unless_it_fails(lambda: self._wait(at + count))
        return self.flowgraph.read(self.unit, count, at)

    def _wait(self, index: int) -> None:
        self.flowgraph.wait(self.unit, index - self.flowgraph.origin(self.unit))
        self._upkeep.controls.check()

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            NotAuthorisedError: nobody said that this may be sent.
            LateError, FullScaleError: as their names say.
            RadioError: the flowgraph failed, or this radio is closed.
        """
        burst = check_burst(samples)
        with self._upkeep.guard:  # nobody mutes between the question whether it is muted and the burst in the queue
            self._upkeep.ready()
            self._upkeep.controls.check_allowed()
            earliest = self._upkeep.pump.ring.end + self.lead_time
            if at < earliest:
                raise self._late(at, earliest - at)
            if self._transmitter.is_muted:
                return
            self._transmitter.switch_on()
            self._put(burst, at)

    def _put(self, burst: np.ndarray, at: int) -> None:
        pump = self._upkeep.pump
        with pump.changed:
            first = at - self.flowgraph.origin(self.unit) - pump.offset
            if first < pump.promised:
                raise self._late(at, pump.promised - first)
            pump.timeline.put(self._upkeep.controls.scale(burst), first)

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what was not handed over, and silence the transmitter, or wait for it.

        Raises:
            RadioError: it may still be sending.
        """
        self._transmitter.mute()

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left unheard."""
        self._transmitter.unmute()

    @property
    def settings(self) -> Settings:
        """How the radio is set; the attenuation is the one while it sends."""
        return self._upkeep.settings

    def configure(self, change: Change) -> Settings:
        """Set something, read it back, and return all settings; a retune begins a new session.

        Samples on their way are heard first, of which `now` would tell that nobody has: they were received before.

        Raises:
            SettingError: a value is beyond the limits, or the radio did not take it: all is as before.
            RadioError: the flowgraph failed, or this radio is closed.
        """
        upkeep = self._upkeep
        with upkeep.guard:
            upkeep.ready()
            before = upkeep.settings
            after = changed(before, change, self.limits)
            if after == before:
                return before
            upkeep.put(change, after)
            if is_retuned(change):
                upkeep.begin_session()
        if is_heard(change):
            upkeep.unless_it_fails(lambda: self.flowgraph.catch_up(self.unit))
        return upkeep.settings

    def close(self) -> None:
        """Silence the radio, and give it back; its unit sends zeros until the flowgraph is closed.

        May be called again until that is done.

        Raises:
            RadioError: it may still be sending.
        """
        with self._upkeep.guard:
            self._upkeep.is_closed = True
            self._transmitter.mute()

    def _late(self, at: int, missing: int) -> LateError:
        return LateError(
            f"{self._upkeep.label}: samples for index {at} come {missing} samples too late; hand them over "
            f"{self.lead_time} samples ahead of now(), or start them at {at + missing} or later; in a round: raise "
            "waveform.response_s, trigger_lead_s or turnaround_s"
        )
