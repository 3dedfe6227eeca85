"""P3: FedAvg as meta-learning, and Personalized FedAvg.

Jiang, Konečný, Rush, Kannan, "Improving Federated Learning Personalization via Model Agnostic Meta Learning", arXiv
1909.12488. What has to be seen is C1 to C7; that FedAvg is federated SGD and first-order meta-learning, exactly, is a
law of the test suite (tests/fl/algorithms/test_fedavg.py).
"""

from collections.abc import Sequence

from tools.reproduce.p3_drawings import DRAWINGS, switch_of
from tools.reproduce.p3_numbers import curves, table
from tools.reproduce.p3_table import c1, c2, c3, c4
from tools.reproduce.p3_training import CONTROL, STAGED, c5, c6, c7
from tools.reproduce.paper import Material, Paper
from tools.reproduce.verdict import Verdict


def judge(material: Material) -> Sequence[Verdict]:
    """Return C1 to C7."""
    sweeps = material.sweeps
    cells, central = table(sweeps["table"]), curves(sweeps["central"], "central")
    others = {
        "Shakespeare by role": curves(sweeps["roles"], "roles"),
        "Omniglot": curves(sweeps["characters"], "characters"),
    }
    about = sweeps["table"].jobs[0].config.evaluation
    staged, control = (curves(sweeps["stages"], point) for point in (STAGED, CONTROL))
    return (
        c1(cells, others), c2(cells), c3(cells), c4(cells), c5(cells, about.every, about.dense_rounds),
        c6(staged, control, switch_of(material)), c7(cells, central, staged),
    )  # fmt: skip


PAPER = Paper(
    key="p3",
    title="Jiang, Konečný, Rush, Kannan, Improving Federated Learning Personalization via Model Agnostic Meta "
    "Learning, arXiv 1909.12488",
    question="Does FedAvg give models that agents make their own with little data, and does a Reptile stage help?",
    setting=(
        "MNIST by pseudo-writers, agents that differ in slant, thickness and width of their digits, of 200 images "
        "each; an MLP; new agents, who never train, before (initial) and after (personalised) ten steps of the SGD of "
        "training on their support data. Client SGD of rate .02 in batches of 20, momentum of .9 at the server, 5 or "
        "20 agents a round and E of 2 to 20 are P3's [T]; its data, EMNIST by writer, are not at hand, and with "
        "pseudo-writers in their place figures cannot be compared with its table. Shakespeare by speaking role (a "
        "recurrent network) and five-way Omniglot for C1. Error-free links."
    ),
    sweeps=("table", "stages", "central", "roles", "characters"),
    judge=judge,
    drawings=DRAWINGS,
)
