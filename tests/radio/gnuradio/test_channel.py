"""The channel flowgraph is the air that the loopback simulates: same paths, clocks and noise, in GNU Radio's blocks."""

import numpy as np
import pytest

from radio.gnuradio.channel import LEAD, impulses
from radio.unit import Unit
from tests.radio.gnuradio.behind import CARRIER, RATE, air_of, channel_of, radios

SIZE = 4096


def wave(seed=0):
    """Noise in the middle 80 % of the band: at its edge, paths between two samples are not right."""
    spectrum = np.exp(2j * np.pi * np.random.default_rng(seed).random(SIZE))
    spectrum[int(0.4 * SIZE) : int(0.6 * SIZE)] = 0
    x = np.fft.ifft(spectrum)
    return (0.7 * x / np.abs(x).max()).astype(np.complex64)


def test_taps_of_a_path_between_two_samples_are_a_phase_ramp():
    """To −55 dB in 80 % of the band, as the module says."""
    for delay in (0.0, 0.37, 2.5):
        taps = impulses(np.array([delay]), np.array([1.0]))
        frequencies = np.linspace(-0.4, 0.4, 201)
        response = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(taps.size) - LEAD)) @ taps
        assert np.abs(response - np.exp(-2j * np.pi * frequencies * delay)).max() < 10 ** (-55 / 20)


def test_a_link_has_the_paths_of_the_simulated_air_both_ways():
    units = [Unit(), Unit()]
    air = air_of(units, "tdl_a", 3e-7)
    graph = channel_of(units, air)
    for sender, hearer in (radios(graph), radios(graph)[::-1]):
        at = sender.now() + sender.lead_time + 200
        sender.transmit(wave(), at)
        heard = hearer.receive(SIZE + 300, at - 100).data
        air.transmit(sender.unit, wave(), at)
        wanted = air.oracle_signal(hearer.unit, SIZE + 300, at - 100)
        middle = slice(150, SIZE)
        error = heard[middle] - wanted[middle]
        assert np.vdot(error, error).real < 1e-5 * np.vdot(wanted, wanted).real
        air.pass_time(float(at + SIZE + 300))
    graph.close()


def test_clocks_turn_the_carrier_and_stretch_time_by_as_many_ppm():
    """Two bursts 0.5 s apart arrive farther apart by 40 ppm of that, 80 samples; the resampler's step is a float."""
    ppm, apart = 20.0, 2_000_000
    graph = channel_of([Unit(offset_ppm=ppm), Unit(offset_ppm=-ppm)])
    sender, hearer = radios(graph)
    tone = np.full(SIZE, 0.5, np.complex64)
    first, edges = sender.now() + sender.lead_time + 1000, []
    for at in (first, first + apart):
        sender.transmit(tone, at)
        start = round(at * (1 - 2e-6 * ppm)) - 200
        heard = hearer.receive(SIZE + 400, start).data
        inside = heard[500 : SIZE - 100]
        turn = np.angle(np.vdot(inside[:-1], inside[1:])) * RATE / (2 * np.pi)
        assert turn == pytest.approx(2e-6 * ppm * CARRIER, abs=20)
        edges.append(start + int(np.argmax(np.abs(heard) > 0.25)))
    assert edges[1] - edges[0] == pytest.approx(apart * (1 - 2e-6 * ppm), abs=1.5)
    graph.close()


def test_noise_has_its_variance_at_each_unit_and_another_draw():
    """The mean of n values |z|² of variance σ⁴ is off by σ²/√n; five of those."""
    count, variances = 40_000, (0.01, 0.04)
    graph = channel_of([Unit(noise_var=variance) for variance in variances])
    heard = [radio.receive(count, radio.now()).data for radio in radios(graph)]
    graph.close()
    for samples, variance in zip(heard, variances, strict=True):
        assert np.mean(np.abs(samples) ** 2) == pytest.approx(variance, rel=5 / np.sqrt(count))
    share = np.abs(np.vdot(*heard)) / np.linalg.norm(heard[0]) / np.linalg.norm(heard[1])
    assert share < 5 / np.sqrt(count)


def test_what_all_send_adds_up_and_the_time_of_all_goes_on_together():
    units = [Unit(), Unit(), Unit()]
    air = air_of(units)
    graph = channel_of(units, air)
    server, *agents = radios(graph)
    at = server.now() + server.lead_time + 100
    for seed, agent in enumerate(agents):
        agent.transmit(wave(seed), at)
    heard = server.receive(SIZE, at).data
    gains = [air.oracle_taps(agent.unit, server.unit, np.zeros(1))[1][0, 0] for agent in agents]
    assert np.abs(heard - gains[0] * wave(0) - gains[1] * wave(1)).max() < 1e-5
    assert len({radio.now() for radio in (server, *agents)}) == 1
    graph.close()


def test_what_is_heard_does_not_depend_on_the_pieces_in_which_it_is():
    def listened(pieces):
        units = [Unit(offset_ppm=3.0), Unit(noise_var=1e-4)]
        graph = channel_of(units, air_of(units, "tdl_a", 1e-7))
        sender, hearer = radios(graph)
        sender.transmit(wave(), 200)
        heard = [hearer.receive(count, hearer.now()).data for count in pieces]
        graph.close()
        return np.concatenate(heard)

    assert np.abs(listened([70_000]) - listened([1, 999, 4096, 64_904])).max() < 1e-5
