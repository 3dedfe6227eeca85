"""What is kept of a round for the report's pictures is what was on the air."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from dsp.frame import SOUNDING_REPEATS
from dsp.metrics import evm_db, from_db
from dsp.ofdm import demodulate
from dsp.sparsify import top_k
from fl.radio_config import Loopback, Waveform
from fl.radios import loopback, modem
from fl.uplink.base import Offer
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.ideal import IdealAgent, IdealServer
from fl.uplink.in_process import InProcessUplink
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.snapshot import snapshot, watch
from fl.uplink.waveform.stations import Stations

LENGTH, KEPT, SYMBOLS, AGENTS = 1000, 40, 400, 3


def uplink():
    about = modem(Waveform(), 2.4e9)
    bench = loopback(Loopback(offset_ppm=20.0), about.sample_rate, about.level, from_db(25.0), 0.25, seed=3)
    codec = Codec(LENGTH, SYMBOLS, "partial_dft", "oamp", "bernoulli_gaussian", seed=3)
    control = PowerControl("inversion", 1.0, None, 1e-6, 5.0, 1.0)
    return WaveformUplink(codec, KEPT, control, Stations(about, bench.server, bench.radio_of))


def deliver(link, index=0):
    updates = np.random.default_rng(index).standard_normal((AGENTS, LENGTH)).astype(np.float32)
    return link.deliver(Offer(tuple(range(AGENTS)), torch.from_numpy(top_k(updates, KEPT))), index)


@dataclass
class Losing:
    """A radio that loses a sample of every reception from the given one on."""

    radio: object
    sound: int
    heard: int = 0

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def receive(self, count, at):
        self.heard += 1
        return replace(self.radio.receive(count, at), lost=int(self.heard > self.sound))


@pytest.fixture(scope="module")
def round_on_air():
    link, seen = uplink(), []
    link.observe = seen.append
    delivery = deliver(link)
    return link.stations.modem, seen[0], delivery, snapshot(seen[0], link.stations.modem)


def test_the_samples_of_the_payload_hold_the_received_symbols(round_on_air):
    modem, capture, _, shot = round_on_air
    elements = demodulate(shot["payload"], modem.numerology).reshape(-1)[capture.places.data] / modem.level
    scale = np.vdot(elements, shot["received"]) / np.vdot(elements, elements)
    assert evm_db(scale * elements, shot["received"]) < -100


def test_indices_lie_where_the_frame_puts_them(round_on_air):
    modem, capture, _, shot = round_on_air
    frame = capture.frame
    assert shot["payload_start"] - shot["start"] == frame.payload
    assert shot["soundings_start"] - shot["start"] == frame.slot(frame.cycles - 1, 0)
    assert shot["soundings"].size == AGENTS * shot["slot_length"]
    assert shot["subcarrier_hz"].max() == modem.numerology.half_width * modem.sample_rate / modem.numerology.n_fft


def test_each_slot_has_the_energy_of_its_agents_channel(round_on_air):
    """An element of power level² through H, over R periods and a quarter of prefix: noise is 25 dB below."""
    modem, _, _, shot = round_on_air
    for row, samples in enumerate(shot["soundings"].reshape(AGENTS, -1)):
        energy = np.sum(np.abs(samples) ** 2) / modem.level**2
        sent = np.sum(shot["channel_magnitude"][row] ** 2) * (SOUNDING_REPEATS + 0.25)
        assert energy == pytest.approx(sent, rel=0.1)


def test_the_error_against_the_expected_sum_is_that_of_the_history(round_on_air):
    _, _, delivery, shot = round_on_air
    assert evm_db(shot["received"], shot["oracle_expected"]) == pytest.approx(delivery.oracle_symbol_nmse_db, abs=1e-3)


@pytest.mark.parametrize("heard, kept, missing", [(0, "soundings", "channel_magnitude"), (4, "granted", "received")])
def test_a_round_that_failed_keeps_what_it_got_to(heard, kept, missing):
    """Four soundings are the first receptions of a first round, the payload is the fifth."""
    link = uplink()
    link.stations.server, last = Losing(link.stations.server, heard), watch(link)
    assert deliver(link).failure is not None
    assert kept in last()
    assert missing not in last()


def test_an_agent_without_a_link_has_no_channel(round_on_air):
    modem, capture, _, _ = round_on_air
    links = {agent: link for agent, link in capture.links.items() if agent != 1}
    magnitude = snapshot(replace(capture, links=links), modem)["channel_magnitude"]
    assert np.isnan(magnitude).all(1).tolist() == [False, True, False]


def test_a_second_watcher_does_not_blind_the_first():
    link, seen = uplink(), []
    link.observe = seen.append
    last = watch(link)
    assert last() is None
    for index in range(2):
        deliver(link, index)
    assert [capture.round_index for capture in seen] == [0, 1]
    assert last()["round"] == 1


def test_an_uplink_without_a_waveform_has_no_snapshot():
    assert watch(InProcessUplink(KEPT, None, IdealServer, lambda: IdealAgent(KEPT)))() is None
