"""P1, what was run, as the configuration of the runs has it, and how A2's setting was chosen."""

from tools.sweep.results import Results

BEFORE = (
    "one shot, width 8, 800 rounds and ten seeds, where the loss on new agents stayed at that of guessing and nothing "
    "was resolved (docs/reproduction.md)"
)
"""A2's setting before."""
PILOTS = (
    "Pilots over ideal links, one seed each, tried 3 and 5 shots, α = .1, width 16, ten agents, and ten characters an "
    "agent. Then seeds 101 to 104 were run with 5 shots at width 8, with α = .4 and .1, and at width 16, over ideal "
    "links, 30 dB and 10 dB. At width 16 the gap at 10 dB was smaller there than over ideal links by .075 (sd .082), "
    "which was known when 5 shots and width 16 were chosen. They were chosen for their small scatter (sd .026 to .084 "
    "in the place of about .12), and because models learn (71 % on new agents)."
)
"""How the present one was chosen, in runs that no recipe repeats."""


def runs_read(results: Results) -> str:
    """Say with how many agents, shots, filters, rounds and seeds the settings of a sweep were run."""
    config = results.jobs[0].config
    return (
        f"{config.agents.count} agents, {config.task.shots} shots, {config.model.width} filters a layer, α = "
        f"{config.algorithm.inner_lr:g}, {config.rounds} rounds, {len(results.of(results.points[0]))} seeds"
    )
