"""A search before it starts, and the runs of each of its settings.

Tuning has seeds and evaluation tasks of its own: what is confirmed afterwards has not been looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from fl.config import Config, digest, load
from tools.search.budget import Budget
from tools.search.space import Axis, described, overrides_of
from tools.sweep.plan import Job, Point, jobs

TUNING = 1000
"""Tuning seeds are 1001, 1002, …; the evaluation seed of tuning is this much above that of the experiment."""
SamplerName = Literal["tpe", "nsga2", "random"]


@dataclass(frozen=True)
class Setting:
    """One setting of the search, with what the budget leaves it.

    Args:
        name: for people.
        overrides: `key=value` over the experiment.
        rounds: of a run.
        uses: channel uses of a run, as the budget counts them.
    """

    name: str
    overrides: tuple[str, ...]
    rounds: int
    uses: int


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Args:
        base: file of the experiment.
        overrides: `key=value` over it.
        axes: what is varied.
        budget: of channel uses.
        seeds: runs of a setting, averaged.
        sampler: of Optuna.
        sampler_seed: all of what it draws.
        batch: settings that are asked for before any of them is known.
        prune: whether a setting is given up that is below the median after some of its seeds.
    """

    base: Path
    overrides: tuple[str, ...]
    axes: tuple[Axis, ...]
    budget: Budget
    seeds: int = 2
    sampler: SamplerName = "tpe"
    sampler_seed: int = 0
    batch: int = 2
    prune: bool = True

    @cached_property
    def config(self) -> Config:
        """The experiment as it is."""
        return load(self.base, self.overrides)

    @property
    def has_budget(self) -> bool:
        """Whether accuracy is the one objective."""
        return self.budget.kind != "none"

    @property
    def limit(self) -> int:
        """Channel uses up to which a setting is no worse off than the experiment: the budget of a run, or its own."""
        return self.budget.uses if self.budget.kind == "total" else self.setting("own").uses

    def setting(self, name: str, changed: Sequence[str] = ()) -> Setting:
        """Return the experiment with `key=value` changed, and what the budget leaves it.

        Raises:
            ConfigError: the keys contradict the experiment.
            InfeasibleError: it does not fit the budget.
        """
        config = load(self.base, [*self.overrides, *changed])
        rounds = self.budget.rounds(config)
        return Setting(name, tuple(changed), rounds, rounds * self.budget.of_round(config))

    def asked(self, number: int, values: Mapping[str, Any]) -> Setting:
        """Return the setting of a trial.

        Raises:
            ConfigError, InfeasibleError: as for `setting`.
        """
        return self.setting(f"trial {number}", overrides_of(self.axes, values))

    def tuning(self, setting: Setting) -> list[Job]:
        """Return the runs by which a setting is judged.

        Raises:
            ConfigError: its rounds contradict the experiment.
        """
        seed = self.config.evaluation.seed + TUNING
        return self._jobs(setting, range(TUNING + 1, TUNING + 1 + self.seeds), [f"evaluation.seed={seed}"])

    def confirming(self, setting: Setting, seeds: Sequence[int]) -> list[Job]:
        """Return runs of a setting on seeds up to 1000, which no tuning has seen.

        Raises:
            ConfigError: its rounds contradict the experiment.
        """
        return self._jobs(setting, seeds, [])

    def described(self) -> dict[str, Any]:
        """Return what makes it this search and no other, as JSON would hold it."""
        return {
            "experiment": digest(self.config),
            "axes": {axis["key"]: axis for axis in described(self.axes)},
            "budget": self.budget.described(),
            "seeds": self.seeds,
            "sampler": self.sampler,
            "sampler_seed": self.sampler_seed,
            "batch": self.batch,
            "prune": self.prune,
        }

    def _jobs(self, setting: Setting, seeds: Sequence[int], more: Sequence[str]) -> list[Job]:
        point = Point(setting.name, (*setting.overrides, f"rounds={setting.rounds}", *more))
        return jobs(self.base, [point], seeds, self.overrides)
