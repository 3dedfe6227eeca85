# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel between any number of units, of GNU Radio's blocks: run by `airmeta`, never imported.

    pull_source → resampler → rotator ─┬→ taps of each link → sum → rotator → resampler → + noise → push_sink
                (the sender's clock)                       (the receiver's)

Nothing in it is throttled: samples move when all units have delivered theirs (the sum waits for every link), so sample
time stands still unless somebody sends. Where all clocks are right there are no resamplers. `mmse_resampler_cc` is
ahead by 3 samples and holds some back; its step is a float, right to 0.06 ppm.
"""

from typing import Any

import parent
from gnuradio import analog, blocks, filter, gr  # noqa: A004 - its name there

AHEAD, HELD = 3, 12  # of one resampler, what it may still ask for included
ALIGNED = 32  # samples that filters wait for, to work on aligned ones


def build(wanted: dict[str, Any]) -> tuple[gr.top_block, parent.Ports, dict[str, Any]]:
    """Return the flowgraph.

    Args:
        wanted: `send`, `hear`: addresses of each unit; `clocks`: relative offsets ε of their clocks; `turns`: radians
            by which their carriers turn in a sample; `taps`: of the link from u to v at [u][v], pairs of real and
            imaginary part, None: no link; `lead`: taps before the one of delay 0; `noise_var`: σ² of each; `seed`.
    """
    graph = gr.top_block()
    ends = parent.ports(wanted["send"], wanted["hear"])
    clocks, turns = wanted["clocks"], wanted["turns"]
    bends = any(clocks)
    aired = [
        chain(graph, source, [*resampled(1 + clock, bends), *turned(turn)])
        for source, clock, turn in zip(ends.sources, clocks, turns, strict=True)
    ]
    for unit, sink in enumerate(ends.sinks):
        heard = blocks.add_cc()
        links = [(sender, row[unit]) for sender, row in enumerate(wanted["taps"]) if row[unit] is not None]
        for port, (sender, taps) in enumerate(links):
            link = filter.fir_filter_ccc(1, [complex(*tap) for tap in taps])
            graph.connect(aired[sender], link, (heard, port))
        last = chain(graph, heard, [*turned(-turns[unit]), *resampled(1 / (1 + clocks[unit]), bends)])
        if (noise_var := wanted["noise_var"][unit]) > 0:
            noisy = blocks.add_cc()
            seed = 1 + wanted["seed"] + unit  # 0 would be the time of day
            graph.connect(analog.noise_source_c(analog.GR_GAUSSIAN, noise_var**0.5, seed), (noisy, 1))
            last = chain(graph, last, [noisy])
        graph.connect(last, sink)
    resamplers = 2 * bends
    about = {"delay": wanted["lead"] - resamplers * AHEAD, "held": resamplers * HELD + ALIGNED, "real_time": False}
    return graph, ends, about | {"units": len(ends.sinks), "clocks": clocks}


def resampled(step: float, is_needed: bool) -> list[gr.basic_block]:
    """Return what reads its input in steps of so many samples; if one unit needs it, all have its delay."""
    return [filter.mmse_resampler_cc(0.0, step)] if is_needed else []


def turned(turn: float) -> list[gr.basic_block]:
    """Return what turns samples by so many radians more each."""
    return [blocks.rotator_cc(turn)] if turn else []


def chain(graph: gr.top_block, first: gr.basic_block, others: list[gr.basic_block]) -> gr.basic_block:
    """Connect blocks one after the other and return the last one."""
    for block in others:
        graph.connect(first, block)
        first = block
    return first


if __name__ == "__main__":
    parent.serve(build)
