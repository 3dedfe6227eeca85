"""Three agents and a server on virtual Plutos: the sum is as good as that of simulated radios with the same faults."""

import numpy as np
import pytest
import torch

from dsp.sparsify import top_k
from fl.config import parse
from fl.setup import build_uplink
from fl.uplink.base import Offer
from tests.drivers import need_libiio

AGENTS, LENGTH, KEPT, ROUNDS = (0, 1, 2), 2000, 60, 3
COMMON = (
    "uplink.kind=waveform", "uplink.snr_db=20", "agents.count=3", "waveform.response_s=0.0045",
    "waveform.trigger_lead_s=0.0045", "waveform.round_period_s=0.14", "radio.loopback.offset_ppm=10",
    "radio.loopback.timing_offset=16", "radio.loopback.iq_gain_db=0.3", "radio.loopback.iq_phase_deg=1",
    "radio.loopback.linewidth_hz=0.01", "radio.loopback.frequency_walk=0.17", "radio.loopback.redraw=false",
)  # fmt: skip
VIRTUAL = (
    "radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.carrier_hz=2.4e9",
    "radio.pluto.tx_attenuation_db=0", "radio.tx.medium=cable", "radio.tx.authorised_band=[2.39e9, 2.41e9]",
)  # fmt: skip


def delivered(*radios):
    """Return what comes of three rounds, with new updates in each."""
    link = build_uplink(parse("", [*COMMON, *radios]), LENGTH)
    updates = np.random.default_rng(0).standard_normal((ROUNDS, len(AGENTS), LENGTH)).astype(np.float32)
    rounds = [link.deliver(Offer(AGENTS, torch.from_numpy(top_k(offered, KEPT))), index)
              for index, offered in enumerate(updates)]  # fmt: skip
    link.stations.server.close()
    for agent in AGENTS:
        link.stations.radio_of(agent).close()
    return rounds


def test_over_virtual_plutos_the_sum_is_within_a_decibel_of_the_simulated_one():
    """Same seed: same channels, clocks, delays and imbalances; what a start and a mixer draw differs."""
    need_libiio()
    simulated, virtual = delivered(), delivered(*VIRTUAL)
    for rounds in (simulated, virtual):
        assert all(delivery.heard.all() for delivery in rounds)
    # Noise and 60 of 2,000 entries redrawn: 0.3 dB rms a round, 0.3 dB in the difference of two medians of three.
    found, expected = (np.median([each.oracle_symbol_nmse_db for each in rounds]) for rounds in (virtual, simulated))
    assert expected < -10
    assert found == pytest.approx(expected, abs=1.0)
