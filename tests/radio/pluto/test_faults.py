"""Drills: what a Pluto can do to its client, and what the client says and does then."""

import threading
import time
from contextlib import closing

import numpy as np
import pytest

from radio.base import ContactError, LateError, LostRadioError, OverrunError, RadioError
from radio.emulation.clock import RealTime
from radio.emulation.protocol import Address
from radio.pluto.radio import PlutoRadio
from radio.settings import Change, SettingError
from radio.unit import Unit
from tests.radio.pluto.virtual import CABLE, Virtual
from tests.real_time import real_time

N = 512


@pytest.fixture
def bench():
    bench = Virtual(2)
    yield bench
    bench.close()


def burst(seed=0):
    rng = np.random.default_rng(seed)
    return (0.3 * np.exp(2j * np.pi * rng.random(N))).astype(np.complex64)


def place_of(burst, heard):
    match = np.abs(np.correlate(heard, burst))
    assert match.max() > 0.9 * np.vdot(burst, burst).real
    return int(match.argmax())


def arrives(bench, sender, hearer):
    """Check that a burst still leaves exactly at its index."""
    behind = bench.zero(0, sender) - bench.zero(1, hearer)
    at = sender.now() + sender.lead_time + bench.block
    sender.transmit(burst(), at)
    assert place_of(burst(), hearer.receive(N + 200, at + behind - 100).data) == 100


@pytest.mark.parametrize("fault, error, said", [
    ("overflow", OverrunError, r"lost samples \(overflow, bit 2 of 0x80000088\)"),
    ("underflow", LateError, r"ran dry \(underflow, bit 0 of 0x80000088\)"),
])  # fmt: skip
def test_lost_samples_are_raised_and_the_offset_is_learned_again_in_a_new_session(bench, fault, error, said):
    sender, hearer = bench.radio(0), bench.radio(1)
    arrives(bench, sender, hearer)
    before, now = sender.session, sender.now()
    bench.host.call(getattr(bench.host.units[0].faults, fault))
    with pytest.raises(error, match=rf"radio ip:.*{said}.*raise radio\.pluto\.block"):
        sender.receive(100, sender.now())
    assert bench.host.units[0].chip.tx_lo_down
    sender.receive(100, sender.now())
    assert sender.session != before
    assert sender.now() > now
    arrives(bench, sender, hearer)


@pytest.mark.parametrize("verb, error, said", [
    ("pull", OverrunError, r"lost samples \(overflow"), ("push", LateError, r"ran dry \(underflow"),
])  # fmt: skip
def test_a_thread_that_comes_too_late_for_the_kernel_queue_is_noticed_and_the_streams_start_again(verb, error, said):
    """Nobody sets a flag here: in real time, samples are lost while the thread waits."""
    gone = threading.Event()

    def noted(action):
        return lambda *arguments: (action(*arguments), gone.set())

    with closing(Virtual(1, rate=1e6, clock=RealTime(), block=16_384)) as bench:
        radio, unit = bench.radio(0), bench.host.units[0]
        before, stream = radio.session, radio.link.pump.stream
        loser, name = (unit.reception, "lost") if verb == "pull" else (unit.medium, "ran_dry")
        setattr(loser, name, noted(getattr(loser, name)))
        action = getattr(stream, verb)
        setattr(stream, verb, lambda *arguments: (gone.wait(60), action(*arguments))[1])
        assert gone.wait(60)
        with pytest.raises(error, match=said):
            radio.receive(16_384, radio.now())
        assert unit.chip.tx_lo_down
        radio.receive(100, radio.now())
        assert radio.session != before


