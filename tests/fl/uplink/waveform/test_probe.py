from dataclasses import replace

import pytest

from dsp.ofdm import delay_ramp
from fl.radio_config import Loopback
from fl.radios import loopback, modem
from fl.uplink.settings import power_control
from fl.uplink.waveform.probe import outside_prefix, probe, strongest_delay
from fl.uplink.waveform.stations import Stations

AGENTS = 0, 1, 2
CLEAR = Loopback(fading=False, profile="flat")


@pytest.fixture
def bench(configured):
    def build(air=CLEAR, snr_db=25.0):
        config = configured()
        about = modem(config.waveform, air.carrier_hz)
        radios = loopback(air, about.sample_rate, about.level, 10 ** (snr_db / 10), 0.0, 1)
        return Stations(about, radios.server, radios.radio_of), power_control(config)

    return build


def look(stations, control):
    findings = probe(stations, AGENTS, control, 1)
    assert [finding.agent for finding in findings] == [*AGENTS]
    return findings


def test_good_links_are_found_as_they_are(bench):
    """h = 1 through a gain of −15 dB; σ² is set so that P·g/σ² is 25 dB; the clocks agree."""
    for finding in look(*bench()):
        assert (finding.verdict, finding.reason, finding.was_heard) == ("good", "", True)
        assert finding.channel_db == pytest.approx(-15, abs=0.5)
        assert finding.snr_db == pytest.approx(25, abs=1)
        assert finding.delay_samples == pytest.approx(0, abs=0.25)
        assert finding.cfo_ppm == pytest.approx(0, abs=0.01)  # 24 Hz: a beacon at 25 dB tells it to about 4 Hz
        assert finding.residual_hz == pytest.approx(finding.cfo_hz, abs=5)  # offset 0: all of the correction is error


def test_clocks_are_found_as_they_are(bench):
    stations, control = bench(CLEAR.model_copy(update={"offset_ppm": 10.0}))
    air = stations.server.air
    for finding in look(stations, control):
        wanted = (air.unit_of(0).rate / air.unit_of(finding.agent + 1).rate - 1) * 1e6
        assert finding.cfo_ppm == pytest.approx(wanted, abs=0.01)
        assert abs(finding.cfo_ppm) > 0.1


def test_a_muted_agent_is_silent_and_the_others_are_good(bench):
    stations, control = bench()
    stations.radio_of(1).mute()
    found = look(stations, control)
    assert [finding.verdict for finding in found] == ["good", "silent", "good"]
    assert "its sounding was not heard" in found[1].reason
    assert not found[1].was_heard
    assert found[1].cfo_hz is not None


def test_without_a_beacon_nobody_is_heard_and_each_says_why(bench):
    stations, control = bench()
    stations.server.mute()
    for finding in look(stations, control):
        assert finding.verdict == "no beacon"
        assert "check that the server sends" in finding.reason
        assert finding.cfo_hz is None


def test_a_weak_link_is_told_with_the_number_that_is_missing(bench):
    stations, control = bench(snr_db=10.0)
    found = look(stations, replace(control, min_headroom=100.0))
    assert {finding.verdict for finding in found} == {"too weak"}
    assert "is below min_headroom_db 20.0; bring it nearer" in found[0].reason
    assert found[0].was_heard


def test_an_agent_beyond_the_prefix_is_told_how_long_it_must_be(bench):
    found = look(*bench(CLEAR.model_copy(update={"timing_offset": 60.0})))
    verdicts = {finding.agent: finding.verdict for finding in found}
    assert "prefix too short" in verdicts.values()
    for finding in found:
        inside = -22 <= finding.delay_samples <= 18
        assert finding.verdict == ("good" if inside else "prefix too short")
        assert inside or "set waveform." in finding.reason


@pytest.mark.parametrize("delay", [-22.0, -3.25, 0.0, 7.5, 26.0])
def test_the_delay_of_a_single_path_is_found(configured, delay):
    about = modem(configured().waveform, 2.4e9)
    channel = 0.1j * delay_ramp(about.numerology, delay)
    assert strongest_delay(channel, about.numerology) == delay


def test_the_window_allows_for_just_what_the_prefix_holds(configured):
    about = modem(configured().waveform, 2.4e9)  # prefix 48, window 22 ahead of its end
    assert outside_prefix(-22, 26, about) is None
    assert "arrives 23.5 samples early, the window allows for 22; set waveform.window_lead >= 24" in outside_prefix(
        -23.5, 0, about
    )
    assert "27 samples late, the window allows for 26; set waveform.cyclic_prefix >= 49" in outside_prefix(0, 27, about)


def test_a_server_at_the_limit_of_its_converter_is_told_to_lower_its_gain(bench):
    stations, control = bench(CLEAR.model_copy(update={"gain_db": 20.0, "converter_bits": 12}))
    for finding in look(stations, control):
        assert finding.verdict == "too strong"
        assert "radio.loopback.gain_db" in finding.reason
