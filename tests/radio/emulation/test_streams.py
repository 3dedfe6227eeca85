"""Samples from one client to another: what the kernel queues, the converters and the air do to them."""

import errno
import threading
import time

import numpy as np
import pytest

from radio.air import Air
from radio.emulation.bench import STEADY, Bench, quiet_air
from radio.emulation.clock import LockStep, RealTime
from radio.emulation.host import serving
from radio.emulation.sending import PIPELINE
from radio.fading import Fading, profile
from radio.unit import Unit
from tests.radio.emulation.wire import RATE, RX, TX, noise, pack, tune
from tests.real_time import real_time

N = 1024
LO = "iio:device0 OUTPUT altvoltage{} frequency"
STATUS = "0x80000088"


def air_of(*units, seed=0):
    return lambda rate: Air(
        dict(enumerate(units)).__getitem__, Fading(profile("flat"), 0.0, rate, k_factor=STEADY), 2.4e9, rate, seed
    )


def status(client, device):
    assert client.write(f"{device} DEBUG direct_reg_access", STATUS) > 0
    return int(client.read(f"{device} DEBUG direct_reg_access"), 0)


def heard_of(host, connect, sent, blocks, size=N):
    """Return what unit 1 hears while unit 0 sends, its first samples those of time 0."""
    control = [connect(uri) for uri in host.uris]
    for client in control:
        tune(client)
    sender, hearer = connect(host.uris[0]), connect(host.uris[1])
    assert hearer.ask(f"SET {RX} BUFFERS_COUNT 1") == 0
    assert sender.open(TX, size) == 0
    assert hearer.open(RX, N) == 0
    pieces = [sent[at : at + size] for at in range(0, sent.size, size)]

    def feed():
        for piece in pieces:
            assert sender.transmit(piece) == 4 * piece.size

    thread = threading.Thread(target=feed)
    thread.start()
    heard = np.concatenate([hearer.receive(N) for _ in range(blocks)])
    thread.join()
    return heard / 2048


def aligned(heard, sent):
    """Return the complex gain from what was sent to what was heard after the pipeline, and the rms error."""
    part = heard[PIPELINE : PIPELINE + sent.size]
    known = sent[: part.size]
    gain = np.vdot(known, part) / np.vdot(known, known)
    return gain, np.sqrt(np.mean(np.abs(part - gain * known) ** 2))


def test_digital_loopback_returns_the_upper_twelve_bits(host, connect):
    client = connect(host.uris[0])
    tune(client)
    assert client.write("iio:device0 DEBUG loopback", 1) > 0
    sent = noise(4 * N, rms=0.3)
    assert client.open(RX, N) == 0
    assert client.open(TX, N) == 0
    blocks = []
    for at in range(0, sent.size, N):
        assert client.transmit(sent[at : at + N]) == 4 * N
        blocks.append(client.receive(N))
    expected = np.frombuffer(pack(sent), "<i2").astype(int) >> 4
    assert np.array_equal(np.concatenate(blocks).view(float).astype(int), expected)


def test_what_one_unit_sends_the_other_hears_at_one_unknown_phase(host, connect):
    sent = noise(8 * N)
    heard = heard_of(host, connect, sent, 8)
    gain, error = aligned(heard, sent)
    assert abs(gain) == pytest.approx(1, abs=2e-3)
    # two converters of 12 bits: step 2/4096, variance of a component step²/12 each, truncation at the sender's
    assert error < 5 * 2**-11
    assert np.all(heard[:PIPELINE] == 0)


def test_a_stream_in_blocks_is_heard_like_one_block_also_between_samples_and_at_another_rate(connect):
    """The interpolator rings across the seams of blocks; the clocks run 20 ppm apart and start at odd instants."""
    heard = []
    for size in (N, 8 * N):
        units = Unit(offset_ppm=12.0, timing_offset=0.37), Unit(offset_ppm=-8.0, start=5.61)
        with serving(Bench(2, air_of(*units), start_spread=0.0)) as host:
            heard.append(heard_of(host, connect, noise(8 * N), 7, size))
    assert np.sqrt(np.mean(np.abs(heard[0]) ** 2)) > 0.1
    assert np.abs(heard[0] - heard[1]).max() <= 1.5 / 2048


