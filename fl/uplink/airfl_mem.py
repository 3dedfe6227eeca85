"""AirFL-Mem: truncated inversion with a memory of what it erases (Wen, Xing, Simeone, arXiv 2310.16606).

    agent     v = m_i + Δ_i;  s_i = v on a support of 2M entries, drawn from the shared seed, two entries a channel use
    agent     x_i = √ρ·b_i∘s_i/h_i;  b_i = 1{|h_i|² >= g_th} on each fading block;  m_i <- v − b_i∘v on the support
    server    y/√ρ = Σ b_i∘s_i + error  ->  entries as they come, 0 off the support; divided by the agents heard

The sides are those of `fl.uplink.symbol` on the same channel; what differs is the operator, the rule and the receiver.
Known of the paper: truncated inversion, the memory of erased entries, no error floor with it and one without it. Our
reconstruction: the shared support, for channel uses are fewer than entries; two entries a use; and the threshold

    g_th = W(3b/2a)/3,  a = 1/n,  b = 1/(n²·SNR):   the minimum of a(e^{2g} − 1) + b·E1(g)

where a is what the memories of n agents with independent erasures add to the error of the mean, and b the noise, both
over the energy of an update and for a step of the size of the inverse smoothness. For energy that compares with the
other uplinks' the power constraint is theirs: no agent sends more than P in any round, not on average over rounds. The
server divides by the number of agents heard, and knows nothing of what each has erased.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dsp.sparsify import count
from fl.algorithms.base import Conflict
from fl.dimension import message_length
from fl.uplink.base import Array
from fl.uplink.codec import Codec
from fl.uplink.conflicts import fading_conflicts, fixed_conflicts, silence_conflicts
from fl.uplink.off_air import Kind
from fl.uplink.settings import multiple_access, power_control
from fl.uplink.symbol import SymbolAgent, SymbolServer

if TYPE_CHECKING:
    from fl.config import Config

FIXED = "power_rule", "sensing", "receiver", "prior"
"""Keys of the table `uplink` about what is part of the method."""


def _codec(config: "Config", length: int) -> Codec:
    return Codec(
        length=length,
        n_symbols=_channel_uses(config, length),
        sensing="shared_support",
        receiver="matched_filter",
        prior="bernoulli_gaussian",
        seed=config.seed,
    )


def _channel_uses(config: "Config", length: int) -> int:
    return count(config.uplink.measurements, length)


def _server(config: "Config", length: int, reference: Array) -> SymbolServer:
    control = replace(power_control(config), rule="erasure")
    return SymbolServer(_codec(config, length), multiple_access(config, control), reference)


def _agent(config: "Config", length: int, oracle: bool) -> SymbolAgent:
    return SymbolAgent(_codec(config, length), length, oracle)


def _conflicts(config: "Config") -> Iterator[Conflict]:
    uplink = config.uplink
    yield from fixed_conflicts(config, FIXED, "airfl_mem inverts channels and takes entries as they come")
    if uplink.measurements > 0.5:
        yield (
            ("uplink.measurements", "uplink.kind"),
            f"uplink.measurements: airfl_mem sends two entries a channel use, so at most 0.5, got "
            f"{uplink.measurements}; set it to 0.5",
        )
    if uplink.measurements * message_length(config) < 1:
        yield (
            ("uplink.measurements",),
            f"uplink.measurements: less than one channel use for {message_length(config)} parameters",
        )
    yield from fading_conflicts(config)
    yield from silence_conflicts(config)


KIND = Kind(_server, _agent, _channel_uses, _conflicts)
