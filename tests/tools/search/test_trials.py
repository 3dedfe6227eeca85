"""Laws of a search, on runs that cost nothing."""

import numpy as np
import pytest

from tests.tools.search.problem import AXES, Killed, Runs, search, trials
from tools.search.budget import Budget
from tools.search.confirm import Confirmation, confirm
from tools.search.folder import SearchError, SearchFolder
from tools.search.found import Found, best, front
from tools.search.ledger import Ledger
from tools.search.plan import Setting
from tools.search.space import Axis
from tools.search.study import storage

COUNT = 14


def tried(found):
    return [(trial.overrides, trial.accuracies, trial.reason) for trial in found]


def of(number, uses, height, is_whole=True):
    return Found(number, (), 1, uses, (height,), is_whole, "")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return trials(folder, search(folder), Runs(folder)).carry_out(COUNT)


def test_the_first_trial_is_the_experiment_as_it_is(whole):
    assert whole[0].overrides == ("uplink.sparsity=0.04", "uplink.measurements=0.4")


def test_a_search_finds_more_than_the_experiment_has(whole):
    assert best(whole).accuracy > whole[0].accuracy + 0.05


def test_rounds_and_uses_keep_the_total_and_leave_less_than_a_round(whole):
    for trial in whole:
        assert trial.uses <= 400_000
        assert trial.uses + trial.uses / trial.rounds > 400_000


def test_tuning_and_confirming_share_neither_seeds_nor_tasks(tmp_path):
    planned = search(tmp_path)
    setting = planned.setting("own")
    tuning, confirming = planned.tuning(setting), planned.confirming(setting, range(1, 1001))
    assert not {job.seed for job in tuning} & {job.seed for job in confirming}
    assert {job.config.evaluation.seed for job in tuning} != {job.config.evaluation.seed for job in confirming}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
@pytest.mark.parametrize("last", [1, 6, 11])
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been_and_runs_nothing_twice(tmp_path, sampler, last):
    planned = search(tmp_path / "a", sampler=sampler, batch=3, prune=True)
    expected = trials(tmp_path / "a", planned, Runs(tmp_path / "a")).carry_out(COUNT)
    folder = tmp_path / "b"
    planned, first, second = search(folder, sampler=sampler, batch=3, prune=True), Runs(folder, last), Runs(folder)
    with pytest.raises(Killed):
        trials(folder, planned, first).carry_out(COUNT)
    assert tried(trials(folder, planned, second).carry_out(COUNT)) == tried(expected)
    assert len(first.done) == last
    assert not set(first.done) & set(second.done)


def test_what_was_tried_is_on_disk(tmp_path):
    folder = SearchFolder(tmp_path)
    planned, first, second = search(tmp_path), Runs(tmp_path, 3), Runs(tmp_path)
    with pytest.raises(Killed):
        trials(tmp_path, planned, first, kept=storage(folder)).carry_out(4)
    assert len(trials(tmp_path, planned, second, kept=storage(folder)).carry_out(4)) == 4
    assert len(first.done + second.done) == len({*first.done, *second.done}) == 8


