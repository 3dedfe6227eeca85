"""USRPs of a configuration: what they need, and that stand-ins carry a round."""

import sys

import pytest

from fl.config import ConfigError, check, parse
from fl.setup import open_radios, stations
from fl.uplink.waveform.round import Round
from radio.air import Unit
from radio.base import RadioError
from tests.radio.usrp.bench import Board
from tests.radio.usrp.virtual import Virtual, instead_of_uhd

REAL = (
    "uplink.kind=waveform", "radio.kind=usrp", "radio.usrp.devices=['addr0=a,addr1=b,addr2=c']",
    "radio.usrp.carrier_hz=2.4e9", "radio.usrp.tx_attenuation_db=0", "radio.usrp.lead_s=0.001",
    "radio.usrp.block=1024", "radio.tx.medium=cable", "radio.tx.authorised_band=[2.39e9, 2.41e9]", "agents.count=2",
    "waveform.response_s=0.004", "waveform.trigger_lead_s=0.004",
)  # fmt: skip


@pytest.mark.parametrize("change, problem, remedy", [
    ("radio.usrp.carrier_hz=0", "greater than 0", "radio.usrp.carrier_hz"),
    ("radio.usrp.carrier_hz=2.409e9", "2407 to 2411 MHz must lie inside", "another carrier, or make"),
    ("radio.usrp.bandwidth_hz=4e5", "the 3.14062 MHz that the subcarriers occupy, got 0.4 MHz", "widen them"),
    ("radio.usrp.devices=[]", "at least one device string is needed, got none", "uhd_find_devices"),
    ("radio.usrp.devices=['a', 'a']", "can be named once only", "remove"),
    ("radio.usrp.channels=[0, 0, 1]", "each named once, got [0, 0, 1]", "name each once"),
    ("radio.usrp.clock_source=mimo", "clock_source = mimo, time_source = external", "set both to mimo"),
    ("uplink.kind=symbol", "radio.kind = usrp and uplink.kind = symbol", "set uplink.kind = waveform"),
    ("radio.usrp.lead_s=0.01", "response_s: must leave", "a shorter lead"),
])  # fmt: skip
def test_each_contradiction_is_its_own_error(change, problem, remedy):
    with pytest.raises(ConfigError) as caught:
        parse("", [*REAL, change])
    assert any(problem in text and remedy in text for text in caught.value.problems), caught.value.problems


def test_a_mimo_cable_and_several_devices_contradict_each_other():
    mimo = ["radio.usrp.clock_source=mimo", "radio.usrp.time_source=mimo"]
    parse("", [*REAL, *mimo])
    with pytest.raises(ConfigError, match="joins two motherboards of one device string, got 2 strings"):
        parse("", [*REAL, *mimo, "radio.usrp.devices=['a', 'b']"])


def test_devices_with_times_of_their_own_need_a_search_for_the_beacon():
    alone = ["radio.usrp.time_source=internal", "radio.usrp.devices=['a', 'b', 'c']"]
    with pytest.raises(ConfigError, match=r"waveform\.search_s: must leave 80000 samples .* set it to 0\.02 or more"):
        parse("", [*REAL, *alone])
    parse("", [*REAL, *alone, "waveform.search_s=0.02", "waveform.round_period_s=0.5"])


def test_nothing_is_assumed_about_frequency_medium_and_band():
    with pytest.raises(ConfigError) as caught:
        check({"uplink": {"kind": "waveform"}, "radio": {"kind": "usrp"}})
    for key in (
        "radio.usrp.carrier_hz: there is no default",
        "radio.tx.medium: nothing",
        "radio.tx.authorised_band: n",
    ):
        assert any(text.startswith(key) for text in caught.value.problems), key


def test_what_only_a_simulation_has_is_refused():
    parse("", [*REAL])
    for change, key in (("uplink.snr_db=10", "uplink.snr_db"), ("radio.loopback.offset_ppm=3", "radio.loopback")):
        with pytest.raises(ConfigError, match=rf"^{key}: .*real"):
            parse("", [*REAL, change])


@pytest.fixture
def host(monkeypatch):
    """Three stand-ins, in place of the module `uhd`, in lock-step."""
    host = Virtual([Board(f"S{number}", address) for number, address in enumerate("abc")], [Unit(noise_var=1e-6)] * 3)
    instead_of_uhd(host, monkeypatch)
    yield host
    host.close()


def test_stand_ins_carry_beacon_and_soundings(host):
    config = parse("", [*REAL])
    on_air = stations(config)
    first = Round(on_air, (0, 1), 500, 0, config.seed)
    first.call()
    links = first.sound()
    assert set(links) == {0, 1}, first.excluded
    assert [len(part.radiated) > 0 for part in host.parts] == [True] * 3


def test_a_round_goes_on_with_the_other_agents_without_one_whose_radio_is_unplugged(host):
    config = parse("", [*REAL])
    on_air = stations(config)
    host.parts[2].refuses |= {"samples", "tx_gain"}
    first = Round(on_air, (0, 1), 500, 0, config.seed)
    first.call()
    links = first.sound()
    assert set(links) == {0}
    assert "radio S2:2" in first.excluded[1]
    assert "check its cable" in first.excluded[1]


def test_closing_a_bench_closes_its_radios(host):
    _, bench = open_radios(parse("", [*REAL]))
    assert bench.server.serial == "S0:0"
    assert bench.radio_of(1).serial == "S2:2"
    bench.close()
    with pytest.raises(RadioError, match="is closed"):
        bench.server.receive(10, 0)


def test_without_uhd_a_bench_says_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "uhd", None)
    with pytest.raises(RadioError, match="apt-get install python3-uhd"):
        open_radios(parse("", [*REAL]))