def test_the_same_seed_gives_the_same_samples_and_another_seed_does_not(connect):
    heard = {}
    for run, seed in enumerate((3, 3, 4)):
        noisy = Unit(noise_var=1e-4, timing_jitter=0.2)
        with serving(Bench(2, air_of(noisy, noisy, seed=seed), seed=seed)) as host:
            heard[run] = heard_of(host, connect, noise(8 * N), 6)
    assert np.array_equal(heard[0], heard[1])
    assert not np.array_equal(heard[0], heard[2])


def phase(host, connect, client):
    """Return the phase at which unit 1 hears a constant of unit 0."""
    hearer = connect(host.uris[1])
    assert hearer.open(RX, N) == 0
    heard = [hearer.receive(N) for _ in range(5)][-1]
    hearer.close()
    return np.angle(heard.mean())


def test_every_retune_draws_the_phases_of_both_mixers_anew(host, connect):
    control = [connect(uri) for uri in host.uris]
    for client in control:
        tune(client)
    sender = connect(host.uris[0])
    assert sender.open(TX, N, "CYCLIC") == 0
    assert sender.transmit(np.full(N, 0.5)) == 4 * N
    before = phase(host, connect, control[0])
    assert phase(host, connect, control[0]) == pytest.approx(before, abs=1e-3)
    seen = [before]
    for client, mixer in ((control[0], 1), (control[1], 0), (control[0], 1)):
        assert client.write(LO.format(mixer), 2_400_000_000) > 0
        seen.append(phase(host, connect, control[0]))
        assert abs(np.exp(1j * seen[-1]) - np.exp(1j * seen[-2])) > 0.01


def test_carriers_beat_and_a_sender_out_of_band_is_not_heard(host, connect):
    sender, hearer = (connect(uri) for uri in host.uris)
    for client in (sender, hearer):
        tune(client)
    assert sender.open(TX, N, "CYCLIC") == 0
    assert sender.transmit(np.full(N, 0.5)) == 4 * N
    assert hearer.ask(f"SET {RX} BUFFERS_COUNT 1") == 0
    assert hearer.open(RX, N) == 0
    for beat, expected in ((0, 0), (500_000, 128), (-250_000, -64)):
        assert sender.write(LO.format(1), 2_400_000_000 + beat) > 0
        hearer.receive(N)
        spectrum = np.abs(np.fft.fft(hearer.receive(N)))
        assert spectrum.argmax() == expected % N
        assert spectrum.max() > 0.45 * 2048 * N
    assert sender.write(LO.format(1), 2_403_000_000) > 0
    hearer.receive(N)
    assert np.abs(hearer.receive(N)).max() == 0


def test_xo_correction_takes_the_oscillators_error_away(connect):
    """A crystal 10 ppm fast, believed to be just that fast, makes the frequency that is asked for."""
    beats = []
    with serving(Bench(2, air_of(Unit(offset_ppm=10.0), Unit()), start_spread=0.0)) as host:
        sender, hearer = (connect(uri) for uri in host.uris)
        for client in (sender, hearer):
            tune(client)
        assert sender.open(TX, N, "CYCLIC") == 0
        assert sender.transmit(np.full(N, 0.5)) == 4 * N
        for crystal in (40_000_000, 40_000_400):
            assert sender.write("iio:device0 xo_correction", crystal) > 0
            assert hearer.open(RX, 8 * N) == 0
            heard = [hearer.receive(8 * N) for _ in range(2)][1]
            assert hearer.ask(f"CLOSE {RX}") == 0
            turns = np.angle(np.vdot(heard[:-1], heard[1:])) / (2 * np.pi)
            beats.append(turns * RATE)
    assert beats[0] == pytest.approx(24_000, rel=0.01)
    assert beats[1] == pytest.approx(0, abs=50)


