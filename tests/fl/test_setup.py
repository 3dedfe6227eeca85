import pytest
import torch

from fl.setup import assemble
from fl.uplink.digital import DigitalServer
from fl.uplink.ideal import IdealServer
from fl.uplink.one_bit import OneBitServer
from fl.uplink.symbol import SymbolServer


@pytest.mark.parametrize(
    ("overrides", "kind", "kept"),
    [
        ([("uplink", "kind", "ideal")], IdealServer, 1.0),
        ([("uplink", "kind", "ideal"), ("uplink", "ideal_top_k", True)], IdealServer, 0.04),
        ([("uplink", "sparsity", 0.1)], SymbolServer, 0.1),
        ([("uplink", "kind", "digital")], DigitalServer, 0.04),
        ([("uplink", "kind", "one_bit"), ("server", "lr", 0.01)], OneBitServer, 1.0),
    ],
)
def test_one_key_switches_the_link(small, cache, overrides, kind, kept):
    parts = assemble(small(*overrides), cache)
    assert isinstance(parts.uplink.server(torch.zeros(1)), kind)
    assert parts.uplink.kept_entries == round(kept * parts.model.dimension)


def test_snr_sets_the_noise_for_unit_power(small, cache):
    server = assemble(small(("uplink", "snr_db", 10.0)), cache).uplink.server(torch.zeros(1))
    assert server.channel.power_control.noise_var == pytest.approx(0.1)


def test_the_identity_sends_every_entry(small, cache):
    parts = assemble(small(("uplink", "sensing", "identity"), ("uplink", "measurements", 1.0)), cache)
    assert parts.uplink.n_symbols == parts.model.dimension


def test_weights_follow_the_images_an_agent_holds(small, cache):
    uniform = assemble(small(("agents", "count", 3)), cache)
    assert {uniform.weight(agent) for agent in range(3)} == {1.0}
    samples = assemble(small(("agents", "count", 3), ("algorithm", "weighting", "samples")), cache)
    sizes = [len(samples.partition(agent)) for agent in range(3)]
    assert samples.weight(0) / samples.weight(2) == pytest.approx(sizes[0] / sizes[2])
