"""What leaves the antenna: nothing without permission, nothing outside the band, nothing after any kind of end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.emulation.clock import RealTime
from radio.emulation.protocol import Address
from radio.pluto.watchdog import mute
from radio.safety import Authorisation, NotAuthorisedError
from radio.settings import Change, SettingError
from tests.radio.pluto.virtual import CARRIER, Virtual
from tests.real_time import real_time
from tests.tools.cli import call

MUTED_WITHIN = 2.0  # seconds
# Blocks of 65,536 samples at 1 MS/s: a quarter of a second is queued, so that a busy machine does not run dry.
CHILD = """
import signal, sys, time
import numpy as np
from radio.pluto.link import Link
from radio.streaming.free_running import FreeRunning
from radio.pluto.radio import PlutoRadio
from radio.safety import Authorisation
from radio.pluto.tuning import Tuning

signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell ignore it
uri, how = sys.argv[1:]
tuning = Tuning(2.4e9, 1e6, 0.9e6, 0.0, 40.0)
radio = PlutoRadio(Link(uri, tuning, FreeRunning(), 65536, 5.0, 96), Authorisation("cable", 2.39e9, 2.41e9))
burst = np.full(4_000_000, 0.5, np.complex64)
radio.transmit(burst, radio.now() + 1_200_000)
radio.receive(1_500_000, radio.now())
sys.stdout.write("on\\n")
sys.stdout.flush()
if how == "exception":
    raise ValueError("planted")
if how == "end":
    sys.exit(0)
time.sleep(60)
"""


@pytest.fixture
def bench():
    bench = Virtual(2)
    yield bench
    bench.close()


def chip(bench):
    return bench.host.units[0].chip


def is_silenced(bench):
    return bench.is_silenced(0)


def sound(bench, radio, count=20_000):
    """Let a radio send, until it does."""
    radio.transmit(np.full(count, 0.5, np.complex64), radio.now() + radio.lead_time)
    radio.receive(2 * radio.lead_time, radio.now())
    assert bench.emitted(0) > 0.05


def test_nothing_is_sent_without_medium_and_band(bench):
    radio = bench.radio(0, None)
    with pytest.raises(NotAuthorisedError, match=r"radio ip:.*needs radio\.tx\.medium and radio\.tx\.authorised_band"):
        radio.transmit(np.ones(100, np.complex64), radio.now() + radio.lead_time)
    radio.receive(2 * radio.lead_time, radio.now())
    assert bench.emitted(0) == 0
    assert is_silenced(bench)


@pytest.mark.parametrize("low, high", [(1e9, 2e9), (CARRIER - 1.9e6, 2.5e9), (2.3e9, CARRIER + 1.9e6)])
def test_a_signal_that_leaves_the_band_by_its_edge_is_refused_before_a_mixer_is_tuned(bench, low, high):
    """4 MHz wide around the carrier, as the sample rate is, although the filters have 3.6 MHz."""
    before = chip(bench).tx_lo
    with pytest.raises(NotAuthorisedError, match=r"must lie inside .* got 2398 to 2402 MHz .*make the signal narrower"):
        bench.radio(0, Authorisation("antenna", low, high))
    assert chip(bench).tx_lo == before


def test_filters_make_no_signal_narrower_and_what_is_occupied_counts(bench):
    narrow = Authorisation("cable", CARRIER - 1.3e6, CARRIER + 1.3e6)
    with pytest.raises(NotAuthorisedError, match=r"got 2398.5 to 2401.5 MHz"):
        bench.radio(0, narrow, bandwidth=1e6, occupied=3e6)
    sound(bench, bench.radio(0, narrow, bandwidth=1e6, occupied=2e6))


def test_a_radio_that_may_not_send_leaves_its_transmitter_untuned(bench):
    before = chip(bench).tx_lo
    radio = bench.radio(0, None)
    radio.configure(Change(lo_offset_hz=1e5))
    assert chip(bench).tx_lo == before
    assert chip(bench).rx_lo == pytest.approx(CARRIER + 1e5, abs=16)


def test_a_retune_by_which_a_chip_calibrates_itself_at_full_drive_is_warned_of(bench, caplog):
    far = 9.15e8
    bench.radio(0, Authorisation("cable", far - 2e6, far + 2e6), carrier=far)
    assert "from 2450 to 915 MHz; by more than 100 MHz, it calibrates itself at full drive" in caplog.text
    caplog.clear()
    bench.radio(1)
    assert "calibrates itself" not in caplog.text


def test_a_radio_that_sends_is_not_tuned_out_of_its_band(bench):
    radio = bench.radio(0, Authorisation("cable", CARRIER - 2e6, CARRIER + 2e6))
    sound(bench, radio)
    lo = chip(bench).tx_lo
    with pytest.raises(NotAuthorisedError, match="must lie inside"):
        radio.configure(Change(lo_offset_hz=1e6))
    assert chip(bench).tx_lo == lo


def landing(bench, monkeypatch, elsewhere):
    """Let the transmitter's mixer be tuned elsewhere, and return what was emitted at each frequency."""
    unit, emitted = bench.host.units[0], []
    write = unit.write

    def astray(address, text):
        is_tx_lo = (address.channel, address.name) == ("altvoltage1", "frequency")
        write(address, elsewhere.pop(0) if is_tx_lo and elsewhere else text)
        emitted.append((unit.chip.tx_lo, unit.radiated_power()))

    monkeypatch.setattr(unit, "write", astray)
    return emitted


