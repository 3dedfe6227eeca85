"""Runs of the comparison: what a setting reaches within budgets of channel uses, kept so that none is run twice."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fl.config import Config, ConfigError, digest
from fl.dimension import dimension
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import assemble
from fl.tasks import Group, score
from radio.files import write_text
from tools.bench.uplinks.schemes import Keys, Scheme, laid_over
from tools.uses import payload_uses

TUNING_SEED = 1000
ROUNDING = 1e-2  # of a round: M is a whole number, and may be half a use more than a budget has


@dataclass(frozen=True)
class Bench:
    """What the runs share.

    Args:
        config: the experiment.
        budgets: channel uses over d, ascending.
        cache: folder of the data caches.
        folder: where results are kept.
        say: is told what is being done.
    """

    config: Config
    budgets: tuple[float, ...]
    cache: Path
    folder: Path
    say: Callable[[str], None]

    def rounds(self, keys: Keys) -> list[int]:
        """Return the rounds of a setting within each budget; 0: a round takes more than there is.

        Raises:
            ConfigError: the keys contradict the experiment.
        """
        config = laid_over(self.config, keys)
        uses = payload_uses(config)
        return [int(budget * dimension(config) / uses + ROUNDING) for budget in self.budgets]

    def accuracy(self, keys: Keys, seed: int, rounds: Sequence[int]) -> list[float]:
        """Return the accuracy on new agents after each number of rounds, as kept or as it is now found.

        Args:
            keys: of a setting.
            seed: of the run.
            rounds: ascending, each that of a budget.

        Raises:
            DataError, ConfigError: the experiment cannot be run.
        """
        config = laid_over(self.config, {**keys, "seed": seed, "rounds": rounds[-1]})
        kept = self.folder / f"{digest(config)[:16]}.json"
        found = {}
        if kept.exists():
            found = {int(after): value for after, value in json.loads(kept.read_text("utf-8"))["accuracy"].items()}
        if not set(rounds) <= set(found):
            self.say(f"seed {seed}, {rounds[-1]} rounds of {_spelt(keys)}")
            found = _run(config, [after for after in self.rounds(keys) if after <= rounds[-1]], self.cache)
            write_text(kept, json.dumps({"keys": dict(keys), "seed": seed, "accuracy": found}))
        return [found[after] for after in rounds]

    def tuned(self, scheme: Scheme) -> list[Keys]:
        """Return the best setting of a scheme for each budget, as one run of each on a seed of its own finds it.

        Raises:
            ConfigError: a budget is less than any setting takes in a round.
        """
        best: list[tuple[float, Keys] | None] = [None] * len(self.budgets)
        for keys in scheme.settings():
            every = self.rounds(keys)
            within = [place for place, rounds in enumerate(every) if rounds]
            found = self.accuracy(keys, TUNING_SEED, [every[place] for place in within]) if within else []
            for place, value in zip(within, found, strict=True):
                if (other := best[place]) is None or value > other[0]:
                    best[place] = value, keys
        small = [budget for budget, found_one in zip(self.budgets, best, strict=True) if found_one is None]
        if small:
            raise ConfigError([f"--budget {small[0]:g}: less than a round of any setting takes; raise it"])
        return [found_one[1] for found_one in best if found_one is not None]

    def compared(self, tuned: Sequence[Keys], seed: int) -> list[float]:
        """Return the accuracy within each budget, with its setting; one run serves budgets that share theirs."""
        found = {}
        for keys in tuned:
            shared = [i for i, other in enumerate(tuned) if other == keys]
            every = self.rounds(keys)
            for i, value in zip(shared, self.accuracy(keys, seed, [every[i] for i in shared]), strict=True):
                found[i] = value
        return [found[i] for i in range(len(tuned))]


def _run(config: Config, rounds: Sequence[int], cache: Path) -> dict[int, float]:
    """Return the accuracy on new agents after each of some numbers of rounds, the last one that of the run."""
    parts, found = assemble(config, cache), {}
    state = ServerState.start(parts.first_theta())
    with TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder), config.run.device)
        for index in range(config.rounds):
            state = run_round(parts, state, residuals, index).state
            if index + 1 in rounds:
                scores, _ = score(parts, state.theta, Group.NEW, config.evaluation.tasks)
                found[index + 1] = float(scores.accuracy[:, -1].mean())
    return found


def _spelt(keys: Keys) -> str:
    return ", ".join(f"{path} = {value}" for path, value in keys.items())
