"""Streams that a firmware with a TDD controller starts at a pulse, soft or common to all units."""

import errno
import threading

import numpy as np
import pytest

from radio.emulation.bench import Bench
from radio.emulation.sending import PIPELINE
from radio.emulation.server import serving
from tests.drivers import need_libiio
from tests.radio.emulation.wire import RX, TX, noise, pack, tune

N = 1024
TDD = "iio:device5"


@pytest.fixture
def host():
    """Units whose transmissions start at random, up to 4000 samples late, unless they are triggered."""
    with serving(Bench(2, has_tdd=True)) as running:
        yield running


def arm(client, pulse="sync_soft"):
    """Hold both DMAs until a pulse, and let them through from then on."""
    settings = [("enable", 0), ("frame_length_raw", 1000), ("sync_external", int(pulse == "sync_external"))]
    for channel, polarity in ((1, 0), (2, 1)):
        wanted = ("polarity", polarity), ("on_raw", 0), ("off_raw", 2000), ("enable", 1)
        settings += [(f"OUTPUT channel{channel} {name}", value) for name, value in wanted]
    for name, value in [*settings, ("enable", 1)]:
        assert client.write(f"{TDD} {name}", value) > 0, name


def test_both_dmas_of_a_unit_start_at_the_same_pulse_and_not_before(host, connect):
    """The digital loopback then hears the first sample sent as the first sample heard, at every start."""
    control = connect(host.uris[0])
    tune(control)
    assert control.write("iio:device0 DEBUG loopback", 1) > 0
    sent = noise(2 * N, rms=0.3)
    expected = np.frombuffer(pack(sent), "<i2").astype(int) >> 4
    for _ in range(3):
        arm(control)
        sender, hearer = connect(host.uris[0]), connect(host.uris[0])
        assert hearer.open(RX, N) == 0
        assert sender.open(TX, N) == 0
        for at in (0, N):
            assert sender.transmit(sent[at : at + N]) == 4 * N
        hearer.send(f"READBUF {RX} {4 * N}\r\n".encode())
        assert control.read(f"{TDD} state") == "1"
        assert host.units[0].reception is None
        assert control.write(f"{TDD} sync_soft", 1) > 0
        assert int(hearer.line()) == 4 * N
        assert hearer.line() == b"00000003\n"
        heard = np.frombuffer(hearer.stream.read(4 * N), "<i2")
        assert np.array_equal(heard, expected[: 2 * N])
        for client, device in ((hearer, RX), (sender, TX)):
            assert client.ask(f"CLOSE {device}") == 0


def test_an_external_pulse_starts_all_units_that_wait_for_it_together(host, connect):
    for _ in range(2):
        control = [connect(uri) for uri in host.uris]
        for client in control:
            tune(client)
            arm(client, "sync_external")
        sender, hearer = connect(host.uris[0]), connect(host.uris[1])
        sent = noise(N)
        assert hearer.open(RX, N) == 0
        assert sender.open(TX, N) == 0
        for _ in range(3):
            assert sender.transmit(sent) == 4 * N
        reader = threading.Thread(target=host.call, args=(host.server.bench.pulse,))
        reader.start()
        heard = hearer.receive(N) / 2048
        reader.join()
        match = np.vdot(sent[: N - PIPELINE], heard[PIPELINE:])
        assert np.all(heard[: PIPELINE - 1] == 0)
        assert abs(match) > 0.99 * np.linalg.norm(sent[: N - PIPELINE]) * np.linalg.norm(heard[PIPELINE:])
        for client, device in ((hearer, RX), (sender, TX)):
            assert client.ask(f"CLOSE {device}") == 0


def test_a_unit_that_does_not_listen_to_the_pin_goes_on_waiting(host, connect):
    control, hearer = connect(host.uris[0]), connect(host.uris[0])
    tune(control)
    arm(control)
    assert hearer.open(RX, N) == 0
    host.call(host.server.bench.pulse)
    assert control.read(f"{TDD} state") == "1"
    assert hearer.ask(f"CLOSE {RX}") == 0
    assert control.write(f"{TDD} enable", 0) > 0


def test_a_held_transmitter_takes_as_many_blocks_as_it_has_kernel_buffers_and_sends_none(host, connect):
    control, sender = connect(host.uris[0]), connect(host.uris[0])
    tune(control)
    arm(control)
    assert sender.open(TX, N) == 0
    for _ in range(4):
        assert sender.transmit(noise(N)) == 4 * N
    assert host.call(host.units[0].radiated_power) == 0
    assert sender.ask(f"WRITEBUF {TX} {4 * N}") >= 0
    sender.send(bytes(4 * N))
    assert control.ask("TIMEOUT 1") == 0
    assert control.write(f"{TDD} enable", 0) > 0
    assert control.write(f"{TDD} OUTPUT channel2 polarity", 0) > 0
    hearer = connect(host.uris[1])
    tune(hearer)
    assert hearer.open(RX, N) == 0
    while np.abs(hearer.receive(N)).max() == 0:
        pass
    assert int(sender.line()) == 4 * N


def test_what_it_counts_to_cannot_be_changed_while_it_is_enabled(host, connect):
    client = connect(host.uris[0])
    tune(client)
    arm(client)
    assert client.write(f"{TDD} frame_length_raw", 5) > 0
    assert client.write(f"{TDD} OUTPUT channel1 polarity", 1) > 0
    assert client.read(f"{TDD} frame_length_raw") == "1000"
    assert client.read(f"{TDD} OUTPUT channel1 polarity") == "0"
    assert client.read(f"{TDD} sync_soft") == -errno.EACCES
    assert client.write(f"{TDD} burst_count", -1) == -errno.EINVAL
    assert client.write(f"{TDD} enable", "maybe") == -errno.EINVAL


def test_pyadi_finds_the_controller_and_sets_every_property_that_it_has(host):
    need_libiio()
    import adi

    adi.tddn.channel = []  # all objects of the class share one list
    found = adi.tddn(host.uris[0])
    found.enable = False
    for name, value in (
        ("frame_length_ms", 4.0),
        ("startup_delay_ms", 0.5),
        ("startup_delay_raw", 12),
        ("burst_count", 3),
        ("sync_external", True),
        ("sync_internal", True),
        ("sync_reset", True),
    ):
        setattr(found, name, value)
        assert float(getattr(found, name)) == value, name
    assert float(found.frame_length_raw) == 4.0 * 2 * 30_720
    assert len(found.channel) == 3
    for name, value in (("on_ms", 1.0), ("off_raw", 10), ("polarity", False), ("enable", True)):
        setattr(found.channel[1], name, value)
        assert float(getattr(found.channel[1], name)) == value, name
    found.enable = True
    assert int(float(found.state)) == 1
    found.sync_soft = True
    assert int(float(found.state)) == 3


def test_a_firmware_without_it_has_no_such_device(connect):
    with serving(Bench(1)) as host:
        client = connect(host.uris[0])
        assert client.read(f"{TDD} enable") == -errno.ENODEV
        size = client.ask("PRINT")
        assert b"iio-axi-tdd-0" not in client.stream.read(size + 1)
