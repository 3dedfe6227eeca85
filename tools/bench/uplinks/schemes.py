"""The schemes that are compared, and the settings of each among which a seed of its own chooses.

A new one is a line of `SCHEMES`: every setting is a set of keys, laid over the experiment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from fl.config import Config, check

Keys = Mapping[str, Any]
"""Values by key path, such as `uplink.kind`."""


@dataclass(frozen=True)
class Scheme:
    """A way to the server.

    Args:
        uplink: keys that make it what it is.
        shapes: keys of a round, its channel uses first of all.
        rates: `server.lr`.
    """

    uplink: Keys
    shapes: tuple[Keys, ...]
    rates: tuple[float, ...]

    def settings(self) -> Iterator[Keys]:
        """Yield the keys of every setting."""
        for shape, rate in product(self.shapes, self.rates):
            yield {**self.uplink, **shape, "server.lr": rate}


def _round(uses: float, sparsity: float = 1.0) -> Keys:
    """Return M/d and k/d of a round."""
    return {"uplink.measurements": uses, "uplink.sparsity": sparsity}


ROUNDS = _round(0.03), _round(0.1), _round(0.3)
ANALOG_ROUNDS = tuple(_round(uses, share * uses) for uses in (0.03, 0.1, 0.3) for share in (0.05, 0.15))
RATES = 3.0, 6.0, 12.0

SCHEMES = {
    "analog, OAMP": Scheme({"uplink.kind": "symbol"}, ANALOG_ROUNDS, RATES),
    "digital": Scheme({"uplink.kind": "digital"}, ROUNDS, RATES),
    "digital, peak-limited": Scheme({"uplink.kind": "digital", "uplink.digital.limit": "peak"}, ROUNDS, RATES),
    "one bit": Scheme({"uplink.kind": "one_bit"}, ROUNDS, (0.006, 0.02, 0.06)),
    "AirFL-Mem": Scheme({"uplink.kind": "airfl_mem"}, ROUNDS, RATES),
    "A-DSGD": Scheme(
        {"uplink.kind": "symbol", "uplink.sensing": "gaussian", "uplink.receiver": "amp"}, ANALOG_ROUNDS, RATES
    ),
}


def laid_over(config: Config, keys: Keys) -> Config:
    """Return an experiment with other values of some keys.

    Raises:
        ConfigError: they contradict the rest.
    """
    raw = config.model_dump(mode="json", exclude_none=True)
    for path, value in keys.items():
        *tables, key = path.split(".")
        table = raw
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return check(raw)
