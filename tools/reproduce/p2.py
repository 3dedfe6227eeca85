"""P2: meta-learning with several inner steps.

Jamali, Saber, Bae, "A Generalized Meta Federated Learning Framework with Theoretical Convergence Guarantees", arXiv
2504.21327. The objective is known from the abstract [A]; algorithm, data and what has to be seen, B1 to B5, are our
reconstruction [R].
"""

from collections.abc import Sequence

from tools.reproduce.p2_drawings import DRAWINGS
from tools.reproduce.p2_gradients import b3, b4, b5
from tools.reproduce.p2_speed import b2
from tools.reproduce.p2_steps import b1, first_order_trained
from tools.reproduce.paper import Material, Paper
from tools.reproduce.verdict import Verdict


def judge(material: Material) -> Sequence[Verdict]:
    """Return B1 to B5."""
    steps = material.sweeps["steps"]
    return b1(steps), b2(steps), b3(), b4(), b5(first_order_trained(steps))


PAPER = Paper(
    key="p2",
    title="Jamali, Saber, Bae, A Generalized Meta Federated Learning Framework with Theoretical Convergence "
    "Guarantees, arXiv 2504.21327",
    question="If agents take ν steps to personalise, does training with ν inner steps serve them better than with one?",
    setting=(
        "MNIST [R]: 50 agents of which 10 take part in a round, an MLP 784-80-60-10 (ELU), α = .01, four local steps "
        "of rate .05 with batches of 40, error-free links. Class skew: half of the agents have equal shares of five "
        "classes, the other half half a share of one of them and two of one of the other five; beside it iid data, "
        "and two classes an agent; in the long form all of it at α = .1 as well, which decides nothing. Accuracy is "
        "that of 50 new agents, dealt by the same law, on their own test data after fine-tuning on their support "
        "data. B3 to B5 are measured on softmax regression in double precision."
    ),
    sweeps=("steps",),
    judge=judge,
    drawings=DRAWINGS,
)
