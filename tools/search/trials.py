"""The trials of a search: settings asked for, run on the tuning seeds, and told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from optuna.study import Study
from optuna.trial import Trial, TrialState

from fl.config import ConfigError
from fl.history import read
from tools.search.budget import InfeasibleError
from tools.search.folder import SearchError
from tools.search.found import Found, found
from tools.search.plan import Search, Setting
from tools.search.study import finished, next_batch, values
from tools.sweep.plan import Job
from tools.sweep.results import run_folder

Runner = Callable[[Sequence[Job]], Mapping[str, str]]
"""Does runs; returns why some have failed, by key."""
STOPPED_HERE = "stopped_here"  # of a trial at which the search stopped because all runs had failed


@dataclass
class Candidate:
    """A trial that is being evaluated.

    Args:
        trial: of Optuna.
        setting: what it tries.
        jobs: a run for each tuning seed.
    """

    trial: Trial
    setting: Setting
    jobs: Sequence[Job]


@dataclass(frozen=True)
class Trials:
    """Evaluates the trials of a search.

    Args:
        search: what is searched.
        study: of Optuna.
        folder: of the runs.
        run: does runs.
        say: is told of progress.
    """

    search: Search
    study: Study
    folder: Path
    run: Runner
    say: Callable[[str], None]

    def carry_out(self, total: int) -> list[Found]:
        """Evaluate what is missing to so many trials, and return what became of all.

        Raises:
            SearchError: all runs of a batch have failed.
        """
        while len(finished(self.study)) < total:
            self._evaluate(next_batch(self.study, self.search, total))
        return [found(trial) for trial in finished(self.study)]

    def _evaluate(self, trials: Sequence[Trial]) -> None:
        live = [candidate for trial in trials if (candidate := self._candidate(trial)) is not None]
        for stage in self._stages():
            if not live:
                return
            failed = self._run(live, stage)
            is_last = stage[-1] == self.search.seeds - 1
            live = [one for one in live if self._goes_on(one, stage[-1] + 1, failed, is_last)]

    def _stages(self) -> list[range]:
        """Return the seeds that run together: one by one where a setting may be given up in between."""
        count = self.search.seeds
        if self.search.has_budget and self.search.prune:
            return [range(seed, seed + 1) for seed in range(count)]
        return [range(count)]

    def _candidate(self, trial: Trial) -> Candidate | None:
        """Return a trial with its runs; None: it cannot be run, which is told."""
        wanted = values(trial, self.search)
        try:
            setting = self.search.asked(trial.number, wanted)
            jobs = self.search.tuning(setting)
        except (ConfigError, InfeasibleError) as error:
            trial.set_user_attr("overrides", [f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                                              for key, value in wanted.items()])  # fmt: skip
            self._give_up(trial, f"does not fit: {str(error).splitlines()[0]}")
            return None
        for name, value in (("overrides", list(setting.overrides)), ("rounds", setting.rounds), ("uses", setting.uses)):
            trial.set_user_attr(name, value)
        return Candidate(trial, setting, jobs)

    def _run(self, live: Sequence[Candidate], stage: Sequence[int]) -> Mapping[str, str]:
        """Do the runs of some seeds and return why some have failed.

        If all have, that may be the machine's fault, or a setting's that was left alone: the user decides. What fails
        again after that is given up, unless nothing has ever gone through.
        """
        jobs = [candidate.jobs[seed] for candidate in live for seed in stage]
        failed = self.run(jobs)
        if any(job.key not in failed for job in jobs):
            return failed
        if any(trial.state == TrialState.COMPLETE for trial in finished(self.study)) and all(
            STOPPED_HERE in one.trial.user_attrs for one in live
        ):
            return failed
        for one in live:
            one.trial.set_user_attr(STOPPED_HERE, True)
        raise SearchError(
            f"all {len(jobs)} runs of these trials failed, the first one: {failed[jobs[0].key]}; mend that and call "
            "the search again, which goes on here, and gives up a setting that fails again if others have not"
        )

    def _goes_on(self, one: Candidate, done: int, failed: Mapping[str, str], is_last: bool) -> bool:
        """Tell what a candidate's first `done` seeds have found; return whether the others are worth running."""
        reasons = [failed[job.key] for job in one.jobs[:done] if job.key in failed]
        if reasons:
            self._give_up(one.trial, f"run failed: {reasons[0]}", TrialState.FAIL)
            return False
        accuracies = [read(run_folder(self.folder, job).history)[-1]["new_agent_accuracy"] for job in one.jobs[:done]]
        one.trial.set_user_attr("accuracies", accuracies)
        mean = float(np.mean(accuracies))
        if is_last:
            self.study.tell(one.trial, [mean] if self.search.has_budget else [mean, float(one.setting.uses)])
            self.say(f"{_named(one)}: {mean:.1%}")
            return False
        if done not in self.study.get_trials(deepcopy=False)[one.trial.number].intermediate_values:
            one.trial.report(mean, done)  # else a search that was killed has said so
        if one.trial.should_prune():
            self._give_up(one.trial, f"below the median after {done} of {self.search.seeds} seeds ({mean:.1%})")
            return False
        return True

    def _give_up(self, trial: Trial, reason: str, state: TrialState | None = None) -> None:
        trial.set_user_attr("reason", reason)
        usual = TrialState.PRUNED if self.search.has_budget else TrialState.FAIL  # Optuna prunes for one objective only
        self.study.tell(trial, state=usual if state is None else state)
        self.say(f"trial {trial.number}: {reason}")


def _named(one: Candidate) -> str:
    return f"{one.setting.name}: {', '.join(one.setting.overrides)}, {one.setting.rounds} rounds"
