"""The protocol as clients speak it, and as nobody should: replies, refusals, and what a connection leaves behind."""

import errno
import logging
import re
import socket

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from radio.emulation.bench import Bench
from radio.emulation.host import serving
from tests.radio.emulation.wire import RATE, RX, TX, Client, noise, opened, tune


def test_a_session_begins_as_libiio_expects(host, connect):
    client = connect(host.uris[0])
    size = client.ask("PRINT")
    xml = client.stream.read(size + 1)
    assert xml.startswith(b"<?xml")
    assert xml.endswith(b"</context>\n")
    assert client.ask("TIMEOUT 2500") == 0
    client.send(b"VERSION\r\n")
    assert len(client.line()) >= len("0.24.1234567\n")
    client.send(b"\r\n\n  \r\n")
    assert client.ask("ZPRINT") == -errno.EINVAL
    assert client.ask("BINARY") == -errno.EINVAL
    client.send(b"EXIT\r\n")
    assert client.line() == b""


@pytest.mark.parametrize(
    "line, code",
    [
        ("NONSENSE", errno.EINVAL),
        ("READ", errno.EINVAL),
        ("READ iio:device0 INPUT", errno.EINVAL),
        ("READ iio:device0 a b c", errno.EINVAL),
        ("READ iio:device0 nosuch", errno.ENOENT),
        ("READ iio:device9 calib_mode", errno.ENODEV),
        ("READ iio:device0 INPUT voltage9 rssi", errno.ENXIO),
        ("OPEN iio:device3 4096", errno.EINVAL),
        ("OPEN iio:device3 4096 3", errno.EINVAL),
        ("OPEN iio:device3 4096 0000000003", errno.EINVAL),
        ("OPEN iio:device3 4096 00000001", errno.EINVAL),
        ("OPEN iio:device3 4096 00000000", errno.EINVAL),
        ("OPEN iio:device3 4096 0000000x", errno.EINVAL),
        ("OPEN iio:device3 0 00000003", errno.EINVAL),
        ("OPEN iio:device3 -5 00000003", errno.EINVAL),
        ("OPEN iio:device3 1_0 00000003", errno.EINVAL),
        ("OPEN iio:device3 4096 00000003 CYCLIC", errno.EINVAL),
        ("OPEN iio:device2 4096 00000003 SOMETIMES", errno.EINVAL),
        ("OPEN iio:device3 99999999999999 00000003", errno.ENOMEM),
        ("OPEN iio:device3 99999999999999999999999 00000003", errno.EINVAL),
        ("OPEN iio:device0 4096 00000003", errno.EINVAL),
        ("OPEN iio:device7 4096 00000003", errno.ENODEV),
        ("READBUF iio:device3 4096", errno.EBADF),
        ("WRITEBUF iio:device2 4096", errno.EBADF),
        ("CLOSE iio:device3", errno.EBADF),
        ("SET iio:device3 BUFFERS_COUNT 0", errno.EINVAL),
        ("SET iio:device3 BUFFERS_COUNT 1000000", errno.EINVAL),
        ("SET iio:device0 BUFFERS_COUNT 1", errno.EINVAL),
        ("GETTRIG iio:device3", errno.ENOENT),
        ("SETTRIG iio:device3 trigger0", errno.ENOENT),
        ("TIMEOUT soon", errno.EINVAL),
        ("PRINT twice", errno.EINVAL),
        ("READ " + 5000 * "x", errno.EINVAL),
    ],
)
def test_what_cannot_be_is_refused_and_the_connection_goes_on(host, connect, line, code):
    client = connect(host.uris[0])
    assert client.ask(line) == -code
    assert client.ask("TIMEOUT 100") == 0


def test_a_refused_value_is_swallowed_whole(host, connect):
    client = connect(host.uris[0])
    assert client.write("iio:device0 nosuch", "READ iio:device0 ensm_mode\r\n") == -errno.ENOENT
    assert client.write("iio:device0 INPUT voltage0 hardwaregain", "loud") == -errno.EINVAL
    assert client.write("iio:device0 INPUT voltage0 rssi", "1") == -errno.EACCES
    assert client.ask("TIMEOUT 100") == 0


@pytest.mark.parametrize("bad", [b"WRITE iio:device0 ensm_mode 2000000000\r\n", b"x" * 3_000_000])
def test_what_cannot_be_followed_ends_that_connection_alone(host, connect, bad):
    bystander, client = connect(host.uris[0]), connect(host.uris[0])
    try:
        client.send(bad)
        assert client.line() in (b"", b"-22\n")
    except ConnectionError:
        pass
    assert bystander.ask("TIMEOUT 100") == 0
    assert connect(host.uris[0]).ask("TIMEOUT 100") == 0


