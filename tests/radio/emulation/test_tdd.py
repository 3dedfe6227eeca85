"""Streams that a firmware with a TDD controller starts at a pulse, soft or common to all units."""

import errno

import numpy as np
import pytest

from radio.emulation.bench import Bench
from radio.emulation.host import serving
from radio.emulation.sending import PIPELINE
from tests.drivers import need_libiio
from tests.radio.emulation.wire import RATE, RX, TX, noise, pack, tune

N = 1024
TDD = "iio:device5"


SEEDS = [0, 1, 2]


@pytest.fixture(params=[0])
def host(request):
    """Units whose transmissions start at random, up to 4000 samples late, unless they are triggered."""
    with serving(Bench(2, seed=request.param, has_tdd=True)) as running:
        yield running


def arm(client, pulse="sync_soft"):
    """Hold both DMAs until a pulse, and let them through from then on."""
    settings = [("enable", 0), ("frame_length_raw", 1000), ("sync_external", int(pulse == "sync_external"))]
    for channel, polarity in ((1, 0), (2, 1)):
        wanted = ("polarity", polarity), ("on_raw", 0), ("off_raw", 2000), ("enable", 1)
        settings += [(f"OUTPUT channel{channel} {name}", value) for name, value in wanted]
    for name, value in [*settings, ("enable", 1)]:
        assert client.write(f"{TDD} {name}", value) > 0, name


def held(control, uri, device, connect):
    """Return a client that has opened a buffer of a unit which waits for its pulse."""
    client = connect(uri)
    assert client.open(device, N) == 0
    assert control.read(f"{TDD} state") == "1"
    return client


@pytest.mark.parametrize("host", SEEDS, indirect=True)
def test_both_dmas_of_a_unit_start_at_the_same_pulse_and_not_before(host, connect):
    """The digital loopback then hears the first sample sent as the first sample heard, at every start."""
    control = connect(host.uris[0])
    tune(control)
    assert control.write("iio:device0 DEBUG loopback", 1) > 0
    arm(control)
    hearer, sender = (held(control, host.uris[0], device, connect) for device in (RX, TX))
    sent = noise(2 * N, rms=0.3)
    for at in (0, N):
        assert sender.transmit(sent[at : at + N]) == 4 * N
    hearer.send(f"READBUF {RX} {4 * N}\r\n".encode())
    assert host.units[0].reception is None
    assert control.write(f"{TDD} sync_soft", 1) > 0
    assert heard_by(hearer) == (np.frombuffer(pack(sent), "<i2").astype(int) >> 4)[: 2 * N].tolist()


def heard_by(client):
    assert int(client.line()) == 4 * N
    assert client.line() == b"00000003\n"
    return np.frombuffer(client.stream.read(4 * N), "<i2").tolist()


@pytest.mark.parametrize("host", SEEDS, indirect=True)
def test_streams_that_are_opened_while_channels_are_away_start_when_they_return(host, connect):
    """The pulse comes first and begins a frame of 10 ms, the first 8 of which hold both DMAs; then nobody is held."""
    control = connect(host.uris[0])
    tune(control)
    channels = [(f"OUTPUT channel{number} {name}", value) for number in (1, 2) for name, value in
                (("off_ms", 8), ("enable", 1))]  # fmt: skip
    settings = [("enable", 0), ("burst_count", 1), ("frame_length_ms", 10), *channels, ("enable", 1),
                ("sync_soft", 1), ("enable", 0)]  # fmt: skip
    for name, value in [("iio:device0 DEBUG loopback", 1), *((f"{TDD} {name}", value) for name, value in settings)]:
        assert control.write(name, value) > 0, name
    assert control.read(f"{TDD} state") == "3"
    begun = host.call(lambda: host.units[0].front.now)
    hearer, sender = connect(host.uris[0]), connect(host.uris[0])
    assert hearer.open(RX, N) == 0
    assert sender.open(TX, N) == 0
    sent = noise(6 * N, rms=0.3)
    for at in range(0, 4 * N, N):
        assert sender.transmit(sent[at : at + N]) == 4 * N
    assert host.units[0].reception.start == begun + 8 * RATE // 1000
    hearer.send(f"READBUF {RX} {4 * N}\r\n".encode())
    assert heard_by(hearer) == (np.frombuffer(pack(sent), "<i2").astype(int) >> 4)[: 2 * N].tolist()


@pytest.mark.parametrize("host", SEEDS, indirect=True)
def test_an_external_pulse_starts_all_units_that_wait_for_it_together(host, connect):
    control = [connect(uri) for uri in host.uris]
    for client in control:
        tune(client)
        arm(client, "sync_external")
    sender = held(control[0], host.uris[0], TX, connect)
    hearer = held(control[1], host.uris[1], RX, connect)
    sent = noise(N)
    for _ in range(3):
        assert sender.transmit(sent) == 4 * N
    host.call(host.server.bench.pulse)
    heard = hearer.receive(N) / 2048
    match = np.vdot(sent[: N - PIPELINE], heard[PIPELINE:])
    assert np.all(heard[: PIPELINE - 1] == 0)
    assert abs(match) > 0.99 * np.linalg.norm(sent[: N - PIPELINE]) * np.linalg.norm(heard[PIPELINE:])


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
    for name, value in (("enable", 0), ("OUTPUT channel2 polarity", 0), ("enable", 1), ("enable", 0)):
        assert control.write(f"{TDD} {name}", value) > 0
    hearer = connect(host.uris[1])
    tune(hearer)
    assert hearer.open(RX, N) == 0
    assert max(np.abs(hearer.receive(N)).max() for _ in range(8)) > 100
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
    assert int(float(found.state)) == 2  # the startup delay


def test_a_firmware_without_it_has_no_such_device(connect):
    with serving(Bench(1)) as host:
        client = connect(host.uris[0])
        assert client.read(f"{TDD} enable") == -errno.ENODEV
        size = client.ask("PRINT")
        assert b"iio-axi-tdd-0" not in client.stream.read(size + 1)
