"""The connection to one Pluto: context, streams and settings, opened as often as it takes."""

from dataclasses import dataclass
from typing import Any

from radio.pluto import tuning
from radio.pluto.attributes import Attributes, ContactError
from radio.pluto.contact import connect
from radio.pluto.offset import learn
from radio.pluto.pace import Pace
from radio.pluto.pump import Pump
from radio.pluto.ring import Ring
from radio.pluto.safety import silence, unsure
from radio.pluto.stream import Stream
from radio.pluto.tuning import Tuning
from radio.settings import Settings

FLUSHED = 2  # blocks after a switch


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
        serial: of the hardware.
    """

    uri: str
    tuning: Tuning
    pace: Pace
    block: int
    timeout: float
    antenna_delay: int
    serial: str = ""
    sdr: Any = None
    _attributes: Attributes | None = None
    _pump: Pump | None = None
    _origin: int = 0
    _ended: int = 0
    _left: float | None = None

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
        """The running streams.

        Raises:
            ContactError: they are not running.
        """
        if self._pump is None:
            raise ContactError(f"radio {self.uri} has no running streams; the next call starts them again")
        return self._pump

    @property
    def is_running(self) -> bool:
        """Whether there are streams, and none has failed."""
        return self._pump is not None and self._pump.failure is None

    @property
    def end(self) -> int:
        """Index of the sample that is heard next, or would be."""
        return self._origin if self._pump is None else self._pump.ring.end

    def open(self, settings: Settings) -> None:
        """Connect, silence, set everything, start the streams and learn their offset.

        Raises:
            RadioError: something of this failed.
        """
        self.sdr, self._attributes = connect(self.uri, self.timeout)
        self.serial = self.sdr.ctx.attrs.get("hw_serial", "") or self.uri
        self._claim()
        silence(self.attributes)
        tuning.apply_rate(self.sdr, self.attributes, self.tuning)
        tuning.apply_receiver(self.attributes, settings)
        self._start()
        self._learn()
        self._go_on()

    def wait(self, heard: int) -> None:
        """Return when the stream has heard so many samples.

        Raises:
            RadioError: why it has not.
        """
        self.pace.wait(self.pump, heard)
        if self.pump.failure is not None:
            raise self.pump.failure

    def shift(self) -> int:
        """Return the index of this radio's clock at which its stream began."""
        return self._origin

    def rebase(self, index: int) -> None:
        """Give the next sample another index; what was heard is forgotten."""
        with self.pump.changed:  # a block may have been fetched that is not in the ring yet
            self._origin += index - self.pump.ring.end
            self.pump.ring.restart(index)

    def stop(self) -> None:
        """Destroy the buffers."""
        pump, self._pump = self._pump, None
        if pump is None:
            return
        self._origin = self._ended = pump.ring.end
        self._left = self.pace.seconds(pump)
        self.pace.stop(pump)
        pump.stream.close()

    def silence(self, answers: bool = True) -> None:
        """Silence the radio, before and after its buffers go: the converter is then handed back to the tones.

        Args:
            answers: whether the connection still works, as far as is known; else, a new one may do better.

        Raises:
            RadioError: it may still be sending.
        """
        if answers:
            try:
                silence(self.attributes)
                self.stop()
            except ContactError:
                answers = False
        if not answers:
            self.drop()
            self.sdr, self._attributes = self._again()
        silence(self.attributes)

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
        self._stream().close()

    def _stream(self) -> Stream:
        stream = Stream(self.attributes, self.block, self.pace.queue)
        try:
            stream.open()
        except BaseException:
            stream.close()
            raise
        return stream

    def _start(self) -> None:
        stream = self._stream()
        rate = self.tuning.sample_rate
        self._pump = Pump(stream, Ring(round(rate)))
        self._pump.ring.restart(self._origin)
        self.pace.start(self._pump, rate)
        self.wait(self.block)
        stream.clear()

    def _learn(self) -> None:
        """Find the offset through the digital loopback, with nothing on the air."""
        pump = self.pump
        self.attributes.put("loopback", 1)
        try:
            pump.offset = learn(pump, self.wait, self._origin)
        finally:
            self.attributes.put("loopback", 0)
        self.wait(pump.stream.heard + FLUSHED * self.block)
        with pump.changed:
            pump.ring.restart(pump.ring.end)

    def _go_on(self) -> None:
        """Call the next sample what it would be had the clock run on since the last stream, as near as can be told."""
        if self._left is not None:
            with self.pump.changed:
                passed = self.pace.seconds(self.pump) - self._left
                self.rebase(self._ended + max(round(passed * self.tuning.sample_rate), 0))
