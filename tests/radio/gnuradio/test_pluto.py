"""PlutoSDRs by gr-iio, against virtual ones: what arrives is what arrives by pyadi-iio.

Virtual ones are in lock-step, so that nothing is lost on a busy machine; but the flowgraph streams as fast as they go,
and does not wait for who hands over a burst.
"""

import os
import signal

import numpy as np
import pytest

from radio.base import RadioError
from radio.gnuradio import device
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.plan import Plan
from radio.pluto.controls import PlutoControls
from radio.pluto.tuning import Tuning
from radio.safety import NotAuthorisedError
from radio.settings import Change
from radio.unit import Unit
from tests.drivers import need_gnuradio, need_libiio
from tests.radio.gnuradio.behind import radios
from tests.radio.pluto.virtual import CABLE, CARRIER, Virtual
from tests.real_time import real_time

RATE, BLOCK, SIZE, SPAN = 1e6, 16_384, 8192, 200_000


@pytest.fixture
def bench():
    need_libiio()
    bench = Virtual(3, [Unit(), Unit(), Unit(noise_var=1e-6)], rate=RATE, block=BLOCK)
    yield bench
    bench.close()


@pytest.fixture
def opened(bench):
    """Return a function that opens the units of the bench by gr-iio."""
    python, graphs = need_gnuradio("gnuradio.iio"), []

    def make(allowed=CABLE):
        tuning = Tuning(CARRIER, RATE, 0.9 * RATE, 10.0, 40.0)
        controls = [PlutoControls(uri, tuning, 5.0, 96, allowed, guarded=False) for uri in bench.host.uris]
        command = python, str(device.SCRIPTS / "pluto.py")
        plan = Plan("gnuradio pluto", 3, RATE, command, device.pluto(bench.host.uris), block=BLOCK)
        graphs.append(Flowgraph(plan, controls))
        return graphs[-1], radios(graphs[-1])

    yield make
    for graph in graphs:
        graph.close()


def bursts():
    rng = np.random.default_rng(5)
    return (0.4 * np.exp(2j * np.pi * rng.random((2, SIZE)))).astype(np.complex64)


def matches(heard, wave):
    n_fft = 1 << (heard.size + wave.size).bit_length()
    return np.abs(np.fft.ifft(np.fft.fft(heard, n_fft) * np.fft.fft(wave, n_fft).conj()))[: heard.size]


def level(heard):
    """Return the mean power in dB."""
    return 10 * np.log10(np.mean(np.abs(heard) ** 2))


def levels(senders, hearer):
    """Return the amplitudes of two bursts that were sent at once, and the power of their sum, in dB.

    Units count from instants that differ by some blocks, and time goes on between two calls: listen long.
    """
    waves = bursts()
    for radio, wave in zip(senders, waves, strict=True):
        at = radio.now() + radio.lead_time + SPAN // 2
        radio.transmit(wave, at)
    heard = hearer.receive(3 * SPAN, hearer.now()).data
    found = [matches(heard, wave).max() / np.vdot(wave, wave).real for wave in waves]
    return 20 * np.log10(found), 10 * np.log10(np.sum(np.abs(heard) ** 2))


@real_time
def test_two_plutos_superpose_by_gr_iio_as_they_do_by_pyadi_iio(bench, opened):
    """Noise of −60 dB adds 600,000 · 1e-6 = 0.6 to an energy of 2·8192·0.16·0.1 = 260: nothing to speak of."""
    graph, units = opened()
    by_gnuradio = levels(units[:2], units[2])
    graph.close()
    assert [bench.emitted(unit) for unit in range(3)] == [0, 0, 0]
    direct = [bench.radio(unit, tx_attenuation_db=10.0) for unit in range(3)]
    by_pyadi = levels(direct[:2], direct[2])
    assert np.abs(by_gnuradio[0] - by_pyadi[0]).max() < 1
    assert abs(by_gnuradio[1] - by_pyadi[1]) < 1


