"""What leaves the antenna, whatever the client believes: the danger that a client's safety is tested against."""

import numpy as np
import pytest

from radio.emulation.bench import Bench
from radio.emulation.host import serving
from radio.emulation.protocol import Address
from radio.impairments import TransmitChain
from radio.unit import Unit
from tests.radio.emulation.test_streams import air_of
from tests.radio.emulation.wire import RX, TX, opened, tune

N = 1024
TONE = "iio:device2 OUTPUT altvoltage{} "


def emitted(host):
    return host.call(host.units[0].radiated_power)


def sound_tones(client, scale=0.5):
    for tone in range(4):
        assert client.write(TONE.format(tone) + "frequency", 500_000) > 0
        assert client.write(TONE.format(tone) + "scale", scale if tone in (0, 2) else 0) > 0


@pytest.fixture
def client(host, connect):
    client = connect(host.uris[0])
    tune(client)
    return client


def test_a_fresh_unit_sends_nothing(host, client):
    assert emitted(host) == 0


def test_power_follows_the_samples_the_attenuation_and_the_mixer(host, client):
    assert client.open(TX, N, "CYCLIC") == 0
    assert client.transmit(np.full(N, 0.5)) == 4 * N
    assert emitted(host) == pytest.approx(0.25, rel=1e-3)
    assert client.write("iio:device0 OUTPUT voltage0 hardwaregain", -20) > 0
    assert emitted(host) == pytest.approx(0.0025, rel=1e-3)
    assert client.write("iio:device0 OUTPUT voltage0 hardwaregain", -89.75) > 0
    assert 0 < emitted(host) < 1e-9
    assert client.write("iio:device0 OUTPUT altvoltage1 powerdown", 1) > 0
    assert emitted(host) == 0
    assert client.write("iio:device0 OUTPUT altvoltage1 powerdown", 0) > 0
    assert emitted(host) > 0
    assert client.write("iio:device0 ensm_mode", "alert") > 0
    assert emitted(host) == 0


@pytest.mark.parametrize("leave", ["close", "vanish"])
def test_when_a_buffer_goes_the_tones_have_the_converter_whatever_raw_says(host, connect, client, leave):
    sound_tones(client)
    assert client.write(TONE.format(0) + "raw", 0) > 0
    assert emitted(host) == 0
    sender, hearer = (connect(uri) for uri in host.uris)
    tune(hearer)
    assert sender.open(TX, N) == 0
    assert emitted(host) == 0
    assert sender.transmit(np.zeros(N)) == 4 * N
    if leave == "close":
        assert sender.ask(f"CLOSE {TX}") == 0
    else:
        sender.close()
        assert opened(client, TX, N)
        assert client.ask(f"CLOSE {TX}") == 0
    # I and Q, each half of full scale
    assert emitted(host) == pytest.approx(0.25, rel=1e-2)
    assert hearer.open(RX, N) == 0
    heard = [hearer.receive(N) for _ in range(2)][1]
    assert np.abs(np.fft.fft(heard)).argmax() in (128, N - 128)
    assert client.write(TONE.format(0) + "raw", 0) > 0
    assert emitted(host) == 0


def test_tones_are_silent_with_all_scales_zero(host, client):
    sound_tones(client)
    assert emitted(host) > 0
    sound_tones(client, 0)
    assert emitted(host) == 0


def test_the_tones_have_the_sign_of_frequency_that_their_phases_say(host, connect, client):
    """I leads Q by 90° after power-up: a tone above the carrier."""
    sound_tones(client)
    assert client.write(TONE.format(0) + "phase", 90_000) > 0
    assert client.write(TONE.format(2) + "phase", 0) > 0
    hearer = connect(host.uris[1])
    tune(hearer)
    assert hearer.open(RX, N) == 0
    heard = [hearer.receive(N) for _ in range(2)][1]
    assert np.abs(np.fft.fft(heard)).argmax() == 128


def test_a_leaking_carrier_is_there_until_the_mixer_is_off(connect):
    with serving(Bench(1, air_of(Unit(transmit=TransmitChain(dc=0.01))))) as host:
        client = connect(host.uris[0])
        tune(client)
        assert emitted(host) == pytest.approx(1e-4, rel=1e-3)
        assert client.write("iio:device0 OUTPUT altvoltage1 powerdown", 1) > 0
        assert emitted(host) == 0


def test_what_is_queued_is_not_sent_after_the_mixer_is_off(host, connect, client):
    hearer = connect(host.uris[1])
    tune(hearer)
    assert hearer.open(RX, N) == 0
    assert client.open(TX, N, "CYCLIC") == 0
    assert client.transmit(np.full(N, 0.5)) == 4 * N
    assert np.abs([hearer.receive(N) for _ in range(2)][1]).min() > 1000
    assert client.write("iio:device0 OUTPUT altvoltage1 powerdown", 1) > 0
    assert np.abs(hearer.receive(N)).max() == 0
    assert client.write("iio:device0 OUTPUT altvoltage1 powerdown", 0) > 0
    hearer.receive(N)
    assert np.abs(hearer.receive(N)).min() > 1000


def test_an_attribute_that_reads_back_differently_is_still_set(host, client):
    """A client that trusts what it wrote would be wrong the one way, one that trusts the reading the other way."""
    where = Address("ad9361-phy", "OUTPUT", "voltage0", "hardwaregain")
    host.units[0].faults.read_back[where] = "-10.000000 dB"
    assert client.write("iio:device0 OUTPUT voltage0 hardwaregain", -60) > 0
    assert client.read("iio:device0 OUTPUT voltage0 hardwaregain") == "-10.000000 dB"
    assert client.open(TX, N, "CYCLIC") == 0
    assert client.transmit(np.full(N, 0.5)) == 4 * N
    assert emitted(host) == pytest.approx(0.25e-6, rel=1e-3)
