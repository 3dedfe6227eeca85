"""`airmeta bench local`: a round of local updates against a plain torch.autograd loop."""

import json
import statistics
import time
from collections.abc import Callable

import click
import torch
import torch.nn.functional as F

from fl.algorithms.meta import MetaLearner, Order, OuterStep
from fl.gradients import HESSIAN_STEP, Loss, Set
from fl.models import Model, build
from fl.threads import use_threads
from tools.options import json_option

AGENTS, IMAGES, WAYS, THREADS = 20, 25, 5, 2
INNER_LR, LOCAL_LR = 0.4, 0.1
CASES: list[tuple[str, int, Order, torch.dtype | None]] = [
    ("cnn", 32, "exact", None),
    ("cnn", 32, "hessian_free", None),
    ("cnn", 32, "first", None),
    ("cnn", 32, "exact", torch.bfloat16),
    ("cnn", 32, "first", torch.bfloat16),
    ("cnn", 64, "exact", None),
    ("cnn", 64, "hessian_free", None),
    ("mlp", 0, "exact", None),
]


@click.command("local")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Timed rounds of each.")
@click.option("--quick", is_flag=True, help="Three repeats, 32 filters in float32 only.")
@json_option
def local(repeats: int, quick: bool, as_json: bool) -> None:
    """Time 20 agents' local updates, 5-way 5-shot, in this toolkit and in a plain loop, in turn: medians and ratio.

    \b
    Example:
        airmeta bench local --quick
    """
    use_threads(THREADS)
    rows = []
    for kind, width, order, precision in CASES[:3] if quick else CASES:
        model = build(kind, width, WAYS)
        learner = MetaLearner(Loss(model, precision), INNER_LR, LOCAL_LR, order)
        theta, agents = torch.randn(model.dimension) * 0.1, [[_step()] for _ in range(AGENTS)]

        def ours(learner: MetaLearner = learner, theta: torch.Tensor = theta, agents: list = agents) -> None:
            learner.local_updates(theta, agents, THREADS)

        def plain(
            model: Model = model, order: Order = order, theta: torch.Tensor = theta, agents: list = agents
        ) -> None:
            torch.stack([LOCAL_LR * plain_meta_gradient(model, theta, steps[0], order) for steps in agents])

        mine, loop = _in_turn(ours, plain, 3 if quick else repeats)
        name = f"{kind}{width or ''} {order} {'bfloat16' if precision else 'float32'}"
        rows.append({"case": name, "seconds": mine, "plain_loop_seconds": loop, "ratio": mine / loop})
        if not as_json:
            click.echo(
                f"{name:30s} {1e3 * mine:8.0f} ms   plain loop (float32) {1e3 * loop:8.0f} ms   ratio {mine / loop:.2f}"
            )
    if as_json:
        click.echo(json.dumps(rows))


def plain_meta_gradient(model: Model, theta: torch.Tensor, step: OuterStep, order: Order) -> torch.Tensor:
    """Return the ν = 1 meta-gradient as one would first write it: one agent, contiguous images, all threads."""

    def gradient(point: torch.Tensor, data: Set, graph: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        at = point.detach().requires_grad_()
        loss = F.cross_entropy(model.logits(at, data[0], torch.contiguous_format), data[1])
        return at, torch.autograd.grad(loss, at, create_graph=graph)[0]

    moved = theta - INNER_LR * gradient(theta, step.inner[0])[1]
    outer = gradient(moved, step.outer)[1]
    if order == "first":
        return outer
    if order == "exact":
        at, slope = gradient(theta, step.hessian[0], graph=True)
        product = torch.autograd.grad(slope @ outer, at)[0]
    else:
        ahead, behind = (gradient(theta + sign * HESSIAN_STEP * outer, step.hessian[0])[1] for sign in (1, -1))
        product = (ahead - behind) / (2 * HESSIAN_STEP)
    return outer - INNER_LR * product


def _step() -> OuterStep:
    sets = [(torch.rand(IMAGES, 1, 28, 28), torch.arange(WAYS).repeat_interleave(IMAGES // WAYS)) for _ in range(3)]
    return OuterStep(sets[:1], sets[1], sets[2:])


def _in_turn(first: Callable[[], None], second: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Return the median seconds of two functions, run A B A B … after one call of each."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for work, times in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            work()
            if repeat:
                times.append(time.perf_counter() - started)
    return statistics.median(seconds[0]), statistics.median(seconds[1])
