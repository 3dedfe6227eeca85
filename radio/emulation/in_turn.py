"""Radios on virtual Plutos of this process, in lock-step: deterministic, as fast as they are heard."""

from radio.emulation.host import Host
from radio.streaming.lock_step import LockStep


def in_turn(host: Host, rate: float) -> LockStep:
    """Return the pace of all radios of a bench, which must be in lock-step.

    Args:
        host: serves the bench.
        rate: in Hz.
    """
    return LockStep(lambda uri: _due(host, uri), rate, lambda uri: _waiting(host, uri))


def count_of(host: Host, uri: str) -> int:
    """Return the count, of the clock of a unit whose stream runs, at which the block begins that is fetched next."""
    unit = host.units[host.uris.index(uri)]
    return host.call(lambda: 0 if (heard := unit.reception) is None else heard.start - len(heard.ready) * heard.size)


def _waiting(host: Host, uri: str) -> int:
    """Return how many whole blocks wait for the client of a unit."""
    unit = host.units[host.uris.index(uri)]
    return host.call(lambda: 0 if unit.reception is None else len(unit.reception.ready))


def _due(host: Host, uri: str) -> float:
    """Return the air time at which the next block ends that the client of a unit will fetch."""
    unit = host.units[host.uris.index(uri)]

    def time() -> float:
        reception, medium = unit.reception, unit.medium
        if reception is None:
            return medium.time
        return medium.time_of(unit.number, reception.end - len(reception.ready) * reception.size)

    return host.call(time)
