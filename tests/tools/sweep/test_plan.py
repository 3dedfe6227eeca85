"""What a sweep runs, from a file or the command line; whatever is wrong is said before anything starts."""

import pytest

from fl.config import ConfigError
from tests.tools.cli import refused
from tools.sweep.arguments import study
from tools.sweep.file import read_jobs, read_study
from tools.sweep.plan import Point, Study, jobs

NOTHING = {"grid": (), "points": (), "seeds": None, "overrides": (), "threads": None, "quick": False}


@pytest.fixture
def written(experiment):
    """Write the file of a sweep beside the experiment, and return its path."""

    def write(text):
        path = experiment.with_name("study.toml")
        path.write_text(f'base = "{experiment.name}"\n{text}')
        return path

    return write


def asked(experiment, **options):
    """What a command line with these options plans."""
    return study(experiment, NOTHING | options)


def test_every_setting_is_crossed_with_every_combination_of_the_grid_and_every_seed(written):
    planned = read_jobs(
        written(
            """
            seeds = [3, 5]
            set = ["rounds=7"]
            [runs]
            "ideal" = ["uplink.kind=ideal"]
            "air" = []
            [grid]
            "server.lr" = [0.001, 0.01]
            "algorithm.inner_lr" = [0.1, 0.2, 0.4]
            """
        )
    )
    assert len(planned) == 2 * 2 * 3 * 2 == len({job.key for job in planned})
    assert {job.config.rounds for job in planned} == {7}
    assert {job.seed for job in planned} == {job.config.seed for job in planned} == {3, 5}
    found = {(job.config.uplink.kind, job.config.server.lr, job.config.algorithm.inner_lr) for job in planned}
    assert len(found) == 12


def test_the_short_form_replaces_what_it_says_and_keeps_the_rest(written):
    path = written('seeds = 5\nset = ["rounds=200"]\n[quick]\nseeds = [1, 2]')
    assert [job.seed for job in read_jobs(path)] == [1, 2, 3, 4, 5]
    assert [(job.seed, job.config.rounds) for job in read_jobs(path, quick=True)] == [(1, 200), (2, 200)]


def test_without_seeds_a_sweep_has_that_of_the_experiment(experiment):
    experiment.write_text(f"seed = 42\n{experiment.read_text()}")
    assert [job.seed for job in Study(experiment).jobs()] == [42]


def test_a_run_has_one_thread_on_every_machine_unless_it_is_told_otherwise(experiment):
    assert jobs(experiment, [Point("")], [1])[0].config.run.threads == 1
    assert jobs(experiment, [Point("")], [1], ["run.threads=2"])[0].config.run.threads == 2
    assert asked(experiment, threads=3).jobs()[0].config.run.threads == 3


def test_the_command_line_says_the_same_as_a_file(experiment, written):
    path = written(
        'seeds = [1, 2]\n[runs]\n"a b" = ["uplink.kind=ideal", "uplink.memory=false"]\n[grid]\n"server.lr" = [0.1, 1]'
    )
    said = asked(
        experiment,
        points=(("a b", "uplink.kind=ideal uplink.memory=false"),),
        grid=("server.lr=0.1,1",),
        seeds="2",
    )
    assert said.jobs() == read_jobs(path)


def test_options_add_to_the_file_of_a_sweep(written):
    path = written('seeds = [1]\n[runs]\n"a" = []\n[grid]\n"server.lr" = [0.1]')
    options = {
        "points": (("b", "rounds=3"),),
        "grid": ("server.lr=0.2,0.3",),
        "seeds": "4,9",
        "overrides": ["rounds=5"],
    }
    planned = asked(path, **options).jobs()
    assert [(job.point, job.seed, job.config.rounds) for job in planned] == [
        (f"{name}, server.lr={lr}", seed, rounds)
        for name, rounds in (("a", 5), ("b", 3))
        for lr in ("0.2", "0.3")
        for seed in (4, 9)
    ]


def test_values_may_be_lists_texts_and_truth_values(experiment):
    grid = ("radio.tx.authorised_band=[[2.4e9, 2.5e9], [1, 2]]", "uplink.memory=true,false", "uplink.kind=ideal,symbol")
    planned = asked(experiment, grid=grid).jobs()
    assert {job.config.radio.tx.authorised_band for job in planned} == {(2.4e9, 2.5e9), (1.0, 2.0)}
    assert {job.config.uplink.memory for job in planned} == {True, False}
    assert {job.config.uplink.kind for job in planned} == {"ideal", "symbol"}


def test_an_unknown_key_is_named_once_with_its_neighbour_however_large_the_grid(experiment):
    planned = Study(experiment, grid={"uplink.snr_dbb": range(10**6), "server.lr": range(10**6)})
    with pytest.raises(ConfigError) as caught:
        planned.check()
    assert caught.value.problems == ("grid: uplink.snr_dbb: unknown key; did you mean uplink.snr_db?",)


