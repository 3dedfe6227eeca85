"""Drills: what USRPs and their UHD can do, and what the adapter says and does then."""

import time
from itertools import pairwise

import numpy as np
import pytest

from radio.base import LateError, OverrunError, RadioError
from radio.settings import Change, SettingError
from radio.unit import Unit
from radio.usrp.host import find_channels
from radio.usrp.pace import FreeRunning
from tests.radio.usrp.bench import Board
from tests.radio.usrp.values import TXMetadataEventCode
from tests.radio.usrp.virtual import CARRIER, Virtual
from tests.real_time import real_time

N = 512


@pytest.fixture
def host():
    host = Virtual(2)
    host.open()
    yield host
    host.close()


def burst(seed=0, size=N):
    """Noise in the middle half of the band."""
    spectrum = np.exp(2j * np.pi * np.random.default_rng(seed).random(size))
    spectrum[size // 4 : -size // 4] = 0
    wave = np.fft.ifft(spectrum)
    return (0.4 * wave / np.abs(wave).max()).astype(np.complex64)


def place_of(sent, heard):
    match = np.abs(np.correlate(heard, sent))
    assert match.max() > 0.9 * np.vdot(sent, sent).real
    return int(match.argmax())


def arrives(sender, hearer):
    """Check that a burst leaves exactly at its index."""
    at = sender.now() + sender.lead_time
    sender.transmit(burst(), at)
    assert place_of(burst(), hearer.receive(N + 200, at - 100).data) == 100


def test_no_device_is_named_with_what_there_is(host):
    with pytest.raises(RadioError, match=r"radio serial=X: no USRP .* found type=usrp2,addr=192\.168\.10\.2,serial=S0"):
        host.channels(("serial=X",))
    empty = Virtual([])
    with pytest.raises(RadioError, match=r"radio type=b200: .* found none at all; check radio\.usrp\.devices"):
        empty.channels(("type=b200",), 1)


def test_a_device_string_that_matches_two_radios_is_refused_with_both(host):
    with pytest.raises(RadioError, match=r"radio type=usrp2: .*must match one USRP, got 2: .*serial=S0; .*serial=S1"):
        host.channels(("type=usrp2",), 1)


def test_a_device_that_cannot_be_opened_says_what_uhd_says():
    host = Virtual([Board("S", "a", stubborn={"open": False})])
    with pytest.raises(RadioError, match=r"radio addr=a: UHD cannot open it \(LookupError: KeyError: No devices"):
        host.channels(("addr=a",))


def test_too_few_channels_or_one_named_twice_are_refused(host):
    with pytest.raises(RadioError, match="3 channels are needed, got 2: S0:0, S1:1"):
        host.channels(count=3)
    with pytest.raises(RadioError, match="radio S0:0: two device strings"):
        host.channels(("serial=S0", "addr=192.168.10.2"))
    with pytest.raises(RadioError, match="channels must lie between 0 and 1, got 2"):
        find_channels(host.uhd, (host.args,), (0, 2), 2)


@pytest.mark.parametrize("tuning, said", [
    ({"carrier": 6.5e9}, r"carrier_hz must lie between 70000000 and 6000000000 Hz, got 6500000000 Hz"),
    ({"rx_gain_db": 71.0}, r"rx_gain_db must lie between 0 and 70 dB, got 71 dB"),
    ({"tx_attenuation_db": 60.5}, r"tx_attenuation_db must lie between 0 and 60 dB, got 60\.5 dB"),
    ({"bandwidth": 100e3}, r"bandwidth_hz must lie between 200000 and 56000000 Hz, got 100000 Hz"),
    ({"rx_antenna": "RX9"}, r"rx_antenna must be one of TX/RX, RX2, got RX9"),
])  # fmt: skip
def test_what_is_out_of_range_is_refused_before_anything_is_set(tuning, said):
    host = Virtual(2)
    with pytest.raises(SettingError, match=rf"radio S0:0 \(addr0=.*radio\.usrp\.{said}; choose"):
        host.open(**tuning)
    assert not [name for name in host.notes.names() if name.startswith("set_")]


@pytest.mark.parametrize("setting, value, said", [
    ("tx_gain", 30.0, r"tx_gain must read back 0 dB within 0\.3, got 30 dB"),
    ("rx_gain", 30.0, r"rx_gain_db must read back 20 dB within 0\.55, got 30 dB"),
    ("rx_freq", CARRIER + 50, r"the rx mixer must read back 2400000000 Hz within 1, got 2400000050 Hz"),
    ("tx_freq", CARRIER - 2, r"the tx mixer must read back 2400000000 Hz within 1, got 2399999998 Hz"),
])  # fmt: skip
def test_what_reads_back_differently_keeps_a_radio_from_opening(setting, value, said):
    host = Virtual(2)
    host.parts[1].stubborn[setting] = value
    with pytest.raises(SettingError, match=rf"radio S1:1 \(addr0=.*{said}"):
        host.open()
    assert "get_rx_stream" not in host.notes.names()


def test_a_rate_that_the_master_clock_does_not_give_is_refused():
    host = Virtual(1, rate=5e6)
    with pytest.raises(
        SettingError, match=r"sample_rate must read back 5000000 Hz .*got 4923076\.923 Hz; choose a wave"
    ):
        host.open()


def test_a_mixer_that_does_not_lock_is_named():
    host = Virtual(2)
    host.parts[1].lo_locked = False
    with pytest.raises(SettingError, match=r"radio S1:1 .*lo_locked of the rx mixer must be true at 2400000000 Hz"):
        host.open()


@pytest.mark.parametrize("code, said", [
    ("time_error", r"came too late and was not sent"),
    ("underflow", r"broke off, no samples came \(underflow\)"),
    ("underflow_in_packet", r"broke off"),
    ("seq_error", r"packets were lost on the way \(sequence error\)"),
    ("seq_error_in_packet", r"packets were lost"),
])  # fmt: skip
def test_what_the_device_says_of_a_burst_is_raised_once_and_names_the_burst(host, code, said):
    sender, hearer = host.radios
    at = sender.now() + sender.lead_time
    for seed, first in enumerate((at, at + 2000)):
        sender.transmit(burst(seed), first)
    hearer.receive(N, at + 2000)
    host.parts[0].tell(TXMetadataEventCode[code], host.origin + at + 2100)
    hearer.receive(2 * host.block, hearer.now())
    before = sender.session
    with pytest.raises(LateError, match=rf"radio S0:0 .*the burst from index {at + 2000} to {at + 2000 + N} .*{said}"):
        sender.receive(10, sender.now())
    arrives(sender, hearer)
    assert sender.session == before


def test_acknowledged_bursts_are_no_errors(host):
    sender, hearer = host.radios
    for _ in range(3):
        arrives(sender, hearer)
    sender.receive(10, sender.now())


def test_a_burst_that_reaches_the_device_too_late_is_not_sent_and_raised(host):
    """The machine stood still: a second has gone by when the burst is handed over."""
    sender, hearer = host.radios
    at = sender.now() + sender.lead_time
    sender.transmit(burst(), at)
    host.world.pause(1.0)
    sender.receive(10, at + N)
    with pytest.raises(LateError, match=rf"from index {at} to {at + N} came too late.*raise radio\.usrp\.lead_s"):
        sender.receive(10, at + N)
    assert np.abs(hearer.receive(N, at).data).max() == 0
    sender.receive(10, host.now + 1)
    arrives(sender, hearer)


def test_a_burst_that_runs_dry_is_raised_and_what_follows_is_late_not_shifted(host):
    sender, hearer = host.radios
    at = sender.now() + sender.lead_time
    sender.transmit(burst(size=3 * sender.lead_time), at)
    hearer.receive(2000, at)
    host.world.pause(0.5)
    sender.receive(10, sender.now() + 2000)
    with pytest.raises(LateError, match=r"broke off, no samples came \(underflow\)"):
        sender.receive(10, sender.now())
    handed = host.parts[0].radiated
    assert len(handed) > 1
    assert all(first == begin + size for (begin, size, _), (first, _, _) in pairwise(handed))


@pytest.mark.parametrize("is_sequence, counter", [(False, "overflows"), (True, "dropped")])
def test_lost_samples_are_an_error_where_they_are_missing_and_the_count_goes_on(host, is_sequence, counter):
    sender, hearer = host.radios
    before, start = hearer.session, hearer.now()
    hearer.receive(3000, start)
    gap = hearer.now()
    host.parts[1].overflow(700, is_sequence)
    with pytest.raises(OverrunError, match=rf"radio S1:1 .*700 of 2000 samples from index {gap - 300} on were lost"):
        hearer.receive(2000, gap - 300)
    assert getattr(hearer._upkeep.pump.hearing, counter) == 1
    assert hearer.receive(100, gap + 700).data.size == 100
    assert hearer.receive(300, gap - 300).data.size == 300
    arrives(sender, hearer)
    assert hearer.session == before


@pytest.mark.parametrize("error, said", [
    ("timeout", r"no samples came within .*check its cable"),
    ("late", r"the stream's command came after its time"),
    ("broken_chain", r"broken chain"),
    ("alignment", r"alignment"),
    ("bad_packet", r"one version"),
])  # fmt: skip
def test_a_stream_that_breaks_off_is_raised_and_begins_again_in_a_new_session_with_the_same_time(host, error, said):
    sender, hearer = host.radios
    arrives(sender, hearer)
    before, now = hearer.session, hearer.now()
    host.parts[1].break_off(error)
    with pytest.raises(RadioError, match=rf"radio S1:1 .*{said}.*ERROR_CODE_{error.upper()}.*starts the stream again"):
        hearer.receive(3000, hearer.now())
    hearer.receive(10, hearer.now())
    assert hearer.session != before
    assert (hearer.breaks, sender.breaks) == (1, 0)
    assert hearer.now() > now
    sender.receive(10, hearer.now())
    arrives(sender, hearer)


def test_the_other_radios_go_on_without_one_that_is_unplugged():
    host = Virtual(3)
    sender, hearer, gone = host.open()
    host.parts[2].refuses |= {"samples", "tx_gain"}
    arrives(sender, hearer)
    with pytest.raises(RadioError, match=r"radio S2:2 .*UHD failed at samples .*NO_DEVICE.*gain could not be lowered"):
        gone.receive(10, gone.now())
    arrives(sender, hearer)
    host.parts[2].refuses.clear()
    gone.receive(10, gone.now())
    sender.receive(10, gone.now())
    arrives(sender, gone)
    host.close()


def test_a_device_that_takes_samples_in_parts_gets_them_all_and_one_that_takes_none_has_failed(host):
    sender, hearer = host.radios
    host.parts[0].takes = 100
    arrives(sender, hearer)
    host.parts[0].takes = 0
    at = sender.now() + sender.lead_time
    sender.transmit(burst(), at)
    with pytest.raises(
        RadioError, match=rf"radio S0:0 .*{N} samples of the burst at index {at} must be taken .* got none"
    ):
        sender.receive(10, at)


def test_a_setting_that_does_not_take_is_an_error_and_the_one_before_stays(host):
    radio, part = host.radios[0], host.parts[0]
    part.stubborn["rx_gain"] = 20.0
    with pytest.raises(SettingError, match=r"radio S0:0 .*rx_gain_db must read back 30 dB within 0\.55, got 20 dB"):
        radio.configure(Change(rx_gain_db=30))
    assert part.rx_gain == radio.settings.rx_gain_db == 20
    part.stubborn["rx_freq"] = CARRIER
    with pytest.raises(SettingError, match="the rx mixer must read back"):
        radio.configure(Change(lo_offset_hz=1e5))
    assert (part.rx_freq, part.tx_freq, radio.settings.lo_offset_hz) == (CARRIER, CARRIER, 0)


def test_a_retune_is_at_a_command_time_and_begins_a_session_and_other_settings_do_not(host):
    radio = host.radios[0]
    before = radio.session
    radio.configure(Change(rx_gain_db=33, tx_attenuation_db=10))
    assert radio.session == before
    part = host.parts[0]
    part.tuned_at.clear()
    assert radio.configure(Change(lo_offset_hz=50_000.0)).lo_offset_hz == 50_000
    assert radio.session != before
    assert {setting for setting, _ in part.tuned_at} == {"rx_freq", "tx_freq"}
    assert None not in {time for _, time in part.tuned_at}
    assert part.tx_freq == CARRIER + 50_000


def test_three_radios_superpose_at_the_same_index():
    host = Virtual(3, [Unit(), Unit(), Unit(noise_var=1e-6)])
    one, two, hearer = host.open()
    at = hearer.now() + hearer.lead_time
    for seed, radio in enumerate((one, two)):
        radio.transmit(burst(seed), at)
    heard, sent = hearer.receive(N, at).data, np.stack([burst(0), burst(1)], 1)
    gains, *_ = np.linalg.lstsq(sent, heard, rcond=None)
    assert np.abs(gains) == pytest.approx(1.0, abs=0.01)
    assert np.abs(heard - sent @ gains).max() < 0.01  # five standard deviations of the noise
    host.close()


def test_what_is_older_than_a_second_is_no_longer_kept():
    host = Virtual(1, rate=1e6, block=16_384)
    (radio,) = host.open()
    first = radio.now()
    radio.receive(1_200_000, first + 1000)
    assert radio.receive(900_000, radio.now() - 950_000).data.size == 900_000
    with pytest.raises(OverrunError, match=r"the oldest kept is \d+; receive sooner"):
        radio.receive(100, first)
    host.close()


@real_time
def test_threads_keep_streams_running_and_bursts_leave_at_their_index():
    host = Virtual(2, rate=1e6, block=4096, is_real_time=True)
    sender, hearer = host.open(manner=host.manner(pace=FreeRunning(), pause=time.sleep, lead=0.05))
    for seed in range(3):
        at = sender.now() + sender.lead_time + 30_000
        sender.transmit(burst(seed), at + 20_000)
        sender.transmit(burst(seed + 10), at)
        heard = hearer.receive(20_000 + 2 * N, at - N).data
        assert place_of(burst(seed + 10), heard) == N
        assert place_of(burst(seed), heard) == N + 20_000
    host.parts[1].break_off("broken_chain")
    with pytest.raises(RadioError, match="broken chain"):
        hearer.receive(20_000, hearer.now())
    hearer.receive(10, hearer.now())
    host.close()
