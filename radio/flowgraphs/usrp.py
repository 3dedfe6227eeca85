# SPDX-License-Identifier: GPL-3.0-or-later
"""USRPs by gr-uhd, with timed streams: run by `airmeta`, never imported.

    pull_source → timed start (tx_sob, tx_time) → usrp_sink        usrp_source (rx_time) → push_sink       for each unit
                                                  └ async_msgs → watch

All units take their time from one PPS and begin to receive and to send at the same instant T, so what leaves at a count
arrives at the same count of any other unit, cables and filters apart. A receiver that loses samples says so with
another rx_time tag, which the bridge takes for what it is. A transmitter that is late, runs dry or loses packets sends
everything after that later than it should: the flowgraph ends then, and is started again by the next call.

The gain to send with is the least one until all are tuned, and at every end that can be caught.

This has never met hardware: tests run it against a stand-in for the devices, and check each call against gr-uhd.
"""

import math
import sys
import time
from typing import Any

import numpy as np
import parent
import pmt
from gnuradio import gr, uhd

SETTLE = 1.5  # seconds from now to T: synthesisers lock, streams are set up
PPS = 1.1  # seconds within which an edge must come
RATE_TOLERANCE, GAIN_TOLERANCE = 1e-3, 0.5  # Hz, dB, of what reads back


EVENTS = "async_msgs"  # port of usrp_sink
TORN = ("underflow", "time_error", "seq_error")
"""Of the events of a transmitter, those after which its samples leave at other times than they should."""


class TimedStart(gr.sync_block):
    """Marks the first sample of a stream as one that leaves at an instant; the others follow without a gap."""

    def __init__(self, instant: float) -> None:
        gr.sync_block.__init__(self, "timed start", [np.complex64], [np.complex64])
        whole = math.floor(instant)
        self._tags = {
            "tx_sob": pmt.PMT_T,
            "tx_time": pmt.make_tuple(pmt.from_uint64(whole), pmt.from_double(instant - whole)),
        }

    def work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Copy, and tag what comes first."""
        output_items[0][:] = input_items[0]
        for key, value in self._tags.items():
            self.add_item_tag(0, self.nitems_written(0), pmt.intern(key), value)
        self._tags = {}
        return len(output_items[0])


class Watch(gr.basic_block):
    """Ends the flowgraph at the first event by which the count of a transmitter is void."""

    def __init__(self, name: str) -> None:
        gr.basic_block.__init__(self, "watch", None, None)
        self._name, port = name, pmt.intern("events")
        self._is_told = False
        self.message_port_register_in(port)
        self.set_msg_handler(port, self.note)

    def note(self, event: Any) -> None:
        """Look at an event as gr-uhd tells it."""
        found = [kind for kind in TORN if kind in str(event)]
        if found and not self._is_told:
            self._is_told = True
            parent.fail(
                f"{self._name}: the transmitter reports {', '.join(found)}: what it sends from there on would leave "
                "late; lower waveform.sample_rate, raise radio.gnuradio.block, or take load off the machine"
            )


class Bench(gr.top_block):
    """A flowgraph that knows its transmitters, so that `close` finds them, and keeps its blocks of Python.

    GNU Radio does not: a block written in Python that nobody else refers to is gone when it is called, which crashes.
    """

    def __init__(self) -> None:
        gr.top_block.__init__(self, "USRPs")
        self.senders: list[tuple[Any, str]] = []
        self._kept: list[gr.basic_block] = []

    def transmit(self, fetched: Any, sink: Any, instant: float, name: str) -> None:
        """Connect what is to be sent with a device's sink, from an instant on."""
        start, watch = TimedStart(instant), Watch(name)
        self._kept += [start, watch]
        self.connect(fetched, start, sink)
        self.msg_connect(sink, EVENTS, watch, "events")