def test_units_at_different_sample_rates_do_not_hear_each_other(host, connect):
    sender, hearer = (connect(uri) for uri in host.uris)
    tune(sender)
    tune(hearer, rate=5_000_000)
    assert sender.open(TX, N, "CYCLIC") == 0
    assert sender.transmit(np.full(N, 0.5)) == 4 * N
    assert hearer.open(RX, N) == 0
    assert np.all(hearer.receive(N) == 0)
    tune(hearer)
    assert np.abs([hearer.receive(N) for _ in range(6)][-1]).min() > 1000


def test_a_cyclic_block_is_repeated_for_ever_and_takes_no_second(host, connect):
    sender, hearer = (connect(uri) for uri in host.uris)
    for client in (sender, hearer):
        tune(client)
    wave = np.tile(noise(100), 3)[:300]
    assert sender.open(TX, 300, "CYCLIC") == 0
    assert sender.transmit(wave) == 1200
    assert sender.ask(f"WRITEBUF {TX} 1200") == -errno.EBUSY
    assert hearer.open(RX, 300) == 0
    heard = [hearer.receive(300) for _ in range(6)]
    assert np.abs(heard[1]).max() > 100
    assert all(np.array_equal(block, heard[1]) for block in heard[2:])


@real_time
def test_a_slow_reader_gets_stale_blocks_first_and_loses_what_no_buffer_was_free_for(connect):
    """In real time: after 20 block times of sleep, 4 blocks from the beginning wait, and the rest is lost."""
    with serving(Bench(1, clock=RealTime(), start_spread=0.0)) as host:
        client = connect(host.uris[0])
        tune(client, rate=2_500_000)
        client.write("iio:device0 DEBUG loopback", 1)
        assert client.open(TX, 25_000, "CYCLIC") == 0
        assert client.transmit(np.zeros(25_000)) == 100_000
        assert client.open(RX, 25_000) == 0
        time.sleep(0.2)
        assert client.ask(f"CLOSE {TX}") == 0
        for name, value in (("frequency", 0), ("phase", 0), ("scale", 1)):
            assert client.write(f"iio:device2 OUTPUT altvoltage0 {name}", value) > 0
        stale = [np.abs(client.receive(25_000)).max() for _ in range(4)]
        assert stale == [0, 0, 0, 0]
        assert [client.receive(25_000) for _ in range(2)][1].real.min() == 2047
        assert status(client, RX) & 4


def test_real_time_streams_last_as_long_as_their_samples(connect):
    start = time.monotonic()  # time that the host was late by is made up for, so what counts begins before it
    with serving(Bench(1, clock=RealTime(), start_spread=0.0)) as host:
        client = connect(host.uris[0])
        tune(client, rate=2_500_000)
        assert client.open(RX, 25_000) == 0
        for _ in range(100):
            client.receive(25_000)
        assert time.monotonic() - start > 1.0


def test_a_fast_writer_is_held_back_when_four_blocks_are_queued(connect):
    """In lock-step nothing is sent while a reader is behind: four of 12 blocks are taken."""
    with serving(Bench(2, clock=LockStep(timeout=60.0), start_spread=0.0)) as host:
        sender, reader = (connect(uri) for uri in host.uris)
        for client in (sender, reader):
            tune(client)
        assert reader.ask(f"SET {RX} BUFFERS_COUNT 1") == 0
        assert sender.open(TX, N) == 0
        assert reader.open(RX, N) == 0
        taken = []
        writer = threading.Thread(target=lambda: taken.extend(sender.transmit(noise(N)) for _ in range(12)))
        writer.start()
        writer.join(0.2)
        held = len(taken)
        for _ in range(12):
            reader.receive(N)
        writer.join()
        assert taken == [4 * N] * 12
        assert held <= 4