def test_a_mixer_that_lands_elsewhere_is_not_heard_there_and_sends_on_once_it_is_back(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    emitted = landing(bench, monkeypatch, ["2500000000"])
    with pytest.raises(SettingError, match=r"tx_lo must read back 2400010000 Hz .* got 2500000000 Hz"):
        radio.configure(Change(lo_offset_hz=1e4))
    assert {power for lo, power in emitted if lo == 2_500_000_000} == {0}
    sound(bench, radio)
    assert chip(bench).tx_lo == pytest.approx(CARRIER, abs=16)


def test_a_mixer_that_does_not_come_back_is_a_failed_radio_that_is_silent(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    emitted = landing(bench, monkeypatch, ["2500000000", "2500000000"])
    with pytest.raises(RadioError, match=r"nor is it as before .*the next call opens the radio again"):
        radio.configure(Change(lo_offset_hz=1e4))
    assert {power for lo, power in emitted if lo == 2_500_000_000} == {0}
    assert is_silenced(bench)
    sound(bench, radio)
    assert chip(bench).tx_lo == pytest.approx(CARRIER, abs=16)


def test_a_radio_that_sends_is_tuned_without_power_and_sends_on(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    emitted = landing(bench, monkeypatch, [])
    radio.configure(Change(lo_offset_hz=1e4))
    assert {power for lo, power in emitted if lo != CARRIER} >= {0}
    assert not chip(bench).tx_lo_down
    sound(bench, radio)


def test_an_empty_band_is_refused():
    with pytest.raises(ValueError, match=r"must be \[low, high\]"):
        Authorisation("cable", 2e9, 1e9)


def test_a_radio_opens_silent_whatever_it_was_left_with(bench):
    bench.radio(0).close()
    unit = bench.host.units[0]
    bench.host.call(lambda: unit.tones.scales.fill(0.5))
    bench.host.call(lambda: unit.write(Address("ad9361-phy", "OUTPUT", "altvoltage1", "powerdown"), "0"))
    assert bench.emitted(0) > 0
    bench.radio(0)
    assert is_silenced(bench)
    assert bench.emitted(0) == 0


def test_the_first_burst_comes_up_from_the_largest_attenuation(bench):
    radio = bench.radio(0)
    written, unit = [], bench.host.units[0]
    write = unit.write

    def note(address, text):
        written.append((address.name, float(text)) if address.name in ("hardwaregain", "powerdown") else None)
        write(address, text)

    unit.write = note
    sound(bench, radio)
    assert list(filter(None, written)) == [("hardwaregain", -89.75), ("powerdown", 0), ("hardwaregain", 0)]


@pytest.mark.parametrize("silence", ["close", "mute"])
def test_a_radio_that_is_closed_or_muted_is_silent_even_if_its_tones_were_not(bench, silence):
    radio = bench.radio(0)
    sound(bench, radio)
    bench.host.call(lambda: bench.host.units[0].tones.scales.fill(0.5))
    getattr(radio, silence)()
    assert is_silenced(bench)
    assert bench.emitted(0) == 0


def test_a_radio_whose_attenuation_does_not_read_back_says_to_take_its_power_away(bench):
    radio = bench.radio(0)
    sound(bench, radio)
    bench.host.units[0].faults.read_back[Address("ad9361-phy", "OUTPUT", "voltage0", "hardwaregain")] = "-10.00 dB"
    with pytest.raises(RadioError, match=r"may still be transmitting, take its power away .*tx_gain_db must read back"):
        radio.close()
    assert is_silenced(bench)  # the steps behind the one that failed were taken


@pytest.mark.parametrize("how", ["end", "exception", "terminate", "interrupt", "kill"])
@real_time
def test_a_radio_is_silent_within_two_seconds_of_any_end_of_its_process(how):
    bench = Virtual(1, rate=1e6, clock=RealTime(), block=65_536)
    root = Path(__file__).parents[3]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, bench.host.uris[0], how],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root,
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "on\n", child.communicate()
        if how in ("terminate", "interrupt", "kill"):
            assert bench.emitted(0) > 0.05
            number = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT, "kill": signal.SIGKILL}[how]
            child.send_signal(number)
        start = time.monotonic()
        while not (is_silenced(bench) and bench.emitted(0) == 0):
            assert time.monotonic() < start + MUTED_WITHIN
        assert child.wait(60) == {"end": 0, "exception": 1, "terminate": 143, "interrupt": -2, "kill": -9}[how]
    finally:
        child.kill()
        child.communicate()
        bench.close()


def test_a_radio_can_be_muted_by_whoever_knows_its_uri(bench):
    radio = bench.radio(0)
    sound(bench, radio)
    mute(bench.host.uris[0], 5.0)
    assert is_silenced(bench)


def test_the_command_mutes_all_it_can_and_says_which_it_could_not(bench):
    radio = bench.radio(0)
    sound(bench, radio)
    found = call("radio", "mute", "192.168.2.1", "ip:127.0.0.1:1", bench.host.uris[0], code=1)
    assert "called as libiio does, ip:192.168.2.1 or usb:1.2.5 (iio_info -s lists them), got '192.168" in found.output
    assert "radio ip:127.0.0.1:1: nothing answers there" in found.output
    assert f"{bench.host.uris[0]}: muted" in found.output
    assert is_silenced(bench)
    radio.close()