def build(wanted: dict[str, Any]) -> tuple[gr.top_block, parent.Ports, dict[str, Any]]:
    """Return the flowgraph, its devices tuned and synchronised.

    Args:
        wanted: `devices`: UHD arguments, `send`, `hear`: addresses of each unit; `clock_source`, `time_source`; the
            fields of `radio.usrp.tuning.Tuning`, in Hz and dB.
    """
    graph = Bench()
    ends = parent.ports(wanted["send"], wanted["hear"])
    arguments = uhd.stream_args(cpu_format="fc32", channels=[0])
    for name in wanted["devices"]:
        check_found(name)
    pairs = [(uhd.usrp_source(name, arguments), uhd.usrp_sink(name, arguments)) for name in wanted["devices"]]
    check_different(pairs, wanted["devices"])
    for pair, name in zip(pairs, wanted["devices"], strict=True):
        for block in pair:
            choose_sources(block, wanted, name)
    for pair, name in zip(pairs, wanted["devices"], strict=True):
        for block, way in zip(pair, ("rx", "tx"), strict=True):
            set_up(block, wanted, way, name)
    instant = synchronise(pairs, wanted)
    graph.senders = [(sink, name) for (_, sink), name in zip(pairs, wanted["devices"], strict=True)]
    raise_gains(graph.senders, wanted)
    for (source, sink), name, fetched, given in zip(pairs, wanted["devices"], ends.sources, ends.sinks, strict=True):
        source.set_start_time(uhd.time_spec(instant))
        graph.transmit(fetched, sink, instant, name)
        graph.connect(source, given)
    return graph, ends, {"delay": 0, "held": 0, "real_time": True, "units": len(pairs)}


def check_found(name: str) -> None:
    """Return if UHD arguments match one device: given several, gr-uhd takes any of them."""
    found = [address.to_string() for address in uhd.find(uhd.device_addr(name))]
    if not found:
        others = [address.to_string() for address in uhd.find(uhd.device_addr(""))]
        raise ValueError(
            f"{name}: no USRP matches this device string, found {'; '.join(others) or 'none at all'}; check "
            "radio.usrp.devices, cable and power; uhd_find_devices lists what can be reached"
        )
    if len(found) > 1:
        raise ValueError(
            f"{name}: a device string must match one USRP, got {len(found)}: {'; '.join(found)}; add the serial or the "
            "address of the one you mean to radio.usrp.devices"
        )


def check_different(pairs: list[tuple[Any, Any]], names: list[str]) -> None:
    """Return if each device is another one."""
    serials = [source.get_usrp_info(0)["mboard_serial"] for source, _ in pairs]
    if len(set(serials)) < len(serials):
        raise ValueError(
            f"every unit must be another device, got serials {serials} for {names}; name each by its serial "
            "(uhd_find_devices lists them)"
        )


def choose_sources(block: Any, wanted: dict[str, Any], name: str) -> None:
    """Set clock and time source of a source or sink."""
    for key, known, choose in (
        ("clock_source", block.get_clock_sources(0), block.set_clock_source),
        ("time_source", block.get_time_sources(0), block.set_time_source),
    ):
        if wanted[key] not in known:
            raise ValueError(
                f"{name}: radio.usrp.{key} must be one of {', '.join(known)}, got {wanted[key]}; choose one that the "
                "device has (with internal ones, units are not aligned)"
            )
        choose(wanted[key], 0)


def set_up(block: Any, wanted: dict[str, Any], way: str, name: str) -> None:
    """Set rate, filters, gain and antenna of a source ("rx") or sink ("tx"), and read them back.

    The gain to send with is checked, and the least one is set.
    """
    gain_db, antenna = gain_of(block, wanted, way, name), wanted[f"{way}_antenna"]
    put_gain(block, block.get_gain_range(0).start() if way == "tx" else gain_db, name)
    block.set_samp_rate(wanted["sample_rate"])
    check_same(name, "sample rate", block.get_samp_rate(), wanted["sample_rate"], RATE_TOLERANCE)
    if wanted["bandwidth"] is not None:
        block.set_bandwidth(wanted["bandwidth"], 0)
        check_same(name, "bandwidth", block.get_bandwidth(0), wanted["bandwidth"], 0.01 * wanted["bandwidth"])
    if antenna:
        if antenna not in block.get_antennas(0):
            known = ", ".join(block.get_antennas(0))
            raise ValueError(f"{name}: radio.usrp.{way}_antenna must be one of {known}, got {antenna}; choose one")
        block.set_antenna(antenna, 0)


def check_same(name: str, what: str, found: float, asked: float, tolerance: float) -> None:
    """Return if a setting reads back."""
    if abs(found - asked) > tolerance:
        raise ValueError(f"{name}: {what} must read back {asked:g}, got {found:g}; choose one that the device has")


def put_gain(block: Any, gain_db: float, name: str) -> None:
    """Set a gain, and read it back."""
    block.set_gain(gain_db, 0)
    check_same(name, "gain", block.get_gain(0), gain_db, GAIN_TOLERANCE)


def raise_gains(senders: list[tuple[Any, str]], wanted: dict[str, Any]) -> None:
    """Set the gains that are to be sent with; all are low again if one does not take it."""
    try:
        for sink, name in senders:
            put_gain(sink, gain_of(sink, wanted, "tx", name), name)
    except BaseException:
        lower_gains(senders)
        raise


