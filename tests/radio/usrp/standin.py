"""A stand-in of the module `uhd`.

It does what the adapter relies on, as UHD's manual says it: device time, PPS, lock, ranges and steps, timed streams
and bursts, late and torn ones. It is not UHD: that the calls are those of the real module is held by
`test_signatures`.
"""

import numpy as np

from tests.radio.usrp.bench import SLACK
from tests.radio.usrp.values import (
    DeviceAddr,
    MetaRange,
    RXMetadata,
    RXMetadataErrorCode,
    SensorValue,
    StreamArgs,
    StreamCMD,
    StreamMode,
    TimeSpec,
    TuneRequest,
    TuneResult,
    TXAsyncMetadata,
    TXMetadata,
    TXMetadataEventCode,
)

TX_GAIN, RX_GAIN = (0.0, 60.0, 0.5), (0.0, 70.0, 1.0)
FREQUENCY = (70e6, 6e9, 0.0)
BANDWIDTH = (200e3, 56e6, 0.0)
UNITY_RX_GAIN = 20.0
MASTER_CLOCK = 64e6


class RXStreamer:
    def __init__(self, channel):
        self.channel, self.is_late = channel, False

    def issue_stream_cmd(self, command):
        channel = self.channel
        with channel.world.lock:
            if command.mode is StreamMode.stop_cont:
                channel.rx_next = None
                return
            assert not command.stream_now
            channel.rx_next = command.time_spec.to_ticks(channel.world.rate)
            self.is_late = channel.rx_next < channel.now - SLACK

    def recv(self, np_array, metadata, timeout):
        channel, world = self.channel, self.channel.world
        assert np_array.dtype == np.complex64
        assert np_array.flags.c_contiguous
        assert np_array.shape[0] == 1
        metadata.__init__()
        if "samples" in channel.refuses or channel.heard >= channel.dies_after:
            raise RuntimeError("EnvironmentError: IOError: usb rx6 transfer status: LIBUSB_TRANSFER_NO_DEVICE")
        if self.is_late or channel.rx_errors or channel.rx_next is None:
            error, lost, is_sequence = ("late", 0, False) if self.is_late else (
                channel.rx_errors.popleft() if channel.rx_errors else ("timeout", 0, False))  # fmt: skip
            metadata.error_code, metadata.out_of_sequence = RXMetadataErrorCode[error], is_sequence
            if channel.rx_next is not None:
                channel.rx_next += lost
            return 0
        count = np_array.shape[1]
        world.wait_until((channel.rx_next + count + channel.offset) / world.rate)
        with world.lock:
            heard, _ = world.air.receive(channel.unit, count, channel.rx_next + channel.offset)
        heard = heard * np.float32(10 ** ((channel.rx_gain - UNITY_RX_GAIN) / 20))
        limit = 1 - 2.0**-15
        np_array[0] = np.clip(heard.real, -1, limit) + 1j * np.clip(heard.imag, -1, limit)
        metadata.has_time_spec, metadata.time_spec = True, TimeSpec.from_ticks(channel.rx_next, world.rate)
        channel.rx_next += count
        channel.heard += count
        return count


class TXStreamer:
    def __init__(self, channel):
        self.channel = channel

    def send(self, np_array, metadata, timeout):
        channel = self.channel
        assert np_array.dtype == np.complex64
        assert np_array.flags.c_contiguous
        assert np_array.shape[0] == 1
        if channel.takes is not None:
            np_array = np_array[:, : channel.takes]
        with channel.world.lock:
            channel.settle()
            self._play(np_array[0], metadata)
        return np_array.shape[1]

    def _play(self, samples, metadata):
        channel = self.channel
        if metadata.start_of_burst:
            channel.drops = False
        first = metadata.time_spec.to_ticks(channel.world.rate) if metadata.has_time_spec else int(channel.now) + 1
        continues = channel.tx_open and first == channel.tx_end
        if not channel.drops and first < channel.now - SLACK:
            channel.drops = True
            channel.tell(TXMetadataEventCode.time_error, int(channel.now))
        if not channel.drops:
            gain = np.float32(10 ** ((channel.tx_gain - TX_GAIN[1]) / 20))
            channel.world.air.stream(channel.unit, samples * gain, first + channel.offset, continues)
            channel.radiated.append((first, samples.size, float(gain)))
            channel.tx_end, channel.tx_open = first + samples.size, not metadata.end_of_burst
        if metadata.end_of_burst:
            channel.tx_open = False
            if not channel.drops:
                channel.tell(TXMetadataEventCode.burst_ack, first + samples.size)

    def recv_async_msg(self, async_metadata, timeout):
        channel = self.channel
        with channel.world.lock:
            channel.settle()
            if not channel.events:
                return False
            code, index = channel.events.popleft()
        async_metadata.event_code, async_metadata.has_time_spec = code, True
        async_metadata.time_spec = TimeSpec.from_ticks(index, channel.world.rate)
        return True


