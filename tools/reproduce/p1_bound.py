"""P1, the bound on the generalisation gap by what the channel lets through [R], beside A2."""

import numpy as np

from fl.theory.generalisation import generalisation_bound, is_vacuous
from fl.theory.information import information_of
from fl.theory.tasks import chance_sigma, training_tasks
from tools.sweep.results import Results


def bound(results: Results, point: str) -> np.ndarray:
    """Return the limit of the gap after each round by the information through the channel, shape (seeds, rounds).

    n is counted from the partition of each seed, as agents that draw characters may draw the same ones.
    """
    rows = []
    for job, records in zip(results.of(point), results.histories(point), strict=True):
        limit = generalisation_bound(information_of(records), training_tasks(job.config), chance_sigma(job.config))
        rows.append(limit)
    return np.array(rows)


def bound_read(results: Results, point: str) -> str:
    """Say what the bound is at the end of a setting, and whether it says anything."""
    jobs, limit = results.of(point), float(bound(results, point)[:, -1].mean())
    tasks, sigma = [training_tasks(job.config) for job in jobs], chance_sigma(jobs[0].config)
    counted = f"{min(tasks)}" if min(tasks) == max(tasks) else f"{min(tasks)} to {max(tasks)}"
    return (
        f"The bound by the information that the channel lets through [R] is {limit:.0f} nats at {point} after "
        f"{jobs[0].config.rounds} rounds, for {counted} independent tasks (from the characters that agents of each "
        f"seed drew; agents that share one count as less) and σ_ℓ = {sigma:.2f}, where a gap above {2 * sigma:.2f} is "
        f"impossible for a loss cut at that of guessing: {'vacuous' if is_vacuous(limit, sigma) else 'not vacuous'}. "
        "Ideal links have none."
    )
