"""USRPs of a configuration: stand-ins carry a round, also without one of them."""

import sys

import pytest

from fl.config import parse
from fl.setup import build_uplink, open_radios
from radio.base import RadioError
from radio.unit import Unit
from tests.fl.radio_benches import USRPS
from tests.fl.sounded import sounded
from tests.radio.usrp.bench import Board
from tests.radio.usrp.virtual import Virtual, instead_of_uhd


@pytest.fixture
def host(monkeypatch):
    """Three stand-ins, in place of the module `uhd`, in lock-step."""
    host = Virtual([Board(f"S{number}", address) for number, address in enumerate("abc")], [Unit(noise_var=1e-6)] * 3)
    instead_of_uhd(host, monkeypatch)
    yield host
    host.close()


def test_stand_ins_carry_beacon_and_soundings(host):
    config = parse("", USRPS)
    links, excluded = sounded(build_uplink(config, 500), (0, 1), 0)
    assert set(links) == {0, 1}, excluded
    assert [len(part.radiated) > 0 for part in host.parts] == [True] * 3


def test_a_round_goes_on_with_the_other_agents_without_one_whose_radio_is_unplugged(host):
    config = parse("", USRPS)
    link = build_uplink(config, 500)
    host.parts[2].refuses |= {"samples", "tx_gain"}
    links, excluded = sounded(link, (0, 1), 0)
    assert set(links) == {0}
    assert "radio S2:2" in excluded[1]
    assert "check its cable" in excluded[1]


def test_closing_a_bench_closes_its_radios(host):
    _, bench = open_radios(parse("", USRPS))
    assert bench.server.serial == "S0:0"
    assert bench.radio_of(1).serial == "S2:2"
    bench.close()
    with pytest.raises(RadioError, match="is closed"):
        bench.server.receive(10, 0)


def test_without_uhd_a_bench_says_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "uhd", None)
    with pytest.raises(RadioError, match="apt-get install python3-uhd"):
        open_radios(parse("", USRPS))
