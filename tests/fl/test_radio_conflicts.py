"""Settings of radios that contradict each other are refused before any is opened, each with its own remedy."""

import pytest

from fl.config import ConfigError, parse
from tests.fl.radio_benches import CHANNEL, GR_UHD, OWN_FLOWGRAPH, PLUTOS, REAL_PLUTOS, USRPS

BENCHES = {
    "plutos": PLUTOS, "real plutos": REAL_PLUTOS, "usrps": USRPS, "channel": CHANNEL, "own flowgraph": OWN_FLOWGRAPH,
    "gr-uhd": GR_UHD,
}  # fmt: skip
CARRIERS = {
    "plutos": "radio.pluto.carrier_hz", "usrps": "radio.usrp.carrier_hz",
    "own flowgraph": "radio.gnuradio.carrier_hz", "gr-uhd": "radio.usrp.carrier_hz",
}  # fmt: skip


def problems(settings):
    with pytest.raises(ConfigError) as caught:
        parse("", settings)
    return caught.value.problems


@pytest.mark.parametrize("settings", BENCHES.values(), ids=BENCHES)
def test_benches_without_a_contradiction_are_not_refused(settings):
    assert parse("", settings).radio.kind == next(item for item in settings if "radio.kind" in item).partition("=")[2]


@pytest.mark.parametrize("bench, change, problem, remedy", [
    ("plutos", "radio.pluto.carrier_hz=0", "greater than 0", "radio.pluto.carrier_hz"),
    ("plutos", "radio.pluto.carrier_hz=917e6", "915 to 919 MHz must lie inside", "912 to 918 MHz; choose another car"),
    ("plutos", "radio.pluto.bandwidth_hz=4e5", "3.14062 MHz that the subcarriers occupy, got 0.4 MHz", "widen them"),
    ("plutos", "radio.pluto.emulate=false", "a server and 2 agents need 3 radios, got 0", "emulate = true"),
    ("plutos", "radio.pluto.uris=['a']", "got URIs as well", "leave one of both out"),
    ("plutos", "radio.pluto.uris=['192.168.2.1']", "called as libiio does, ip:192.168.2.1", "got '192.168.2.1'"),
    ("plutos", "radio.pluto.uris=['ip:']", "called as libiio does", "got 'ip:'"),
    ("plutos", "radio.pluto.uris=['ip:a', 'ip:b', 'ip:a']", "named once only, got ip:a more often", "name each once"),
    ("plutos", "radio.pluto.uris=ip:192.168.2.1", "radio.pluto.uris: write a list", "got 'ip:192.168.2.1'"),
    ("plutos", "radio.pluto.rx_gain_db=30.5", "radio.pluto.rx_gain_db", "multiple of 1, got 30.5"),
    ("plutos", "radio.pluto.block=8192", "response_s: must leave", "smaller block"),
    ("plutos", "radio.pluto.block=65536", "round_period_s: a fifth of it must leave", "smaller block"),
    ("plutos", "radio.tx.authorised_band=[918e6, 912e6]", "must rise from low to high, got [9180", "lower frequency"),
    ("plutos", "radio.tx.authorised_band=[918e6]", "an entry of the list is missing", "got [918000000.0]"),
    ("plutos", "uplink.kind=symbol", "radio.kind = pluto and uplink.kind = symbol", "set uplink.kind = waveform"),
    ("plutos", "uplink.kind=ideal", "radio.kind = pluto and uplink.kind = ideal", "set uplink.kind = waveform"),
    ("real plutos", "uplink.snr_db=10", "uplink.snr_db: ", "real"),
    ("real plutos", "radio.loopback.offset_ppm=3", "radio.loopback: ", "real"),
    ("usrps", "radio.usrp.carrier_hz=0", "greater than 0", "radio.usrp.carrier_hz"),
    ("usrps", "radio.usrp.carrier_hz=2.409e9", "2407 to 2411 MHz must lie inside", "another carrier, or make"),
    ("usrps", "radio.usrp.bandwidth_hz=4e5", "3.14062 MHz that the subcarriers occupy, got 0.4 MHz", "widen them"),
    ("usrps", "radio.usrp.devices=[]", "at least one device string is needed, got none", "uhd_find_devices"),
    ("usrps", "radio.usrp.devices=['a', 'a']", "can be named once only", "remove"),
    ("usrps", "radio.usrp.channels=[0, 0, 1]", "each named once, got [0, 0, 1]", "name each once"),
    ("usrps", "radio.usrp.clock_source=mimo", "clock_source = mimo, time_source = external", "set both to mimo"),
    ("usrps", "uplink.kind=symbol", "radio.kind = usrp and uplink.kind = symbol", "set uplink.kind = waveform"),
    ("usrps", "radio.usrp.lead_s=0.01", "response_s: must leave", "a shorter lead"),
    ("usrps", "uplink.snr_db=10", "uplink.snr_db: ", "real"),
    ("usrps", "radio.loopback.offset_ppm=3", "radio.loopback: ", "real"),
    ("channel", "radio.loopback.redraw=true", "radio.loopback.redraw: taps", "stay for the whole run"),
    ("channel", "radio.loopback.doppler_hz=5", "radio.loopback.doppler_hz: ", "has no block for it, got 5.0"),
    ("channel", "radio.loopback.pll_rms_deg=1", "radio.loopback.pll_rms_deg: ", "has no block for it"),
    ("channel", "radio.gnuradio.send=['a']", "channel chooses its own addresses", "leave them out"),
    ("own flowgraph", "radio.gnuradio.hear=['tcp://127.0.0.1:5557']", "a server and 1 agents need 2 addr", "each once"),
    ("own flowgraph", "radio.gnuradio.send=['tcp://127.0.0.1:5557', 'tcp://127.0.0.1:1']", "need 2 addr", "each once"),
    ("own flowgraph", "radio.gnuradio.block=16384", "must leave 147456 samples for buffers", "= 16384, got 40000"),
    ("own flowgraph", "radio.gnuradio.carrier_hz=919e6", "must lie inside radio.tx.authorised_band", "910 to 920 MHz"),
    ("own flowgraph", "radio.loopback.offset_ppm=3", "this flowgraph has its own", "leave the table out"),
    ("own flowgraph", "uplink.snr_db=10", "uplink.snr_db: ", "this flowgraph has the SNR that it has"),
    ("gr-uhd", "radio.usrp.devices=['serial=1']", "a server and 1 agents need 2", "got ['serial=1']"),
    ("gr-uhd", "radio.usrp.devices=['serial=1', 'serial=1']", "every device can be named once only", "remove"),
    ("gr-uhd", "radio.usrp.channels=[0, 1]", "gr-uhd takes the first channel of each device", "got [0, 1]"),
    ("gr-uhd", "radio.usrp.clock_source=mimo", "a MIMO cable joins boards of one device", "set both"),
    ("gr-uhd", "radio.usrp.time_source=internal", "waveform.search_s: must leave 80000 samples", "set it to"),
    ("gr-uhd", "radio.usrp.carrier_hz=919e6", "917 to 921 MHz must lie inside", "radio.usrp.carrier_hz"),
    ("gr-uhd", "radio.loopback.offset_ppm=3", "these radios are real", "leave the table out"),
    ("gr-uhd", "radio.gnuradio.hear=['a']", "usrp chooses its own addresses", "leave them out"),
])  # fmt: skip
def test_each_contradiction_is_its_own_error(bench, change, problem, remedy):
    found = problems([*BENCHES[bench], change])
    assert any(problem in text and remedy in text for text in found), found


