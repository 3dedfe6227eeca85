# SPDX-License-Identifier: GPL-3.0-or-later
"""A flowgraph of GNU Radio that sends a tone through one Pluto and hears it with another; run by test_clients.py.

Usage: flowgraph.py SENDER_URI HEARER_URI. Prints the bin of 64 in which the tone is, and its amplitude.
"""

import os
import sys
import time

import numpy as np
from gnuradio import blocks, gr, iio

BIN, COUNT, AMPLITUDE, BLOCKS = 5, 4096, 0.5, 10


def flowgraph(sender, hearer):
    """Return a flowgraph and the sink that keeps what is heard."""
    graph = gr.top_block()
    source = iio.fmcomms2_source_fc32(hearer, [True, True, False, False], COUNT)
    sink = iio.fmcomms2_sink_fc32(sender, [True, True, False, False], COUNT, False)
    for block in (source, sink):
        block.set_frequency(2_400_000_000)
        block.set_samplerate(4_000_000)
        block.set_filter_params("Auto", "", 0, 0)
    source.set_gain_mode(0, "manual")
    source.set_gain(0, 40)
    source.set_quadrature(True)
    source.set_rfdc(True)
    source.set_bbdc(True)
    sink.set_attenuation(0, 0)
    tone = AMPLITUDE * np.exp(2j * np.pi * BIN / 64 * np.arange(COUNT))
    head, heard = blocks.head(gr.sizeof_gr_complex, BLOCKS * COUNT), blocks.vector_sink_c()
    graph.connect(blocks.vector_source_c(tone.tolist(), True), sink)
    graph.connect(source, head, heard)
    return graph, heard


def main(sender, hearer):
    graph, heard = flowgraph(sender, hearer)
    graph.start()
    for _ in range(1000):
        if len(heard.data()) == BLOCKS * COUNT:
            break
        time.sleep(0.01)
    spectrum = np.abs(np.fft.fft(np.array(heard.data())[-64:])) / 64
    sys.stdout.write(f"{int(spectrum.argmax())} {float(spectrum.max())}\n")
    sys.stdout.flush()
    os._exit(0)  # gr-iio 3.10.5 does not come back from wait() once its source has nobody to give samples to


main(*sys.argv[1:])