def lower_gains(senders: list[tuple[Any, str]]) -> None:
    """Set the least gain of all transmitters; of one that does not take it, say so, and go on with the others."""
    for sink, name in senders:
        try:
            put_gain(sink, sink.get_gain_range(0).start(), name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be silenced, too
            sys.stdout.write(f"{name}: its gain could not be lowered ({error}); take its power away\n")


def gain_of(block: Any, wanted: dict[str, Any], way: str, name: str) -> float:
    """Return the gain in dB that is asked for; an attenuation counts down from the largest gain."""
    gains = block.get_gain_range(0)
    low, high, key = gains.start(), gains.stop(), "rx_gain_db"
    if way == "tx":
        low, high, key = 0.0, high - low, "tx_attenuation_db"
    value = high if wanted[key] is None else wanted[key]
    if not low <= value <= high:
        raise ValueError(f"{name}: radio.usrp.{key} must lie between {low:g} and {high:g} dB, got {value:g}")
    return gains.stop() - value if way == "tx" else value


def synchronise(pairs: list[tuple[Any, Any]], wanted: dict[str, Any]) -> float:
    """Set the time of all devices at one PPS edge, tune at one time, and return T, at which streams begin."""
    sources = [source for source, _ in pairs]
    if wanted["time_source"] != "internal":
        for source, name in zip(sources, wanted["devices"], strict=True):
            await_edge(source, name)
        for source in sources:  # all within the second that an edge has just begun
            source.set_time_next_pps(uhd.time_spec(0.0))
        time.sleep(PPS)
        check_one_time(sources, wanted["devices"])
    else:
        for source in sources:
            source.set_time_now(uhd.time_spec(0.0))
    tuned = sources[0].get_time_now().get_real_secs() + 0.2
    for pair in pairs:
        for block in pair:
            block.set_command_time(uhd.time_spec(tuned))
            block.set_center_freq(uhd.tune_request(wanted["carrier"]), 0)
            block.clear_command_time()
    time.sleep(0.5)
    for pair, name in zip(pairs, wanted["devices"], strict=True):
        for block in pair:
            check_tuned(block, wanted, name)
    return math.ceil(sources[0].get_time_now().get_real_secs() + SETTLE)


def check_one_time(sources: list[Any], names: list[str]) -> None:
    """Return if all devices had the same whole second at the last edge: if all have taken the time at the same one."""
    edges = [source.get_time_last_pps().get_real_secs() for source in sources]
    if len(set(edges)) > 1 or edges[0] != round(edges[0]):
        raise ValueError(
            f"{', '.join(names)}: all must have one time, got {', '.join(f'{edge:.9f} s' for edge in edges)} at the "
            "last PPS; give all of them the PPS of one distributor by cables of equal length, and start again"
        )


def await_edge(source: Any, name: str) -> None:
    """Return right after a PPS edge."""
    before, deadline = source.get_time_last_pps().get_real_secs(), time.monotonic() + PPS
    while source.get_time_last_pps().get_real_secs() == before:
        if time.monotonic() > deadline:
            raise ValueError(f"{name}: no PPS edge within {PPS} s; check the cable at its PPS input and the source")
        time.sleep(0.01)


def check_tuned(block: Any, wanted: dict[str, Any], name: str) -> None:
    """Return if a source or sink is on its carrier, and its device locked to the reference."""
    found = block.get_center_freq(0)
    if abs(found - wanted["carrier"]) > 100:
        raise ValueError(f"{name}: carrier must read back {wanted['carrier']:g} Hz, got {found:g}; choose another one")
    if "lo_locked" in block.get_sensor_names(0) and not block.get_sensor("lo_locked", 0).to_bool():
        raise ValueError(f"{name}: lo_locked is false; check the 10 MHz reference, its level and cable")
    needed = ["ref_locked"] * (wanted["clock_source"] != "internal")
    needed += ["gps_locked"] * ("gpsdo" in (wanted["clock_source"], wanted["time_source"]))
    for sensor in needed:  # the pulses of a GPSDO that is not locked come at any time
        if sensor not in block.get_mboard_sensor_names(0) or not block.get_mboard_sensor(sensor, 0).to_bool():
            raise ValueError(
                f"{name}: {sensor} is missing or false; check the 10 MHz reference, its level and cable, or the "
                "GPSDO's antenna"
            )


def close(graph: Bench) -> None:
    """Lower the gains and end both streams: the sink sends tx_eob by itself."""
    lower_gains(graph.senders)
    graph.stop()
    graph.wait()


if __name__ == "__main__":
    parent.serve(build, close)
