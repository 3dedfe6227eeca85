"""A search from its first trial to its confirmation, over the workers of a sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tools.search.confirm import confirm
from tools.search.defaults import own_values
from tools.search.folder import SearchFolder
from tools.search.page import Report, write
from tools.search.plan import Search
from tools.search.space import overrides_of, values_of
from tools.search.study import open_study, storage
from tools.search.trials import Found, Runner, Trials, best
from tools.sweep.execute import Crew, left_of, standing
from tools.sweep.execute import carry_out as sweep
from tools.sweep.folder import SweepFolder
from tools.sweep.plan import Job
from tools.sweep.watch import Lines


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
    folder.plan(search.described())
    study = open_study(storage(folder), search)
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
            confirmed = confirm(search, setting, options["fresh"], folder.path, run, say)
    report = Report(search, trials, own, confirmed)
    write(folder, report)
    return report


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
                alike = [job for number in range(search.batch) for job in _alike(search, number)]
                held.append(stack.enter_context(standing(crew, alike)))
            outcome = sweep(jobs, files, options["cache"], Lines(lambda text: None), held[0])
            return {job.key: reason for job, reason in outcome.failed}

        yield run


def _alike(search: Search, number: int) -> list[Job]:
    """Return runs that keep as many workers busy as those of a trial."""
    return [Job(job.point, job.seed, job.config, f"{job.key}-{number}") for job in search.tuning(search.setting("own"))]


def _own(search: Search, trials: Sequence[Found]) -> Found | None:
    """Return the trial of the experiment's own setting, which is the first one where it was one."""
    known = own_values(search.config, values_of(search.config))
    if not trials or not all(axis.holds(known.get(axis.key)) for axis in search.axes):
        return None
    wanted = tuple(overrides_of(search.axes, known))
    return next((trial for trial in trials if trial.overrides == wanted), None)
