# SPDX-License-Identifier: GPL-3.0-or-later
"""PlutoSDRs by gr-iio: run by `airmeta`, never imported.

    pull_source → fmcomms2_sink        fmcomms2_source → push_sink         for each unit

It moves samples and sets nothing: frequencies, gains and rates are set, read back and silenced by `radio.gnuradio`
over a connection of its own, ahead of the start of this and behind its end.
"""

from typing import Any

import parent
from gnuradio import gr, iio

FIRST_CHANNEL = [True, True, False, False]


def build(wanted: dict[str, Any]) -> tuple[gr.top_block, parent.Ports, dict[str, Any]]:
    """Return the flowgraph.

    Args:
        wanted: `uris` of libiio, `send`, `hear`: addresses of each unit; `block`: samples of a buffer.
    """
    graph, block = gr.top_block(), wanted["block"]
    ends = parent.ports(wanted["send"], wanted["hear"])
    for uri, source, sink in zip(wanted["uris"], ends.sources, ends.sinks, strict=True):
        graph.connect(source, iio.fmcomms2_sink_fc32(uri, FIRST_CHANNEL, block, False))
        graph.connect(iio.fmcomms2_source_fc32(uri, FIRST_CHANNEL, block), sink)
    return graph, ends, {"delay": None, "held": 0, "real_time": True, "units": len(ends.sinks)}


if __name__ == "__main__":
    parent.serve(build)