@pytest.mark.parametrize("verb, asked", [("pull", "samples"), ("push", "room for samples")])
def test_a_block_that_is_answered_too_late_costs_the_streams_not_the_radio(verb, asked):
    bench = Virtual(1, timeout=0.5)
    with closing(bench):
        radio, faults = bench.radio(0), bench.host.units[0].faults
        before, stream = radio.session, radio.link.pump.stream
        action = getattr(stream, verb)

        def late(*arguments):
            faults.late = 0.8
            return action(*arguments)

        setattr(stream, verb, late)
        with pytest.raises(ContactError, match=rf"radio ip:127.*no answer when asked for {asked}\b"):
            radio.receive(8 * bench.block, radio.now())
        faults.late = 0.0
        radio.receive(100, radio.now())
        assert radio.session != before
        assert bench.host.units[0].chip.tx_lo_down


def test_time_goes_on_over_an_opening_that_failed(bench):
    """In which streams ran already, but never came to their own indices."""
    sender, hearer = bench.radio(0), bench.radio(1)
    sender.align(0)
    unit, loopback = bench.host.units[0], Address("ad9361-phy", "DEBUG", "", "loopback")
    before = bench.zero(0, sender)
    bench.host.call(unit.faults.overflow)
    with pytest.raises(OverrunError):
        sender.receive(100, sender.now())
    unit.faults.missing.add(loopback)
    for _ in range(2):
        hearer.receive(20_000, hearer.now())
        with pytest.raises(LostRadioError, match="loopback"):
            sender.now()
    unit.faults.missing.clear()
    hearer.receive(20_000, hearer.now())
    sender.now()
    assert abs(bench.zero(0, sender) - before) < bench.block


def test_the_other_radios_go_on_without_one_that_is_unplugged_in_the_middle_of_a_burst(bench):
    sender, hearer = bench.radio(0), bench.radio(1)
    sender.transmit(np.tile(burst(), 40), sender.now() + sender.lead_time)
    hearer.receive(2 * sender.lead_time, hearer.now())
    faults = bench.host.units[0].faults
    faults.unplug()
    assert np.abs(hearer.receive(20_000, hearer.now()).data[-5000:]).max() == 0
    with pytest.raises(
        ContactError, match=r"radio ip:127.*check cable.*may still be transmitting, take its power away"
    ):
        sender.receive(100, sender.now())
    with pytest.raises(LostRadioError, match=r"no PlutoSDR answers there.*check radio\.pluto\.uris, cable and power"):
        sender.receive(100, 0)
    faults.plug()
    sender.receive(100, sender.now())
    assert bench.host.units[0].chip.tx_lo_down
    arrives(bench, sender, hearer)


def test_an_answer_that_comes_too_late_costs_the_context_not_the_next_answer():
    bench = Virtual(1, timeout=0.5)
    radio = bench.radio(0)
    faults = bench.host.units[0].faults
    faults.late = 0.8
    start = time.monotonic()
    with pytest.raises(ContactError, match=r"radio ip:127.*no answer when asked for rx_gain_db"):
        radio.configure(Change(rx_gain_db=30))
    assert time.monotonic() - start < 8
    faults.late = 0.0
    assert radio.configure(Change(rx_gain_db=30)).rx_gain_db == 30
    assert bench.host.units[0].chip.gain_db == 30
    bench.close()


@pytest.mark.slow
def test_a_server_that_answers_six_seconds_late_is_noticed_after_five():
    bench = Virtual(1)
    radio = bench.radio(0)
    bench.host.units[0].faults.late = 6.0
    with pytest.raises(ContactError, match=r"radio ip:127.*no answer"):
        radio.configure(Change(rx_gain_db=30))
    bench.host.units[0].faults.late = 0.0
    radio.receive(100, radio.now())
    bench.close()


@pytest.mark.parametrize("channel, name, reading, setting", [
    ("altvoltage0", "frequency", "2400500000", r"rx_lo must read back 2400000000 Hz within 16, got 2400500000 Hz"),
    ("altvoltage1", "frequency", "2400000100", r"tx_lo must read back 2400000000 Hz within 16, got 2400000100 Hz"),
    ("altvoltage1", "powerdown", "0", r"may still be transmitting.*tx_lo_powerdown must read back 1"),
])  # fmt: skip
def test_what_reads_back_differently_keeps_a_radio_from_opening(bench, channel, name, reading, setting):
    bench.host.units[0].faults.read_back[Address("ad9361-phy", "OUTPUT", channel, name)] = reading
    with pytest.raises(RadioError, match=rf"radio ip:127.*{setting}"):
        bench.radio(0)


