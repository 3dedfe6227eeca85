"""What leaves a USRP: nothing without permission, nothing outside the band, nothing after any kind of end."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.safety import Authorisation, NotAuthorisedError
from radio.settings import Change
from tests.radio.usrp.virtual import CARRIER, Virtual
from tests.real_time import real_time

# A child whose radio is sending says, at its very end, which gain the stand-in was left with and what was queued.
CHILD = """
import atexit, signal, sys, time
import numpy as np
from radio.usrp.pace import FreeRunning
from tests.radio.usrp.virtual import Virtual

how = sys.argv[1]
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell ignore it
host = Virtual(1, rate=1e6, block=4096, is_real_time=True)
part = host.parts[0]

@atexit.register
def say():
    first, size, _ = part.radiated[-1]
    sys.stdout.write(f"{part.tx_gain} {part.rx_next} {first + size - part.now < 0.3e6}\\n")
    sys.stdout.flush()

(radio,) = host.open(manner=host.manner(pace=FreeRunning(), pause=time.sleep, lead=0.1))
burst = np.full(2_000_000, 0.5, np.complex64)
radio.transmit(burst, radio.now() + 2_500_000)  # a busy machine takes its time
while not part.radiated:
    time.sleep(0.01)
assert part.tx_gain == 60.0
sys.stdout.write("on\\n")
sys.stdout.flush()
if how == "exception":
    raise ValueError("planted")
if how == "end":
    sys.exit(0)
time.sleep(60)
"""


def wave(size=2000):
    return np.full(size, 0.5, np.complex64)


def sound(radio, hearer):
    at = radio.now() + radio.lead_time
    radio.transmit(wave(), at)
    assert np.abs(hearer.receive(1000, at + 500).data).min() > 0.1


@pytest.fixture
def host():
    host = Virtual(2)
    yield host
    host.close()


def test_nothing_is_sent_without_medium_and_band(host):
    radio, hearer = host.open(allowed=None)
    with pytest.raises(
        NotAuthorisedError, match=r"radio S0:0 .*needs radio\.tx\.medium and radio\.tx\.authorised_band"
    ):
        radio.transmit(wave(), radio.now() + radio.lead_time)
    hearer.receive(2 * radio.lead_time, hearer.now())
    assert not host.parts[0].radiated
    assert host.parts[0].tx_gain == 0


@pytest.mark.parametrize("low, high", [(1e9, 2e9), (CARRIER - 1.9e6, 2.5e9), (2.3e9, CARRIER + 1.9e6)])
def test_a_signal_that_leaves_the_band_by_its_edge_is_refused(host, low, high):
    """4 MHz wide, as the sample rate is, although the filters are open to 20 MHz; refused ahead of tuning."""
    with pytest.raises(NotAuthorisedError, match=r"must lie inside .* got 2398 to 2402 MHz .* another carrier_hz"):
        host.open(allowed=Authorisation("antenna", low, high))
    assert not [name for name in host.notes.names() if name.startswith("set_")]


def test_filters_make_no_signal_narrower_and_what_is_occupied_counts(host):
    narrow = Authorisation("cable", CARRIER - 1.3e6, CARRIER + 1.3e6)
    with pytest.raises(NotAuthorisedError, match=r"got 2398.5 to 2401.5 MHz"):
        host.open(allowed=narrow, bandwidth=1e6, occupied=3e6)
    radio, _ = host.open(allowed=narrow, bandwidth=1e6, occupied=2e6)
    radio.transmit(wave(), radio.now() + radio.lead_time)


def test_a_radio_that_sends_is_not_tuned_out_of_its_band(host):
    radio, hearer = host.open(allowed=Authorisation("cable", CARRIER - 2.5e6, CARRIER + 2.5e6))
    sound(radio, hearer)
    with pytest.raises(NotAuthorisedError, match="must lie inside"):
        radio.configure(Change(lo_offset_hz=1e6))
    assert host.parts[0].tx_freq == CARRIER


def test_a_radio_opens_at_the_least_gain_and_sends_with_the_one_wished_from_its_first_burst(host):
    radio, hearer = host.open(tx_attenuation_db=6.0)
    assert host.parts[0].tx_gain == 0
    sound(radio, hearer)
    assert host.parts[0].tx_gain == 54
    assert {gain for _, _, gain in host.parts[0].radiated} == {np.float32(10 ** (-6 / 20))}


@pytest.mark.parametrize("silence", ["close", "mute"])
def test_a_radio_that_is_closed_or_muted_has_least_gain_and_nothing_queued_when_that_returns(host, silence):
    radio, hearer = host.open()
    radio.transmit(wave(40 * radio.lead_time), radio.now() + radio.lead_time)
    hearer.receive(2 * radio.lead_time, hearer.now())
    getattr(radio, silence)()
    part = host.parts[0]
    assert part.tx_gain == 0
    assert part.radiated
    assert all(first + size <= part.now for first, size, _ in part.radiated)
    hearer.receive(4 * radio.lead_time, host.now)
    assert all(first + size <= part.now - 3 * radio.lead_time for first, size, _ in part.radiated)
    assert not part.tx_open


def test_a_gain_that_does_not_go_down_is_an_error_and_the_streams_end_all_the_same(host):
    radio, hearer = host.open()
    sound(radio, hearer)
    host.parts[0].stubborn["tx_gain"] = 50.0
    with pytest.raises(
        RadioError, match=r"radio S0:0 .*gain could not be lowered .*tx_gain must read back 0 dB.*silent"
    ):
        radio.close()
    assert host.parts[0].rx_next is None
    hearer.receive(100, hearer.now())
    host.parts[0].stubborn.clear()
    radio.close()


def test_without_its_process_a_device_is_silent_after_what_it_had_got(host):
    """As after kill -9: nobody hands anything over any more."""
    radio, hearer = host.open()
    at = radio.now() + radio.lead_time
    radio.transmit(wave(40 * radio.lead_time), at)
    hearer.receive(100, at)
    host.pace.stop(radio._upkeep.pump)
    last = host.parts[0].tx_end - host.origin
    assert last <= hearer.now() + radio.lead_time + host.block
    assert np.abs(hearer.receive(1000, last - 2000).data).min() > 0.1
    assert np.abs(hearer.receive(20_000, last + 100).data).max() == 0
    host.pace.start(radio._upkeep.pump)


@pytest.mark.parametrize("how", ["end", "exception", "terminate", "interrupt"])
@real_time
def test_a_radio_is_silent_after_any_end_that_can_be_caught(how):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "on\n", child.communicate()
        if how in ("terminate", "interrupt"):
            child.send_signal({"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}[how])
        told, _ = child.communicate(timeout=20)
    finally:
        child.kill()
        child.communicate()
    gain, streaming, is_short = told.split()
    assert (gain, streaming, is_short) == ("0.0", "None", "True")
    assert child.returncode == {"end": 0, "exception": 1, "terminate": 143, "interrupt": -2}[how]
