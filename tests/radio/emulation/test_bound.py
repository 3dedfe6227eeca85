"""Lock-step up to a bound, for clients that are processes of their own: nothing depends on which of them is faster."""

import threading

from radio.air import Air
from radio.emulation.bench import STEADY, Bench
from radio.emulation.clock import LockStep
from radio.emulation.host import serving
from radio.fading import Fading, profile
from radio.unit import Unit
from tests.radio.emulation.wire import RX, tune

N = 1024


def drifting_air(rate):
    """Clocks that differ, so that no two blocks end at the same instant."""

    def about(unit):
        return Unit(offset_ppm=17.0 * unit, start=300.3 * unit, noise_var=1e-4)

    return Air(about, Fading(profile("flat"), 0.0, rate, k_factor=STEADY), 2.4e9, rate, 0)


def run(host, time):
    medium = host.units[0].medium
    host.wait(medium.clock.run(medium, time))


def reader(client, blocks, heard):
    def read():
        for _ in range(blocks):
            heard.append(client.receive(N))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def test_time_runs_to_its_bound_and_stands_there_once_all_have_fetched(connect):
    with serving(Bench(2, clock=LockStep(5.0, 0.0), start_spread=0.0)) as host:
        clients, heard = [connect(uri) for uri in host.uris], ([], [])
        for client in clients:
            tune(client)
            assert client.open(RX, N) == 0
        threads = [reader(client, 4, blocks) for client, blocks in zip(clients, heard, strict=True)]
        for blocks in range(1, 4):
            run(host, blocks * N)
            assert host.units[0].medium.time == blocks * N
            assert [unit.reception.start for unit in host.units] == [blocks * N] * 2
        run(host, 4 * N + 100)
        for thread in threads:
            thread.join()
        assert [len(blocks) for blocks in heard] == [4, 4]
        assert host.units[0].medium.time == 4 * N + 100


def steps_of(order, connect):
    """Return the instants at which time stops on its way, with units that ask in an order, each when it may hear."""
    with serving(Bench(2, drifting_air, LockStep(5.0, 0.0), start_spread=0.0)) as host:
        clients, steps = [connect(uri) for uri in host.uris], []
        for client in clients:
            tune(client)
            assert client.open(RX, N) == 0
        medium = host.units[0].medium
        play = medium.play
        host.call(lambda: setattr(medium, "play", lambda time: (steps.append(time), play(time))))
        host.call(lambda: setattr(medium.clock, "bound", 4.0 * N))
        for _ in range(3):
            for unit in order:
                clients[unit].receive(N)
        return steps


def test_time_takes_the_same_steps_whoever_asks_first(connect):
    one, other = steps_of((0, 1), connect), steps_of((1, 0), connect)
    assert len(one) > 6
    assert one == other


def test_who_does_not_fetch_keeps_time_for_its_timeout_once(connect):
    with serving(Bench(2, clock=LockStep(0.1, 0.0), start_spread=0.0)) as host:
        hung, busy = [connect(uri) for uri in host.uris]
        for client in (hung, busy):
            tune(client)
            assert client.open(RX, N) == 0
        thread = reader(busy, 9, [])
        for blocks in range(1, 9):
            run(host, blocks * N)
        assert host.units[0].medium.time == 8 * N
        assert host.units[0].reception.absent
        assert not host.units[1].reception.absent
        run(host, 9 * N)
        thread.join()
