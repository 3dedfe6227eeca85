"""P1: Air-meta-pFL.

Wen, Xing, Simeone, "Pre-Training and Personalized Fine-Tuning via Over-the-Air Federated Meta-Learning:
Convergence-Generalization Trade-Offs", arXiv 2406.11569. Its claims are known from the abstract [A]; rounds, defaults
and sweeps from code of others [T]; data, models and what has to be seen, A1 to A6, are our reconstruction [R].
"""

from collections.abc import Sequence

from tools.reproduce.p1_drawings import DRAWINGS
from tools.reproduce.p1_gap import a2
from tools.reproduce.p1_link import a1, a3, a5
from tools.reproduce.p1_power import a6
from tools.reproduce.p1_receiver import a4
from tools.reproduce.paper import Material, Paper
from tools.reproduce.verdict import Verdict


def judge(material: Material) -> Sequence[Verdict]:
    """Return A1 to A6."""
    link = material.sweeps["link"]
    return a1(link), a2(material.sweeps["gap"]), a3(link), a4(link), a5(link), a6(link, material.sweeps["power"])


PAPER = Paper(
    key="p1",
    title="Wen, Xing, Simeone, Pre-Training and Personalized Fine-Tuning via Over-the-Air Federated Meta-Learning: "
    "Convergence-Generalization Trade-Offs, arXiv 2406.11569",
    question="What does a shared, noisy channel cost meta-learning, and do its impairments enhance generalisation [A]?",
    setting=(
        "Omniglot, 28×28, five ways. Ten agents with 96 characters of the background set each; new agents write the "
        "evaluation alphabets; four convolution blocks on batch statistics, so predictions are transductive. k/d = "
        ".04, M/d = .4, α = .4 and SNRs of 10, 19 and 30 dB are [T]; amplitudes are inverted where it does not say "
        "phase only, which is P1's rule [T]. Ours [R]: exact Hessians, since differences across the kinks of ReLU and "
        "max-pooling are not products with the Hessian; Adam at the server on the meta-gradient: in pilots of "
        "one seed, plain averaging at rates at which it learns as fast scattered by several points between links; the "
        "models, narrower than usual for the time they take. All settings of a seed see the same episodes. For A2 "
        "four agents hold five characters each. A1 and A2 say of which shots, widths, rounds and seeds their runs are; "
        "A3 to A5 are of the runs of A1."
    ),
    sweeps=("link", "gap", "power"),
    judge=judge,
    drawings=DRAWINGS,
)