@pytest.mark.parametrize("bench", CARRIERS)
def test_nothing_is_assumed_about_frequency_medium_and_band(bench):
    told = {CARRIERS[bench]: "no default", "radio.tx.medium": "nothing", "radio.tx.authorised_band": "nothing"}
    for key, words in told.items():
        found = problems([item for item in BENCHES[bench] if not item.startswith(f"{key}=")])
        assert any(text.startswith(f"{key}: ") and words in text for text in found), found


def test_a_flowgraph_of_ones_own_is_assumed_to_delay_by_nothing_that_nobody_said():
    found = problems([item for item in OWN_FLOWGRAPH if not item.startswith("radio.gnuradio.delay=")])
    assert any(text.startswith("radio.gnuradio.delay: only you know") for text in found), found


def test_narrow_filters_do_not_bring_a_signal_into_a_narrow_band():
    narrow = ["radio.tx.authorised_band=[914.8e6, 915.2e6]", "radio.pluto.bandwidth_hz=4e5"]
    found = problems([*PLUTOS, *narrow])
    assert any("from 913.43 to 916.57 MHz must lie inside" in text for text in found), found
    parse("", [*PLUTOS, "radio.tx.authorised_band=[913.4e6, 916.6e6]", "radio.pluto.bandwidth_hz=3.15e6"])


def test_nobody_fires_the_external_pulse_of_virtual_radios_in_real_time():
    with pytest.raises(ConfigError, match=r"radio\.pluto\.trigger: nobody fires .*radio\.pluto\.clock = lock-step"):
        parse("", [*PLUTOS, "radio.pluto.trigger=external", "radio.pluto.clock=real-time"])


def test_a_mimo_cable_and_several_devices_contradict_each_other():
    mimo = ["radio.usrp.clock_source=mimo", "radio.usrp.time_source=mimo"]
    parse("", [*USRPS, *mimo])
    with pytest.raises(ConfigError, match="joins two motherboards of one device string, got 2 strings"):
        parse("", [*USRPS, *mimo, "radio.usrp.devices=['a', 'b']"])


def test_devices_with_times_of_their_own_need_a_search_for_the_beacon():
    alone = ["radio.usrp.time_source=internal", "radio.usrp.devices=['a', 'b', 'c']"]
    with pytest.raises(ConfigError, match=r"waveform\.search_s: must leave 80000 samples .* set it to 0\.02 or more"):
        parse("", [*USRPS, *alone])
    parse("", [*USRPS, *alone, "waveform.search_s=0.02", "waveform.round_period_s=0.5"])


def test_a_simulation_of_ones_own_needs_nobodys_leave():
    parse("", [*(item for item in OWN_FLOWGRAPH if "radio.tx" not in item), "radio.gnuradio.real_time=false"])


@pytest.mark.parametrize("change, said", [
    ("radio.pluto.emulate=true", "start airmeta radio emulate --real-time"),
    ("radio.pluto.trigger=external", "radio.pluto.trigger: gr-iio starts its streams at no pulse"),
])  # fmt: skip
def test_gr_iio_needs_radios_that_run_already_and_starts_at_no_pulse(change, said):
    found = problems(["uplink.kind=waveform", "radio.kind=gnuradio", "radio.gnuradio.flowgraph=pluto", change])
    assert any(said in text for text in found), found
