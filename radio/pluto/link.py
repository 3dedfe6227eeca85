"""The connection to one Pluto: context, streams and settings, opened as often as it takes."""

from dataclasses import dataclass, field
from typing import Any

from radio.base import ContactError, RadioError
from radio.pluto import tdd, tuning
from radio.pluto.attributes import Attributes
from radio.pluto.contact import connect
from radio.pluto.counted import Counted, opened
from radio.pluto.safety import silence, unsure
from radio.pluto.start import Trigger, catch, start
from radio.pluto.tuning import Tuning
from radio.safety import Emission
from radio.settings import Settings
from radio.streaming.pace import Pace
from radio.streaming.pump import Pump


@dataclass
class Link:
    """One Pluto.

    Args:
        uri: of libiio.
        tuning: what it is opened with.
        pace: what keeps its streams running.
        block: samples of a buffer.
        timeout: seconds within which it must answer.
        antenna_delay: samples that a burst needs from the digital loopback to the antenna and back.
        trigger: what starts the streams: a pulse of the radio's own if it can, one from outside, or whatever comes.
        serial: of the hardware.
        streams: what is sent and heard, counted.
        emission: what is known of its transmitter; SILENT only after that was read back.
    """

    uri: str
    tuning: Tuning
    pace: Pace
    block: int
    timeout: float
    antenna_delay: int
    trigger: Trigger = "off"
    serial: str = ""
    streams: Counted = field(init=False)
    sdr: Any = None
    emission: Emission = Emission.SILENT
    _attributes: Attributes | None = None
    _waits: bool = False

    def __post_init__(self) -> None:
        self.streams = Counted(self.uri, self.pace, self.block, self.tuning.sample_rate, self.timeout)

    @property
    def attributes(self) -> Attributes:
        """Of the radio.

        Raises:
            ContactError: it is not connected.
        """
        if self._attributes is None:
            raise ContactError(f"radio {self.uri} is not connected; the next call opens it again")
        return self._attributes

    @property
    def pump(self) -> Pump:
        """What keeps the streams running.

        Raises:
            ContactError: they are not running.
        """
        return self.streams.pump

    def open(self, settings: Settings, may_send: bool) -> None:
        """Connect, silence, set everything, start the streams and learn their offset.

        With an external trigger, no streams are started here: `catch` waits for the pulse.

        Args:
            settings: to be set.
            may_send: whether the transmitter's mixer may be tuned.

        Raises:
            RadioError: something of this failed.
        """
        self.sdr, self._attributes = connect(self.uri, self.timeout)
        self.serial = self.sdr.ctx.attrs.get("hw_serial", "") or self.uri
        self._claim()
        self.emission = Emission.UNSURE  # somebody may have left it on
        self.hush()
        tuning.apply_rate(self.sdr, self.attributes, self.tuning)
        tuning.apply_settings(self.attributes, settings, may_send)
        try:
            self._waits = not start(self, self.trigger)
        except ContactError:
            raise
        except RadioError:
            self._free()
            raise
        if not self._waits:
            self.streams.go_on()

    def catch(self) -> None:
        """Open the streams at the pulse from outside, if they wait for one; they start somewhat later.

        Raises:
            RadioError: the pulse does not come.
        """
        if self._waits and not self.streams.are_open:
            catch(self, self.timeout)

    def begin(self) -> None:
        """Return once streams run that wait for a pulse from outside; others do already.

        Raises:
            RadioError: the pulse does not come, or what follows fails.
        """
        if self._waits:
            self.catch()
            self.settle()
            self._waits = False
            self.streams.go_on()

    def run(self, primed: int) -> None:
        """Open the streams and keep them running, so many blocks being handed over first.

        Raises:
            RadioError: somebody else has them, or the radio does not answer.
        """
        self.streams.run(self.attributes, primed)

    def settle(self) -> None:
        """Wait until the streams run, and learn their offset.

        Raises:
            RadioError: they do not, or their marker does not come back.
        """
        self.streams.settle()

    def reconnect(self) -> None:
        """Drop streams and context, and make another one.

        Raises:
            RadioError: the radio is gone.
        """
        self.drop()
        self.sdr, self._attributes = connect(self.uri, self.timeout)

    def stop(self) -> None:
        """Destroy the buffers."""
        self._waits = False
        self.streams.stop()

    def hush(self) -> None:
        """Silence the radio over the connection that there is, and read back that it is.

        Raises:
            RadioError: it may still be sending.
        """
        if self.emission is Emission.SENDING:
            self.emission = Emission.UNSURE
        try:
            silence(self.attributes)
        except ContactError:
            raise  # what it was before, it is still
        except RadioError:
            self.emission = Emission.UNSURE
            raise
        self.emission = Emission.SILENT

    def silence(self, answers: bool = True) -> None:
        """Silence the radio, before and after its buffers go: the converter is then handed back to the tones.

        Args:
            answers: whether the connection still works, as far as is known; else, a new one may do better.

        Raises:
            RadioError: it may still be sending.
        """
        try:
            self._silence(answers)
        except ContactError:
            if self.emission is not Emission.SILENT:
                raise

    def _silence(self, answers: bool) -> None:
        if answers:
            try:
                self.hush()
                self.stop()
            except ContactError:
                answers = False
        if not answers:
            self.drop()
            self.sdr, self._attributes = self._again()
        self.hush()
        self._free()

    def _free(self) -> None:
        """Let streams start without a pulse: whoever has the radio next would wait for one."""
        self.stop()
        if tdd.is_there(self.attributes):
            tdd.free(self.attributes)

    def _again(self) -> tuple[Any, Attributes]:
        try:
            return connect(self.uri, self.timeout)
        except ContactError as error:
            raise unsure(self.uri, [error]) from error

    def drop(self) -> None:
        """Destroy the buffers and forget the context: an answer that comes late would answer the next question."""
        self.stop()
        self.sdr = self._attributes = None

    def _claim(self) -> None:
        """Find out, ahead of the first change, whether somebody else streams: he would be silenced and tuned away."""
        opened(self.attributes, self.block, self.pace.queue).close()
