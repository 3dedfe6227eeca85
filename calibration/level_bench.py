"""What has to be known of a bench, besides measurements, to choose its levels."""

from dataclasses import dataclass

import numpy as np

from calibration.exchange import Signals
from dsp.frame import beacon
from dsp.metrics import db
from radio.base import Radio
from radio.settings import Limits, Range

PEAK_DB = 10.0  # of a payload, over its rms


@dataclass(frozen=True)
class LevelBench:
    """What a plan has to know of the radios.

    Args:
        server: its serial.
        server_limits: what can be set there.
        agent_limits: what can be set at each agent.
        payload_dbfs: digital rms of a payload at power P.
        beacon_crest_db: peaks of the server's beacon over its rms.
    """

    server: str
    server_limits: Limits
    agent_limits: dict[int, Limits]
    payload_dbfs: float
    beacon_crest_db: float


def at_least(allowed: Range, value: float) -> float:
    """Return the smallest permitted value that is not below one, as far as there is any."""
    inside = allowed.nearest(value)
    return inside if inside >= value - 1e-9 else allowed.nearest(inside + allowed.step)


def bench_of(server: Radio, agents: dict[int, Radio], signals: Signals) -> LevelBench:
    """Return what a plan has to know of radios."""
    power = signals.amplitude**2 * signals.numerology.crest_power
    wave = np.abs(beacon(signals.numerology)) ** 2
    limits = {agent: radio.limits for agent, radio in agents.items()}
    return LevelBench(server.serial, server.limits, limits, float(db(power)), float(db(wave.max() / wave.mean())))
