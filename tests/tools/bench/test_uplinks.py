"""The comparison of uplinks: within its budgets, tuned on a seed of its own, and nothing is run twice."""

import json

import numpy as np
import pytest
import tomli_w

from fl.config import ConfigError, check
from fl.dimension import dimension
from fl.evaluation import interval
from tests.tools.cli import call
from tools.bench.uplinks.runs import TUNING_SEED, Bench
from tools.bench.uplinks.schemes import SCHEMES, laid_over
from tools.uses import payload_uses, total_uses

BUDGETS = 0.3, 0.6
SMALL = {
    "run": {"threads": 1},
    "agents": {"count": 3},
    "task": {"ways": 3, "shots": 1, "queries": 2},
    "model": {"kind": "mlp"},
    "algorithm": {"order": "first"},
    "evaluation": {"tasks": 2, "steps": 1, "queries": 2},
}


@pytest.mark.parametrize("name", SCHEMES)
def test_every_setting_of_a_scheme_spends_what_the_budget_allows_and_no_more(name, tmp_path):
    bench = Bench(check(SMALL), (0.3, 1.0, 3.0), tmp_path, tmp_path, lambda _: None)
    for keys in SCHEMES[name].settings():
        config = laid_over(bench.config, keys)
        assert total_uses(config) > payload_uses(config)
        for budget, rounds in zip(bench.budgets, bench.rounds(keys), strict=True):
            spent, allowed = rounds * payload_uses(config), budget * dimension(config)
            assert spent <= allowed + 0.01 * payload_uses(config)  # M is a whole number
            assert spent > allowed - payload_uses(config)


def test_a_budget_is_not_spent_by_a_setting_whose_round_is_longer(tmp_path):
    scheme = SCHEMES["digital"]
    bench = Told(check(SMALL), (0.1, 0.3), tmp_path, tmp_path, lambda _: None)
    told = {
        (keys["uplink.measurements"], keys["server.lr"]): [0.9] * sum(map(bool, bench.rounds(keys)))
        for keys in scheme.settings()
    }
    object.__setattr__(bench, "told", told)
    chosen = [keys["uplink.measurements"] for keys in bench.tuned(scheme)]
    assert chosen[0] <= 0.1
    with pytest.raises(ConfigError, match=r"--budget 0\.001: less than a round"):
        Bench(bench.config, (0.001,), tmp_path, tmp_path, lambda _: None).tuned(scheme)


class Told(Bench):
    """A bench whose accuracies are told."""

    def accuracy(self, keys, seed, rounds):
        assert seed == TUNING_SEED
        return self.told[keys["uplink.measurements"], keys["server.lr"]]


def test_each_budget_gets_the_setting_that_was_best_within_it(tmp_path):
    scheme = SCHEMES["digital"]
    bench = Told(check(SMALL), BUDGETS, tmp_path, tmp_path, lambda _: None)
    told = {(keys["uplink.measurements"], keys["server.lr"]): [0.1, 0.1] for keys in scheme.settings()}
    told[0.1, 3.0], told[0.3, 6.0] = [0.5, 0.2], [0.4, 0.3]
    object.__setattr__(bench, "told", told)
    chosen = [(keys["uplink.measurements"], keys["server.lr"]) for keys in bench.tuned(scheme)]
    assert chosen == [(0.1, 3.0), (0.3, 6.0)]


def test_the_bench_compares_in_pairs_draws_a_figure_and_runs_nothing_twice(cache, tmp_path):
    config, out = tmp_path / "c.toml", tmp_path / "out"
    config.write_text(tomli_w.dumps(SMALL))
    asked = ["bench", "uplinks", config, "--seeds", 2, "--out", out, "--cache", cache, "--json"]
    asked += [word for budget in BUDGETS for word in ("--budget", budget)]
    asked += [word for name in ("digital", "one bit") for word in ("--only", name)]
    first = call(*asked)
    rows = json.loads(first.stdout)
    assert [(row["scheme"], row["budget"]) for row in rows] == [
        (name, b) for name in ("digital", "one bit") for b in BUDGETS
    ]
    for row in rows:
        assert (row["low"], row["high"]) == pytest.approx(interval(np.array(row["accuracies"])))
        assert row["uses_total"] > row["uses"]
    paired = np.array(rows[3]["accuracies"]) - np.array(rows[1]["accuracies"])
    assert rows[3]["difference"][0] == pytest.approx(paired.mean())
    assert (out / "uplinks.svg").read_text().startswith("<?xml")
    assert json.loads((out / "result.json").read_text()) == rows
    again = call(*asked)
    assert json.loads(again.stdout) == rows
    assert "rounds of" in first.stderr
    assert "rounds of" not in again.stderr
