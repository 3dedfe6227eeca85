"""Which kinds of measurement there are, and what each one holds for: settings, partner, session, time."""

from dataclasses import dataclass
from datetime import timedelta

BAND = "carrier", "sample_rate", "bandwidth"
GAINS = "tx_attenuation_db", "rx_gain_db"


@dataclass(frozen=True)
class Rule:
    """What a measurement of one kind holds for.

    Args:
        settings: names of `radio.settings.Settings` on which it depends, at both ends if there are two.
        lasts: for so long.
        has_partner: whether it is about two radios.
        needs_session: whether a restart or a retune of one of its radios voids it.
        reason: why all this.
    """

    settings: tuple[str, ...]
    lasts: timedelta
    has_partner: bool
    needs_session: bool
    reason: str


RULES = {
    "levels": Rule(
        BAND,
        timedelta(days=30),
        has_partner=True,
        needs_session=False,
        reason="amplifiers age slowly, their gain differs by frequency; the sweep goes through all gains by itself",
    ),
    "clock": Rule(
        (),
        timedelta(days=1),
        has_partner=True,
        needs_session=False,
        reason="an oscillator drifts with temperature, whatever it drives; the trim it asks for does not depend on the "
        "present one",
    ),
    "latency": Rule(
        ("sample_rate", "bandwidth"),
        timedelta(days=7),
        has_partner=True,
        needs_session=True,
        reason="the filters' delay follows rate and bandwidth; where a stream begins is drawn anew by every start",
    ),
    "channel": Rule(
        BAND,
        timedelta(hours=1),
        has_partner=True,
        needs_session=False,
        reason="people and antennas move; what it says of delays and coherence outlives its phases",
    ),
    "iq": Rule(
        (*BAND, *GAINS, "quadrature_tracking"),
        timedelta(days=7),
        has_partner=False,
        needs_session=False,
        reason="imbalance and leakage are the mixer's, seen through gains and filters; tracking changes them",
    ),
    "reciprocity": Rule(
        (*BAND, *GAINS, "clock_trim_ppm"),
        timedelta(days=1),
        has_partner=True,
        needs_session=True,
        reason="a ratio of four chains, gains and phases; mixers draw their phases anew at every start and retune",
    ),
}


def rule_of(kind: str) -> Rule:
    """Return the rule of one kind.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in RULES:
        raise ValueError(f"no kind of calibration is called {kind!r}; there are {', '.join(RULES)}")
    return RULES[kind]
