"""Optuna's part: which settings to try next, from what is known of those before.

Trials are asked for in batches and told in their order, and the sampler is seeded anew for each one from its number:
what is asked depends on the results alone, not on who was faster, nor on whether the search was killed in between. A
total that ends within a batch does change it: the rest of that batch is asked for when its first trials are known.
"""

from typing import Any

import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from tools.search.defaults import own_values
from tools.search.folder import SearchError, SearchFolder
from tools.search.plan import Search
from tools.search.space import values_of

NAME = "airmeta"
WARM_UP = 10  # settings drawn at random before TPE models any
GENERATION = 20  # of NSGA-II
COMPARED = 4  # whole settings before a median is one
DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def storage(folder: SearchFolder) -> BaseStorage:
    """Return where the trials of a folder are kept.

    Raises:
        SearchError: it is damaged.
    """
    try:
        return RDBStorage(f"sqlite:///{folder.study.resolve()}")
    except (SQLAlchemyError, RuntimeError) as error:
        raise SearchError(
            f"{folder.study}: damaged ({error}); remove it and call the search again: finished runs are kept, they are "
            "known by their configuration"
        ) from error


def open_study(kept: BaseStorage, search: Search) -> Study:
    """Return a study, new or as it was left.

    Args:
        kept: `storage` of its folder.
        search: what is searched.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    single = search.has_budget
    study = optuna.create_study(
        storage=kept,
        study_name=NAME,
        directions=[StudyDirection.MAXIMIZE] if single else [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE],
        pruner=MedianPruner(n_startup_trials=COMPARED) if single and search.prune else NopPruner(),
        load_if_exists=True,
    )
    if not study.trials and (own := _own(search)):
        study.enqueue_trial(own)
    return study


def next_batch(study: Study, search: Search, total: int) -> list[Trial]:
    """Return the trials to be evaluated next: those left by a search that was killed, and as many as fill the batch.

    Args:
        study: of the search.
        search: what is searched.
        total: trials of the whole search.
    """
    running = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]
    trials = [Trial(study, trial._trial_id) for trial in running]  # Optuna has no other way to go on
    asked = sum(trial.state in DONE for trial in study.get_trials(deepcopy=False)) + len(trials)
    end = asked if trials and asked % search.batch == 0 else (asked // search.batch + 1) * search.batch
    for number in range(asked, min(end, total)):
        study.sampler = _sampler(search, number)
        trials.append(study.ask())
    return trials


def values(trial: Trial, search: Search) -> dict[str, Any]:
    """Return what a trial is to try, by key."""
    study = trial.study
    study.sampler = _sampler(search, trial.number)
    found: dict[str, Any] = {}
    for axis in search.axes:
        if axis.kind == "choice":
            found[axis.key] = trial.suggest_categorical(axis.key, axis.choices)
        elif axis.kind == "whole":
            found[axis.key] = trial.suggest_int(axis.key, int(axis.low), int(axis.high))
        else:
            found[axis.key] = trial.suggest_float(axis.key, axis.low, axis.high, log=axis.kind == "ratio")
    return found


def finished(study: Study) -> list[FrozenTrial]:
    """Return the trials of which it is known what became, in their order."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state in DONE]


def _sampler(search: Search, number: int) -> BaseSampler:
    seed = (search.sampler_seed * 1_000_003 + number) % 2**32
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    if search.sampler == "nsga2":
        return NSGAIISampler(population_size=GENERATION, seed=seed)
    return TPESampler(n_startup_trials=WARM_UP, seed=seed)


def _own(search: Search) -> dict[str, Any]:
    """Return the experiment's own values, if they are all within what is searched; else nothing."""
    known = own_values(search.config, values_of(search.config))
    own = {axis.key: known.get(axis.key) for axis in search.axes}
    if not all(axis.holds(own[axis.key]) for axis in search.axes):
        return {}
    return {axis.key: axis.spelt(own[axis.key]) if axis.kind == "choice" else own[axis.key] for axis in search.axes}
