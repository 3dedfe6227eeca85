"""What units say to an air of another process, and what it answers: typed messages, raw samples behind them.

    frame 0   b"airmeta air" and a byte, the version
    frame 1   msgpack: one of the structs below, its name in the field `type`; unknown fields are refused
    frame 2   complex64, little endian, only with `Transmit` and `Heard`

A unit asks, the air answers, with the same number: one question at a time, but for `Close`. Never pickle.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from radio.settings import Change, Limits, Settings

MAGIC = b"airmeta air"
VERSION = 1
MOST_SAMPLES = 1 << 24
"""Samples of one question or answer: 128 MiB, four seconds at 4 MS/s."""
MOST_HEADER = 1 << 16
MOST_BYTES = 8 * MOST_SAMPLES

Scalar = str | int | float | bool | None
Index = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]
UnitId = Annotated[int, Meta(ge=0, le=1 << 31)]


class MessageError(ValueError):
    """What arrived is no message of this protocol."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """Anything that is said.

    Args:
        number: of the question; its answer has the same.
    """

    number: Annotated[int, Meta(ge=0, le=1 << 53)]


class Open(Message, frozen=True):
    """The first thing a unit says.

    Args:
        unit: who it is.
        process: its process id, for those who look for it.
        about: keys and values of the experiment that shape the air.
    """

    unit: UnitId
    process: int
    about: Annotated[dict[str, Scalar], Meta(max_length=1000)]


class Ask(Message, frozen=True):
    """How things stand; anybody may ask."""


class Now(Message, frozen=True):
    """Which sample nobody has heard yet."""


class Receive(Message, frozen=True):
    """`count` samples from index `at` on."""

    count: Annotated[int, Meta(le=MOST_SAMPLES)]
    at: Index


class Transmit(Message, frozen=True):
    """Samples that are to leave from index `at` on."""

    at: Index


class Configure(Message, frozen=True):
    """Something is to be set."""

    change: Change


class Mute(Message, frozen=True):
    """Send nothing, or (`off`) send again."""

    off: bool = False


class Expect(Message, frozen=True):
    """These units owe a delivery from now on; only unit 0 may say so."""

    units: Annotated[tuple[UnitId, ...], Meta(max_length=10_000)]


class Deliver(Message, frozen=True):
    """This unit has handed over what it had to."""


class Hear(Message, frozen=True):
    """Time may run until `count` samples of this unit's running stream are there; of virtual radios."""

    count: Index


class Place(Message, frozen=True):
    """Where this unit's running stream is; of virtual radios."""


class Settled(Message, frozen=True):
    """This unit is set, and its streams run; of virtual radios, which are opened one after the other."""


class Close(Message, frozen=True):
    """This unit leaves, and sends nothing any more."""


class Welcome(Message, frozen=True):
    """The unit is open; the fields are those of `radio.base.Radio`."""

    sample_rate: float
    timing_uncertainty: int
    timing_repeatability: float
    lead_time: int
    serial: str
    session: str
    limits: Limits
    settings: Settings


class Assigned(Message, frozen=True):
    """The unit is yours: a virtual radio.

    Args:
        uri: of libiio.
        openings: how often it was opened before.
    """

    uri: str
    openings: int


class Placed(Message, frozen=True):
    """Where a stream is.

    Args:
        opened: count of the unit's clock at which it was opened.
        captured: its samples up to the end of the block being heard.
    """

    opened: int
    captured: int


class Done(Message, frozen=True):
    """It is done.

    Args:
        index: answers `Now` and `Close`.
        units: answers `Expect`: those that are not connected, and so owe nothing.
        hung: units that were given up.
    """

    index: int = 0
    units: tuple[int, ...] = ()
    hung: tuple[int, ...] = ()


class Heard(Message, frozen=True):
    """Samples, as `radio.base.Samples` describes them; `hung` is that of `Done`."""

    start: int
    lost: int
    clipped: int
    hung: tuple[int, ...] = ()


