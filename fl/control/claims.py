"""Which key speaks for which agent: the one that registered first, and no other."""

from dataclasses import dataclass

from fl.control.allow_list import Allowed


@dataclass(frozen=True)
class Peer:
    """One connection.

    Args:
        route: by which ZeroMQ knows it.
        key: its public key; empty: it came in plaintext.
    """

    route: bytes
    key: str

    def __str__(self) -> str:
        return f"key {self.key}" if self.key else f"plaintext peer {self.route.hex()}"


class Claims:
    """The agents that have registered, each with its peer."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}

    def claim(self, agent: int, peer: Peer, allowed: Allowed | None) -> str:
        """Give an agent to a peer; return why it may not have it, or nothing.

        Args:
            agent: its id.
            peer: who says that it is this agent.
            allowed: what the allow-list says of it; None: it came in plaintext.
        """
        if allowed is not None and not allowed.speaks_for(agent):
            mine = ", ".join(str(one) for one in allowed.agents or ())
            return f"the key of {allowed.name} may speak for agents {mine}, not for agent {agent}"
        owner = self._peers.get(agent)
        if owner is not None and (owner.key != peer.key or (not peer.key and owner.route != peer.route)):
            return f"agent {agent} is taken: {owner} speaks for it; give every agent an id of its own (--id)"
        self._peers[agent] = peer
        return ""

    def release(self, agent: int) -> None:
        """Forget an agent in plaintext that is gone; a key keeps its agents."""
        if agent in self._peers and not self._peers[agent].key:
            del self._peers[agent]

    def route(self, agent: int) -> bytes | None:
        """Return where an agent is; None: it has not registered."""
        return self._peers[agent].route if agent in self._peers else None

    def is_from(self, agent: int, peer: Peer) -> bool:
        """Return whether a message of this agent came from its peer."""
        return self._peers.get(agent) == peer
