"""Messages of gr-zeromq: samples, and ahead of them, if `pass_tags` is set, a count and tags.

    5FF0 (u16)  01 (u8)  offset (u64)  number of tags (u64)  tags  samples       (integers as the machine has them)
    tag: offset (u64)  key  value  source, each a PMT as GNU Radio serialises them (integers in network order)

The offset counts samples that the block passed on before: with it, a message that was lost is found. Source: gr-zeromq
3.10, lib/tag_headers.cc, and pmt/lib/pmt.cc. A sample is complex64.
"""

import struct
from dataclasses import dataclass

import numpy as np

from radio.base import RadioError

MAGIC = struct.pack("=HB", 0x5FF0, 1)
HEADER = struct.Struct("=HBQQ")
SIZE = 8  # bytes of a sample
PROBED = 65_536
"""Samples at the start of a stream that are looked at for numbers that only another item type has."""
LARGEST, SMALLEST = 1e3, 1e-30
_FIXED = {0x00: 0, 0x01: 0, 0x06: 0, 0x03: 4, 0x04: 8, 0x05: 16, 0x0B: 8}  # bytes after the type: booleans, numbers
_PAIRS, _SYMBOL, _TUPLE = (0x07, 0x09), 0x02, 0x0C  # a dictionary is a list of pairs


@dataclass(frozen=True)
class Message:
    """A message, taken apart.

    Args:
        samples: complex64, shape (n,), a view.
        offset: samples that the flowgraph sent before; None if it does not say.
        keys: of its tags, with the offset of each.
    """

    samples: np.ndarray
    offset: int | None
    keys: tuple[tuple[int, str], ...] = ()


def parse(data: bytes | memoryview, label: str, is_tagged: bool) -> Message:
    """Return the samples of a message.

    Raises:
        RadioError: it does not hold whole samples of complex64, or its tags cannot be read.
    """
    view = memoryview(data)
    if not is_tagged:
        return Message(_samples(view, label), None)
    try:
        _, _, offset, count = HEADER.unpack_from(view)
        place, keys = HEADER.size, []
        for _ in range(count):
            (where,) = struct.unpack_from("=Q", view, place)
            begin = place + 8
            place = begin
            for _ in range(3):
                place = _skip(view, place)
            keys.append((where, _symbol(view, begin)))
    except (struct.error, IndexError) as error:
        raise RadioError(
            f"{label}: tags of a message cannot be read ({error}); let the ZMQ PUSH Sink pass no tags (Pass Tags: No)"
        ) from error
    return Message(_samples(view[place:], label), offset, tuple(keys))


def is_tagged(data: bytes | memoryview) -> bool:
    """Return whether the first message of a stream has a header; a sample that looks like one has no tags behind it."""
    if memoryview(data)[: len(MAGIC)] != MAGIC:
        return False
    try:
        parse(data, "", True)
    except RadioError:
        return False
    return True


def check_samples(samples: np.ndarray, label: str) -> None:
    """Return if these may be complex64: of other types, bytes taken for it are rarely numbers of ordinary size.

    Raises:
        RadioError: they are not.
    """
    parts = samples.view(np.float32)
    sizes = np.abs(parts)
    strange = ~(sizes <= LARGEST) | ((sizes > 0) & (sizes < SMALLEST))
    if strange.any():
        worst = parts[strange][0]
        raise RadioError(
            f"{label}: samples must be complex64 (32-bit floats, full scale 1), got {worst:g} among the first "
            f"{samples.size}; set the IO type of the ZMQ blocks to complex, and scale what they get to |x| <= 1"
        )


def _samples(view: memoryview, label: str) -> np.ndarray:
    if len(view) % SIZE:
        raise RadioError(
            f"{label}: a message must hold whole samples of {SIZE} bytes (complex64), got {len(view)} bytes; set the "
            "IO type of the ZMQ PUSH Sink to complex and its vector length to 1"
        )
    return np.frombuffer(view, np.complex64)


def _skip(view: memoryview, place: int) -> int:
    """Return where the PMT ends that begins here."""
    kind = view[place]
    if kind == _SYMBOL:
        return place + 3 + int(struct.unpack_from(">H", view, place + 1)[0])
    if kind in _PAIRS:
        return _skip(view, _skip(view, place + 1))
    if kind == _TUPLE:
        (count,) = struct.unpack_from(">I", view, place + 1)
        place += 5
        for _ in range(count):
            place = _skip(view, place)
        return place
    if kind not in _FIXED:
        raise IndexError(f"a PMT of type {kind:#x}")
    return place + 1 + _FIXED[kind]


def _symbol(view: memoryview, place: int) -> str:
    if view[place] != _SYMBOL:
        return ""
    (length,) = struct.unpack_from(">H", view, place + 1)
    return bytes(view[place + 3 : place + 3 + length]).decode(errors="replace")
