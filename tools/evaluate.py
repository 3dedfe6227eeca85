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
@json_option
@cache_option
def command(folder: Path, cache: Path, as_json: bool, **changed: int | None) -> None:
    """Fine-tune the last checkpoint of RUN on new agents and on its training agents.

    \b
    Example:
        airmeta evaluate runs/first --tasks 1000 --steps 10
    """
    from fl.experiment import RunFolder, restore
    from fl.setup import with_evaluation
    from fl.tasks import evaluate

    with readable_errors():
        parts, saved = restore(RunFolder(folder), cache)
        parts = with_evaluation(parts, {key: value for key, value in changed.items() if value is not None})
        record, _ = evaluate(parts, saved.state.theta, parts.config.evaluation.tasks)
    if as_json:
        click.echo(json.dumps({"rounds": saved.rounds} | record))
        return
    _print(record, saved.rounds, parts.config.evaluation.tasks)


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
