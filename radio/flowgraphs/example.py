# SPDX-License-Identifier: GPL-3.0-or-later
"""A flowgraph of your own behind airmeta: two units hear each other at half the amplitude.

It is written as GNU Radio Companion writes scripts (Options: Generate Options "No GUI", Run "Prompt for Exit"): it ends
when its input does. Nothing in it knows of airmeta. docs/gnuradio.md says how to run it, and what to put in its place.
"""

from argparse import ArgumentParser
from contextlib import suppress

from gnuradio import blocks, gr, zeromq


class Example(gr.top_block):
    """ZMQ PULL Source → Multiply Const → ZMQ PUSH Sink, crosswise."""

    def __init__(self, port: int) -> None:
        gr.top_block.__init__(self, "Example")
        for unit in (0, 1):
            other = 1 - unit
            sent = zeromq.pull_source(gr.sizeof_gr_complex, 1, f"tcp://127.0.0.1:{port + unit}", 100, False, -1)
            heard = zeromq.push_sink(gr.sizeof_gr_complex, 1, f"tcp://127.0.0.1:{port + 2 + other}", 100, False, -1)
            self.connect(sent, blocks.multiply_const_cc(0.5), heard)


def main() -> None:
    """Run until Enter, or until the input is closed."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, default=5555)
    graph = Example(parser.parse_args().port)
    graph.start()
    with suppress(EOFError):
        input("Press Enter to quit: ")
    graph.stop()
    graph.wait()


if __name__ == "__main__":
    main()