def test_a_wrong_value_is_said_once_with_the_settings_that_have_it(experiment):
    with pytest.raises(ConfigError) as caught:
        Study(experiment, grid={"uplink.snr_db": [10, "loud"], "server.lr": [0.1, 0.2, 0.3]}).jobs()
    (problem,) = caught.value.problems
    assert problem.startswith("uplink.snr_db=loud, server.lr=0.1 and 2 more: uplink.snr_db: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[grid]", "grid: is empty"),
        ('[grid]\n"server.lr" = []', "grid: server.lr has no values"),
        ('[grid]\n"server.lr" = 3', "grid: server.lr: must be a list"),
        ("[grid.server]\nlr = [1]", "grid: server: write keys with dots in quotes"),
        ("[runs]", "runs: must be a table with at least one setting"),
        ("[runs]\na = 'rounds=3'", "runs: a: must be a list"),
        ("seeds = []", "seeds: no list of seeds"),
        ("seeds = 0", "seeds: there must be at least one, got 0"),
        ("seeds = [1, 1]", "seeds: some occur twice"),
        ("seeds = [-1]", "seeds: no list of seeds"),
        ("seeds = true", "seeds: no list of seeds"),
        ("set = 'rounds=3'", "set: must be a list"),
        ("gird = 3", "gird: unknown key; did you mean grid?"),
        ("[quick]\nsed = 3", "quick.sed: unknown key; did you mean quick.seeds?"),
        ("set = ['seed=3']", "seed: what a sweep repeats"),
        ("[grid]\n'server.lr' = [1, 0.1, 1.0]", "grid: server.lr: 1 and 1.0 are the same"),
        ("[grid]\n'radio.tx.authorised_band' = [[1, 2], [1.0, 2.0]]", "[1, 2] and [1.0, 2.0] are the same"),
        ("[grid]\nseed = [1]", "seed: what a sweep repeats"),
        ("seeds = ", "cannot be read as TOML"),
    ],
)
def test_a_file_that_is_wrong_says_what_and_what_to_do(written, text, says):
    with pytest.raises(ConfigError, match=r"study|seed|grid") as caught:
        read_study(written(text)).check()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--grid", "uplink.snr_dbb=1"], "did you mean uplink.snr_db?"),
        (["--grid", "uplink.snr_db"], "expected KEY=A,B,C"),
        (["--grid", "uplink.snr_db="], "uplink.snr_db has no values"),
        (["--grid", "uplink.snr_db=[1"], "not a TOML list"),
        (["--grid", "uplink.snr_db=1,2,1"], "grid: uplink.snr_db: 1 occurs twice; give each value once"),
        (
            ["--point", "a", "uplink.snr_db=19", "--grid", "uplink.snr_db=1,2"],
            "grid: uplink.snr_db is given by a setting",
        ),
        (
            ["--set", "uplink.snr_db=19", "--grid", "uplink.snr_db=1,2"],
            "or for all runs, as well; give it in one place",
        ),
        (["--grid", "uplink.snr_db=1,1.0"], "grid: uplink.snr_db: 1 and 1.0 are the same; give each value once"),
        (["--grid", "uplink.kind=ideal,symbol,ideal"], "grid: uplink.kind: ideal occurs twice"),
        (["--grid", "rounds=1", "--grid", "rounds=2"], "rounds has values already"),
        (["--point", "a", "", "--point", "a", ""], "two settings of this name"),
        (["--seeds", "many"], "expected a number of seeds"),
        (["--seeds", "1,1"], "some occur twice"),
        (["--quick"], "has no table [quick]"),
        (["--scheduler", "lab"], "expected its address"),
    ],
)
def test_an_option_that_is_wrong_is_named_and_nothing_is_written(experiment, tmp_path, options, says):
    refused("sweep", experiment, "--out", tmp_path / "sweep", *options, says=says)
    assert not (tmp_path / "sweep" / "runs").exists() or not any((tmp_path / "sweep" / "runs").iterdir())


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match=r"nothere.toml: cannot be read \(No such file or directory\); give the path"):
        read_study(tmp_path / "nothere.toml")


def test_true_is_not_one(experiment):
    Study(experiment, grid={"uplink.snr_db": [1, True]}).check()


def test_checking_is_told_if_it_takes_long_and_only_then(experiment, monkeypatch):
    said, study = [], Study(experiment, grid={"uplink.snr_db": [11, 12, 13]})
    study.jobs(said.append)
    assert said == []
    monkeypatch.setattr("tools.sweep.plan.LONG", -1.0)
    study.jobs(said.append)
    assert said == ["checking 3 settings"]


def test_data_that_are_not_there_are_refused_before_anything_is_written(experiment, tmp_path):
    nowhere = tmp_path / "nowhere"
    for more in ([], ["--dry-run"]):
        words = ["--set", f"data_root={nowhere}", "--out", tmp_path / "sweep", *more]
        refused("sweep", experiment, *words, says=["data_root", str(nowhere), "no such folder"])
    assert not (tmp_path / "sweep").exists()


def test_a_million_runs_are_counted_and_not_written_out_before_somebody_means_them(experiment, tmp_path):
    thousand = ",".join(map(str, range(1, 1001)))
    grid = ["--grid", f"uplink.snr_db={thousand}", "--grid", f"rounds={thousand}"]
    refused("sweep", experiment, "--out", tmp_path / "sweep", *grid, says="1,000,000 runs are more than 1,000")
    refused("sweep", experiment, "--dry-run", *grid, says="add --yes")
    assert not (tmp_path / "sweep").exists()
