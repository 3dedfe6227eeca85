# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio's channel blocks, run by a Python that has GNU Radio, never imported.

    python3 blocks.py '{"block": "fading", "input": "in.npy", "output": "out.npy", ...}'

One argument, the parameters as JSON (`tools.bench.crosscheck.bridge` writes them); one line of JSON comes back. Unlike
the rest of this repository, which does not link to GNU Radio, this file does, and is under its licence.

Alignment is left to the caller: a resampler, and with it `channel_model`, gives y[k] = x(3 + εk).
"""

import json
import math
import sys
from typing import Any

import numpy as np
from gnuradio import analog, blocks, channels, filter, gr  # noqa: A004 - its name

Parameters = dict[str, Any]


def through(x: np.ndarray, *chain: Any) -> np.ndarray:
    """Return what comes out of a chain of blocks."""
    graph, sink = gr.top_block(), blocks.vector_sink_c()
    graph.connect(blocks.vector_source_c(x.tolist(), False), *chain, sink)
    graph.run()
    return np.array(sink.data(), np.complex64)


def channel(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the output of `channel_model` without noise."""
    taps = [complex(*tap) for tap in given["taps"]]
    return through(x, channels.channel_model(0.0, given["cfo"], given["epsilon"], taps, 1))


def noise(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the noise of `channel_model` for several seeds, shape (S, n)."""
    voltage = given["power"] ** 0.5
    return np.stack([through(x, channels.channel_model(voltage, 0.0, 1.0, [1.0], seed)) for seed in given["seeds"]])


def delays(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return Σ h_l·x(3 + k − τ_l): copies late by whole samples, then early by a fraction in `mmse_resampler_cc`."""
    graph, adder, sink = gr.top_block(), blocks.add_cc(), blocks.vector_sink_c()
    source = blocks.vector_source_c(x.tolist(), False)
    for place, (gain, delay) in enumerate(zip(given["taps"], given["delays"], strict=True)):
        late = math.ceil(delay)
        chain = blocks.delay(gr.sizeof_gr_complex, late), filter.mmse_resampler_cc(late - delay, 1.0)
        graph.connect(source, *chain, blocks.multiply_const_cc(complex(*gain)), (adder, place))
    graph.connect(adder, sink)
    graph.run()
    return np.array(sink.data(), np.complex64)


def fading(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the output of `fading_model` for several seeds, shape (S, n); K of None: no line of sight."""
    k_factor = given["k_factor"]
    line_of_sight = k_factor is not None, k_factor or 0.0
    return np.stack([
        through(x, channels.fading_model(given["waves"], given["doppler"], *line_of_sight, seed))
        for seed in given["seeds"]
    ])  # fmt: skip


def selective(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the output of `selective_fading_model` without Doppler for several seeds, shape (S, n)."""
    law = given["delays"], given["magnitudes"], given["length"]
    return np.stack([
        through(x, channels.selective_fading_model(given["waves"], 0.0, False, 0.0, seed, *law))
        for seed in given["seeds"]
    ])  # fmt: skip


def phase_noise(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the output of `phase_noise_gen`; its noise source, always of seed 42, gives way to one with a seed."""
    generator = channels.phase_noise_gen(given["magnitude"], given["alpha"])
    filtered = generator.filter_single_pole_iir_filter_xx_0
    generator.disconnect((generator.analog_noise_source_x_0, 0), (filtered, 0))
    source = analog.noise_source_f(analog.GR_GAUSSIAN, given["magnitude"], given["seed"])
    generator.connect((source, 0), (filtered, 0))
    return through(x, generator)


def wiener(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return e^{jφ}, φ the sum of white Gaussian steps: `noise_source_f` into `frequency_modulator_fc`."""
    graph, sink = gr.top_block(), blocks.vector_sink_c()
    steps = analog.noise_source_f(analog.GR_GAUSSIAN, given["step"], given["seed"])
    graph.connect(steps, blocks.head(gr.sizeof_float, len(x)), analog.frequency_modulator_fc(1.0), sink)
    graph.run()
    return np.array(sink.data(), np.complex64)


def frequency_walk(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return every so many-th sample of x[0] through `cfo_model` for several seeds, shape (S, count)."""
    law = given["sample_rate"], given["step"], given["bound"]
    found = []
    for seed in given["seeds"]:
        graph, sink = gr.top_block(), blocks.vector_sink_c()
        graph.connect(
            analog.sig_source_c(1, analog.GR_CONST_WAVE, 0, float(x[0].real)),
            channels.cfo_model(*law, seed),
            blocks.keep_one_in_n(gr.sizeof_gr_complex, given["every"]),
            blocks.head(gr.sizeof_gr_complex, given["count"]),
            sink,
        )
        graph.run()
        found.append(np.array(sink.data(), np.complex64))
    return np.stack(found)


def iq(x: np.ndarray, given: Parameters) -> np.ndarray:
    """Return the output of `iqbal_gen` as a receiver."""
    return through(x, channels.iqbal_gen(given["gain_db"], given["phase_deg"], 1))


RUN = {
    "channel": channel,
    "noise": noise,
    "delays": delays,
    "fading": fading,
    "selective": selective,
    "phase_noise": phase_noise,
    "wiener": wiener,
    "frequency_walk": frequency_walk,
    "iq": iq,
}


def main() -> None:
    """Send the input through a block, write the output and say which GNU Radio it was."""
    given = json.loads(sys.argv[1])
    np.save(given["output"], RUN[given["block"]](np.load(given["input"]), given))
    json.dump({"version": gr.version()}, sys.stdout)


if __name__ == "__main__":
    main()
