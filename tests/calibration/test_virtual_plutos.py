"""`calibrate all` over virtual PlutoSDRs, client library and all, finds what was planted, to the accuracy of the chip.

The Pluto's ADC has 12 bits, its gain steps of 1 dB, its attenuation of 0.25 dB, its crystal of 0.025 ppm. The truth is
that of the loopback bench with the same keys and seed.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from calibration.entry import Entry
from calibration.response import move, respond
from calibration.sequence import KINDS, Options
from calibration.soundings import sound
from calibration.table_file import load
from dsp.metrics import from_db, nmse_db
from dsp.ofdm import delay_ramp
from fl.radios import simulated_air
from radio.emulation.physics import REFERENCE_GAIN_DB, TRACKED
from radio.impairments import iq_imbalance
from tests.calibration.test_channel import aligned
from tests.drivers import need_libiio
from tools.calibrate.opening import open_bench, parsed
from tools.calibrate.work import Work

AGENTS = 1
FAULTS = (
    "offset_ppm=10,latency=30,level_error_db=2,iq_gain_db=0.5,iq_phase_deg=2,dc_offset_db=-40,pa_saturation_dbfs=-4,"
    "profile=flat,fading=false,snr_db=25"
)
URI = f"pluto:agents={AGENTS},block=16384,{FAULTS}"
SLOW = (
    "waveform.sample_rate=1e6", "waveform.n_fft=64", "waveform.half_width=25", "waveform.cyclic_prefix=16",
    "waveform.window_lead=6",
)  # fmt: skip
SERVER = 0


@dataclass(frozen=True)
class Found:
    """What was measured, by kind and number of the unit, and the air with what was planted."""

    entries: dict[tuple[str, int], Entry]
    air: object
    path: object
    sessions: dict[int, str]

    def value(self, kind, unit, name):
        return self.entries[kind, unit].quantities[name].value

    def unit(self, number):
        return self.air.unit(number)

    def link_gain(self, number):
        """Return what was planted of a link in dB, without attenuation, at the reference gain of the receiver."""
        send, hear = self.unit(number).transmit, self.unit(SERVER).receive
        straight = sum(20 * np.log10(abs(wanted_gain(chain))) for chain in (send, hear))
        return hear.gain_db + hear.error_db + send.gain_db + straight


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    need_libiio()
    path = tmp_path_factory.mktemp("table") / "table.json"
    config = parsed(None, (URI,), SLOW)
    bench = open_bench(None, (URI,), SLOW)
    stations = {SERVER: bench.server} | {agent + 1: station for agent, station in bench.agents.items()}
    failures = {}
    try:
        for done in Work(bench, path, Options(seconds=0.5), lambda _text: None).run(KINDS, resume=False):
            if done.failure and done.applies:
                failures[done.kind, done.name] = done.failure
        sessions = {number: station.radio.session for number, station in stations.items()}
    finally:
        for station in stations.values():
            station.radio.close()
    assert not failures
    numbers = {station.radio.serial: number for number, station in stations.items()}
    entries = {(entry.kind, numbers[entry.radio.serial]): entry for entry in load(path).entries}
    air = simulated_air(config.radio.loopback, 1e6, 0.0, 0.0, config.seed)
    return Found(entries, air, path, sessions)


def test_everything_but_the_ratio_is_measured_and_good(found):
    kinds = {kind for kind, _ in found.entries}
    assert kinds == {*KINDS} - {"reciprocity"}  # trimmed oscillators are no common clock
    doubtful = {key: entry.verdict for key, entry in found.entries.items() if entry.verdict.word != "good"}
    assert not doubtful


@pytest.mark.parametrize("unit", range(1, 1 + AGENTS))
def test_clocks_are_found_to_a_hundredth_ppm_and_trimmed_to_the_nearest_step(found, unit):
    true = (found.unit(unit).rate / found.unit(SERVER).rate - 1) * 1e6
    measured, trim = (found.value("clock", unit, name) for name in ("offset_ppm", "trim_ppm"))
    assert measured == pytest.approx(true, abs=0.01)
    assert abs(true + trim) < 0.0126 + 0.001  # half a Hz of 40 MHz


@pytest.mark.parametrize("unit", range(1, 1 + AGENTS))
def test_latency_is_found_to_the_sample(found, unit):
    true = found.unit(unit).timing_offset + found.unit(SERVER).timing_offset
    assert found.value("latency", unit, "delay_samples") == pytest.approx(true, abs=1.0)


def wanted_gain(chain):
    """Return a of a mixer that makes a·x + b·x* of x."""
    one, turned = (
        iq_imbalance(np.array([x], np.complex64), chain.iq_gain_db, chain.iq_phase_deg)[0] for x in (1.0 + 0j, 1j)
    )
    return (one - 1j * turned) / 2


@pytest.mark.parametrize("unit", range(1, 1 + AGENTS))
def test_gains_and_the_one_decibel_point_are_found(found, unit):
    send = found.unit(unit).transmit
    assert found.value("levels", unit, "link_gain_db") == pytest.approx(found.link_gain(unit), abs=0.1)
    # Rapp of smoothness p bends by 1 dB at A = A_sat·(10^(p/10) − 1)^(1/2p)
    knee = send.pa_saturation * (from_db(send.pa_smoothness) - 1) ** (1 / (2 * send.pa_smoothness))
    assert found.value("levels", unit, "compression_dbfs") == pytest.approx(20 * np.log10(knee), abs=0.3)


@pytest.mark.parametrize("unit", range(1 + AGENTS))
def test_imbalance_is_found_where_tracking_is_off(found, unit):
    for chain, planted in (("tx", found.unit(unit).transmit), ("rx", found.unit(unit).receive)):
        assert found.value("iq", unit, f"{chain}_gain_db") == pytest.approx(planted.iq_gain_db, abs=0.1)
        assert found.value("iq", unit, f"{chain}_phase_deg") == pytest.approx(planted.iq_phase_deg, abs=0.5)


@pytest.mark.parametrize("unit", range(1 + AGENTS))
def test_constant_offsets_are_found_of_which_the_chip_takes_nine_tenths_from_its_receiver(found, unit):
    """The first-order law of propagation says how well; five of its standard errors, and what 12 bits leave."""
    planted = {"tx": found.unit(unit).transmit.dc, "rx": TRACKED * found.unit(unit).receive.dc}
    for chain, dc in planted.items():
        for part, true in (("i", dc.real), ("q", dc.imag)):
            about = found.entries["iq", unit].quantities[f"{chain}_dc_{part}"]
            assert about.value == pytest.approx(true, abs=5 / 1.96 * about.uncertainty + 2**-14)


@pytest.mark.parametrize("unit", range(1, 1 + AGENTS))
def test_the_gain_of_the_channel_is_that_of_both_chains(found, unit):
    channel = found.entries["channel", unit]
    more_db = channel.partner.settings.rx_gain_db - REFERENCE_GAIN_DB - channel.radio.settings.tx_attenuation_db
    bent = found.value("channel", unit, "gain_db") - found.link_gain(unit) - more_db
    assert -0.3 < bent < 0.05  # soundings are 6 dB below the amplifier's 1 dB point
    assert found.value("channel", unit, "rms_delay_at_most_s") < 3e-7  # of one path, at 1 MS/s


@pytest.mark.parametrize("unit", range(1, 1 + AGENTS))
def test_latency_is_of_the_last_session_although_iq_tunes_mixers_aside(found, unit):
    latency = found.entries["latency", unit]
    assert {latency.radio.session, latency.partner.session} == {found.sessions[unit], found.sessions[SERVER]}


def test_settings_are_those_that_the_chip_has(found):
    for (kind, _), entry in found.entries.items():
        if kind == "levels":
            gain, attenuation = (entry.quantities[name].value for name in ("rx_gain_db", "tx_attenuation_db"))
            assert gain == round(gain)
            assert 4 * attenuation == round(4 * attenuation)


def test_the_taps_of_a_channel_are_found():
    """At 30 dB over noise, to 40 dB: soundings are many. A constant delay and the common phase are no part of it."""
    need_libiio()
    uri = "pluto:agents=1,block=16384,profile=exponential,delay_spread_s=2e-7,offset_ppm=10,latency=30,snr_db=30"
    keys = ("radio.pluto.tx_attenuation_db=0",)
    config, bench = parsed(None, (uri,), keys), open_bench(None, (uri,), keys)
    server, agent = bench.server.radio, bench.agents[0].radio
    try:
        train = sound(server, agent, bench.signals, 0.1)
    finally:
        server.close()
        agent.close()
    grid = bench.signals.numerology
    seen = respond(train, move(train, grid), grid).value
    air = simulated_air(config.radio.loopback, grid.sample_rate, 0.0, 0.0, config.seed)
    delay, gains = air.oracle_taps(1, SERVER, np.zeros(1))
    more_db = server.settings.rx_gain_db - REFERENCE_GAIN_DB - agent.settings.tx_attenuation_db
    truth = (gains @ delay_ramp(grid, delay))[0] * air.unit(SERVER).receive.gain * 10 ** (more_db / 20)
    assert nmse_db(seen, aligned(truth, seen)) < -40