@real_time
def test_a_burst_leaves_at_its_index_and_nothing_before(bench, opened):
    """Indices of two units are of one time up to the blocks in which they hear; between two bursts they are exact."""
    _, (sender, _, hearer) = opened()
    wave, places = bursts()[0], []
    for _ in range(2):
        at = sender.now() + sender.lead_time + SPAN // 4
        assert bench.emitted(0) == 0 or places
        sender.transmit(wave, at)
        heard = hearer.receive(SPAN, at - SPAN // 2).data
        places.append(int(matches(heard, wave).argmax()))
    assert abs(places[0] - places[1]) <= 1
    assert abs(places[0] - SPAN // 2) < 4 * BLOCK


def test_what_nobody_allowed_is_not_sent_and_settings_read_back(bench, opened):
    _, (sender, _, hearer) = opened(allowed=None)
    with pytest.raises(NotAuthorisedError, match=r"radio\.tx\.medium"):
        sender.transmit(bursts()[0], sender.now() + sender.lead_time + SPAN)
    assert hearer.configure(Change(rx_gain_db=30)).rx_gain_db == 30
    assert bench.host.units[2].chip.gain_db == 30
    assert bench.emitted(0) == 0


@real_time
def test_samples_from_now_on_are_heard_as_the_radio_is_set(opened, monkeypatch):
    graph, (sender, other, hearer) = opened()
    controls, pump = graph.controls[2], graph.pump(2)
    apply = controls.apply

    def late(*given):
        with pump.changed:  # nobody hears what comes meanwhile
            other.receive(3 * BLOCK, other.now())
            return apply(*given)

    monkeypatch.setattr(controls, "apply", late)
    wave = np.tile(bursts()[0], 100)
    sender.transmit(wave, sender.now() + sender.lead_time + SPAN)
    hearer.receive(sender.lead_time + SPAN + 8 * BLOCK, hearer.now())
    loud = level(hearer.receive(BLOCK, hearer.now()).data)
    lower = hearer.settings.rx_gain_db - hearer.configure(Change(rx_gain_db=28)).rx_gain_db
    heard = hearer.receive(4 * BLOCK, hearer.now()).data.reshape(4, BLOCK)
    assert [loud - level(block) for block in heard] == pytest.approx([lower] * 4, abs=0.5)


@real_time
def test_a_mixer_has_no_power_while_it_is_tuned(bench, opened):
    _, (sender, _, _) = opened()
    sender.transmit(bursts()[0], sender.now() + sender.lead_time + 16 * BLOCK)
    chip, powered = bench.host.units[0].chip, []
    controls = sender.flowgraph.controls[0]
    put = controls.attributes.put

    def note(setting, *value):
        if setting == "tx_lo":
            powered.append(not chip.tx_lo_down)
        return put(setting, *value)

    controls.attributes.put = note
    session = sender.session
    sender.configure(Change(lo_offset_hz=1e3))
    assert powered == [False]
    assert not chip.tx_lo_down
    assert sender.session != session


@real_time
def test_plutos_are_silent_when_their_flowgraph_is_killed_in_the_middle_of_a_burst_and_go_on_later(bench, opened):
    graph, (sender, other, hearer) = opened()
    before, index = sender.session, sender.now()
    long = np.tile(bursts()[0], 200)
    sender.transmit(long, sender.now() + sender.lead_time + 32 * BLOCK)
    for _ in range(200):
        if bench.emitted(0) > 0:
            break
        hearer.receive(BLOCK, hearer.now())
    os.kill(graph.process_id, signal.SIGKILL)
    with pytest.raises(RadioError, match=r"flowgraph was killed by signal 9.*the next call starts it again"):
        hearer.receive(20 * BLOCK, hearer.now())
    assert bench.emitted(0) == 0
    assert bench.host.units[0].chip.tx_lo_down
    sender.receive(100, sender.now())
    assert sender.session != before
    assert sender.now() > index
    assert levels([sender, other], hearer)[0].min() > -30
