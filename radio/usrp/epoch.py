"""Hosts agree which edge of the PPS is t = 0. Pure: whatever carries the messages calls this.

All hosts get the same pulses, but the computers' clocks are not the same, and an OctoClock without GPS does not pulse
at whole seconds of theirs. So edges are numbered:

    n = round(u_h − o_h − u_0)

where u_h is when host h saw an edge by its own clock, o_h by how much that clock is ahead of the server's, measured
over the control plane, and u_0 when the server's devices had t = 0. That is unambiguous as long as what is left over,
|u_h − o_h − u_0 − n|, and what is not known of it stay below half a second together. A host that knows the number of
the edge that it just saw tells its radios that the next one is the second n + 1; so it may join at any time.
"""

from dataclasses import dataclass

from radio.base import RadioError

MOST_DOUBT = 0.4  # seconds; at half a second, the edge could be the one before or after it
ROUNDING = 1e-6  # seconds: what a double says of the time of day
FRESH = 0.5  # seconds after an edge in which the next one can still be set


class EpochError(RadioError):
    """The hosts do not agree which PPS edge is t = 0."""


@dataclass(frozen=True)
class Offset:
    """By how much a host's clock is ahead of the server's.

    Args:
        seconds: the estimate.
        doubt: by which it may be wrong, either way.
    """

    seconds: float
    doubt: float


SAME = Offset(0.0, 0.0)
"""Of the server's own clock."""


@dataclass(frozen=True)
class Edge:
    """A PPS edge that a host has seen.

    Args:
        seen: when, in seconds of its own clock.
        doubt: by which that may be wrong, either way: half of the time between two looks.
        offset: of its clock.
    """

    seen: float
    doubt: float
    offset: Offset = SAME

    @property
    def when(self) -> float:
        """When it was, by the server's clock."""
        return self.seen - self.offset.seconds

    @property
    def uncertainty(self) -> float:
        """By how much that may be wrong, in seconds."""
        return self.doubt + self.offset.doubt


@dataclass(frozen=True)
class Epoch:
    """Which edge is t = 0.

    Args:
        zero: when it comes, by the server's clock.
        doubt: by which that may be wrong.
    """

    zero: float
    doubt: float

    def number(self, host: str, edge: Edge) -> int:
        """Return which second begins at an edge.

        Raises:
            EpochError: it could be another one as well.
        """
        number = round(edge.when - self.zero)
        left = abs(edge.when - self.zero - number)
        if left + edge.uncertainty + self.doubt > MOST_DOUBT:
            raise EpochError(
                f"host {host}: its PPS edge must be known to {MOST_DOUBT:g} s, got {left:.3f} s beside the server's "
                f"and {edge.uncertainty + self.doubt:.3f} s of doubt; give all hosts the PPS of one distributor, and a "
                "control plane that answers within 0.1 s"
            )
        return number

    def next_second(self, host: str, edge: Edge, now: float) -> int:
        """Return the second to be set for the edge after one just seen.

        Args:
            host: who saw it.
            edge: the last one.
            now: by the host's clock.

        Raises:
            EpochError: the next edge may come before it is set.
        """
        age = now - edge.seen
        if not 0 <= age <= FRESH:
            raise EpochError(
                f"host {host}: the time of the next PPS must be set within {FRESH:g} s of an edge, got {age:.3f} s; "
                "wait for another edge and set it then"
            )
        return self.number(host, edge) + 1

    def confirm(self, host: str, edge: Edge, second: float) -> None:
        """Return if a host's radios call an edge as all hosts do.

        Args:
            host: who saw it.
            edge: after the one for which their time was set.
            second: what get_time_last_pps says of it.

        Raises:
            EpochError: it is another second.
        """
        wanted = self.number(host, edge)
        if second != wanted:
            raise EpochError(
                f"host {host}: its radios must call this PPS edge {wanted} s, got {second:.9f} s; they have set their "
                "time after the next edge had come, or have a PPS of their own: set it again"
            )


def offset(asked: float, heard: float, answered: float, got: float) -> Offset:
    """Return by how much a host's clock is ahead of the server's, from one question of the host and its answer.

        o = ((asked − heard) + (got − answered)) / 2,   |error| <= (got − asked − (answered − heard)) / 2

    Args:
        asked: when the host asked, by its clock.
        heard: when the server heard it, by the server's.
        answered: when the server answered, by the server's.
        got: when the host got the answer.

    Raises:
        ValueError: an answer came before its question.
    """
    way = (got - asked) - (answered - heard)
    if way < -ROUNDING or answered < heard:
        raise ValueError(f"an answer must come after its question, got {way:.6f} s on the way; use monotonic clocks")
    return Offset(((asked - heard) + (got - answered)) / 2, max(way, 0.0) / 2)
