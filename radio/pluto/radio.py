"""A PlutoSDR as a `Radio`, over pyadi-iio.

Stock firmware cannot send at a given instant. So both streams run all the time, the offset between their counts is
learned once, and a burst is placed into the running stream where it leaves the antenna at the index asked for. An index
is a count of received samples. Whatever breaks a stream voids the counts: it is raised, and the next call starts the
streams again, in a new session. The transmitter's mixer has power from the first burst until `mute`.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio import exits
from radio.base import LateError, RadioError, Samples, check_burst
from radio.pluto import tuning
from radio.pluto.link import Link
from radio.pluto.setter import Setter
from radio.pluto.transmitter import Transmitter
from radio.pluto.upkeep import Upkeep
from radio.safety import Authorisation
from radio.settings import Change, Limits, Settings, changed, is_heard
from radio.streaming.pieces import in_pieces


@dataclass(eq=False)
class PlutoRadio:
    """A transceiver on a Pluto.

    Args:
        link: to the hardware, not yet open.
        allowed: what may be sent; None: nothing.
        timing_uncertainty: samples by which a burst may leave early or late.
        epoch: with which names of sessions begin; "" for one that nobody else has.
        guarded: whether a process of its own mutes the radio should this one die.

    Raises:
        NotAuthorisedError: its carrier, with the bandwidth of what will be sent, leaves the band.
        RadioError: it cannot be opened.
    """

    link: Link
    allowed: Authorisation | None = None
    timing_uncertainty: int = 2
    epoch: str = ""
    guarded: bool = True
    timing_repeatability: float = 0.0
    sample_rate: float = field(init=False)
    lead_time: int = field(init=False)
    serial: str = field(init=False)
    limits: Limits = field(init=False)
    _upkeep: Upkeep = field(init=False)
    _transmitter: Transmitter = field(init=False)
    _setter: Setter = field(init=False)

    def __post_init__(self) -> None:
        self.sample_rate = self.link.tuning.sample_rate
        self.lead_time = self.link.pace.lead(self.link.block) + self.link.antenna_delay
        epoch, may_send = self.epoch or uuid.uuid4().hex, self.allowed is not None
        self._upkeep = Upkeep(self.link, self.link.tuning.settings, epoch, may_send)
        self._transmitter = Transmitter(self._upkeep, self.allowed, self.guarded)
        self._setter = Setter(self._upkeep, self._transmitter)
        try:
            if may_send:  # ahead of tuning: by more than 100 MHz, that alone emits
                self._transmitter.check(self._upkeep.settings)
            self._upkeep.open()
            self.serial, self.limits = self.link.serial, tuning.limits_of(self.link.attributes)
        except BaseException:
            self.link.drop()
            self._transmitter.dismiss()
            raise
        exits.register(self)

    @property
    def session(self) -> str:
        """Changes when streams are started, or a mixer is tuned again or has power again."""
        return self._upkeep.session

    @property
    def breaks(self) -> int:
        """How often its streams have broken: samples lost, run dry, or no answer."""
        return self._upkeep.breaks

    def catch(self) -> None:
        """Wait for the pulse of `radio.pluto.trigger = external`; to be called for all radios ahead of any other call.

        Raises:
            RadioError: it does not come.
        """
        self._upkeep.catch()

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet.

        Raises:
            RadioError: the radio failed.
        """
        if not self._upkeep.is_closed:
            self._upkeep.ready()
        return self.link.streams.end

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on; waits for those to come.

        Raises:
            ValueError: none are asked for.
            OverrunError: they are no longer kept, or the receiver lost samples.
            LateError: the transmitter ran dry meanwhile.
            RadioError: the radio failed, or is closed.
        """
        return in_pieces(self._heard, count, at, self.sample_rate)

    def _heard(self, count: int, at: int) -> Samples:
        self._upkeep.ready()
        try:
            self.link.streams.wait(at + count - self.link.streams.shift())
            self.link.pump.stream.check()
        except RadioError as error:
            raise self._upkeep.given_up(error) from error
        with self.link.pump.changed:
            return self.link.pump.ring.read(count, at)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave the antenna from index `at` on; a muted radio drops them.

        Raises:
            NotAuthorisedError: nobody said that this may be sent.
            LateError, FullScaleError: as their names say.
            RadioError: the radio failed, or is closed.
        """
        burst = check_burst(samples)
        with self._upkeep.guard:  # nobody mutes between the question whether it is muted and the burst in the queue
            self._upkeep.ready()
            self._transmitter.check(self._upkeep.settings)
            self._check_time(at)
            if self._transmitter.is_muted:
                return
            self._transmitter.switch_on()
            self._put(burst, at)

    def _put(self, burst: np.ndarray, at: int) -> None:
        pump = self.link.pump
        with pump.changed:
            first = at - self.link.streams.shift() - pump.offset - self.link.antenna_delay
            if first < pump.promised:
                raise self._late(at, pump.promised - first)
            pump.timeline.put(burst, first)

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what is queued, and take the mixer's power.

        Raises:
            RadioError: it may still be sending.
        """
        self._transmitter.mute()

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left the converter unheard."""
        self._upkeep.ready()
        self._transmitter.unmute()

    @property
    def settings(self) -> Settings:
        """How the radio is set, as it says itself; the attenuation is the one while it sends."""
        return self._upkeep.settings

    def configure(self, change: Change) -> Settings:
        """Set something, read it back, and return all settings; a retune begins a new session.

        Samples on their way are heard first, of which `now` would tell that nobody has: they were captured before.

        Raises:
            SettingError: a value is beyond the limits, or the radio did not take it: all is as before.
            NotAuthorisedError: the transmitter would leave its band.
            RadioError: the radio failed, or is closed.
        """
        with self._upkeep.guard:
            self._upkeep.ready()
            before = self._upkeep.settings
            after = changed(before, change, self.limits)
            if after == before:
                return before
            if self.allowed is not None:
                self._transmitter.check(after)
            self._setter.put(change, after)
        if is_heard(change):
            self._while_running(self.link.streams.catch_up)
        return self._upkeep.settings

    def _while_running(self, wait: Callable[[], None]) -> None:
        """Wait for samples; a radio whose streams fail meanwhile is given up."""
        try:
            wait()
        except RadioError as error:
            raise self._upkeep.given_up(error) from error

    def align(self, index: int) -> None:
        """Make `index` what the next sample is called; what was heard is forgotten."""
        self._upkeep.ready()
        self.link.streams.rebase(index)

    def close(self) -> None:
        """Silence the radio, read back that it is, and give it back; may be called again until that is done.

        Raises:
            RadioError: it may still be sending.
        """
        with self._upkeep.guard:
            if self._upkeep.is_closed and self._upkeep.is_silent:
                return
            try:
                self._upkeep.close()
            finally:
                self._transmitter.dismiss()
        exits.forget(self)

    def _check_time(self, at: int) -> None:
        first = self.link.pump.ring.end + self.lead_time
        if at < first:
            raise self._late(at, first - at)

    def _late(self, at: int, missing: int) -> LateError:
        return LateError(
            f"radio {self.link.uri}: samples for index {at} come {missing} samples too late; hand them over "
            f"{self.lead_time} samples ahead of now(), or start them at {at + missing} or later; in a round: raise "
            "waveform.response_s, trigger_lead_s or turnaround_s"
        )
