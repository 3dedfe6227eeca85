"""Clients that nobody here wrote: pyadi-iio and the tools of libiio, unmodified."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.drivers import need_gnuradio, need_libiio, need_tool
from tests.radio.emulation.wire import noise


@pytest.fixture
def pluto(host):
    """Return a function that opens a unit with pyadi-iio."""
    need_libiio()
    import adi

    opened = []

    def make(unit):
        radio = adi.Pluto(uri=host.uris[unit])
        radio.sample_rate = 4_000_000
        radio.rx_lo = radio.tx_lo = 2_400_000_000
        radio.gain_control_mode_chan0 = "manual"
        radio.rx_hardwaregain_chan0 = 40
        radio.tx_hardwaregain_chan0 = 0
        opened.append(radio)
        return radio

    yield make
    for radio in opened:
        radio.rx_destroy_buffer()
        radio.tx_destroy_buffer()


def tool(name, *arguments):
    return subprocess.run([need_tool(name), *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_pyadi_sets_what_a_pluto_has_and_reads_it_back(pluto):
    radio = pluto(0)
    for name, value in (
        ("sample_rate", 2_500_000),
        ("sample_rate", 1_000_000),
        ("sample_rate", 4_000_000),
        ("rx_lo", 915_000_000),
        ("rx_rf_bandwidth", 3_000_000),
        ("tx_rf_bandwidth", 3_000_000),
        ("rx_hardwaregain_chan0", 33),
        ("tx_hardwaregain_chan0", -12.25),
        ("loopback", 1),
    ):
        setattr(radio, name, value)
        assert getattr(radio, name) == value, name
    assert "Pluto" in repr(radio)
    with pytest.raises(OSError, match="22"):
        radio.rx_lo = 100
    radio.gain_control_mode_chan0 = "slow_attack"
    radio.rx_hardwaregain_chan0 = 10
    assert radio.rx_hardwaregain_chan0 == 33


def test_pyadi_hears_what_pyadi_sends(pluto):
    sender, hearer = pluto(0), pluto(1)
    wave = noise(4096)
    sender.tx_cyclic_buffer = True
    sender.tx(2**15 * wave)
    hearer.rx_buffer_size = 4096
    heard = [hearer.rx() for _ in range(3)][-1] / 2048
    match = np.abs(np.fft.ifft(np.fft.fft(heard) * np.fft.fft(wave).conj()))
    assert match.max() / np.linalg.norm(wave) / np.linalg.norm(heard) > 0.999
    sender.tx_destroy_buffer()
    hearer.rx()
    assert np.abs(hearer.rx()).max() == 0


def test_pyadi_streams_its_own_samples_back_in_digital_loopback(pluto):
    radio = pluto(0)
    radio.loopback = 1
    radio.rx_buffer_size = 1024
    sent = np.round(2**15 * noise(8 * 1024, rms=0.1))
    heard = []
    for at in range(0, sent.size, 1024):
        radio.tx(sent[at : at + 1024])
        heard.append(radio.rx())
    expected = np.floor(sent.real / 16) + 1j * np.floor(sent.imag / 16)
    assert np.array_equal(np.concatenate(heard), expected)


def test_pyadi_uses_tone_generators(pluto):
    sender, hearer = pluto(0), pluto(1)
    sender.dds_single_tone(500_000, 0.5)
    hearer.rx_buffer_size = 1024
    heard = [hearer.rx() for _ in range(2)][-1]
    assert np.abs(np.fft.fft(heard)).argmax() == 128
    sender.disable_dds()
    hearer.rx()
    assert np.abs(hearer.rx()).max() == 0


def test_iio_info_reads_every_attribute_without_a_complaint(host):
    found = tool("iio_info", "-u", host.uris[0])
    assert found.returncode == 0
    assert "ERROR" not in found.stdout
    assert found.stderr == ""
    for name in ("ad9361-phy", "cf-ad9361-dds-core-lpc", "cf-ad9361-lpc", "hw_serial", "no trigger"):
        assert name.lower() in found.stdout.lower(), name


def test_iio_attr_reads_writes_and_is_told_what_is_refused(host):
    where = ("-u", host.uris[0], "-c", "ad9361-phy")
    assert "2450000000" in tool("iio_attr", *where, "TX_LO", "frequency").stdout
    assert tool("iio_attr", *where, "TX_LO", "frequency", "2412000000").returncode == 0
    assert "2412000000" in tool("iio_attr", *where, "TX_LO", "frequency").stdout
    assert "Invalid argument" in tool("iio_attr", *where, "TX_LO", "frequency", "1").stdout
    assert "30.250000" in tool("iio_attr", *where, "-o", "voltage0", "hardwaregain", "-30.3").stdout


def test_gnuradio_hears_what_gnuradio_sends(host):
    """Under Debian's Python, whose gnuradio it is."""
    python = need_gnuradio("gnuradio.iio")
    graph = Path(__file__).with_name("flowgraph.py")
    found = subprocess.run([python, "-I", graph, *host.uris], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    assert "warning" not in found.stderr
    place, amplitude = found.stdout.split()[-2:]
    assert place == "5"
    assert float(amplitude) == pytest.approx(0.5, rel=0.01)
