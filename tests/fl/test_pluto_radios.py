"""PlutoSDRs of a configuration: what they need, and that a bench of virtual ones carries a round."""

import threading

import pytest

from fl.config import ConfigError, check, parse
from fl.setup import open_radios, stations
from fl.uplink.waveform.round import Round
from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.server import serving
from radio.pluto.radio import PlutoRadio
from tests.drivers import need_libiio

VIRTUAL = (
    "uplink.kind=waveform", "radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.carrier_hz=915e6",
    "radio.pluto.block=1024", "radio.pluto.tx_attenuation_db=0", "radio.tx.medium=cable",
    "radio.tx.authorised_band=[912e6, 918e6]", "agents.count=2", "waveform.response_s=0.002",
    "waveform.trigger_lead_s=0.002",
)  # fmt: skip


@pytest.mark.parametrize("change, problem, remedy", [
    ("radio.pluto.carrier_hz=0", "greater than 0", "radio.pluto.carrier_hz"),
    ("radio.pluto.carrier_hz=917e6", "915 to 919 MHz must lie inside", "912 to 918 MHz; choose another carrier"),
    ("radio.pluto.bandwidth_hz=4e5", "the 3.14062 MHz that the subcarriers occupy, got 0.4 MHz", "widen them"),
    ("radio.pluto.emulate=false", "a server and 2 agents need 3 radios, got 0", "emulate = true"),
    ("radio.pluto.uris=['a']", "got URIs as well", "leave one of both out"),
    ("radio.pluto.uris=['192.168.2.1']", "called as libiio does, ip:192.168.2.1", "got '192.168.2.1'"),
    ("radio.pluto.uris=['ip:']", "called as libiio does", "got 'ip:'"),
    ("radio.pluto.uris=['ip:a', 'ip:b', 'ip:a']", "named once only, got ip:a more often", "name each once"),
    ("radio.pluto.uris=ip:192.168.2.1", "radio.pluto.uris: write a list", "got 'ip:192.168.2.1'"),
    ("radio.pluto.rx_gain_db=30.5", "radio.pluto.rx_gain_db", "multiple of 1, got 30.5"),
    ("radio.pluto.block=8192", "response_s: must leave", "smaller block"),
    ("radio.pluto.block=65536", "round_period_s: a fifth of it must leave", "smaller block"),
    ("radio.tx.authorised_band=[918e6, 912e6]", "must rise from low to high, got [918000000, 912000000]", "lower fre"),
    ("radio.tx.authorised_band=[918e6]", "an entry of the list is missing", "got [918000000.0]"),
    ("uplink.kind=symbol", "radio.kind = pluto and uplink.kind = symbol", "set uplink.kind = waveform"),
    ("uplink.kind=ideal", "radio.kind = pluto and uplink.kind = ideal", "set uplink.kind = waveform"),
])  # fmt: skip
def test_each_contradiction_is_its_own_error(change, problem, remedy):
    with pytest.raises(ConfigError) as caught:
        parse("", [*VIRTUAL, change])
    assert any(problem in text and remedy in text for text in caught.value.problems), caught.value.problems


def test_narrow_filters_do_not_bring_a_signal_into_a_narrow_band():
    narrow = ["radio.tx.authorised_band=[914.8e6, 915.2e6]", "radio.pluto.bandwidth_hz=4e5"]
    with pytest.raises(ConfigError) as caught:
        parse("", [*VIRTUAL, *narrow])
    assert any("from 913.43 to 916.57 MHz must lie inside" in text for text in caught.value.problems)
    parse("", [*VIRTUAL, "radio.tx.authorised_band=[913.4e6, 916.6e6]", "radio.pluto.bandwidth_hz=3.15e6"])


def test_nobody_fires_the_external_pulse_of_virtual_radios_in_real_time():
    with pytest.raises(ConfigError, match=r"radio\.pluto\.trigger: nobody fires .*radio\.pluto\.clock = lock-step"):
        parse("", [*VIRTUAL, "radio.pluto.trigger=external", "radio.pluto.clock=real-time"])


def test_nothing_is_assumed_about_frequency_medium_and_band():
    with pytest.raises(ConfigError) as caught:
        check({"uplink": {"kind": "waveform"}, "radio": {"kind": "pluto", "pluto": {"emulate": True}}})
    for key in (
        "radio.pluto.carrier_hz: there is no default",
        "radio.tx.medium: nothing",
        "radio.tx.authorised_band: n",
    ):
        assert any(text.startswith(key) for text in caught.value.problems), key


def test_what_only_a_simulation_has_is_refused_for_real_radios():
    real = [*VIRTUAL, "radio.pluto.emulate=false", "radio.pluto.uris=['ip:a', 'ip:b', 'ip:c']", "radio.pluto.block=512",
            "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01"]  # fmt: skip
    parse("", real)
    for change, key in (("uplink.snr_db=10", "uplink.snr_db"), ("radio.loopback.offset_ppm=3", "radio.loopback")):
        with pytest.raises(ConfigError, match=rf"^{key}: .*real"):
            parse("", [*real, change])


@pytest.mark.parametrize("trigger", ["auto", "external"])
def test_a_bench_of_virtual_plutos_carries_beacon_and_soundings(trigger):
    need_libiio()
    config = parse("", [*VIRTUAL, "radio.loopback.offset_ppm=3", f"radio.pluto.trigger={trigger}"])
    on_air = stations(config)
    first = Round(on_air, (0, 1), 500, 0, config.seed)
    first.call()
    links = first.sound()
    assert set(links) == {0, 1}, first.excluded
    for radio in (on_air.server, on_air.radio_of(0), on_air.radio_of(1)):
        radio.close()


def test_units_in_lock_step_that_threads_would_serve_are_warned_of(caplog):
    need_libiio()
    bench = Bench(2)
    with serving(bench) as host:
        uris = ", ".join(f"'{uri}'" for uri in host.uris)
        real = ["radio.pluto.emulate=false", f"radio.pluto.uris=[{uris}]", "agents.count=1", "radio.pluto.block=512",
                "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01", "task.partition=class_overlap"]  # fmt: skip
        _, opened = open_radios(parse("", [*VIRTUAL, *real]))
        opened.close()
    assert "in lock-step: a run comes too late" in caplog.text
    assert b'name="airmeta,clock" value="lock-step"' in bench.units[0].context


def test_closing_a_bench_closes_its_radios():
    need_libiio()
    _, bench = open_radios(parse("", [*VIRTUAL, "agents.count=1", "task.partition=class_overlap"]))
    assert bench.server.serial != bench.radio_of(0).serial
    bench.close()
    with pytest.raises(RadioError, match="is closed"):
        bench.server.receive(10, 0)


def test_a_radio_that_cannot_be_closed_keeps_none_of_the_others_of_a_bench_from_it(monkeypatch):
    """Each waits until all are being closed."""
    need_libiio()
    _, bench = open_radios(parse("", [*VIRTUAL, "agents.count=1", "task.partition=class_overlap"]))
    together, close = threading.Barrier(2, timeout=10), PlutoRadio.close

    def close_and_wait(radio):
        close(radio)
        if radio is bench.server:
            together.wait()
            raise RadioError("planted")
        together.wait()

    monkeypatch.setattr(PlutoRadio, "close", close_and_wait)
    with pytest.raises(RadioError, match="planted"):
        bench.close()
