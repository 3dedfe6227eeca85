"""Shares of rounds by agent and outcome."""

from types import SimpleNamespace

from tools.report.selection import selection, shares


def record(heard, excluded, outcome="ok"):
    return {"agents_scheduled": [0, 1, 2], "agents_heard": heard, "excluded": excluded, "outcome": outcome}


def test_the_shares_of_an_agent_are_of_its_rounds_and_sum_to_one():
    records = [
        record([0, 1], {"2": "faded: headroom 1 dB"}),
        record([0], {"1": "late: nothing came", "2": "faded: headroom 2 dB"}),
        record([0, 1], {"2": "absent: not registered"}, outcome="not_received"),
        {"agents_scheduled": [0], "agents_heard": [0], "excluded": {}, "outcome": "ok"},
    ]
    found = shares(records)
    assert found[0] == {"heard": 3 / 4, "round not received": 1 / 4}
    assert found[1] == {"heard": 1 / 3, "late": 1 / 3, "round not received": 1 / 3}
    assert found[2] == {"faded": 2 / 3, "absent": 1 / 3}
    assert all(abs(sum(one.values()) - 1) < 1e-12 for one in found.values())


def test_agents_are_marked_by_whole_numbers():
    records = [record([0, 1], {"2": "faded: headroom 1 dB"})]
    (axis,) = selection(SimpleNamespace(records=records)).axes
    assert all(float(tick).is_integer() for tick in axis.get_xticks())
