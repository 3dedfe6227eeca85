"""P4: FedACnnL and pFedACnnL, training in closed form.

Gu, You, Guo, Qu, Ren, Xie, Luo, "Analytic Personalized Federated Meta-Learning", arXiv 2502.06915. What has to be seen
is D1 to D5, and accuracy against SNR where the sums go over the air.
"""

from collections.abc import Sequence

from tools.reproduce.p4_drawings import DRAWINGS
from tools.reproduce.p4_heterogeneity import d3, d4
from tools.reproduce.p4_measured import measured
from tools.reproduce.p4_verdicts import air, d1, d2, d5
from tools.reproduce.paper import Material, Paper
from tools.reproduce.verdict import Verdict


def judge(material: Material) -> Sequence[Verdict]:
    """Return D1 to D5, and what the air does."""
    found = measured(material)
    return (
        d1(found.distances), d2(found.races), d3(found.skew), d4(found.skew), d5(found.backward), air(found.air),
    )  # fmt: skip


PAPER = Paper(
    key="p4",
    title="Gu, You, Guo, Qu, Ren, Xie, Luo, Analytic Personalized Federated Meta-Learning, arXiv 2502.06915",
    question="Can a network be trained in closed form, layer by layer, exactly, fast, whatever agents hold, and be "
    "made each agent's own?",
    setting=(
        "MNIST, 20 agents of 120 training images (and 40 to support, 40 to test), one block of 9 x 9 filters and a "
        "linear head, a layer a round in double precision, error-free links (over the air: 72 "
        "images to train). All equations are our reconstruction [R]; of the paper we know "
        "the abstract [A] and notes of others [T]. Classes are dealt evenly, five, two or one an "
        "agent in equal shares, or by Dirichlet shares. FedAvg trains the same network, all agents in each round, one "
        "pass in batches of 20. Times are of one thread, measured after all runs."
    ),
    sweeps=("classes", "dirichlet", "exact", "air"),
    judge=judge,
    drawings=DRAWINGS,
)
