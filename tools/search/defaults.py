"""What is varied if nothing else is said: k, M, rates and the power floor, around the experiment's own values.

A key that the experiment would refuse whatever its value (`analytic` sends everything, `phase_only` truncates nothing)
is left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dsp.metrics import from_db
from dsp.power import optimal_min_gain
from fl.algorithms.table import ALGORITHMS
from fl.config import Config
from tools.search.space import Axis, refusal

FACTOR = 4.0  # around a rate or a count of the experiment
HEADROOM_DB = 6.0


def default_axes(config: Config, base: Path, overrides: Sequence[str]) -> list[Axis]:
    """Return the axes that an experiment has a use for.

    Args:
        config: the experiment.
        base: its file.
        overrides: `key=value` over it.
    """
    return [axis for axis in _wanted(config) if refusal(axis, base, overrides) is None]


def own_values(config: Config, keys: dict[str, object]) -> dict[str, object]:
    """Return values by key with the power floor as the number that stands for its default."""
    floor = {} if config.uplink.min_gain is not None else {"uplink.min_gain": _floor(config)}
    return {**keys, **floor}


def _wanted(config: Config) -> Iterator[Axis]:
    uplink = config.uplink
    yield _around("uplink.sparsity", uplink.sparsity, 1.0)
    half = uplink.kind in ("symbol", "waveform") and uplink.sensing == "partial_dft"
    yield _around("uplink.measurements", uplink.measurements, 0.5 if half else 1.0)
    yield _around("server.lr", config.server.lr)
    used = ALGORITHMS[config.algorithm.kind].keys
    normalised = config.server.optimizer == "adam" and config.algorithm.local_steps == 1  # Δ/η has no η in it
    if "local_lr" in used and not normalised:
        yield _around("algorithm.local_lr", config.algorithm.local_lr)
    if "inner_lr" in used:
        yield _around("algorithm.inner_lr", config.algorithm.inner_lr)
    if uplink.kind in ("symbol", "waveform"):
        low, high = uplink.min_headroom_db - HEADROOM_DB, uplink.min_headroom_db + HEADROOM_DB
        yield Axis("uplink.min_headroom_db", "real", low, high)
        if uplink.kind == "waveform" or uplink.fading.blocks > 1:  # with one block a silent agent is one left out
            floor = _floor(config)
            yield Axis("uplink.min_gain", "ratio", floor / 10, floor * 100)


def _around(key: str, value: float, limit: float = float("inf")) -> Axis:
    return Axis(key, "ratio", value / FACTOR, min(value * FACTOR, limit))


def _floor(config: Config) -> float:
    if config.uplink.min_gain is not None:
        return config.uplink.min_gain
    return optimal_min_gain(config.agents.scheduled, from_db(config.uplink.snr_db))
