"""A budget of channel uses: of a round, of a whole run, or none."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fl.config import Config, ConfigError
from fl.dimension import message_length
from tools.uses import payload_uses, total_uses


class InfeasibleError(ValueError):
    """A setting that does not fit the budget."""


@dataclass(frozen=True)
class Budget:
    """How many channel uses a run may have.

    Args:
        kind: "round", "total", or "none": uses are an objective of their own.
        uses: the limit.
        overhead: whether pilots and soundings count.
    """

    kind: Literal["round", "total", "none"]
    uses: int = 0
    overhead: bool = False

    def of_round(self, config: Config) -> int:
        """Return the channel uses of a round, as this budget counts them.

        Raises:
            ConfigError: the uplink has none.
        """
        return total_uses(config) if self.overhead else payload_uses(config)

    def rounds(self, config: Config) -> int:
        """Return the rounds that a setting may have.

        Raises:
            InfeasibleError: not even one.
            ConfigError: the uplink has no channel uses.
        """
        uses = self.of_round(config)
        if self.kind != "none" and uses > self.uses:
            raise InfeasibleError(f"a round takes {uses:,} channel uses, the budget has {self.uses:,}")
        return self.uses // uses if self.kind == "total" else config.rounds

    def described(self) -> dict[str, Any]:
        """Return it as JSON would hold it."""
        return asdict(self)

    def __str__(self) -> str:
        counted = "with pilots and soundings" if self.overhead else "of payload"
        if self.kind == "none":
            return f"no budget; channel uses {counted} are the second objective"
        return f"{self.uses:,} channel uses {counted} {'a round' if self.kind == 'round' else 'in all'}"


def parse_budget(per_round: str | None, total: str | None, overhead: bool, config: Config) -> Budget:
    """Return the budget that a command line asks for.

    A total is cut to whole rounds of the experiment: what it could not spend, nothing that is compared to it may.

    Args:
        per_round: channel uses as text, `4000` or `0.4d`, times the parameters.
        total: of a whole run.
        overhead: whether pilots and soundings count.
        config: the experiment.

    Raises:
        ConfigError: both are given, one is no number, or the experiment itself does not fit.
    """
    if per_round is not None and total is not None:
        raise ConfigError(["--per-round and --total: a budget is one or the other; leave one out"])
    budget = Budget("none", overhead=overhead)
    if per_round is not None:
        budget = Budget("round", _uses("--per-round", per_round, config), overhead)
    if total is not None:
        budget = Budget("total", _uses("--total", total, config), overhead)
    try:
        rounds = budget.rounds(config)
    except InfeasibleError as error:
        raise ConfigError(
            [
                f"--{'per-round' if budget.kind == 'round' else 'total'} {budget.uses}: less than one round of the "
                f"experiment as it is ({error}), to which a search is compared; raise it, or lower uplink.measurements "
                "with --set"
            ]
        ) from error
    return replace(budget, uses=rounds * budget.of_round(config)) if budget.kind == "total" else budget


def _uses(option: str, text: str, config: Config) -> int:
    try:
        uses = float(text.removesuffix("d")) * (message_length(config) if text.endswith("d") else 1)
    except ValueError as error:
        raise ConfigError(
            [f"{option} {text}: expected channel uses, as 200000, or 0.4d, which is 0.4 times the parameters"]
        ) from error
    if not 1 <= uses < 1e15:
        raise ConfigError([f"{option} {text}: at least one channel use, got {uses:g}"])
    return round(uses)