def test_all_attributes_of_a_channel_come_at_once_padded_and_in_the_order_of_the_context(host, connect):
    client = connect(host.uris[0])
    size = client.ask("READ iio:device0 INPUT voltage0 ")
    data = client.stream.read(size + 1)
    found = []
    while len(data) > 1:
        length = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + length].rstrip(b"\0").decode())
        data = data[4 + length + -length % 4 :]
    assert data == b"\n"
    assert found[:3] == ["slow_attack", "manual fast_attack slow_attack hybrid", "71.000000 dB"]
    assert client.ask("READ iio:device3 ") == 0


def test_a_buffer_is_opened_once_and_freed_when_its_connection_ends(host, connect):
    first, second = connect(host.uris[0]), connect(host.uris[0])
    for device in (RX, TX):
        assert first.open(device, 1024) == 0
        assert first.open(device, 1024) == -errno.EBUSY
        assert second.open(device, 1024) == -errno.EBUSY
        assert second.ask(f"SET {device} BUFFERS_COUNT 2") == -errno.EBUSY
        assert second.ask(f"CLOSE {device}") == -errno.EBADF
    assert second.ask(f"READBUF {RX} 4096") == -errno.EBADF
    assert first.ask(f"CLOSE {RX}") == 0
    assert second.open(RX, 1024) == 0
    first.close()
    assert opened(second, TX, 1024)


@pytest.mark.parametrize("request_line", [f"READBUF {RX} 4096", f"WRITEBUF {TX} 4096"])
def test_a_client_that_dies_while_it_waits_frees_its_buffer_at_once(host, connect, request_line):
    """The other unit holds time with a stream that it never begins, so nobody gets samples."""
    other, dying, heir = connect(host.uris[1]), connect(host.uris[0]), connect(host.uris[0])
    for client in (other, dying):
        tune(client)
        assert client.open(TX, 1024) == 0
    assert dying.open(RX, 1024) == 0
    for _ in range(4):
        assert dying.transmit(noise(1024)) == 4096
    dying.send(request_line.encode() + b"\r\n" + bytes(4096))
    dying.socket.shutdown(socket.SHUT_RDWR)
    assert opened(heir, RX, 1024)


def test_sizes_of_transfers_are_bounded_by_the_block(host, connect):
    client = connect(host.uris[0])
    tune(client)
    assert client.open(TX, 1024) == 0
    for size in (0, 3, 4098, 1 << 40):
        assert client.ask(f"WRITEBUF {TX} {size}") == -errno.EINVAL
    assert client.ask(f"CLOSE {TX}") == 0
    assert client.open(RX, 16) == 0
    assert client.ask(f"READBUF {RX} 3") == 0
    assert client.ask(f"READBUF {RX} {1 << 40}") == -errno.EINVAL
    assert client.ask(f"READBUF {RX} 128") == 64
    assert client.line() == b"00000003\n"
    assert client.stream.read(64) == bytes(64)
    assert int(client.line()) == 64
    assert client.stream.read(64) == bytes(64)
    assert client.ask("TIMEOUT 1") == 0


# What clients say, as raw material for mutations.
PHRASES = [
    b"PRINT\r\n", b"TIMEOUT 2500\r\n", b"VERSION\r\n", b"HELP\r\n", b"EXIT\r\n", b"\r\n",
    b"READ iio:device0 INPUT voltage0 rssi\r\n", b"READ iio:device0 DEBUG loopback\r\n",
    b"READ iio:device0 OUTPUT altvoltage0 \r\n", b"READ iio:device3 BUFFER watermark\r\n",
    b"WRITE iio:device0 OUTPUT altvoltage0 frequency 11\r\n2437000000\0",
    b"WRITE iio:device0 INPUT voltage0 gain_control_mode 7\r\nmanual\0",
    b"WRITE iio:device0 INPUT voltage0 sampling_frequency 8\r\n2500000\0",
    b"WRITE iio:device0 OUTPUT voltage0 hardwaregain 7\r\n-89.75\0",
    b"WRITE iio:device2 OUTPUT altvoltage0 scale 4\r\n0.5\0", b"WRITE iio:device2 OUTPUT altvoltage0 raw 2\r\n0\0",
    b"WRITE iio:device2 DEBUG direct_reg_access 14\r\n0x80000088 0x6",
    b"WRITE iio:device0 xo_correction 9\r\n40000100\0", b"WRITE iio:device0 ensm_mode 6\r\nalert\0",
    b"OPEN iio:device3 16 00000003\r\n", b"OPEN iio:device2 16 00000003\r\n",
    b"OPEN iio:device2 16 00000003 CYCLIC\r\n",
    b"READBUF iio:device3 64\r\n", b"WRITEBUF iio:device2 64\r\n" + bytes(range(64)), b"CLOSE iio:device3\r\n",
    b"CLOSE iio:device2\r\n", b"GETTRIG iio:device3\r\n", b"SETTRIG iio:device3 x\r\n",
    b"SET iio:device3 BUFFERS_COUNT 1\r\n", b"SET iio:device2 BUFFERS_COUNT 2\r\n",
    b"WRITE iio:device5 OUTPUT channel1 polarity 2\r\n0\0", b"WRITE iio:device5 OUTPUT channel2 polarity 2\r\n1\0",
    b"WRITE iio:device5 enable 2\r\n1\0", b"WRITE iio:device5 sync_soft 2\r\n1\0", b"READ iio:device5 state\r\n",
]  # fmt: skip