def test_a_stream_that_runs_dry_raises_the_flag_until_it_is_written_back(connect):
    with serving(Bench(1, clock=LockStep(timeout=0.1), start_spread=0.0)) as host:
        client = connect(host.uris[0])
        tune(client)
        assert client.open(TX, N) == 0
        assert client.open(RX, N) == 0
        assert client.transmit(noise(N)) == 4 * N
        client.receive(N)
        assert status(client, TX) == 0
        client.receive(N)
        assert status(client, TX) & 1
        assert client.write(f"{TX} DEBUG direct_reg_access", f"{STATUS} 0x7") > 0
        assert status(client, TX) == 0
        assert client.transmit(noise(N)) == 4 * N


def test_in_lock_step_a_hung_reader_is_given_up_and_told_that_it_lost_samples(connect):
    with serving(Bench(2, clock=LockStep(timeout=0.1), start_spread=0.0)) as host:
        hung, busy = (connect(uri) for uri in host.uris)
        for client in (hung, busy):
            tune(client)
            assert client.open(RX, N) == 0
        for _ in range(10):
            busy.receive(N)
        assert status(hung, RX) & 4
        assert status(busy, RX) == 0
        hung.receive(N)


def test_in_lock_step_time_waits_for_a_reader_with_one_kernel_buffer(connect):
    """What a unit sets between two blocks holds for the next, however fast the other unit is."""
    with serving(Bench(2, quiet_air, start_spread=0.0)) as host:
        sender, slow, fast = connect(host.uris[0]), connect(host.uris[0]), connect(host.uris[1])
        for client in (slow, fast):
            tune(client)
        assert sender.open(TX, N, "CYCLIC") == 0
        assert sender.transmit(np.full(N, 0.5)) == 4 * N
        assert slow.ask(f"SET {RX} BUFFERS_COUNT 1") == 0
        assert slow.open(RX, N) == 0
        assert fast.open(RX, N) == 0
        levels = []
        reader = threading.Thread(target=lambda: levels.extend(np.abs(fast.receive(N)).min() for _ in range(6)))
        reader.start()
        for step in range(6):
            assert slow.write("iio:device0 OUTPUT voltage0 hardwaregain", -6 * step) > 0
            time.sleep(0.02)
            slow.receive(N)
        reader.join()
        expected = 1024 * 10 ** (-0.3 * np.arange(6))
        assert np.abs(levels[1:] - expected[1:]).max() < 3


def test_in_lock_step_a_reader_with_four_kernel_buffers_may_fall_three_blocks_behind_and_lose_none(connect):
    """Two units read by one thread in turn, in lumps of three blocks."""
    with serving(Bench(2, clock=LockStep(timeout=5.0), start_spread=0.0)) as host:
        clients = [connect(uri) for uri in host.uris]
        for client in clients:
            tune(client)
            assert client.open(RX, N) == 0
        start = time.monotonic()
        for _ in range(4):
            for client in clients:
                for _ in range(3):
                    client.receive(N)
        assert time.monotonic() - start < 4
        assert [status(client, RX) for client in clients] == [0, 0]


def test_in_lock_step_a_block_that_is_read_lets_whoever_waited_for_it_go_on(connect):
    with serving(Bench(2, clock=LockStep(timeout=5.0), start_spread=0.0)) as host:
        ahead, behind = (connect(uri) for uri in host.uris)
        for client in (ahead, behind):
            tune(client)
            assert client.open(RX, N) == 0
        for _ in range(3):
            ahead.receive(N)
        ahead.send(f"READBUF {RX} {4 * N}\r\n".encode())
        start = time.monotonic()
        behind.receive(N)
        assert int(ahead.line()) == 4 * N
        assert time.monotonic() - start < 4
