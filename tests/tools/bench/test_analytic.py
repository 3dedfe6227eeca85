"""What `airmeta bench analytic` makes of what it has measured."""

from pathlib import Path

import numpy as np
import pytest

from fl.config import check, load
from tests.fl.algorithms.test_analytic import BASE
from tools.bench.analytic.air import VARIANTS, over, sentences, threshold
from tools.bench.analytic.experiment import FEDAVG, Trained, changed, train
from tools.bench.analytic.picture import draw
from tools.bench.analytic.race import race, sentence
from tools.bench.analytic.skew import METHODS, PARTITIONS


def measured(*means):
    curve = [[mean - 0.01, mean + 0.01] for mean in means]
    return {"snrs_db": [0.0, 10.0, 20.0], "exact": [0.9, 0.9], "curves": dict.fromkeys(VARIANTS, curve)}


@pytest.mark.parametrize(
    ("means", "expected"),
    [((0.1, 0.86, 0.89), 10.0), ((0.88, 0.5, 0.89), 20.0), ((0.1, 0.2, 0.3), None), ((0.9, 0.9, 0.9), 0.0)],
)
def test_the_threshold_is_the_snr_from_which_accuracy_stays_near_the_error_free_one(means, expected):
    found = measured(*means)
    assert threshold(found, "neither") == expected
    assert len(sentences(found)) == 1 + len(VARIANTS)
    assert len(draw(found).axes[0].lines) == 1 + len(VARIANTS)


def test_every_variant_partition_and_opponent_is_an_experiment_that_can_run():
    about = load(Path(__file__).parents[3] / "experiments" / "analytic.toml")
    for keys in VARIANTS.values():
        changed(about, {"algorithm": about.algorithm.model_dump() | keys, "uplink": over(0.0)})
    for _, task in PARTITIONS:
        assert changed(about, {"task": task, "algorithm": FEDAVG}).algorithm.kind == "fedavg"
    assert len(METHODS) == 6


def test_training_for_a_target_ends_where_it_is_reached(cache):
    config = changed(check(BASE), {"task": {"holdout": 4}, "algorithm": FEDAVG})
    ended = train(config, cache, target=0.0)
    assert (ended.rounds, ended.reached) == (1, True)
    missed = train(config, cache, target=2.0)
    assert (missed.rounds, missed.reached) == (config.rounds, False)


def test_a_race_that_fedavg_does_not_finish_is_called_a_bound(monkeypatch):
    def trained(config, cache, target=None):
        return Trained(1.0, 2, np.array([0.9])) if target is None else Trained(10.0, 120, np.array([0.8]), False)

    monkeypatch.setattr("tools.bench.analytic.race.train", trained)
    about = load(Path(__file__).parents[3] / "experiments" / "analytic.toml")
    found = race(about, Path("unused"), 2)
    assert found["ratio"] == pytest.approx(0.1)
    assert "did not get there in 2 of them" in sentence(found)
