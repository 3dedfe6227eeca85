# SPDX-License-Identifier: GPL-3.0-or-later
"""A flowgraph that ends, for tests: run by a Python that has GNU Radio.

Usage: ending.py FOLDER_OF_FLOWGRAPHS KIND. KIND: waits; fails: after its start, in a thread of its own, twice.
"""

import sys
import threading

from gnuradio import blocks, gr

sys.path.insert(0, sys.argv[1])
import parent


class Endless(gr.top_block):
    def __init__(self):
        gr.top_block.__init__(self)
        self.connect(blocks.null_source(8), blocks.throttle(8, 1e6), blocks.null_sink(8))


def build(wanted):
    if sys.argv[2] == "fails":
        for after in (0.2, 0.25):
            threading.Timer(after, parent.fail, ["the transmitter is torn"]).start()
    return Endless(), parent.Ports([], []), {"units": 0}


def close(graph):
    graph.stop()
    graph.wait()
    threading.Event().wait(0.2)  # a second end comes meanwhile
    sys.stdout.write("devices are closed\n")


parent.serve(build, close)
