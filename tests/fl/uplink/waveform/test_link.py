"""A round over the waveform: the sum arrives as it would symbol by symbol, and what fails costs nobody an update."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from dsp.metrics import db, from_db
from dsp.sparsify import top_k
from fl.radio_config import Loopback, Waveform
from fl.radios import loopback, modem
from fl.uplink.base import Offer
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.oracle import Oracle, genie
from fl.uplink.waveform.stations import Stations
from radio.base import OverrunError, RadioError

LENGTH, KEPT, SYMBOLS = 2000, 60, 800
FLAT = {"profile": "flat", "fading": False}
EVERYTHING = {
    "offset_ppm": 20.0, "linewidth_hz": 0.01, "frequency_walk": 0.17, "timing_offset": 16.0, "timing_jitter": 0.02,
    "iq_gain_db": 0.3, "iq_phase_deg": 1.0, "pa_saturation_dbfs": -4.0, "converter_bits": 12,
}  # fmt: skip


def uplink(snr_db=20.0, air=FLAT, rule="inversion", oracle=False, **wave):
    about = modem(Waveform(**wave), 2.4e9)
    noiseless = np.isinf(snr_db)
    bench = loopback(Loopback(**air), about.sample_rate, about.level, from_db(min(snr_db, 300)), 0.25, seed=3)
    stations = Stations(about, bench.server, bench.radio_of)
    control = PowerControl(rule, 1.0, None, 0.0 if noiseless else 1e-6, 5.0, 1.0)
    codec = Codec(LENGTH, SYMBOLS, "partial_dft", "oamp", "bernoulli_gaussian", seed=3)
    manner = genie(Oracle(bench.air, about)) if oracle else Manner()
    return WaveformUplink(codec, KEPT, control, stations, manner)


def offer(agents=4, seed=0):
    updates = np.random.default_rng(seed).standard_normal((agents, LENGTH)).astype(np.float32)
    return Offer(tuple(range(agents)), torch.from_numpy(top_k(updates, KEPT)))


def captured(link, index=0, **options):
    seen = []
    link.observe = seen.append
    return link.deliver(offer(**options), index), seen[0]


@dataclass
class Spy:
    """A radio that notes what is sent, and can lose samples or be muted at a given burst."""

    radio: object
    sent: list = field(default_factory=list)
    lose: int = 0
    mute_at: int | None = None

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        if self.mute_at is not None and len(self.sent) >= self.mute_at:
            self.radio.mute()
        self.sent.append(samples)
        self.radio.transmit(samples, at)

    def receive(self, count, at):
        return replace(self.radio.receive(count, at), lost=self.lose)


def spied(link, agents=4):
    spies = {agent: Spy(link.stations.radio_of(agent)) for agent in range(agents)}
    link.stations.radio_of = spies.__getitem__
    return spies


def test_without_noise_and_with_known_channels_the_sum_is_exact():
    _, seen = captured(uplink(snr_db=np.inf, air={}, oracle=True))
    error = np.linalg.norm(seen.payload.scaled - seen.oracle_sum) / np.linalg.norm(seen.oracle_sum)
    assert error < 1e-4
    assert seen.payload.noise_var.max() < 1e-6  # the genie counts no misalignment among its errors


def test_in_white_noise_estimation_costs_less_than_half_a_decibel():
    known, estimated = uplink(oracle=True), uplink()
    gaps = []
    for index in range(8):
        best, measured = (link.deliver(offer(seed=index), index) for link in (known, estimated))
        gaps.append(measured.oracle_symbol_nmse_db - best.oracle_symbol_nmse_db)
        # -20 dB of noise behind a gain of -15 dB; its energy in 800 symbols is known to 10·log10(1 ± 2/√800) = 0.3 dB
        limit = -35 + float(db(SYMBOLS / best.common_scale / _energy(offer(seed=index), index)))
        assert best.oracle_symbol_nmse_db == pytest.approx(limit, abs=0.5)
    assert -0.1 < np.median(gaps) < 0.5


def _energy(what, index):
    symbols = uplink().codec.sensing_of(index).forward(what.kept)
    return float(symbols.sum(0).abs().square().sum())


@pytest.mark.parametrize("rule", ["inversion", "mmse"])
def test_with_everything_on_the_sum_is_close_to_that_of_a_genie(rule):
    estimated, known = (uplink(20.0, EVERYTHING, rule, oracle) for oracle in (False, True))
    gaps = []
    for index in range(6):
        best, measured = (link.deliver(offer(seed=index), index) for link in (known, estimated))
        gaps.append(measured.diagnostics["oracle_sent_symbol_nmse_db"] - best.diagnostics["oracle_sent_symbol_nmse_db"])
    assert np.median(gaps) < 1.5


def test_an_agent_that_falls_silent_after_its_grant_is_found_and_named():
    link = uplink(10.0)
    spied(link)[2].mute_at = 4  # after its four soundings
    delivery, seen = captured(link)
    assert delivery.heard.tolist() == [True, True, False, True]
    assert "silent" in delivery.excluded[2]
    others = link.codec.sensing_of(0).forward(offer().kept)[torch.tensor([0, 1, 3])].sum(0)
    assert float((torch.from_numpy(seen.payload.scaled) - others).abs().square().mean()) < 0.2 * float(
        others.abs().square().mean()
    )


def test_an_agent_that_never_sounds_is_named_and_the_others_go_on():
    link = uplink(10.0)
    spied(link)[1].mute_at = 0
    delivery = link.deliver(offer(), 0)
    assert delivery.heard.tolist() == [True, False, True, True]
    assert "sounding was not heard" in delivery.excluded[1]


def test_an_air_where_all_are_silent_fails_the_round_and_the_next_one_works():
    link = uplink()
    spies = spied(link)
    for spy in spies.values():
        spy.mute_at = 0
    delivery = link.deliver(offer(), 0)
    assert delivery.total is None
    assert not delivery.heard.any()
    assert "the air was silent" in delivery.failure
    for spy in spies.values():
        spy.mute_at = None
        spy.radio.unmute()
    assert link.deliver(offer(), 1).heard.all()


def test_agents_that_all_vanish_before_the_payload_fail_the_round():
    link = uplink()
    for spy in spied(link).values():
        spy.mute_at = 4
    delivery = link.deliver(offer(), 0)
    assert delivery.total is None
    assert "no pilots arrived" in delivery.failure
    assert set(delivery.excluded) == {0, 1, 2, 3}


def test_a_beacon_that_is_not_there_fails_the_round():
    link = uplink()
    link.stations.server.mute()
    delivery = link.deliver(offer(), 0)
    assert "no agent heard the beacon" in delivery.failure
    assert "threshold" in delivery.excluded[3]


@pytest.mark.parametrize("lost", [1, 500])
def test_lost_samples_fail_the_round_with_their_number(lost):
    link = uplink()
    link.stations.server = Spy(link.stations.server, lose=lost)
    delivery = link.deliver(offer(), 0)
    assert delivery.total is None
    assert f"lost {lost} of" in delivery.failure
    assert OverrunError.__name__ in delivery.failure


def test_a_radio_that_fails_leaves_its_agent_out():
    link = uplink()
    link.stations.radio_of(3).close()
    delivery = link.deliver(offer(), 0)
    assert delivery.heard.tolist() == [True, True, True, False]
    assert RadioError.__name__ in delivery.excluded[3]


def test_no_agent_exceeds_its_power_or_full_scale():
    link = uplink(20.0, {})
    spies = spied(link)
    for index in range(4):
        delivery = link.deliver(offer(seed=index), index)
        level = link.stations.modem.level
        crest = link.stations.modem.numerology.crest_power
        for agent, spy in spies.items():
            assert max(np.abs(burst).max() for burst in spy.sent) <= 1
            if delivery.heard[agent]:
                assert delivery.transmit_power[agent] <= 1 + 1e-6
                # the wave itself: data, 48 pilots at full power at most, prefix and clock change it by little
                assert np.mean(np.abs(spy.sent[-1]) ** 2) <= 1.1 * level**2 * crest
    assert max(delivery.transmit_power.values()) > 0.9  # the weakest link uses what it has


def test_an_agent_near_full_scale_sends_less_and_says_so():
    delivery, seen = captured(uplink(30.0, level_dbfs=-4.0))
    offered = offer()
    sent = [
        float(delivery.carried[agent].norm() / offered.kept[agent].norm()) for agent in np.flatnonzero(delivery.heard)
    ]
    assert min(sent) < 1
    error = np.linalg.norm(seen.payload.scaled - seen.oracle_sum) / np.linalg.norm(seen.oracle_sum)
    assert error < 0.05  # the sum of what they said they sent


def test_memory_between_rounds_can_be_saved_and_restored():
    whole, stopped = uplink(20.0, EVERYTHING), uplink(20.0, EVERYTHING)
    for index in range(2):
        whole.deliver(offer(), index)
        stopped.deliver(offer(), index)
    resumed = uplink(20.0, EVERYTHING)
    resumed.restore(stopped.state())
    first, second = (link.deliver(offer(), 2) for link in (whole, resumed))
    assert torch.equal(first.total, second.total)
    assert first.diagnostics == second.diagnostics


def test_an_agent_that_first_takes_part_late_still_finds_the_beacon():
    link = uplink(20.0, {**FLAT, "offset_ppm": 20.0})
    assert link.deliver(offer(), 400).heard.all()  # 100 s at up to 40 ppm: 16,000 samples


def deafened(link, agent):
    """Make every link of an agent 150 dB weaker, as if its antenna had come off."""
    air = link.stations.server.air
    unit_of = air.unit_of
    air.unit_of = lambda unit: replace(unit_of(unit), path_loss_db=150.0) if unit == agent + 1 else unit_of(unit)


@pytest.mark.parametrize("first", [0, 1000])
def test_a_deaf_agent_costs_the_others_one_round_at_most(first):
    link = uplink()
    deafened(link, 0)
    heard = [link.deliver(offer(), first + index).heard.tolist() for index in range(4)]
    assert heard[1:] == [[False, True, True, True]] * 3


def test_an_agent_that_goes_deaf_is_found_again_when_it_hears():
    link = uplink(20.0, {**FLAT, "offset_ppm": 20.0})
    assert link.deliver(offer(), 100).heard.all()
    unit_of = link.stations.server.air.unit_of
    deafened(link, 2)
    for index in range(101, 104):
        assert link.deliver(offer(), index).heard.tolist() == [True, True, False, True]
    link.stations.server.air.unit_of = unit_of
    assert link.deliver(offer(), 104).heard.all()


def test_few_of_many_agents_take_part_whenever_they_are_drawn():
    link = uplink(20.0, EVERYTHING)
    rng = np.random.default_rng(5)
    for index in range(0, 400, 40):
        agents = tuple(sorted(rng.choice(12, 3, replace=False).tolist()))
        what = replace(offer(3, seed=index), agents=agents)
        assert link.deliver(what, index).diagnostics["agents"].keys() == set(agents)


@pytest.mark.parametrize("air", [FLAT, {}])
def test_the_receiver_is_told_the_variance_of_its_error(air):
    """Over 8 rounds of 800 symbols; nothing wanders here, and the trackers are told. σ² is known to 10 % a round."""
    link = uplink(20.0, air, linewidth_hz=0.0, frequency_walk=0.0)
    errors = []
    for index in range(8):
        _, seen = captured(link, index, seed=index)
        errors.append(np.mean(np.abs(seen.payload.scaled - seen.oracle_sum) ** 2 / seen.payload.noise_var))
    assert np.mean(errors) == pytest.approx(1, abs=0.2)


def test_a_converter_at_its_limit_is_warned_of():
    delivery = uplink(20.0, {**FLAT, "gain_db": 20.0, "converter_bits": 12}).deliver(offer(), 0)
    assert "lower its gain" in delivery.diagnostics["warning"]


def test_only_rounds_with_a_new_agent_sound_four_times():
    link = uplink()
    _, first = captured(link)
    _, second = captured(link, 1)
    assert (first.frame.cycles, second.frame.cycles) == (4, 1)


def test_a_round_that_does_not_fit_the_period_says_how_long_it_has_to_be():
    with pytest.raises(ValueError, match=r"waveform.round_period_s >= 0.1"):
        uplink(round_period_s=0.1).deliver(offer(), 0)


def test_timing_beyond_the_prefix_is_refused():
    with pytest.raises(ValueError, match=r"waveform.cyclic_prefix >= 66"):
        uplink(air={**FLAT, "timing_offset": 30.0})
