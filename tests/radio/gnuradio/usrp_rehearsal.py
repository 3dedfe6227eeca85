# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearse radio/flowgraphs/usrp.py without a device; run by a Python that has GNU Radio, by test_usrp.py.

Usage: usrp_rehearsal.py FOLDER_OF_FLOWGRAPHS FAULT. Each call of the flowgraph is checked against gr-uhd: the method
must exist there and take as many arguments. Time, PPS and sensors are a stand-in's. Prints the calls as JSON, or the
error.
"""

import gc
import itertools
import json
import re
import sys
import threading
import time
from pathlib import Path

import pmt
from gnuradio import blocks, gr, uhd

sys.path.insert(0, sys.argv[1])
import parent
import usrp

FAULT, CALLS, NOW = sys.argv[2], [], itertools.count()
LEVELS, TIMED = {}, set()
SENT = 10
EXTERNAL = ["internal"] if FAULT == "no reference" else ["internal", "external", "gpsdo"]


class Address:
    def __init__(self, serial):
        self.serial = serial

    def to_string(self):
        return f"type=b200,serial={self.serial}"


class Gains:
    def start(self):
        return 0.0

    def stop(self):
        return 76.0


class Sensor:
    def __init__(self, name):
        self.name = name

    def to_bool(self):
        return self.name != FAULT


class Time:
    def get_real_secs(self):
        return 3.0 if FAULT == "no PPS" else 3.0 + next(NOW)


class Edge:
    def __init__(self, device):
        self.device = device

    def get_real_secs(self):
        if self.device not in TIMED:
            return Time().get_real_secs()
        return 57.0 if FAULT == "old time" and self.device == "serial=2" else 0.0


ANSWERS = {
    "get_clock_sources": lambda _: EXTERNAL, "get_time_sources": lambda _: EXTERNAL,
    "get_gain_range": lambda _: Gains(), "get_samp_rate": lambda _: 1e6,
    "get_bandwidth": lambda _: 2e6 if FAULT == "filter" else 1e6,
    "get_antennas": lambda _: ["TX/RX"] if FAULT == "antenna" else ["TX/RX", "RX2"],
    "get_center_freq": lambda _: 6e9 if FAULT == "carrier" else 2.45e9, "get_sensor_names": lambda _: ["lo_locked"],
    "get_mboard_sensor_names": lambda _: [name for name in ("ref_locked", "gps_locked") if f"no {name}" != FAULT],
    "get_time_now": lambda _: Time(), "get_time_last_pps": Edge, "set_time_next_pps": TIMED.add,
    "get_usrp_info": lambda name: {"mboard_serial": "same" if FAULT == "one device" else name},
}  # fmt: skip


def signatures(method):
    """Return how many arguments a method of the real module needs and takes, by overload."""
    for line in re.findall(rf"{method.__name__}\(self: .*", method.__doc__):
        arguments = line[line.index("(") + 1 : line.index(") ->")].split(", ")[1:]
        yield sum("=" not in argument for argument in arguments), len(arguments)


def find(address):
    """Return what UHD finds: with "no device" nothing, with "two devices" one more than there should be."""
    assert isinstance(address, uhd.device_addr_t)
    return [Address(number) for number in range({"no device": 0, "two devices": 2}.get(FAULT, 1))]


def stand_in(kind, real, base):
    """Return a class for a device's source or sink."""

    class Block(gr.hier_block2):
        def __init__(self, name, arguments):
            assert isinstance(arguments, type(uhd.stream_args(cpu_format="fc32")))
            gr.hier_block2.__init__(self, kind, *base)
            if kind == "source":
                self.connect(blocks.null_source(8), self)
            else:
                self.connect(self, blocks.null_sink(8))
                self.message_port_register_hier_out(usrp.EVENTS)
            self.device = name

    def method(name):
        def call(self, *given):
            counts = list(signatures(getattr(real, name)))
            assert any(low <= len(given) <= high for low, high in counts), f"{name} takes {counts}, got {len(given)}"
            CALLS.append(f"{self.device} {kind} {name}")
            if name == "set_gain":
                is_stuck = FAULT == "stuck" and kind == "sink" and given[0] > 0 and self.device == "serial=2"
                LEVELS[self.device, kind] = 0.0 if is_stuck else given[0]
                CALLS[-1] += f" {LEVELS[self.device, kind]:g}"
            if name == "get_gain":
                return LEVELS[self.device, kind]
            if name in ("get_sensor", "get_mboard_sensor"):
                return Sensor(given[0])
            return ANSWERS.get(name, lambda _: None)(self.device)

        return call

    for name in dir(real):
        if re.match("(get|set|clear)_", name) and not hasattr(gr.hier_block2, name):
            setattr(Block, name, method(name))
    return Block


