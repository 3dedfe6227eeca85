from pathlib import Path

import pytest

from fl import config as configuration
from fl.config import Config, ConfigError, check, load

ROOT = Path(__file__).parent.parent.parent


def problems(raw):
    with pytest.raises(ConfigError) as error:
        check(raw)
    return error.value.problems


def test_the_defaults_are_a_valid_experiment():
    assert check({}) == Config()


def test_presets_are_valid():
    for name in ("quickstart", "omniglot"):
        assert load(ROOT / "experiments" / f"{name}.toml").uplink.kind == "symbol"
    for name in ("omniglot-bench", "calibrated"):
        assert load(ROOT / "experiments" / f"{name}.toml").uplink.kind == "waveform"
    load(ROOT / "experiments" / "calibrated.toml", ("calibration.table=bench.json",))


def test_all_errors_come_at_once():
    found = problems({"rouds": 3, "seed": "x", "uplink": {"snrdb": 3, "measurements": 0.9}, "task": {"ways": 1}})
    keys = [line.split(":")[0] for line in found]
    assert sorted(keys) == ["rouds", "seed", "task.ways", "uplink.measurements", "uplink.snrdb"]


@pytest.mark.parametrize(
    ("raw", "nearest"),
    [
        ({"rouds": 3}, "rounds"),
        ({"uplink": {"snrdb": 3}}, "uplink.snr_db"),
        ({"task": {"inner_lr": 0.1}}, "algorithm.inner_lr"),
        ({"uplink": {"fading": {"block": 2}}}, "uplink.fading.blocks"),
    ],
)
def test_an_unknown_key_names_its_nearest(raw, nearest):
    assert f"did you mean {nearest}?" in problems(raw)[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"calibration": {"use": ["levels", "clok"]}}, ["calibration.use: input should be", "'levels', 'clock'"]),
        ({"radio": {"pluto": {"uris": ["ip:192.168.2.1", 3]}}}, ["radio.pluto.uris: input should be a valid string"]),
        ({"radio": {"tx": {"authorised_band": ["wide", 2e9]}}}, ["radio.tx.authorised_band: input should be a valid"]),
    ],
)
def test_a_wrong_entry_of_a_list_is_a_problem_of_its_key(raw, words):
    found = problems(raw)
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize(
    ("raw", "key", "word"),
    [
        ({"agents": {"count": 4, "per_round": 5}}, "agents.per_round", "at most agents.count (4)"),
        ({"uplink": {"sparsity": 1.5}}, "uplink.sparsity", "less than or equal to 1"),
        ({"uplink": {"measurements": 0.8}}, "uplink.measurements", "random_rows"),
        ({"uplink": {"sensing": "identity"}}, "uplink.measurements", "must be 1"),
        ({"task": {"queries": 12}}, "task.shots", "20 left"),
        ({"task": {"dataset": "mnist"}}, "agents.count", "5 classes of mnist serve at most 1"),
        ({"agents": {"count": 500}}, "agents.count", "class_overlap"),
        ({"evaluation": {"queries": 16}}, "evaluation.queries", "at most 15"),
        ({"run": {"precision": "bfloat16"}, "algorithm": {"order": "hessian_free"}}, "run.precision", "hessian_free"),
        ({"uplink": {"fading": {"k_factor_db": 3.0}}}, "uplink.fading.k_factor_db", "rician"),
        ({"uplink": {"min_gain": 0.1, "power_rule": "mmse"}}, "uplink.min_gain", "only inversion"),
        ({"uplink": {"min_gain": 50.0}}, "uplink.min_gain", "excludes everybody"),
        ({"uplink": {"min_headroom_db": 40.0}}, "uplink.min_headroom_db", "excludes everybody"),
        ({"uplink": {"power_rule": "none"}}, "uplink.power_rule", "random phases"),
        ({"uplink": {"prior": "gaussian_mixture", "receiver": "lmmse"}}, "uplink.prior", "no prior"),
        (
            {"uplink": {"prior": "gaussian_mixture", "receiver": "amp", "sensing": "gaussian"}},
            "uplink.prior",
            "amp has no",
        ),
        ({"uplink": {"receiver": "amp"}}, "uplink.receiver", "uplink.sensing = gaussian"),
        ({"uplink": {"sensing": "gaussian", "measurements": 1e-4}}, "uplink.measurements", "one real measurement"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"uplink": {"snr_db": float("nan")}}, "uplink.snr_db", "finite"),
    ],
)
def test_a_conflict_names_its_key_and_what_is_allowed(raw, key, word):
    (found,) = problems(raw)
    assert found.startswith(f"{key}:")
    assert word in found


def test_overrides_parse_like_toml_and_accept_bare_words(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("rounds = 7\n")
    config = load(path, ["uplink.kind=ideal", "uplink.snr_db=3", "uplink.memory=false", "uplink.fading.kind=none"])
    assert (config.rounds, config.uplink.kind, config.uplink.snr_db) == (7, "ideal", 3.0)
    assert not config.uplink.remembers
    assert config.uplink.fading.kind == "none"


@pytest.mark.parametrize("item", ["rounds", "=3", "rounds.x=3", ".a=1"])
def test_a_malformed_override_is_refused(tmp_path, item):
    path = tmp_path / "a.toml"
    path.write_text("rounds = 7\n")
    with pytest.raises(ConfigError, match="--set"):
        load(path, [item])


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("rounds = = 3")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load(tmp_path / "bad.toml")


def test_what_is_written_reads_back_the_same(tmp_path):
    config = check({"seed": 5, "uplink": {"fading": {"kind": "rician", "k_factor_db": 3.0}}})
    path = tmp_path / "config.toml"
    path.write_text(configuration.dump(config))
    assert load(path) == config


def test_the_digest_follows_results_and_not_where_the_data_lie():
    config = check({})
    assert configuration.digest(config) == configuration.digest(check({"data_root": "/elsewhere"}))
    assert configuration.digest(config) != configuration.digest(check({"seed": 2}))
    assert configuration.digest(config) != configuration.digest(check({"evaluation": {"dense_rounds": 1}}))


def test_a_key_that_came_later_leaves_the_hash_of_runs_without_it():
    without = check({}).model_dump(mode="json")
    del without["evaluation"]["dense_rounds"]
    content = configuration.shaping(check({}))
    assert content["evaluation"] == without["evaluation"]


def test_differences_name_the_keys():
    assert configuration.differences(check({"seed": 2}), check({})) == ["seed: 2 here, 1 there"]