class Set(Message, frozen=True):
    """Settings as read back."""

    settings: Settings


class Failed(Message, frozen=True):
    """It is not done.

    Args:
        kind: name of the error.
        text: what it says.
    """

    kind: str
    text: str


class State(Message, frozen=True):
    """How things stand.

    Args:
        frontier: air time up to which everything is fixed, in nominal samples.
        seconds: spent on computing what was heard.
        samples: heard.
        units: that may be opened, 0 to this less 1.
        connected: open ones.
        owing: those that owe a delivery.
        waiting: those whose samples wait for others.
        hung: those that were given up.
        refused: messages that were none.
    """

    frontier: float
    seconds: float
    samples: int
    units: int
    connected: tuple[int, ...]
    owing: tuple[int, ...]
    waiting: tuple[int, ...]
    hung: tuple[int, ...]
    refused: int


Question = Open | Ask | Now | Receive | Transmit | Configure | Mute | Expect | Deliver | Hear | Place | Settled | Close
Answer = Welcome | Assigned | Placed | Done | Heard | Set | Failed | State

_ENCODER = msgspec.msgpack.Encoder()
_QUESTION = msgspec.msgpack.Decoder(Question)
_ANSWER = msgspec.msgpack.Decoder(Answer)
_WITH_SAMPLES = (Transmit, Heard)


def encode(message: Message, samples: np.ndarray | None = None) -> list[Any]:
    """Return the frames of a message; samples, complex64, are not copied."""
    head = [MAGIC + bytes([VERSION]), _ENCODER.encode(message)]
    return head if samples is None else [*head, np.ascontiguousarray(samples, np.dtype("<c8")).data.cast("B")]


def decode_question(frames: Sequence[Any]) -> tuple[Question, np.ndarray]:
    """Return what a unit says, and its samples, a view of the frame.

    Raises:
        MessageError: it is no question.
    """
    return _decode(frames, _QUESTION)


def decode_answer(frames: Sequence[Any]) -> tuple[Answer, np.ndarray]:
    """Return what the air answers, and the samples, a view of the frame.

    Raises:
        MessageError: it is no answer.
    """
    return _decode(frames, _ANSWER)


def _decode(frames: Sequence[Any], decoder: Any) -> tuple[Any, np.ndarray]:
    views = [memoryview(frame) for frame in frames]
    if not 2 <= len(views) <= 3:
        raise MessageError(f"a message has 2 or 3 frames, got {len(views)}")
    _check_version(bytes(views[0][: len(MAGIC) + 2]))
    if views[1].nbytes > MOST_HEADER:
        raise MessageError(f"a header must be at most {MOST_HEADER} bytes, got {views[1].nbytes}")
    try:
        message = decoder.decode(views[1])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the header is not a message of this protocol ({str(error)[:200]})") from error
    if isinstance(message, _WITH_SAMPLES) != (len(views) == 3):
        raise MessageError(
            f"{type(message).__name__} with {len(views)} frames; samples go with Transmit and Heard only"
        )
    if len(views) < 3:
        return message, np.zeros(0, np.complex64)
    if views[2].nbytes % 8 or views[2].nbytes > MOST_BYTES:
        raise MessageError(f"samples must be whole complex64, at most {MOST_SAMPLES}, got {views[2].nbytes} bytes")
    samples = np.frombuffer(views[2], np.dtype("<c8"))
    return message, np.require(samples, requirements=["A", "W"])  # small ones lie anywhere in ZeroMQ's buffer


def _check_version(preamble: bytes) -> None:
    if len(preamble) != len(MAGIC) + 1 or not preamble.startswith(MAGIC):
        raise MessageError("not the protocol of airmeta radio air; is this its endpoint?")
    if preamble[-1] != VERSION:
        raise MessageError(
            f"protocol version {preamble[-1]} there, {VERSION} here; start air, server and devices from one airmeta"
        )
