"""`airmeta evaluate`: a run's model on new agents, after the fact."""

import json
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, json_option, readable_errors


@click.command("evaluate")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--tasks", type=click.IntRange(min=2), help="Tasks; default: those of the run's configuration.")
@click.option("--steps", type=click.IntRange(min=1), help="Fine-tuning steps; default: as configured.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the tasks; default: as configured.")
@click.option(
    "--against", metavar="OTHER", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Compare, paired."
)
@json_option
@cache_option
def command(folder: Path, against: Path | None, cache: Path, as_json: bool, **changed: int | None) -> None:
    """Fine-tune the last checkpoint of RUN on new agents and on its training agents.

    With --against, both runs meet the same tasks, and the differences come with their paired intervals.

    \b
    Examples:
        airmeta evaluate runs/first --tasks 1000 --steps 10
        airmeta evaluate runs/first --against runs/ideal --tasks 1000
    """
    from fl.experiment import restore
    from fl.run_folder import RunFolder
    from fl.setup import with_evaluation
    from fl.tasks import evaluate

    changes = {key: value for key, value in changed.items() if value is not None}
    with readable_errors():
        parts, saved = restore(RunFolder(folder), cache)
        parts = with_evaluation(parts, changes)
        if against is not None:
            _compare(folder, against, cache, changes, as_json)
            return
        record, _ = evaluate(parts, saved.state.theta, parts.config.evaluation.tasks)
    if as_json:
        click.echo(json.dumps({"rounds": saved.rounds} | record))
        return
    _print(record, saved.rounds, parts.config.evaluation.tasks)


def _compare(first: Path, second: Path, cache: Path, changes: dict[str, int], as_json: bool) -> None:
    """Print the paired differences first − second in accuracy and loss of new agents on the tasks of the first run."""
    from fl.evaluation import TaskScores, paired_difference
    from fl.experiment import restore
    from fl.run_folder import RunFolder
    from fl.setup import with_evaluation
    from fl.tasks import Group, score

    scores: list[TaskScores] = []
    for folder in (first, second):
        parts, saved = restore(RunFolder(folder), cache)
        if not scores:
            evaluation = parts.config.evaluation.model_dump() | changes
        shared = {key: evaluation[key] for key in ("tasks", "steps", "queries", "seed")}
        scores.append(score(with_evaluation(parts, shared), saved.state.theta, Group.NEW, evaluation["tasks"])[0])
    pairs = {"accuracy": [100 * one.accuracy[:, -1] for one in scores], "loss": [one.loss[:, -1] for one in scores]}
    result = {name: paired_difference(one, other) for name, (one, other) in pairs.items()}
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{first} minus {second}, new agents, {evaluation['tasks']} tasks, paired, 95 % interval:")
    for name, (mean, low, high) in result.items():
        click.echo(f"  {name:8s} {mean:+.4f} [{low:+.4f}, {high:+.4f}]" + (" points" if name == "accuracy" else ""))


def _print(record: dict[str, Any], rounds: int, tasks: int) -> None:
    click.echo(f"After {rounds} rounds, {tasks} tasks, accuracy in % with its 95 % interval (transductive batch norm):")
    for step, (value, (low, high)) in enumerate(
        zip(record["accuracy_by_step"], record["interval_by_step"], strict=True)
    ):
        click.echo(f"  new agents, {step:2d} steps   {100 * value:5.1f}  [{100 * low:.1f}, {100 * high:.1f}]")
    low, high = record["train_agent_interval"]
    steps = len(record["accuracy_by_step"]) - 1
    click.echo(
        f"  training agents, {steps} steps {100 * record['train_agent_accuracy']:.1f}  "
        f"[{100 * low:.1f}, {100 * high:.1f}]"
    )
    click.echo(f"Loss: new agents {record['new_agent_loss']:.4f}, training agents {record['train_agent_loss']:.4f}")
