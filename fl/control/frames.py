"""Messages as multipart frames: magic and version, a msgpack header, and a safetensors frame where there are tensors.

Never pickle. Whatever arrives, `decode` returns a message or raises a `ProtocolError`, and takes no more memory than a
few times what arrived, which is limited.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from fl.control.messages import FromAgent, FromServer, Message
from fl.control.tensors import ProtocolError, VersionError, pack, unpack

VERSION = 1
MAGIC = b"airmeta"
MOST_PREAMBLE = 32
MOST_HEADER = 1 << 20

_ENCODER = msgspec.msgpack.Encoder()
_FROM_AGENT = msgspec.msgpack.Decoder(FromAgent)
_FROM_SERVER = msgspec.msgpack.Decoder(FromServer)


@dataclass(frozen=True)
class Limits:
    """How large what arrives may be.

    Args:
        header: bytes of a header.
        tensors: bytes of the tensors.
        sizes: lengths that axes of tensors must have, such as d; others may have any.
    """

    header: int = MOST_HEADER
    tensors: int = 1 << 28
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def frame(self) -> int:
        """Bytes of the largest frame: what a socket has to let through."""
        return max(self.header, self.tensors, MOST_PREAMBLE)


@dataclass(frozen=True)
class Received:
    """A message with its tensors, by name."""

    message: Message
    tensors: Mapping[str, np.ndarray]


def encode(message: Message, tensors: Mapping[str, np.ndarray] | bytes = b"") -> list[bytes]:
    """Return the frames of a message.

    Args:
        message: to be sent.
        tensors: by name; or as `pack_for` made them, once for many agents.

    Raises:
        ValueError: the tensors are not those of the message, or a number is not finite.
    """
    if (bad := _not_finite(message)) is not None:
        raise ValueError(f"{type(message).__name__}.{bad} is not finite; send null where there is no number")
    packed = tensors if isinstance(tensors, bytes) else pack_for(type(message), tensors)
    return [MAGIC + bytes([VERSION]), _ENCODER.encode(message), *([packed] if packed else [])]


def pack_for(kind: type[Message], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the tensors of a kind of message as one frame.

    Raises:
        ValueError: they are not those of the message.
    """
    return pack(kind.TENSORS, tensors)


def decode_from_agent(frames: Sequence[bytes], limits: Limits) -> Received:
    """Return what an agent said.

    Raises:
        ProtocolError: it is not a message of an agent.
    """
    return _decode(frames, _FROM_AGENT, limits)


def decode_from_server(frames: Sequence[bytes], limits: Limits) -> Received:
    """Return what the server said.

    Raises:
        ProtocolError: it is not a message of a server.
    """
    return _decode(frames, _FROM_SERVER, limits)


def _decode(frames: Sequence[bytes], decoder: Any, limits: Limits) -> Received:
    if not 2 <= len(frames) <= 3:
        raise ProtocolError(f"a message has 2 or 3 frames, got {len(frames)}")
    _check_version(frames[0])
    for name, frame, most in zip(("header", "tensors"), frames[1:], (limits.header, limits.tensors), strict=False):
        if len(frame) > most:
            raise ProtocolError(f"the {name} must be at most {most} bytes, got {len(frame)}")
    try:
        message: Message = decoder.decode(frames[1])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the header is not a message of this protocol ({str(error)[:200]})") from error
    if (bad := _not_finite(message)) is not None:
        raise ProtocolError(f"{type(message).__name__}.{bad} is not finite")
    packed = frames[2] if len(frames) == 3 else b""
    return Received(message, unpack(packed, type(message).TENSORS, limits.sizes))


def _check_version(preamble: bytes) -> None:
    if len(preamble) != len(MAGIC) + 1 or not preamble.startswith(MAGIC):
        raise ProtocolError("not the airmeta protocol; is this the address of an airmeta server?")
    if preamble[-1] != VERSION:
        raise VersionError(
            f"protocol version {preamble[-1]}, this airmeta speaks {VERSION}; install the same airmeta on all hosts"
        )


def _not_finite(value: Any) -> str | None:
    """Return the path of the first number in a message that is not finite, if there is one."""
    if isinstance(value, msgspec.Struct):
        parts = ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, tuple):
        parts = ((str(place), item) for place, item in enumerate(value))
    else:
        return "" if isinstance(value, float) and not math.isfinite(value) else None
    for name, item in parts:
        if (inside := _not_finite(item)) is not None:
            return f"{name}.{inside}".rstrip(".")
    return None
