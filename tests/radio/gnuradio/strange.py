# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowgraphs that do not fit, for tests. Usage: strange.py KIND HEAR…; KIND: float, short, bytes, nan, slow."""

import sys

from gnuradio import blocks, gr, zeromq

KINDS = {
    "short": (gr.sizeof_short, lambda: blocks.vector_source_s([1, 0, -1, 3, 12, -7], True)),
    "float": (gr.sizeof_float, lambda: blocks.vector_source_f([0.5, -0.25, 1e8], True)),
    "bytes": (gr.sizeof_char, lambda: blocks.vector_source_b([200, 127, 13], True)),
    "nan": (gr.sizeof_gr_complex, lambda: blocks.vector_source_c([0.1, complex("nan")], True)),
    "slow": (gr.sizeof_gr_complex, lambda: blocks.vector_source_c([0.1, 0.2], True)),
}
KIND, *HEAR = sys.argv[1:]
size, source = KINDS[KIND]
graph = gr.top_block()
for address in HEAR:
    graph.connect(source(), blocks.throttle(size, 100_000), zeromq.push_sink(size, 1, address, 100, False, -1))
graph.start()
sys.stdin.read()
graph.stop()