def test_a_storage_that_is_damaged_is_named_with_the_remedy(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.study.write_bytes(b"not a database at all" * 100)
    with pytest.raises(SearchError, match="remove it and call the search again"):
        storage(folder)


def test_more_trials_go_on_from_what_is_there(tmp_path):
    planned, runs = search(tmp_path), Runs(tmp_path)
    few = trials(tmp_path, planned, runs).carry_out(4)
    more = trials(tmp_path, planned, runs).carry_out(8)
    assert tried(more)[:4] == tried(few)
    assert len(more) == 8
    assert len(runs.done) == 16


def test_another_seed_of_the_sampler_asks_for_other_settings(tmp_path, whole):
    other = trials(tmp_path, search(tmp_path, sampler_seed=1), Runs(tmp_path)).carry_out(4)
    assert other[0].overrides == whole[0].overrides
    assert other[1].overrides != whole[1].overrides


def test_what_does_not_fit_is_named_and_costs_no_run(tmp_path):
    """A budget of a round between the least and the greatest M: some fit, others are told why they do not."""
    said, runs = [], Runs(tmp_path)
    planned = search(tmp_path, Budget("round", 30_000), axes=AXES)
    found = trials(tmp_path, planned, runs, said).carry_out(COUNT)
    misfits = [trial for trial in found if not trial.is_whole]
    assert 0 < len(misfits) < COUNT
    assert all(trial.reason.startswith("does not fit: a round takes") for trial in misfits)
    assert all("the budget has 30,000" in trial.reason for trial in misfits)
    assert len(runs.done) == 2 * (COUNT - len(misfits))
    assert sum("does not fit" in line for line in said) == len(misfits)


def test_a_setting_that_contradicts_the_experiment_is_named_and_costs_no_run(tmp_path):
    axes = (Axis("uplink.power_rule", "choice", choices=("inversion", "none")),)
    found = trials(tmp_path, search(tmp_path, axes=axes), Runs(tmp_path)).carry_out(6)
    refused = [trial for trial in found if not trial.is_whole]
    assert refused
    assert all("uplink.power_rule" in trial.reason for trial in refused)


def test_a_run_that_fails_costs_its_own_setting_only(tmp_path):
    runs = Runs(tmp_path, fails=lambda job: job.config.uplink.sparsity > 0.1)
    found = trials(tmp_path, search(tmp_path), runs).carry_out(COUNT)
    failed = [trial for trial in found if not trial.is_whole]
    assert 0 < len(failed) < COUNT
    assert all(trial.reason == "run failed: ValueError: made to fail" for trial in failed)


def test_a_search_of_which_everything_fails_stops_and_can_go_on(tmp_path):
    planned = search(tmp_path)
    with pytest.raises(SearchError, match="made to fail"):
        trials(tmp_path, planned, Runs(tmp_path, fails=lambda job: True)).carry_out(4)
    assert all(trial.is_whole for trial in trials(tmp_path, planned, Runs(tmp_path)).carry_out(4))


def test_a_setting_that_always_fails_by_itself_stops_a_search_once(tmp_path):
    planned, bad = search(tmp_path, batch=1), lambda job: job.config.uplink.sparsity != 0.04
    with pytest.raises(SearchError, match="made to fail"):
        trials(tmp_path, planned, Runs(tmp_path, fails=bad)).carry_out(2)
    own, other = trials(tmp_path, planned, Runs(tmp_path, fails=bad)).carry_out(2)
    assert own.is_whole
    assert other.reason == "run failed: ValueError: made to fail"


def test_settings_below_the_median_are_not_run_on_all_seeds(tmp_path):
    runs = Runs(tmp_path)
    found = trials(tmp_path, search(tmp_path, seeds=3, prune=True), runs).carry_out(20)
    given_up = [trial for trial in found if "below the median after" in trial.reason]
    assert given_up
    assert all(0 < len(trial.accuracies) < 3 for trial in given_up)
    assert len(runs.done) == sum(len(trial.accuracies) for trial in found)
    assert best(found).accuracy > max(trial.accuracy for trial in given_up)


def test_without_a_budget_the_front_trades_accuracy_for_uses(tmp_path):
    planned = search(tmp_path, Budget("none"))
    found = trials(tmp_path, planned, Runs(tmp_path)).carry_out(30)
    kept = front(found)
    assert len(kept) > 2
    assert all(trial.rounds == 6 for trial in found)
    uses, height = np.array([one.uses for one in kept]), np.array([one.accuracy for one in kept])
    assert (np.diff(uses) > 0).all()
    assert (np.diff(height) > 0).all()


def test_nothing_beats_the_front():
    rng = np.random.default_rng(0)
    every = [of(i, int(rng.integers(1, 30)), float(rng.integers(0, 20))) for i in range(100)]
    kept = front(every)
    for one in kept:
        assert not any(other.uses <= one.uses and other.accuracy > one.accuracy for other in every)
        assert not any(other.uses < one.uses and other.accuracy >= one.accuracy for other in every)
    for other in every:
        assert any(one.uses <= other.uses and one.accuracy >= other.accuracy for one in kept)


def test_the_best_is_whole_and_spends_no_more_than_it_may():
    every = [of(0, 10, 0.9, is_whole=False), of(1, 10, 0.5), of(2, 20, 0.7)]
    assert best(every).number == 2
    assert best(every, 15).number == 1
    assert best(every, 5) is None


def test_the_confirmation_is_paired_by_seed_at_equal_uses(tmp_path, whole):
    planned = search(tmp_path)
    setting = planned.setting("best", best(whole).overrides)
    confirmed = confirm(planned, setting, 4, SearchFolder(tmp_path), Runs(tmp_path), [].append)
    mean, low, high = confirmed.difference
    assert mean == pytest.approx(best(whole).accuracy - whole[0].accuracy)  # its noise is that of the seed alone
    assert high - low < 1e-9
    assert confirmed.is_better
    assert confirmed.own.uses <= 400_000
    assert confirmed.best.uses <= 400_000
    assert "better" in confirmed.lines()[-1]


def test_a_confirming_run_that_fails_is_named(tmp_path):
    planned = search(tmp_path)
    failing = Runs(tmp_path, fails=lambda job: job.seed == 2)
    with pytest.raises(SearchError, match="confirming runs failed"):
        confirm(planned, planned.setting("best"), 2, SearchFolder(tmp_path), failing, print)


def confirmed_by(folder, planned, *changed, seeds=3, said=print):
    runs = Runs(folder)
    found = confirm(planned, planned.setting("best", changed), seeds, SearchFolder(folder), runs, said)
    return found, {seed for _, seed in runs.done}


def test_every_winner_is_confirmed_on_seeds_of_its_own_and_the_result_counts_them(tmp_path):
    planned = search(tmp_path)
    one, seeds_of_one = confirmed_by(tmp_path, planned, "uplink.sparsity=0.1")
    other, seeds_of_other = confirmed_by(tmp_path, planned, "uplink.sparsity=0.09")
    assert (seeds_of_one, seeds_of_other) == ({1, 2, 3}, {4, 5, 6})
    assert list(other.seeds) == [4, 5, 6]
    assert [one.described()["confirmations"], other.described()["confirmations"]] == [1, 2]
    assert "one of 2 confirmations" in other.lines()[-1]
    assert "one of" not in one.lines()[-1]


def test_a_winner_that_is_confirmed_again_keeps_its_seeds(tmp_path):
    planned = search(tmp_path)
    confirmed_by(tmp_path, planned, "uplink.sparsity=0.1")
    confirmed_by(tmp_path, planned, "uplink.sparsity=0.09")
    again, ran = confirmed_by(tmp_path, planned, "uplink.sparsity=0.1")
    assert list(again.seeds) == [1, 2, 3]
    assert not ran
    assert again.described()["confirmations"] == 2


def test_a_confirmation_that_was_killed_has_used_its_seeds(tmp_path):
    planned, folder = search(tmp_path), SearchFolder(tmp_path)
    with pytest.raises(Killed):
        confirm(planned, planned.setting("best", ["uplink.sparsity=0.1"]), 3, folder, Runs(tmp_path, 2), print)
    assert list(confirmed_by(tmp_path, planned, "uplink.sparsity=0.09")[0].seeds) == [4, 5, 6]
    assert list(confirmed_by(tmp_path, planned, "uplink.sparsity=0.1")[0].seeds) == [1, 2, 3]


def test_more_seeds_for_the_same_winner_are_fresh_as_well(tmp_path):
    planned = search(tmp_path)
    confirmed_by(tmp_path, planned, "uplink.sparsity=0.1")
    assert list(confirmed_by(tmp_path, planned, "uplink.sparsity=0.1", seeds=4)[0].seeds) == [4, 5, 6, 7]


def test_seeds_of_tuning_confirm_nothing(tmp_path):
    ledger = Ledger(tmp_path / "confirmations.json")
    ledger.begin(["server.lr=1"], 900)
    assert ledger.begin(["server.lr=2"], 100) == (1, range(901, 1001))
    with pytest.raises(SearchError, match="seeds 1 to 1000 have confirmed other settings"):
        ledger.begin(["server.lr=3"], 2)


def test_a_damaged_list_of_confirmations_is_named(tmp_path):
    ledger = Ledger(tmp_path / "confirmations.json")
    ledger.path.write_text("[{}]")
    with pytest.raises(SearchError, match="which seeds have not been looked at"):
        ledger.read()


@pytest.mark.parametrize(
    ("gain", "uses", "says", "is_better"),
    [
        (0.02, 100, "better", True),
        (0.02, 130, "more accurate, but with 1.30 times the channel uses", False),
        (0.0, 100, "not shown to be better", False),
        (-0.02, 100, "worse", False),
    ],
)
def test_better_is_what_gains_without_spending_more(gain, uses, says, is_better):
    noise = np.array([0.0, 0.01, -0.01, 0.005])
    own = np.full(4, 0.5)
    found = Confirmation(Setting("own", (), 5, 100), Setting("best", (), 5, uses), own, own + gain + noise, limit=110)
    assert found.is_better == is_better
    assert found.verdict.startswith(says)


@pytest.mark.parametrize(
    ("low", "mean", "says"),
    [
        (0.0002, 0.01, "+1.00 points [+0.02, +1.98]"),
        (0.002, 0.01, "+1.0 points [+0.2, +1.8]"),
        (-0.0002, 0.0, "+0.00 points [-0.02, +0.02]"),
        (0.0, 0.0, "+0.0 points [+0.0, +0.0]"),
    ],
)
def test_an_end_of_the_interval_that_is_not_0_is_not_printed_as_0(monkeypatch, low, mean, says):
    monkeypatch.setattr("tools.search.confirm.paired_difference", lambda best, own: (mean, low, 2 * mean - low))
    setting = Setting("own", (), 5, 100)
    found = Confirmation(setting, setting, np.zeros(4), np.zeros(4), limit=110)
    assert f"best − own: {says}, paired" in found.conclusion()[0]


def test_a_total_is_for_both_and_without_one_the_experiment_is_the_limit(tmp_path):
    own = search(tmp_path).setting("own").uses
    assert search(tmp_path).limit == 400_000 > own
    per_round = search(tmp_path, Budget("round", 30_000))
    assert per_round.limit == per_round.setting("own").uses
    assert search(tmp_path, Budget("none")).limit == search(tmp_path, Budget("none")).setting("own").uses


def test_two_searches_do_not_share_a_folder_at_the_same_time(tmp_path):
    folder = SearchFolder(tmp_path / "found")
    with folder.held(), pytest.raises(SearchError, match="another airmeta search works there"), folder.held():
        pass
    with folder.held():
        pass
