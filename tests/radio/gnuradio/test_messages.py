"""Messages of gr-zeromq: what its own sink writes is read, with tags of every kind."""

import struct
import subprocess

import numpy as np
import pytest

from radio.base import RadioError
from radio.gnuradio.messages import HEADER, MAGIC, is_tagged, parse
from tests.drivers import need_gnuradio

WRITER = """
import pmt, sys, time
from gnuradio import blocks, gr, zeromq
tags = []
values = [pmt.PMT_T, pmt.from_double(0.5), pmt.from_uint64(2**40), pmt.intern("word"), pmt.from_complex(1j),
          pmt.PMT_NIL, pmt.make_tuple(pmt.from_uint64(3), pmt.from_double(0.25)), pmt.cons(pmt.PMT_F, pmt.from_long(7)),
          pmt.to_pmt({"a": 1})]
for place, value in enumerate(values):
    tags.append(gr.tag_utils.python_to_tag((place, pmt.intern(f"key{place}"), value, pmt.PMT_F)))
graph = gr.top_block()
source = blocks.vector_source_c([complex(k, -k) for k in range(1000)], False, 1, tags)
graph.connect(source, zeromq.push_sink(8, 1, sys.argv[1], 100, sys.argv[2] == "tagged", -1))
graph.start()
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["tagged", "plain"])
def test_what_the_sink_of_gnuradio_writes_is_read(tmp_path, kind):
    import zmq

    address = f"ipc://{tmp_path}/x"
    python = need_gnuradio("gnuradio.zeromq")
    heard, keys = [], []
    with zmq.Context() as context, context.socket(zmq.PULL) as socket, subprocess.Popen(
        [python, "-c", WRITER, address, kind], stdin=subprocess.PIPE
    ) as writer:  # fmt: skip
        socket.linger = 0
        socket.connect(address)
        while sum(part.size for part in heard) < 1000:
            assert socket.poll(20_000)
            data = socket.recv()
            assert is_tagged(data) == (kind == "tagged")
            message = parse(data, "test", kind == "tagged")
            if kind == "tagged":
                assert message.offset == sum(part.size for part in heard)
            heard.append(message.samples)
            keys += message.keys
        writer.stdin.close()
        writer.kill()
    assert np.array_equal(np.concatenate(heard), np.arange(1000) * (1 - 1j))
    assert keys == ([(place, f"key{place}") for place in range(9)] if kind == "tagged" else [])


def test_samples_that_begin_like_a_header_are_still_samples():
    data = MAGIC + b"\xff" * 61
    assert not is_tagged(data)
    assert parse(data, "test", False).samples.size == 8


@pytest.mark.parametrize("data, tagged", [
    (b"\x00" * 12, False),
    (HEADER.pack(0x5FF0, 1, 0, 0) + b"\x00" * 4, True),
    (HEADER.pack(0x5FF0, 1, 0, 1) + struct.pack("=Q", 0) + b"\x02\x00\x01a\x55", True),
    (HEADER.pack(0x5FF0, 1, 0, 3), True),
])  # fmt: skip
def test_what_cannot_be_read_is_an_error_with_the_remedy(data, tagged):
    with pytest.raises(RadioError, match=r"IO type|Pass Tags"):
        parse(data, "test", tagged)