def test_a_setting_that_does_not_take_is_an_error_and_the_one_before_stays(bench):
    radio = bench.radio(0)
    faults = bench.host.units[0].faults
    faults.read_back[where := Address("ad9361-phy", "INPUT", "voltage0", "hardwaregain")] = "40.000000 dB"
    with pytest.raises(SettingError, match=r"rx_gain_db must read back 30 dB .* got 40 dB"):
        radio.configure(Change(rx_gain_db=30))
    del faults.read_back[where]
    assert bench.host.units[0].chip.gain_db == radio.settings.rx_gain_db == 40


def test_a_second_client_on_the_same_unit_is_refused_and_the_first_goes_on(bench):
    first, hearer = bench.radio(0), bench.radio(1)
    with pytest.raises(RadioError, match=r"radio ip:127.*in use by another client; end the other program"):
        PlutoRadio(bench.link(0), CABLE, guarded=False)
    arrives(bench, first, hearer)


def test_a_wrong_uri_says_what_to_check(bench):
    link = bench.link(0)
    link.uri = "ip:127.0.0.1:1"
    with pytest.raises(
        ContactError, match=r"radio ip:127\.0\.0\.1:1: no PlutoSDR answers there.*check radio\.pluto\.uris"
    ):
        PlutoRadio(link, CABLE, guarded=False)


@pytest.mark.parametrize("missing, setting", [
    (Address("ad9361-phy", "", "", "xo_correction"), "xo_correction"),
    (Address("ad9361-phy", "DEBUG", "", "loopback"), "loopback"),
    (Address("ad9361-phy", "OUTPUT", "altvoltage1", "powerdown"), "tx_lo_powerdown"),
])  # fmt: skip
def test_a_firmware_without_a_needed_attribute_is_named_with_the_remedy(bench, missing, setting):
    bench.host.units[0].faults.missing.add(missing)
    with pytest.raises(
        RadioError, match=rf"its firmware has no .*{missing.name}, which {setting} needs; update the fi"
    ):
        bench.radio(0)


def test_a_gain_range_or_a_crystal_that_makes_no_sense_is_named_with_the_remedy(bench, monkeypatch):
    unit = bench.host.units[0]
    unit.faults.read_back[Address("ad9361-phy", "INPUT", "voltage0", "hardwaregain_available")] = "[0 73]"
    with pytest.raises(RadioError, match=r"radio ip:127.*rx_gain_range must read as \[low step high\], got '\[0 73\]'"):
        bench.radio(0)
    bench.mend()
    radio = bench.radio(0)
    monkeypatch.setitem(radio.link.attributes.context.attrs, "ad9361-phy,xo_correction", "forty")
    with pytest.raises(RadioError, match=r"radio ip:127.*xo_correction .* in Hz, got 'forty'; correct xo_correction"):
        radio.configure(Change(clock_trim_ppm=1.0))


def test_what_is_older_than_a_second_is_no_longer_kept():
    bench = Virtual(1, rate=1e6, block=16_384)
    radio = bench.radio(0)
    first = radio.now()
    radio.receive(1_200_000, first + 1000)
    assert radio.receive(900_000, radio.now() - 950_000).data.size == 900_000
    with pytest.raises(OverrunError, match=r"the oldest kept is \d+; receive sooner"):
        radio.receive(100, first)
    bench.close()


def test_counts_hold_when_the_clock_is_set_between_fetching_a_block_and_keeping_it(bench):
    """As two threads may do it."""
    sender, hearer = bench.radio(0), bench.radio(1)
    pump = sender.link.pump
    pull = pump.stream.pull

    def pull_and_set():
        block = pull()
        sender.align(0)
        return block

    pump.stream.pull = pull_and_set
    pump.pull()
    pump.stream.pull = pull
    arrives(bench, sender, hearer)


