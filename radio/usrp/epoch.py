"""Hosts agree which edge of the PPS is t = 0. Pure: whatever carries the messages calls this.

All hosts get the same pulses, but the computers' clocks are not the same, and an OctoClock without GPS does not pulse
at whole seconds of theirs. So edges are numbered:

    n = round(u_h − o_h − u_0)

where u_h is when host h saw an edge by its own clock, o_h by how much that clock is ahead of the server's, measured
over the control plane, and u_0 when the server saw the edge 0. That is unambiguous as long as what is left over,
|u_h − o_h − u_0 − n|, and what is not known of it stay below half a second together. A host that knows the number of
the edge that it just saw tells its radios that the next one is the second n + 1; so it may join at any time.
"""

from dataclasses import dataclass, field, replace

from radio.base import RadioError

MOST_DOUBT = 0.4  # seconds; at half a second, the edge could be the one before or after it
AHEAD = 3  # edges from the last one seen to t = 0
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


@dataclass(frozen=True)
class Agreement:
    """What the server knows of its hosts.

    Args:
        hosts: all that take part; the first one is its own.
        edges: an edge that each has seen, as far as they have said.
        epoch: which edge is t = 0; None: not decided.
        confirmed: who has reported the right second since then.
    """

    hosts: tuple[str, ...]
    edges: dict[str, Edge] = field(default_factory=dict)
    epoch: Epoch | None = None
    confirmed: frozenset[str] = frozenset()

    def propose(self, host: str, edge: Edge) -> "Agreement":
        """Return what is known after a host has said which edge it saw; the last host to say so decides t = 0.

        A host that says it again, because it was started again, keeps t = 0 and has to report once more.

        Raises:
            EpochError: nobody knows the host, or its edge fits no edge of the server's.
        """
        self._check(host)
        edges = self.edges | {host: edge}
        epoch = self.epoch
        if epoch is None and len(edges) == len(self.hosts):
            server = edges[self.hosts[0]]
            latest = max(round(other.when - server.when) for other in edges.values())
            epoch = Epoch(server.when + latest + AHEAD, server.uncertainty)
            for name, other in edges.items():
                epoch.number(name, other)
        elif epoch is not None:
            epoch.number(host, edge)
        return replace(self, edges=edges, epoch=epoch, confirmed=self.confirmed - {host})

    def report(self, host: str, second: float, edge: Edge) -> "Agreement":
        """Return what is known after a host has said which second its radios gave to an edge.

        Args:
            host: who.
            second: what get_time_last_pps says.
            edge: the edge of which it says so.

        Raises:
            EpochError: t = 0 is not decided, or it is another second.
        """
        self._check(host)
        if self.epoch is None:
            raise EpochError(
                f"host {host}: reports its time before t = 0 is decided; waiting for "
                f"{', '.join(name for name in self.hosts if name not in self.edges)}: propose an edge there"
            )
        wanted = self.epoch.number(host, edge)
        if second != wanted:
            raise EpochError(
                f"host {host}: its radios must call this PPS edge {wanted} s, got {second:.9f} s; they have set their "
                "time after the next edge had come, or have a PPS of their own: let the host set it again"
            )
        return replace(self, confirmed=self.confirmed | {host})

    @property
    def is_complete(self) -> bool:
        """Whether all hosts have one time."""
        return self.confirmed == set(self.hosts)

    def _check(self, host: str) -> None:
        if host not in self.hosts:
            raise EpochError(f"host {host} is none of {', '.join(self.hosts)}; name it in the run's configuration")


def offset(asked: float, heard: float, answered: float, got: float) -> Offset:
    """Return by how much a host's clock is ahead, from one question and its answer.

        o = ((heard − asked) + (answered − got)) / 2,   |error| <= (got − asked − (answered − heard)) / 2

    Args:
        asked: when the server asked, by its clock.
        heard: when the host heard it, by the host's.
        answered: when the host answered, by the host's.
        got: when the server got the answer.

    Raises:
        ValueError: an answer came before its question.
    """
    way = (got - asked) - (answered - heard)
    if way < -ROUNDING or answered < heard:
        raise ValueError(f"an answer must come after its question, got {way:.6f} s on the way; use monotonic clocks")
    return Offset(((heard - asked) + (answered - got)) / 2, max(way, 0.0) / 2)