class MultiUSRP:
    def __init__(self, boards):
        self.boards = boards
        self.channels = [channel for board in boards for channel in board.channels]
        self.command_time = {}

    def get_num_mboards(self):
        return len(self.boards)

    def get_rx_num_channels(self):
        return len(self.channels)

    get_tx_num_channels = get_rx_num_channels

    def get_usrp_rx_info(self, chan):
        return {"mboard_serial": self.channels[chan].board.serial, "rx_serial": "D1"}

    def get_clock_sources(self, mboard):
        return list(self.boards[mboard].sources)

    get_time_sources = get_clock_sources

    def set_clock_source(self, source, mboard):
        self.boards[mboard].clock_source = source

    def get_clock_source(self, mboard):
        return self.boards[mboard].stubborn.get("clock_source", self.boards[mboard].clock_source)

    def set_time_source(self, source, mboard):
        self.boards[mboard].time_source = source

    def get_time_source(self, mboard):
        return self.boards[mboard].stubborn.get("time_source", self.boards[mboard].time_source)

    def get_mboard_sensor_names(self, mboard):
        stubborn = self.boards[mboard].stubborn
        return ["temp", *(name for name in ("ref_locked", "mimo_locked", "gps_locked") if name not in stubborn)]

    def get_mboard_sensor(self, name, mboard):
        board = self.boards[mboard]
        return SensorValue(board.has_satellites if name == "gps_locked" else board.is_locked)

    def get_time_now(self, mboard):
        return TimeSpec(self.boards[mboard].time)

    def get_time_last_pps(self, mboard):
        return TimeSpec(self.boards[mboard].last_pps())

    def set_time_next_pps(self, time_spec):
        for board in self.boards:
            board.set_next(time_spec.get_real_secs())

    def set_time_now(self, time_spec, mboard):
        for board in self.boards if self.boards[-1].time_source == "mimo" else [self.boards[mboard]]:
            board.starts_at = time_spec.get_real_secs() - board.world.now

    def get_time_synchronized(self):
        return len({round(board.time, 3) for board in self.boards}) == 1

    def set_command_time(self, time_spec, mboard):
        self.command_time[mboard] = time_spec.get_real_secs()

    def clear_command_time(self, mboard):
        self.command_time.pop(mboard)

    def get_rx_stream(self, args):
        (number,) = args.channels
        self.channels[number].answer("streams")
        self.channels[number].world.pause(self.channels[number].world.call_time)
        return RXStreamer(self.channels[number])

    def get_tx_stream(self, args):
        (number,) = args.channels
        return TXStreamer(self.channels[number])

    def _tune(self, setting, request, chan):
        channel = self.channels[chan]
        channel.put(setting, round(request.target_freq, 3))
        board = self.boards.index(channel.board)
        channel.world.pause(channel.world.call_time)
        at = self.command_time.get(board)
        channel.tuned_at.append((setting, at if at is None or at > channel.board.time else channel.board.time))
        return TuneResult()

    def set_rx_freq(self, tune_request, chan):
        return self._tune("rx_freq", tune_request, chan)

    def set_tx_freq(self, tune_request, chan):
        return self._tune("tx_freq", tune_request, chan)

    def get_rx_sensor_names(self, chan):
        return ["lo_locked"]

    get_tx_sensor_names = get_rx_sensor_names

    def get_rx_sensor(self, name, chan):
        return SensorValue(self.channels[chan].lo_locked)

    get_tx_sensor = get_rx_sensor

    def get_tx_antennas(self, chan):
        return ["TX/RX"]

    def get_rx_antennas(self, chan):
        return ["TX/RX", "RX2"]