class Sink(gr.hier_block2):
    """A sink of a device that tells of an event again and again, as gr-uhd does, and keeps what was tagged."""

    def __init__(self, kind):
        gr.hier_block2.__init__(self, "sink", gr.io_signature(1, 1, 8), gr.io_signature(0, 0, 0))
        codes = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), pmt.list1(pmt.intern(kind)))
        strobe = blocks.message_strobe(pmt.cons(pmt.intern("uhd_async_msg"), codes), 5)
        self.message_port_register_hier_out(usrp.EVENTS)
        self.msg_connect(strobe, "strobe", self, usrp.EVENTS)
        self.end = blocks.vector_sink_c()
        self.connect(self, self.end)


def send(kind):
    """Return what the parent is told of an event of a transmission that runs, and its tags."""
    told, is_told, bench, sink = [], threading.Event(), usrp.Bench(), Sink(kind)
    parent.fail = lambda reason: (told.append(reason), is_told.set())
    bench.transmit(blocks.vector_source_c([1.0] * SENT), sink, 7.25, "serial=1")
    gc.collect()
    strangers = [bytes(200) for _ in range(10_000)]  # where a block was that nobody kept
    bench.start()
    is_told.wait(0.3 if kind == "burst_ack" else 10)
    while len(sink.end.data()) < SENT:
        threading.Event().wait(0.01)
    bench.stop()
    bench.wait()
    assert strangers
    return told, {str(tag.key): (tag.offset, str(tag.value)) for tag in sink.end.tags()}


def tells_of_events():
    """Return whether the real sink has the port of events: only a device could be asked, so its library is."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    (library,) = {line.split()[-1] for line in maps if "libgnuradio-uhd" in line}
    return all(name.encode() in Path(library).read_bytes() for name in (usrp.EVENTS, *usrp.TORN))


def main():
    one, none = gr.io_signature(1, 1, 8), gr.io_signature(0, 0, 0)
    uhd.usrp_source = stand_in("source", uhd.usrp_source, (none, one))
    uhd.find = find
    uhd.usrp_sink = stand_in("sink", uhd.usrp_sink, (one, none))
    time.sleep = lambda _: None
    wanted = {
        "devices": ["serial=1", "serial=2"], "send": ["ipc:///tmp/airmeta-none-s"] * 2, "block": 4096,
        "hear": ["tcp://127.0.0.1:*"] * 2, "sample_rate": 1e6, "carrier": 2.45e9, "bandwidth": 1e6,
        "rx_gain_db": 90.0 if FAULT == "gain" else 10.0, "tx_attenuation_db": 80.0 if FAULT == "attenuation" else 66.0,
        "clock_source": "external",
        "time_source": "gpsdo" if "gps" in FAULT else "external", "rx_antenna": "" if FAULT == "none" else "RX2",
        "tx_antenna": "TX/RX",
    }  # fmt: skip
    try:
        bench, _, about = usrp.build(wanted)
    except ValueError as error:
        sys.stdout.write(f"{error}\n{LEVELS}")
        return
    usrp.close(bench)
    sent = {kind: send(kind) for kind in ("burst_ack", "underflow", "time_error")}
    tags, told = sent["underflow"][1], {kind: said for kind, (said, _) in sent.items()}
    found = {"about": about, "calls": CALLS, "tags": tags, "told": told, "tells": tells_of_events()}
    json.dump(found, sys.stdout)


main()
