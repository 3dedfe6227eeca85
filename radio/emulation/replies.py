"""The text protocol of libiio 0.x: from a result to a reply.

A number is decimal, at least 0 for success and −errno for a refusal. A value is sent as its length, terminating NUL
included, and the bytes. Seen on the wire between libiio 0.24 and Debian's iiod.
"""

import struct
from collections.abc import Sequence

from radio.emulation.protocol import MASK


def integer(value: int) -> bytes:
    """Return a number, or −errno, as a reply."""
    return b"%d\n" % value


def value(text: str) -> bytes:
    """Return the value of an attribute as a reply: length with the NUL, the bytes, a newline that is not counted."""
    data = text.encode() + b"\0"
    return integer(len(data)) + data + b"\n"


def values(results: Sequence[str | int]) -> bytes:
    """Return all attributes of a channel as a reply: big-endian lengths or −errno, values padded to 4 bytes."""
    parts = []
    for result in results:
        if isinstance(result, int):
            parts.append(struct.pack(">i", result))
            continue
        data = result.encode() + b"\0"
        parts.append(struct.pack(">i", len(data)) + data + b"\0" * (-len(data) % 4))
    body = b"".join(parts)
    return integer(len(body)) + body + b"\n"


def document(xml: bytes) -> bytes:
    """Return the context as a reply."""
    return integer(len(xml)) + xml + b"\n"


def block(data: bytes) -> bytes:
    """Return received samples as a reply: one chunk, with the mask ahead of it."""
    return b"%d\n%s\n%s" % (len(data), MASK.encode(), data)