def _near(setting, value):
    """Return what a device makes of a value."""
    if setting.endswith("gain"):
        low, high, step = TX_GAIN if setting == "tx_gain" else RX_GAIN
        return min(max(low + round((value - low) / step) * step, low), high)
    if setting.endswith("rate"):
        return MASTER_CLOCK / max(round(MASTER_CLOCK / value), 1)
    if setting.endswith("bandwidth"):
        return min(max(value, BANDWIDTH[0]), BANDWIDTH[1])
    return value


def _accessors(setting):
    def put(self, value, chan):
        self.channels[chan].put(setting, _near(setting, value))

    def get(self, chan):
        return self.channels[chan].get(setting)

    return put, get


for _way in ("tx", "rx"):
    for _kind in ("gain", "rate", "bandwidth", "antenna"):
        _put, _get = _accessors(f"{_way}_{_kind}")
        setattr(MultiUSRP, f"set_{_way}_{_kind}", _put)
        setattr(MultiUSRP, f"get_{_way}_{_kind}", _get)
    setattr(MultiUSRP, f"get_{_way}_freq", _accessors(f"{_way}_freq")[1])
for _name, _about in (("tx_gain", TX_GAIN), ("rx_gain", RX_GAIN), ("tx_freq", FREQUENCY), ("rx_freq", FREQUENCY),
                      ("tx_bandwidth", BANDWIDTH), ("rx_bandwidth", BANDWIDTH)):  # fmt: skip
    setattr(MultiUSRP, f"get_{_name}_range", lambda self, chan, about=_about: MetaRange(*about))


class Namespace:
    """Attributes by name."""

    def __init__(self, **values):
        self.__dict__.update(values)


TYPES = (TimeSpec, StreamCMD, StreamMode, TuneRequest, TuneResult, SensorValue, MetaRange, DeviceAddr, RXMetadata,
         RXMetadataErrorCode, TXMetadata, TXAsyncMetadata, TXMetadataEventCode)  # fmt: skip
PATHS = {kind: f"uhd.types.{kind.__name__}" for kind in TYPES} | {
    kind: f"uhd.usrp.{kind.__name__}" for kind in (MultiUSRP, StreamArgs, RXStreamer, TXStreamer)
}


class Module:
    """`uhd` itself, of a world."""

    def __init__(self, world):
        self.world = world
        self.types = Namespace(**{kind.__name__: kind for kind in TYPES})
        self.usrp = Namespace(MultiUSRP=self._open, StreamArgs=StreamArgs)

    def find(self, args):
        wanted = dict(part.split("=", 1) for part in args.split(",") if part)
        several = [value for key, value in wanted.items() if key.startswith("addr") and key != "addr"]
        if several:
            found = [board for address in several for board in self.world.boards if board.address == address]
            return [DeviceAddr(wanted)] if len(found) == len(several) else []
        return [DeviceAddr(self._about(board)) for board in self._matching(wanted)]

    def _about(self, board):
        return {"type": "usrp2", "addr": board.address, "serial": board.serial}

    def _matching(self, wanted):
        return [board for board in self.world.boards if wanted.items() <= self._about(board).items()]

    def _open(self, args):
        wanted = dict(part.split("=", 1) for part in args.split(",") if part)
        several = [value for key, value in wanted.items() if key.startswith("addr") and key != "addr"]
        boards = [board for address in several for board in self.world.boards if board.address == address]
        boards = boards or self._matching(wanted)
        if any("open" in board.stubborn for board in boards) or not boards:
            raise RuntimeError("LookupError: KeyError: No devices found for ----->\nDevice Address:\n")
        return MultiUSRP(boards)
