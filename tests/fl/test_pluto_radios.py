"""PlutoSDRs of a configuration: a bench of virtual ones carries a round, and is closed whole."""

import threading

import pytest

from fl.config import parse
from fl.setup import build_uplink, open_radios
from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.host import serving
from radio.pluto.radio import PlutoRadio
from tests.drivers import need_libiio
from tests.fl.radio_benches import PLUTOS
from tests.fl.sounded import sounded


@pytest.mark.parametrize("trigger", ["auto", "external"])
def test_a_bench_of_virtual_plutos_carries_beacon_and_soundings(trigger):
    need_libiio()
    config = parse("", [*PLUTOS, "radio.loopback.offset_ppm=3", f"radio.pluto.trigger={trigger}"])
    link = build_uplink(config, 500)
    links, excluded = sounded(link, (0, 1), 0)
    assert set(links) == {0, 1}, excluded
    for radio in (link.stations.server, link.stations.radio_of(0), link.stations.radio_of(1)):
        radio.close()


def test_units_in_lock_step_that_threads_would_serve_are_warned_of(caplog):
    need_libiio()
    bench = Bench(2)
    with serving(bench) as host:
        uris = ", ".join(f"'{uri}'" for uri in host.uris)
        real = ["radio.pluto.emulate=false", f"radio.pluto.uris=[{uris}]", "agents.count=1", "radio.pluto.block=512",
                "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01", "task.partition=class_overlap"]  # fmt: skip
        _, opened = open_radios(parse("", [*PLUTOS, *real]))
        opened.close()
    assert "in lock-step: a run comes too late" in caplog.text
    assert b'name="airmeta,clock" value="lock-step"' in bench.units[0].context


def test_closing_a_bench_closes_its_radios():
    need_libiio()
    _, bench = open_radios(parse("", [*PLUTOS, "agents.count=1", "task.partition=class_overlap"]))
    assert bench.server.serial != bench.radio_of(0).serial
    bench.close()
    with pytest.raises(RadioError, match="is closed"):
        bench.server.receive(10, 0)


def test_a_radio_that_cannot_be_closed_keeps_none_of_the_others_of_a_bench_from_it(monkeypatch):
    """Each waits until all are being closed."""
    need_libiio()
    _, bench = open_radios(parse("", [*PLUTOS, "agents.count=1", "task.partition=class_overlap"]))
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
