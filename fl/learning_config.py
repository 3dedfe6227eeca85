"""The tables of a configuration about learning: who learns, what, with which model, how, and how that is judged."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, field_validator
from pydantic_core import PydanticCustomError

from fl.section import Positive, Section


class Agents(Section):
    """The population, and how many of it take part in a round."""

    count: PositiveInt = Field(20, description="agents in the population")
    per_round: PositiveInt | None = Field(None, description="agents scheduled in a round, drawn anew; default: all")

    @property
    def scheduled(self) -> int:
        """Agents in one round."""
        return self.count if self.per_round is None else self.per_round


class Task(Section):
    """The data: which images or text, who holds what, and the size of an episode (docs/data.md)."""

    dataset: Literal["glyphs", "omniglot", "mnist", "emnist", "femnist", "shakespeare"] = Field(
        "glyphs", description="where the images come from; shakespeare is text"
    )
    partition: str = Field(
        "class",
        description="by class, for few-shot episodes: class: agents share no class; class_overlap: each draws "
        "classes_per_agent of its own; alphabet: whole alphabets of Omniglot. By sample: iid, class_skew, pathological "
        "(classes_per_agent), dirichlet (alpha), pseudo_writers, natural (writers, speaking roles). Or the path of a "
        "file that ends in .json, by airmeta data partition, from the folder of the configuration",
    )
    classes_per_agent: PositiveInt = Field(40, description="classes of one agent under class_overlap and pathological")
    alpha: Positive = Field(0.5, description="α of dirichlet: the smaller, the fewer classes make up an agent")
    new_agents: int = Field(10, ge=2, description="agents that never train, under a partition by sample")
    support: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="fraction of an agent's samples with which it personalises, under a partition by sample",
    )
    test: float = Field(
        0.2, gt=0, lt=1, description="fraction of an agent's samples that test it, under a partition by sample"
    )
    samples: PositiveInt | None = Field(
        None, description="samples of an agent at most, under a partition by sample; default: all that it is dealt"
    )
    ways: int = Field(5, ge=2, description="classes in an episode, under a partition by class")
    shots: PositiveInt = Field(
        5, description="support images of a class; under a partition by sample, samples of a batch"
    )
    queries: PositiveInt = Field(
        5, description="query images of a class in training; under a partition by sample, samples of a batch"
    )
    holdout: int = Field(
        0,
        ge=0,
        description="images of each training class never trained on (the last ones), under a partition by class",
    )

    @field_validator("partition")
    @classmethod
    def _known(cls, value: str) -> str:
        from fl.partitioning import BY_CLASS, BY_SAMPLE

        if value.endswith(".json"):
            return str(Path(value).expanduser().absolute())
        if value not in (*BY_CLASS, *BY_SAMPLE):
            known = ", ".join((*BY_CLASS, *BY_SAMPLE))
            raise PydanticCustomError(
                "partition", "{text}", {"text": f"must be one of {known}, or the path of a .json file"}
            )
        return value


class Model(Section):
    """The learned model."""

    kind: Literal["cnn", "plain_cnn", "mlp", "gru"] = Field(
        "cnn",
        description="cnn: four convolution blocks; plain_cnn: one block without batch norm, which analytic solves; "
        "mlp: 784-80-60-ways; gru: recurrent character model, for text",
    )
    width: PositiveInt = Field(32, description="filters of each convolution block, units of the gru")


class Algorithm(Section):
    """What an agent computes (docs/algorithms.md). A key that the algorithm does not use must keep its default."""

    kind: Literal["meta", "fedavg", "reptile", "personalized_fedavg", "pfedme", "analytic", "local"] = Field(
        "meta",
        description="meta: ν-step meta-learning, ν = 1 is Per-FedAvg; personalized_fedavg: FedAvg, then Reptile; "
        "analytic: layers in closed form (FedACnnL); local: nothing is sent",
    )
    inner_lr: Positive = Field(
        0.4, description="α, rate of the inner steps (meta, pfedme), which are the fine-tuning steps as well"
    )
    inner_steps: PositiveInt = Field(1, description="ν (meta) or K (pfedme), inner steps")
    order: Literal["exact", "hessian_free", "first"] = Field("exact", description="how meta handles the Hessian")
    local_steps: PositiveInt = Field(1, description="Q or R, outer steps an agent takes in a round, or K steps of SGD")
    local_epochs: PositiveInt | None = Field(
        None, description="E, passes over an agent's images in the place of local_steps (fedavg, personalized_fedavg)"
    )
    local_lr: Positive = Field(
        0.1, description="η, rate of the outer steps, or of SGD and then of the fine-tuning steps as well"
    )
    batch_size: PositiveInt = Field(20, description="images of a mini-batch at most (all but meta)")
    batches: Literal["independent", "shared"] = Field(
        "independent",
        description="independent: every inner step and every Hessian of meta draws images of its own; "
        "shared: one support set serves them all (MAML)",
    )
    weighting: Literal["uniform", "samples"] = Field("uniform", description="weight of an agent in the mean")
    proximity: Positive = Field(1.0, description="λ, by which pfedme pulls personal models towards the shared one")
    reptile_from: PositiveInt | None = Field(
        None, description="first round of the Reptile stage of personalized_fedavg; default: the last sixth of rounds"
    )
    reptile_steps: PositiveInt = Field(10, description="K, steps of SGD of a round of that stage")
    reptile_lr: Positive = Field(0.001, description="rate of the server's Adam in that stage")
    groups: PositiveInt = Field(1, description="groups of agents with like labels that analytic gives a model each")
    ridge: float = Field(1e-5, ge=0, description="γ of analytic without noise, over the mean of a Gram's diagonal")
    noise_ridge: float = Field(
        1.0, ge=0, description="κ, γ of analytic for noise, over the rms eigenvalue of noise alone; 0: none"
    )
    clip_eigenvalues: bool = Field(True, description="whether analytic sets negative eigenvalues of a Gram to 0")
    adaptive_batch: bool = Field(
        False, description="whether agents of analytic adapt batch_size to their machine; the same but for rounding"
    )


class Server(Section):
    """What the server does with the estimated mean update."""

    optimizer: Literal["sgd", "momentum", "adam"] = Field(
        "sgd", description="sgd, momentum: on Δ; adam: on Δ/η, the meta-gradient when local_steps is 1"
    )
    lr: Positive = Field(1.0, description="server rate; 1 with sgd is plain averaging")
    momentum: float = Field(0.9, ge=0, lt=1, description="of the momentum optimiser")


class Evaluation(Section):
    """Fine-tuning on new agents, on a fixed set of tasks."""

    every: PositiveInt = Field(50, description="rounds between two evaluations; the last round always has one")
    dense_rounds: int = Field(0, ge=0, description="first rounds, after each of which there is an evaluation as well")
    tasks: int = Field(200, ge=2, description="tasks of each evaluation")
    final_tasks: int | None = Field(None, ge=2, description="new-agent tasks of the last evaluation; default: tasks")
    steps: PositiveInt = Field(5, description="fine-tuning steps")
    queries: PositiveInt = Field(15, description="query images of a class")
    seed: int = Field(0, ge=0, description="of the tasks: the same for all runs that are compared")

    def due(self, done: int, rounds: int) -> bool:
        """Return whether the model is evaluated after so many of all rounds."""
        return done <= self.dense_rounds or done == rounds or done % self.every == 0
