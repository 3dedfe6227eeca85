"""A server and agents that know no more of each other than they are told deliver what one process does, bit for bit."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from calibration.ratio import Ratio
from dsp.sparsify import top_k
from dsp.sync import NotDetected
from fl.config import check
from fl.radio_config import Calibration
from fl.setup import build_uplink, open_radios, stations
from fl.sides import OpenRadio, agent_role, server_role
from fl.threads import use_threads
from fl.uplink.base import Offer
from fl.uplink.roles import TransmitReport, reason_of
from fl.uplink.settings import codec, kept_entries, power_control
from fl.uplink.waveform.downlink import downlink
from fl.uplink.waveform.link import WaveformUplink
from radio.base import RadioError

LENGTH, AGENTS, ROUNDS = 2000, 4, 3
SCHEDULED = tuple(range(AGENTS))
IMPAIRED = {
    "offset_ppm": 20.0, "linewidth_hz": 0.01, "frequency_walk": 0.17, "timing_offset": 16.0, "timing_jitter": 0.02,
    "iq_gain_db": 0.3, "pa_saturation_dbfs": -4.0, "converter_bits": 12,
}  # fmt: skip
FLAT = {"profile": "flat", "fading": False}
COMMON_CLOCK = {"level_error_db": 3.0, "mixer_phases": True, "timing_offset": 0.0}


def configuration(kind, air=None, wave=None, **uplink):
    content = {
        "run": {"threads": 1},
        "agents": {"count": AGENTS},
        "server": {"lr": 0.01 if kind == "one_bit" else 1.0},
        "uplink": {"kind": kind, "snr_db": 20.0, "min_headroom_db": 3.0} | uplink,
    }
    if kind == "waveform":
        content |= {"radio": {"loopback": air or {}}, "waveform": wave or {}}
        if (wave or {}).get("channel_from") == "downlink":
            content["calibration"] = {"table": "bench.json", "use": []}
    config = check(content)
    use_threads(config.run.threads)
    return config


def offers(k):
    for index in range(ROUNDS):
        updates = np.random.default_rng(index).standard_normal((AGENTS, LENGTH)).astype(np.float32)
        updates[1] *= 30  # an outlier, and a small one
        updates[2] *= 0.1
        yield index, Offer(SCHEDULED, torch.from_numpy(top_k(updates, k)))


def wired(told):
    """Return what arrives of a dataclass at the other side: a copy, its tensors as arrays."""
    arrived = copy.deepcopy(told)
    if isinstance(told, TransmitReport):
        values = {item.name: getattr(arrived, item.name) for item in fields(arrived)}
        arrays = {name: value.numpy() for name, value in values.items() if isinstance(value, torch.Tensor)}
        arrived = replace(arrived, **arrays)
    return arrived


def play(server, agents, offer, index):
    """Return the delivery of a round between two sides; agents send in the opposite order of one process."""
    power = {agent: agents[agent].offer(kept, index) for agent, kept in zip(SCHEDULED, offer.kept, strict=True)}
    absent, sent = {}, {}
    try:
        reports = followed(server, agents, index, absent) if server.on_air else {}
        decision = wired(server.decide(SCHEDULED, index, power, reports, absent))
        carried = {agent: agents[agent].prepare(grant) for agent, grant in decision.grants.items()}
        for agent in reversed(carried):
            try:
                sent[agent] = wired(agents[agent].transmit())
            except RadioError as error:
                absent[agent] = reason_of(error)
        if server.on_air and sent:
            server.receive()
        return replace(server.decode(sent, absent), carried=carried)
    except RadioError as error:
        return server.give_up(reason_of(error), absent)


def followed(server, agents, index, absent):
    slots, reports = server.call(SCHEDULED, index), {}
    for agent in sorted(SCHEDULED, key=lambda one: agents[one].clock is None):
        try:
            reports[agent] = wired(agents[agent].follow(wired(slots[agent])))
        except (NotDetected, RadioError) as error:
            absent[agent] = reason_of(error)
    server.sound()
    return reports


def same(one, other):
    """Check that two deliveries are the same, bit for bit."""
    for item in fields(one):
        a, b = getattr(one, item.name), getattr(other, item.name)
        if isinstance(a, torch.Tensor):
            assert torch.equal(a, b), item.name
        elif isinstance(a, np.ndarray):
            assert a.tobytes() == b.tobytes(), item.name
        else:
            if isinstance(a, dict):
                assert list(a) == list(b), item.name
            if item.name == "carried":
                assert all(torch.equal(a[agent], b[agent]) for agent in a)
                continue
            assert a == b, item.name


def sides_of(config, ratios=None):
    """Return a server and agents, each with a radio of its own on one air, and the air."""
    if config.uplink.kind != "waveform":
        agents = {agent: agent_role(config, LENGTH, agent, oracle=True) for agent in SCHEDULED}
        return server_role(config, LENGTH), agents, None
    _, bench = open_radios(config)
    server = server_role(config, LENGTH, OpenRadio(bench.server, ratios=ratios or {}))
    agents = {}
    for agent in SCHEDULED:
        own = {agent: ratios[agent]} if ratios and agent in ratios else {}
        agents[agent] = agent_role(config, LENGTH, agent, OpenRadio(bench.radio_of(agent), ratios=own), oracle=True)
    return server, agents, bench.air


@pytest.mark.parametrize("config", [
    {"kind": "ideal"},
    {"kind": "ideal", "ideal_top_k": True},
    *({"kind": "symbol", "power_rule": rule} for rule in ("inversion", "phase_only", "mmse")),
    {"kind": "symbol", "power_rule": "none", "fading": {"kind": "none"}},
    {"kind": "symbol", "fading": {"blocks": 8}, "min_gain": 0.05, "min_headroom_db": 15.0},
    {"kind": "symbol", "min_headroom_db": 21.0},
    {"kind": "symbol", "sensing": "random_rows", "receiver": "lmmse"},
    {"kind": "symbol", "sensing": "gaussian", "receiver": "amp"},
    {"kind": "airfl_mem"},
    {"kind": "airfl_mem", "fading": {"blocks": 8}, "min_gain": 0.5, "max_norm_ratio": 2.0},
    {"kind": "digital"},
    {"kind": "digital", "sparsity": 1.0, "snr_db": -3.0, "digital": {"limit": "peak"}},
    {"kind": "one_bit"},
    {"kind": "one_bit", "measurements": 1.0, "fading": {"blocks": 3}, "min_gain": 0.5},
])  # fmt: skip
def test_off_the_air_two_sides_deliver_what_one_process_does(config):
    config = configuration(**config)
    uplink, (server, agents, _) = build_uplink(config, LENGTH), sides_of(config)
    for index, offer in offers(uplink.kept_entries):
        same(play(server, agents, offer, index), uplink.deliver(offer, index))


@pytest.mark.parametrize("rule", ["inversion", "mmse"])
def test_on_the_air_two_sides_deliver_what_one_process_does(rule):
    config = configuration("waveform", IMPAIRED, power_rule=rule)
    uplink, (server, agents, _) = build_uplink(config, LENGTH), sides_of(config)
    for index, offer in offers(uplink.kept_entries):
        delivery = uplink.deliver(offer, index)
        assert delivery.heard.sum() > 1
        same(play(server, agents, offer, index), delivery)


def test_an_agent_that_is_deaf_and_one_that_falls_silent_are_the_same_to_both():
    config = configuration("waveform", IMPAIRED | FLAT)
    uplink, (server, agents, air) = build_uplink(config, LENGTH), sides_of(config)
    for one in (uplink.stations.server.air, air):
        deafen(one, AGENTS)
    for index, offer in offers(uplink.kept_entries):
        if index == 2:
            uplink.stations.radio_of(1).mute()
            agents[1].radio().mute()
        delivery = uplink.deliver(offer, index)
        assert delivery.heard.tolist() == [True, index < 2, True, False]
        same(play(server, agents, offer, index), delivery)


def deafen(air, unit):
    unit_of = air.unit_of
    air.unit_of = lambda one: replace(unit_of(one), path_loss_db=150.0) if one == unit else unit_of(one)


def test_a_round_in_which_nobody_hears_the_beacon_is_the_same_to_both():
    config = configuration("waveform", FLAT)
    uplink, (server, agents, _) = build_uplink(config, LENGTH), sides_of(config)
    uplink.stations.server.mute()
    server.station.radio().mute()
    for index, offer in offers(uplink.kept_entries):
        delivery = uplink.deliver(offer, index)
        assert "no agent heard the beacon" in delivery.failure
        same(play(server, agents, offer, index), delivery)


def test_without_soundings_an_agent_needs_the_relation_of_its_counter_only():
    config = configuration("waveform", COMMON_CLOCK, {"channel_from": "downlink"})
    as_they_come = config.model_copy(update={"calibration": Calibration()})
    ratios = {agent: Ratio(gain_db=0.1 * agent, gain_error_db=0.1, phase_error_deg=0.7) for agent in range(3)}
    manner = downlink(ratios)
    uplink = WaveformUplink(
        codec(config, LENGTH), kept_entries(config, LENGTH), power_control(config), stations(as_they_come), manner
    )
    server, agents, _ = sides_of(config, ratios)
    for index, offer in offers(uplink.kept_entries):
        delivery = uplink.deliver(offer, index)
        assert "no chain ratio" in delivery.excluded[3]
        assert delivery.heard.any()
        same(play(server, agents, offer, index), delivery)


def test_a_server_that_goes_on_from_its_state_delivers_the_same():
    config = configuration("waveform", IMPAIRED)
    server, agents, _ = sides_of(config)
    whole, others, _ = sides_of(config)
    for index, offer in offers(kept_entries(config, LENGTH)):
        if index == 2:
            radio = server.station.radio()
            saved, server = server.state(), server_role(config, LENGTH, OpenRadio(radio))
            server.restore(saved)
        same(play(server, agents, offer, index), play(whole, others, offer, index))


def test_a_granted_agent_that_never_sends_is_named_and_its_row_adds_nothing():
    config = configuration("symbol")
    server, agents, _ = sides_of(config)
    index, offer = next(iter(offers(kept_entries(config, LENGTH))))
    power = {agent: agents[agent].offer(offer.kept[agent], index) for agent in SCHEDULED}
    decision = server.decide(SCHEDULED, index, power, {})
    gone, *there = decision.grants
    for agent in there:
        agents[agent].prepare(decision.grants[agent])
    delivery = server.decode({agent: agents[agent].transmit() for agent in there}, {gone: "gone: no heartbeat"})
    assert {agent for agent in SCHEDULED if delivery.heard[agent]} == set(there)
    assert delivery.excluded[gone] == "gone: no heartbeat"
    assert delivery.oracle_symbol_nmse_db < -10


@pytest.mark.parametrize("kind", ["symbol", "digital", "one_bit", "waveform"])
def test_a_round_whose_granted_agents_have_all_gone_before_they_sent_delivers_nothing(kind):
    config = configuration(kind)
    server, agents, _ = sides_of(config)
    index, offer = next(iter(offers(kept_entries(config, LENGTH))))
    power = {agent: agents[agent].offer(offer.kept[agent], index) for agent in SCHEDULED}
    reports = followed(server, agents, index, {}) if server.on_air else {}
    decision = server.decide(SCHEDULED, index, power, reports)
    assert decision.grants
    delivery = server.decode({}, dict.fromkeys(SCHEDULED, "gone: no heartbeat"))
    assert delivery.total is None
    assert not delivery.heard.any()
    assert delivery.failure is None
    assert set(delivery.excluded) == set(SCHEDULED)
