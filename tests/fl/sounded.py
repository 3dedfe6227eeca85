"""A round that ends after the soundings, for tests of radios."""


def sounded(uplink, agents, index):
    """Return the links of the agents that were heard, and why not of the others."""
    absent = {}
    reports = uplink.meet(agents, index, absent)
    decision = uplink.server.decide(agents, index, dict.fromkeys(agents, 1.0), reports, absent)
    return uplink.server.round.links, decision.excluded
