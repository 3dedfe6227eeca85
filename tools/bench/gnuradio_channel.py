# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio's `channels.dynamic_channel_model`, timed: run by a Python that has GNU Radio, never imported.

    python3 gnuradio_channel.py '{"agents": 10, "samples": 400000, ...}'

One argument, the parameters as JSON (`tools.bench.air` writes them); one line of JSON comes back. Unlike the rest of
this repository, which does not link to GNU Radio, this file does, and is under its licence.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from gnuradio import blocks, channels, gr


def flowgraph(parameters: dict[str, Any], samples: list[complex], agent: int) -> gr.top_block:
    """Return source, channel and sink of one agent."""
    rate, offset_ppm, walk = parameters["sample_rate"], parameters["offset_ppm"], parameters["frequency_walk"]
    # Hertz of carrier per sample, so that its variance grows by `frequency_walk` a second; the clock's runs with it.
    step = (walk / rate) ** 0.5
    channel = channels.dynamic_channel_model(
        rate,
        step * rate / parameters["carrier"],
        1e-6 * offset_ppm * rate,
        step,
        1e-6 * offset_ppm * parameters["carrier"],
        parameters["waves"],
        parameters["doppler"],
        False,  # no line of sight
        0.0,
        parameters["delays"],
        [power**0.5 for power in parameters["powers"]],
        int(max(parameters["delays"])) + 1,
        parameters["noise_var"] ** 0.5,
        agent,
    )
    graph = gr.top_block()
    graph.connect(blocks.vector_source_c(samples, False), channel, blocks.null_sink(gr.sizeof_gr_complex))
    return graph


def main() -> None:
    """Run the agents one after the other; write the seconds that their flowgraphs ran, and of processor time."""
    parameters = json.loads(sys.argv[1])
    parts = 0.1 * np.random.default_rng(0).standard_normal((parameters["samples"], 2))
    samples = (parts[:, 0] + 1j * parts[:, 1]).tolist()
    flowgraph(parameters, samples[:10_000], 1).run()
    seconds = cpu_seconds = 0.0
    for agent in range(1, parameters["agents"] + 1):
        graph = flowgraph(parameters, samples, agent)
        started, cpu_started = time.perf_counter(), time.process_time()
        graph.run()
        seconds += time.perf_counter() - started
        cpu_seconds += time.process_time() - cpu_started
    json.dump({"version": gr.version(), "seconds": seconds, "cpu_seconds": cpu_seconds}, sys.stdout)


if __name__ == "__main__":
    main()
