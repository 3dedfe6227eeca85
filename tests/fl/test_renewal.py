"""Radios whose streams were started again: what that voided is measured anew, before a run and in the middle of it."""

import pytest

from calibration.sequence import Options
from calibration.table_file import load
from fl.config import parse
from fl.setup import build_uplink
from radio.base import LateError, LostRadioError, RadioError
from radio.loopback import LoopbackRadio
from radio.settings import Change
from tests.drivers import need_libiio
from tests.fl.sounded import sounded
from tools.calibrate.opening import bench_of
from tools.calibrate.work import Work

SHARED = (
    "uplink.kind=waveform", "task.partition=class_overlap", "agents.count=2", "uplink.snr_db=25",
    "radio.loopback.profile=flat", "radio.loopback.fading=false", "radio.loopback.redraw=false",
    "radio.loopback.latency=12", "calibration.use=['latency']", "waveform.response_s=0.01",
    "waveform.trigger_lead_s=0.01",
)  # fmt: skip
KINDS = {
    "loopback": (),
    "pluto": (
        "radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.carrier_hz=2.4e9",
        "radio.pluto.tx_attenuation_db=0", "radio.tx.medium=cable", "radio.tx.authorised_band=[2.39e9, 2.41e9]",
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def calibrated(request, tmp_path_factory):
    """The keys of a bench, and a table with the latencies of its agents, of a session that is over."""
    if request.param == "pluto":
        need_libiio()
    path = tmp_path_factory.mktemp("table") / "table.json"
    keys = [*SHARED, *KINDS[request.param]]
    bench = bench_of(parse("", keys), "CONFIG")
    done = list(Work(bench, path, Options(), lambda _text: None).run(("latency",), resume=False))
    for station in (bench.server, *bench.agents.values()):
        station.radio.configure(Change(lo_offset_hz=1000.0))
        station.radio.close()
    assert not [one.failure for one in done if one.failure]
    return [*keys, f"calibration.table={path}"], path


def configuration(keys):
    return parse("", [*keys, "radio.loopback.restarts=1"])


def opened(keys):
    return build_uplink(configuration(keys), 500)


def close(link):
    on_air = link.stations
    for radio in (on_air.server, on_air.radio_of(0), on_air.radio_of(1)):
        radio.close()


def play(link, index):
    """Return links and exclusions of a round, up to its soundings."""
    return sounded(link, (0, 1), index)


def test_a_run_measures_again_what_the_restart_has_voided_and_its_bursts_arrive_on_time(calibrated):
    keys, path = calibrated
    before = path.read_bytes()
    link = opened(keys)
    links, excluded = play(link, 0)
    assert set(links) == {0, 1}, excluded
    assert {link.stations.radio_of(agent).timing_uncertainty for agent in (0, 1)} == {1}
    old = {entry.radio.serial: entry.quantities["delay_samples"].value for entry in load(path).entries}
    assert all(link.stations.radio_of(agent).serial in old for agent in (0, 1))
    assert path.read_bytes() == before
    close(link)


def test_a_stream_that_was_started_again_in_the_middle_is_measured_before_the_next_round(calibrated):
    link = opened(calibrated[0])
    play(link, 0)
    radio = link.stations.radio_of(1).radio
    restart(radio)
    links, excluded = play(link, 1)
    assert set(links) == {0, 1}, excluded
    assert link.stations.radio_of(1).radio is radio
    close(link)


def test_who_cannot_be_measured_again_is_left_out_with_the_reason_and_comes_back(calibrated, monkeypatch):
    link = opened(calibrated[0])
    play(link, 0)
    restart(link.stations.radio_of(1).radio)
    with monkeypatch.context() as patched:
        patched.setattr("calibration.latency.measure", failing)
        links, excluded = play(link, 1)
    assert set(links) == {0}
    assert "latency could not be measured again: RadioError: unplugged" in excluded[1]
    links, excluded = play(link, 2)
    assert set(links) == {0, 1}, excluded
    close(link)


@pytest.mark.parametrize("error", [LateError("too late"), LostRadioError("unplugged")])
def test_what_a_run_remembers_can_be_saved_although_an_agent_is_left_out_and_the_round_ended_early(
    calibrated, monkeypatch, error
):
    """The server's beacon leaves too late, or its radio is lost; nobody has called the agent that is left out."""
    link = opened(calibrated[0])
    play(link, 0)
    known = link.state()
    assert sorted(known["clocks"][:, 0]) == [0, 1]
    restart(link.stations.radio_of(1).radio)
    with monkeypatch.context() as patched:
        patched.setattr("calibration.latency.measure", failing)
        patched.setattr(type(link.stations.server), "transmit", raising(error))
        with pytest.raises(type(error)):
            play(link, 1)
    saved = link.state()
    assert saved["clocks"][:, 0].tolist() == [0]
    link.restore(known)
    assert [link.agent(agent).clock is not None for agent in (0, 1)] == [True, False]
    links, excluded = play(link, 2)
    assert set(links) == {0, 1}, excluded
    close(link)


def raising(error):
    def failed(*_arguments):
        raise error

    return failed


def restart(radio):
    """Begin a new session of a radio, as a stream does that broke."""
    if isinstance(radio, LoopbackRadio):
        radio.session += ", again"
    else:
        for offset in (1000.0, 0.0):
            radio.configure(Change(lo_offset_hz=offset))


def failing(*_arguments):
    raise RadioError("unplugged")
