"""What a report says of theory: only where it applies, and with the constants that were used."""

from dataclasses import replace

import numpy as np
import pytest

from fl.config import check
from fl.theory.generalisation import generalisation_bound
from fl.theory.information import information_of
from tools.report import theory
from tools.report.page import page
from tools.report.series import RunSeries

UPLINK = {"kind": "symbol", "power_rule": "phase_only", "snr_db": 19.0}
ROUND = {
    "schema": 1,
    "outcome": "ok",
    "train_loss": 1.0,
    "agents_scheduled": [0, 1, 2, 3],
    "agents_heard": [0, 1, 2, 3],
    "excluded": {},
    "channel_uses": 100,
    "channel_uses_total": 100,
    "common_scale": 1.0,
    "receive_snr_db": 20.0,
    "predicted_nmse_db": -8.0,
    "oracle_nmse_db": -6.0,
    "oracle_symbol_nmse_db": -5.6,
    "union_support": 0.12,
}
EVALUATION = {
    "new_agent_accuracy": 0.5,
    "new_agent_interval": [0.4, 0.6],
    "new_agent_loss": 1.3,
    "train_agent_accuracy": 0.6,
    "train_agent_interval": [0.5, 0.7],
    "train_agent_loss": 1.1,
    "accuracy_by_step": [0.2, 0.5],
    "interval_by_step": [[0.1, 0.3], [0.4, 0.6]],
}


def run(evaluated=True, of_round=None, **uplink):
    config = check({"agents": {"count": 4}, "model": {"kind": "mlp"}, "uplink": UPLINK | uplink})
    records = [ROUND | (of_round or {}) | {"round": index} for index in range(6)]
    if evaluated:
        records = [record | EVALUATION for record in records]
    return RunSeries("one", config, records, None)


def names(*runs):
    return [card.name for card in theory.cards(runs)]


def curves(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_the_bound_is_drawn_on_a_log_axis_beside_the_gap_and_called_vacuous():
    one = run()
    found = theory.gap_bound(one)
    figure = theory.gap_beside_bound([one], {0: found})
    lines = curves(figure)
    assert figure.axes[0].get_yscale() == "log"
    assert np.allclose(lines["one, measured"].get_ydata(), 0.2)
    expected = generalisation_bound(information_of(one.records), found.tasks, np.log(5) / 2)
    assert np.allclose(lines["one, bound"].get_ydata(), expected)
    caption = theory.cards([one])[0].caption
    assert "vacuous" in caption
    assert "n = 80 tasks" in caption
    assert "σ = 0.80" in caption


def test_a_bound_that_says_something_is_not_called_vacuous():
    quiet = run(of_round={"receive_snr_db": -60.0, "agents_scheduled": []})
    assert "vacuous" not in theory.cards([quiet])[0].caption


def test_the_floor_is_that_of_rayleigh_fading():
    lines = curves(theory.floor(run()))
    assert lines["floor"].get_ydata()[0] == pytest.approx(-5.63, abs=0.01)
    assert lines["floor, shrunk"].get_ydata()[0] == pytest.approx(-6.68, abs=0.01)
    assert "symbols, oracle, mean -5.6 dB" in lines


def test_state_evolution_is_that_of_the_measured_symbols():
    """c = 0.8, union .12, symbols 20 dB below: recovered with less error than the symbols have."""
    where, curve = theory.state_evolution(run(of_round={"oracle_symbol_nmse_db": -20.0}))
    assert where.tolist() == [1, 2, 3, 4, 5, 6]
    assert (curve < -20.0).all()
    assert (curve > -30.0).all()
    on_air = theory.state_evolution(run(of_round={"oracle_symbol_nmse_db": None}))[1]
    assert np.allclose(on_air, curve)  # the receive SNR of 20 dB serves instead


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (run(), ["Gap beside its bound", "State evolution", "Floor: one"]),
        (run(power_rule="inversion"), ["Gap beside its bound", "State evolution"]),
        (run(evaluated=False, power_rule="inversion"), ["State evolution"]),
        (run(power_rule="inversion", receiver="lmmse"), ["Gap beside its bound"]),
        (
            run(power_rule="inversion", min_gain=0.1, min_headroom_db=0.0, fading={"blocks": 8}),
            ["Gap beside its bound", "State evolution", "Floor: one"],
        ),
        (run(fading={"kind": "none"}), ["Gap beside its bound", "State evolution"]),
        (run(kind="ideal", power_rule="inversion", of_round=dict.fromkeys(("channel_uses", "receive_snr_db"))), []),
    ],
    ids=["phase_only", "inversion", "not evaluated", "lmmse", "truncated", "no fading", "ideal"],
)
def test_a_statement_is_drawn_where_it_applies(one, expected):
    assert names(one) == expected
    text = page([one])
    assert all(f"<h2>{name}</h2>" in text for name in expected)


def test_a_partition_whose_file_is_elsewhere_costs_the_bound_and_nothing_else():
    one = run()
    task = one.config.task.model_copy(update={"partition": "/nowhere/agents.json"})
    lost = replace(one, config=one.config.model_copy(update={"task": task}))
    assert names(lost) == ["Floor: one"]
