"""The running streams of one radio, and which index of its clock each sample has.

Streams that are started again go on counting where they would be had the clock run on, as near as can be told.
"""

from dataclasses import dataclass

from radio.base import ContactError, LateError, OverrunError, RadioError
from radio.pluto.attributes import Attributes
from radio.pluto.stream import Stream, from_counts
from radio.streaming.offset import learn
from radio.streaming.pace import Pace
from radio.streaming.pump import Pump
from radio.streaming.ring import Ring

TRIES = 3


@dataclass
class Counted:
    """Streams, one after the other, on one clock.

    Args:
        uri: of the radio, for messages.
        pace: what keeps them running.
        block: samples of a buffer.
        rate: in Hz.
        timeout: seconds within which the radio must answer.
    """

    uri: str
    pace: Pace
    block: int
    rate: float
    timeout: float
    _pump: Pump | None = None
    _origin: int = 0
    _ended: int = 0
    _left: float | None = None
    _has_gone_on: bool = False

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
    def are_open(self) -> bool:
        """Whether there are streams."""
        return self._pump is not None

    @property
    def is_running(self) -> bool:
        """Whether there are streams, and none has failed."""
        return self._pump is not None and self._pump.failure is None

    @property
    def end(self) -> int:
        """Index of the sample that is heard next, or would be."""
        return self._origin if self._pump is None else self._pump.ring.end

    def run(self, attributes: Attributes, primed: int) -> None:
        """Open the streams and keep them running, so many blocks being handed over first.

        Raises:
            RadioError: somebody else has them, or the radio does not answer.
        """
        patience = self.timeout if self.pace.stands else None
        stream = opened(attributes, self.block, self.pace.queue, patience)
        self._pump = Pump(stream, Ring(round(self.rate), self.uri, from_counts))
        self._pump.ring.restart(self._origin)
        for _ in range(primed):
            self._pump.push()
        self.pace.start(self._pump, self.rate)

    def settle(self) -> None:
        """Wait until the streams run, and learn their offset, once more if samples are lost meanwhile.

        Raises:
            RadioError: they do not, or their marker does not come back.
        """
        self.wait(self.block)
        for tries in range(TRIES):
            self.pump.stream.clear()
            try:
                self._learn(self.pump)
                return
            except (LateError, OverrunError):
                if tries + 1 == TRIES:
                    raise

    def wait(self, heard: int) -> None:
        """Return when the stream has heard so many samples.

        Raises:
            RadioError: why it has not.
        """
        self.pace.wait(self.pump, heard)
        if self.pump.failure is not None:
            raise self.pump.failure

    def catch_up(self) -> None:
        """Return when all that was captured before this call has been heard.

        Raises:
            RadioError: why it has not.
        """
        with self.pump.changed:
            last = self.pump.stream.heard + self.pace.backlog(self.pump) * self.block
        self.wait(last)

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
        with pump.changed:
            if self._has_gone_on:  # else its indices are not those of the clock, and the stream before it counts
                self._origin = self._ended = pump.ring.end
                self._left = self.pace.seconds(pump)
        self._has_gone_on = False
        if self.pace.stop(pump):
            pump.stream.close()

    def _learn(self, pump: Pump) -> None:
        """Find the offset through the digital loopback, with nothing on the air."""
        attributes = pump.stream.attributes
        attributes.put("loopback", 1)
        try:
            pump.offset = learn(pump, self.wait, self._origin)
        except RadioError:
            if pump.failure is None:
                pump.stream.check()  # samples that were lost are a better reason than a loopback that is none
            raise
        finally:
            attributes.put("loopback", 0)
        pump.stream.check()
        self.catch_up()
        with pump.changed:
            pump.ring.restart(pump.ring.end)

    def go_on(self) -> None:
        """Call the next sample what it would be had the clock run on since the last stream, as near as can be told."""
        if self._left is not None:
            with self.pump.changed:
                passed = self.pace.seconds(self.pump) - self._left
                self.rebase(self._ended + max(round(passed * self.rate), 0))
        self._has_gone_on = True


def opened(attributes: Attributes, block: int, queue: int, patience: float | None = None) -> Stream:
    """Return the open streams of a radio; the arguments are those of `Stream`.

    Raises:
        RadioError: somebody else has them, or the radio does not answer.
    """
    stream = Stream(attributes, block, queue, patience)
    try:
        stream.open()
    except BaseException:
        stream.close()
        raise
    return stream
