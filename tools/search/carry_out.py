"""A search from its first trial to its confirmation, over the workers of a sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tools.search.confirm import confirm
from tools.search.defaults import own_values
from tools.search.folder import SearchFolder
from tools.search.found import Found, best
from tools.search.page import Report, write
from tools.search.plan import Search
from tools.search.space import overrides_of, values_of
from tools.search.study import finished, open_study, storage
from tools.search.trials import Runner, Trials
from tools.sweep.crew import default_workers
from tools.sweep.execute import Crew, left_of, standing
from tools.sweep.execute import carry_out as sweep
from tools.sweep.folder import SweepFolder
from tools.sweep.plan import Job
from tools.sweep.watch import Lines, counted, named
from tools.sweep.work import Done


def carry_out(search: Search, folder: SearchFolder, options: Mapping[str, Any], say: Callable[[str], None]) -> Report:
    """Return what a search finds, and leave its report in the folder.

    Args:
        search: what is searched.
        folder: its folder, absolute.
        options: `trials`, `fresh`, `workers`, `scheduler`, `cache`.
        say: is told of progress.

    Raises:
        SearchError, SweepError: the folder or the workers do not serve, or all runs of a batch have failed.
    """
    with folder.held():
        folder.plan(search.described())
        return _carry_out(search, folder, options, say)


def _carry_out(search: Search, folder: SearchFolder, options: Mapping[str, Any], say: Callable[[str], None]) -> Report:
    study = open_study(storage(folder), search)
    for line in announced(search, folder, options, len(finished(study))):
        say(line)
    with _runner(search, folder, options, say) as run:
        trials = Trials(search, study, folder.path, run, say).carry_out(options["trials"])
        own = _own(search, trials)
        write(folder, Report(search, trials, own, None))
        chosen = best(trials) if search.has_budget else best(trials, search.setting("own").uses)
        confirmed = None
        if chosen is None:
            say("no trial is whole at the channel uses of the experiment: there is nothing to confirm")
        elif own is not None and chosen.number == own.number:
            say("nothing was better than the experiment as it is, on the tuning seeds: there is nothing to confirm")
        elif options["fresh"]:
            setting = search.setting("best", chosen.overrides)
            confirmed = confirm(search, setting, options["fresh"], folder, run, say)
    report = Report(search, trials, own, confirmed)
    write(folder, report)
    return report


class _Ends(Lines):
    """Says a line for every run that is over: what became of its trial is known only with the whole batch."""

    def begin(self, jobs: Sequence[Job], workers: int) -> None:
        """Say nothing: runs come a few at a time."""

    def end(self, job: Job, done: Done) -> None:
        """Say how long it took."""
        self._say(f"  {named(job)}: {done.how} after {done.seconds:.1f} s")


def announced(search: Search, folder: SearchFolder, options: Mapping[str, Any], there: int) -> list[str]:
    """Return what a search is about to do, for people.

    Args:
        search: what is searched.
        folder: its folder.
        options: as for `carry_out`.
        there: trials that are over already.
    """
    crew = options["scheduler"] or counted(options["workers"] or default_workers(_all_alike(search)), "worker")
    tuning, confirming, own = options["trials"] * search.seeds, 2 * options["fresh"], search.setting("own")
    lines = [
        f"Searching {search.base.name} in {folder.path}: {search.budget}",
        f"The experiment as it is: {counted(own.rounds, 'round')}, {own.uses:,} channel uses; varied are",
        *(f"  {axis}" for axis in search.axes),
        f"{counted(options['trials'], 'trial')} of {counted(search.seeds, 'run')}, and {confirming} to confirm: at "
        f"most {counted(tuning + confirming, 'run')}, on {crew}",
    ]
    return [*lines, f"{counted(there, 'trial')} of it done before"] if there else lines


@contextmanager
def _runner(
    search: Search, folder: SearchFolder, options: Mapping[str, Any], say: Callable[[str], None]
) -> Iterator[Runner]:
    """Yield what does runs, by workers that come when there is one to be done, and stay."""
    crew, files = Crew(options["workers"], options["scheduler"], say), SweepFolder(folder.path)
    with ExitStack() as stack:
        held: list[Crew] = []

        def run(jobs: Sequence[Job]) -> dict[str, str]:
            if not left_of(jobs, folder.path):
                return {}
            if not held:
                held.append(stack.enter_context(standing(crew, _all_alike(search))))
            outcome = sweep(jobs, files, options["cache"], _Ends(say), held[0])
            return {job.key: reason for job, reason in outcome.failed}

        yield run


def _all_alike(search: Search) -> list[Job]:
    """Return runs that keep as many workers busy as those of a batch of trials."""
    return [job for number in range(search.batch) for job in _alike(search, number)]


def _alike(search: Search, number: int) -> list[Job]:
    return [Job(job.point, job.seed, job.config, f"{job.key}-{number}") for job in search.tuning(search.setting("own"))]


def _own(search: Search, trials: Sequence[Found]) -> Found | None:
    """Return the trial of the experiment's own setting, which is the first one where it was one."""
    known = own_values(search.config, values_of(search.config))
    if not trials or not all(axis.holds(known.get(axis.key)) for axis in search.axes):
        return None
    wanted = tuple(overrides_of(search.axes, known))
    return next((trial for trial in trials if trial.overrides == wanted), None)
