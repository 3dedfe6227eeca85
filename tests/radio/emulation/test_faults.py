"""Faults that drills plant."""

import errno
import time

import pytest

from radio.emulation.protocol import Address
from tests.radio.emulation.wire import RX, TX, opened

STATUS = "0x80000088"


def test_an_unplugged_unit_drops_everybody_and_its_neighbour_nobody(host, connect):
    gone, there = connect(host.uris[0]), connect(host.uris[1])
    assert gone.open(RX, 64) == 0
    host.units[0].faults.unplug()
    assert not _answers(gone)
    assert not _answers(connect(host.uris[0]))
    assert there.ask("TIMEOUT 1") == 0
    host.units[0].faults.plug()
    back = connect(host.uris[0])
    assert opened(back, RX, 64)


def _answers(client):
    try:
        return client.ask("TIMEOUT 1") == 0
    except (ConnectionError, ValueError):
        return False


def test_answers_come_late_while_they_are_to(host, connect):
    client = connect(host.uris[0])
    host.units[0].faults.late = 0.2
    start = time.monotonic()
    assert client.ask("TIMEOUT 1") == 0
    assert time.monotonic() - start >= 0.2
    host.units[0].faults.late = 0.0
    assert connect(host.uris[1]).ask("TIMEOUT 1") == 0


def test_firmware_without_an_attribute_neither_lists_nor_answers_it(host, connect):
    client = connect(host.uris[0])
    where = Address("ad9361-phy", "", "", "xo_correction")
    assert client.read("iio:device0 xo_correction") == "40000000"
    host.units[0].faults.missing.add(where)
    assert client.read("iio:device0 xo_correction") == -errno.ENOENT
    assert client.write("iio:device0 xo_correction", 40_000_000) == -errno.ENOENT
    size = client.ask("PRINT")
    assert b'<attribute name="xo_correction"/>' not in client.stream.read(size + 1)


@pytest.mark.parametrize("flag, device, bit", [("overflow", RX, 4), ("underflow", TX, 1)])
def test_flags_can_be_raised_and_are_cleared_by_writing_them_back(host, connect, flag, device, bit):
    client = connect(host.uris[0])
    host.call(getattr(host.units[0].faults, flag))
    where = f"{device} DEBUG direct_reg_access"
    assert client.write(where, STATUS) > 0
    assert int(client.read(where), 0) == bit
    assert client.write(where, f"{STATUS} {bit:#x}") > 0
    assert int(client.read(where), 0) == 0
