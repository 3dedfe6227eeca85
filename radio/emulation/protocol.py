"""The text protocol of libiio 0.x: from a line of words to a request. What is answered: `radio.emulation.replies`.

Seen on the wire between libiio 0.24 and Debian's iiod.
"""

import errno
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_LINE = 4096
LARGEST_VALUE = 1 << 16
LARGEST_BLOCK = 1 << 22  # samples: 16 MiB, what the memory of a Pluto holds a few of
BYTES = 4  # of a sample: I and Q, 16 bits each, little endian
MASK = "00000003"
"""The one mask of a device with an I and a Q channel: both."""

SCOPES = ("DEBUG", "BUFFER")
DIRECTIONS = ("INPUT", "OUTPUT")


class RefusedError(Exception):
    """A request that is answered with −errno; the connection goes on."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{errno.errorcode.get(number, number)}")
        self.errno = number


class Address(NamedTuple):
    """Where an attribute is.

    Args:
        device: name of the device.
        scope: "" for the device itself, or DEBUG, BUFFER, INPUT, OUTPUT.
        channel: id of the channel of a direction; else "".
        name: of the attribute; "" for all of them.
    """

    device: str
    scope: str
    channel: str
    name: str


NOWHERE = Address("", "", "", "")


@dataclass(frozen=True)
class Request:
    """One command of a client.

    Args:
        verb: in upper case.
        address: of an attribute; of the other verbs, only its device.
        size: bytes of what follows, or is asked for; samples of a block; milliseconds; buffers.
        mask: of the channels of a buffer.
        cyclic: whether a block is repeated for ever.
    """

    verb: str
    address: Address = NOWHERE
    size: int = 0
    mask: str = ""
    cyclic: bool = False


def parse(line: bytes) -> Request | None:
    """Return the request in a line, None if the line is empty.

    Raises:
        RefusedError: EINVAL, it is no command.
    """
    try:
        words = line.decode("ascii").split()
    except UnicodeDecodeError as error:
        raise RefusedError(errno.EINVAL) from error
    if not words:
        return None
    verb, rest = words[0].upper(), words[1:]
    if len(line) > LONGEST_LINE or verb not in _PARSERS:
        raise RefusedError(errno.EINVAL)
    return _PARSERS[verb](verb, rest)


def _plain(verb: str, rest: list[str]) -> Request:
    # Debian's iiod refuses words behind these.
    _check(not rest)
    return Request(verb)


def _timeout(verb: str, rest: list[str]) -> Request:
    _check(len(rest) == 1)
    return Request(verb, size=_number(rest[0], 1 << 31))


def _read(verb: str, rest: list[str]) -> Request:
    return Request(verb, _address(rest))


def _write(verb: str, rest: list[str]) -> Request:
    _check(len(rest) >= 3)
    address = _address(rest[:-1])
    _check(bool(address.name))
    return Request(verb, address, _number(rest[-1], 1 << 31))


def _open(verb: str, rest: list[str]) -> Request:
    _check(len(rest) in (3, 4))
    _check(len(rest) == 3 or rest[3].upper() == "CYCLIC")
    return Request(verb, _device(rest[0]), _number(rest[1], 1 << 62), rest[2].lower(), len(rest) == 4)


def _transfer(verb: str, rest: list[str]) -> Request:
    _check(len(rest) == 2)
    return Request(verb, _device(rest[0]), _number(rest[1], 1 << 62))


def _of_device(verb: str, rest: list[str]) -> Request:
    _check(len(rest) == 1 or (verb == "SETTRIG" and len(rest) == 2))
    return Request(verb, _device(rest[0]))


def _set(verb: str, rest: list[str]) -> Request:
    _check(len(rest) == 3 and rest[1].upper() == "BUFFERS_COUNT")
    return Request(verb, _device(rest[0]), _number(rest[2], 1 << 31))


_PARSERS = {
    "PRINT": _plain,
    "VERSION": _plain,
    "HELP": _plain,
    "EXIT": _plain,
    "TIMEOUT": _timeout,
    "READ": _read,
    "WRITE": _write,
    "OPEN": _open,
    "READBUF": _transfer,
    "WRITEBUF": _transfer,
    "CLOSE": _of_device,
    "GETTRIG": _of_device,
    "SETTRIG": _of_device,
    "SET": _set,
}


def _address(words: list[str]) -> Address:
    """Return the address in `device [DEBUG|BUFFER|INPUT channel|OUTPUT channel] [attribute]`."""
    _check(bool(words))
    device, rest = words[0], words[1:]
    scope = rest[0].upper() if rest else ""
    channel = ""
    if scope in DIRECTIONS:
        _check(len(rest) >= 2)
        channel, rest = rest[1], rest[2:]
    elif scope in SCOPES:
        rest = rest[1:]
    else:
        scope = ""
    _check(len(rest) <= 1)
    return Address(device, scope, channel, rest[0] if rest else "")


def _device(name: str) -> Address:
    return Address(name, "", "", "")


def _number(word: str, limit: int) -> int:
    # int() would take "1_000", "+5" and other digits than ours
    _check(word.isascii() and word.isdigit() and len(word) <= 20)
    number = int(word)
    _check(number < limit)
    return number


def _check(is_well: bool) -> None:
    if not is_well:
        raise RefusedError(errno.EINVAL)