cuts = st.tuples(st.integers(0, 1 << 12), st.sampled_from(["drop", "flip", "insert", "double"]), st.binary(max_size=6))
streams = st.tuples(
    st.lists(st.one_of(st.sampled_from(PHRASES), st.sampled_from(PHRASES), st.binary(max_size=40)), max_size=12),
    st.lists(cuts, max_size=4),
    st.booleans(),
)


REFUSAL = re.compile(rb"(?<=\n)-(\d+)(?=\n)")
REFUSALS = {errno.EINVAL, errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EBADF, errno.EBUSY, errno.EACCES, errno.ENOMEM}
"""What a command may be refused with; which of them it deserves, `test_refusals.py` says."""


def mutated(phrases, changes):
    data = bytearray(b"".join(phrases))
    for place, change, extra in changes:
        at = place % (len(data) + 1)
        if change == "insert":
            data[at:at] = extra
        elif change == "double":
            data[at:at] = data[at : at + 20]
        elif at < len(data):
            data[at : at + 1] = b"" if change == "drop" else bytes([data[at] ^ (1 << place % 8)])
    return bytes(data)


def say(uri, data, rude):
    """Send a stream and leave, with a reset, or once all is answered; return the answers."""
    answers = b""
    _, host, port = uri.split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        if rude:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        try:
            connection.sendall(data)
            if not rude:
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(1 << 16):
                    answers += part
        except ConnectionError:
            pass
    return answers


class Complaints(logging.Handler):
    """What the server, or the loop, could not handle."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.heard = []

    def emit(self, record):
        self.heard.append(self.format(record))


@pytest.fixture
def complaints():
    handler = Complaints()
    loggers = [logging.getLogger(name) for name in ("asyncio", "radio.emulation.server")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler.heard
    for logger in loggers:
        logger.removeHandler(handler)


def settings_of(host, unit):
    """Return every attribute of a unit that does not tell how loud the air is."""
    attributes = host.units[unit].attributes
    names = [address for address in attributes if address.name not in ("rssi", "sync_soft")]
    return host.call(lambda: [attributes[address].read() for address in names])


def fuzz(examples, complaints):
    with serving(Bench(2, start_spread=0.0, has_tdd=True)) as host:
        witness, hearer, sender = (Client(host.uris[1]) for _ in range(3))
        tune(witness)
        assert witness.write("iio:device0 DEBUG loopback", 1) > 0
        assert sender.open(TX, 64, "CYCLIC") == 0
        assert sender.transmit(noise(64)) == 4 * 64
        assert hearer.open(RX, 64) == 0
        untouched, stream_of_its_own = settings_of(host, 1), hearer.receive(64)
        assert np.abs(stream_of_its_own).max() > 100
        heard = [0]

        def one(stream):
            phrases, changes, rude = stream
            answers = say(host.uris[0], mutated(phrases, changes), rude)
            assert {int(number) for number in REFUSAL.findall(b"\n" + answers)} <= REFUSALS
            heard[0] += 1
            assert witness.read("iio:device0 OUTPUT altvoltage1 frequency") == "2400000000"
            if heard[0] % 50 == 0:
                assert settings_of(host, 1) == untouched
                assert np.array_equal(hearer.receive(64), stream_of_its_own)

        while (left := examples - heard[0]) > 0:  # examples that hypothesis drops do not count
            bounded = settings(max_examples=left, deadline=None, database=None, phases=[Phase.generate],
                               suppress_health_check=list(HealthCheck))  # fmt: skip
            seed(heard[0])(bounded(given(streams)(one)))()
        assert heard[0] >= examples
        for client in (witness, hearer, sender):
            client.close()
        again = Client(host.uris[0])
        assert again.ask("TIMEOUT 1") == 0
        again.close()
    assert not complaints


def test_no_mutated_command_stream_kills_the_server_or_touches_another_unit(complaints):
    fuzz(300, complaints)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_command_streams_do_not_either(complaints):
    fuzz(100_000, complaints)


def test_the_fuzzer_mutates_what_reaches_buffers_and_attributes(host, connect):
    """A stream of phrases as they are is answered, so that mutations begin from what works."""
    client = connect(host.uris[0])
    tune(client, rate=RATE)
    assert client.open(RX, 16) == 0
    assert client.receive(16).size == 16