def test_a_retune_begins_a_session_and_other_settings_do_not(bench):
    radio = bench.radio(0)
    before = radio.session
    radio.configure(Change(rx_gain_db=33, clock_trim_ppm=1.5, tx_attenuation_db=10))
    assert radio.session == before
    assert radio.configure(Change(lo_offset_hz=50_000.0)).lo_offset_hz == 50_000
    assert radio.session != before
    assert bench.host.units[0].chip.tx_lo == pytest.approx(2_400_050_000, abs=16)


def test_a_trim_makes_the_clock_faster(bench):
    radio = bench.radio(0)
    trimmed = radio.configure(Change(clock_trim_ppm=10.0)).clock_trim_ppm
    assert trimmed == pytest.approx(10.0, abs=0.0125)
    unit = bench.host.units[0]
    assert bench.host.call(lambda: unit.medium.air.unit(0).offset_ppm) == pytest.approx(trimmed, abs=1e-6)


def test_what_was_withdrawn_is_not_sent_by_the_burst_after_it(bench):
    """Blocks with it may still be queued in the kernel when the mixer has power again."""
    sender, hearer = bench.radio(0), bench.radio(1)
    sender.transmit(np.tile(burst(), 40), sender.now() + sender.lead_time)
    hearer.receive(2 * sender.lead_time, hearer.now())
    before = sender.session
    sender.mute()
    silent = hearer.now() + bench.block
    sender.unmute()
    at = sender.now() + sender.lead_time + 3000
    sender.transmit(burst(1), at)
    behind = bench.zero(0, sender) - bench.zero(1, hearer)
    heard = hearer.receive(at + behind + N + 100 - silent, silent).data
    assert place_of(burst(1), heard) == at + behind - silent
    assert np.abs(heard[: at + behind - silent - 50]).max() == 0
    assert sender.session != before


@real_time
def test_in_real_time_bursts_leave_at_their_index_and_the_past_can_be_heard():
    with closing(Virtual(2, rate=1e6, clock=RealTime(), block=65_536)) as bench:
        sender, hearer = bench.radio(0), bench.radio(1)
        for radio in (sender, hearer):
            radio.align(0)
        at = sender.now() + sender.lead_time + 20_000
        sender.transmit(burst(), at)
        own = hearer.now() + (at - sender.now())
        heard = hearer.receive(200_000, own - 100_000).data
        first = own - 100_000 + place_of(burst(), heard)
        again = sender.now() + sender.lead_time + 50_000
        sender.transmit(burst(1), again)
        heard = hearer.receive(2 * N, first + again - at - N).data
        assert place_of(burst(1), heard) == N


@real_time
def test_after_a_change_of_gain_nothing_is_heard_that_the_kernel_queue_still_held():
    """Noise alone: a span of 16,384 varies by 0.03 dB; the thread comes late, so that blocks wait in the queue."""
    with closing(Virtual(1, [Unit(noise_var=1e-2)], rate=1e6, clock=RealTime(), block=65_536)) as bench:
        radio = bench.radio(0)
        before = level(radio.receive(65_536, radio.now()).data)
        stream = radio.link.pump.stream
        pull, delays = stream.pull, [0.5]

        def pull_late():
            time.sleep(delays.pop() if delays else 0.0)
            return pull()

        stream.pull = pull_late
        time.sleep(0.3)
        radio.configure(Change(rx_gain_db=radio.settings.rx_gain_db - 6))
        heard = level(radio.receive(65_536, radio.now()).data.reshape(4, -1))
    assert 10 * np.log10(before / heard) == pytest.approx(np.full(4, 6.0), abs=0.2)


def level(samples):
    return np.mean(np.abs(samples) ** 2, axis=-1)
