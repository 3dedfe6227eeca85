"""The plain types of `uhd.types` and `uhd.usrp`, for the stand-in: values, enumerations, metadata."""

import enum


class StreamMode(enum.Enum):
    start_cont = 97
    stop_cont = 111


class RXMetadataErrorCode(enum.Enum):
    none = 0
    timeout = 1
    late = 2
    broken_chain = 4
    overflow = 8
    alignment = 12
    bad_packet = 15


class TXMetadataEventCode(enum.Enum):
    burst_ack = 1
    underflow = 2
    seq_error = 4
    time_error = 8
    underflow_in_packet = 16
    seq_error_in_packet = 32
    user_payload = 64


class TimeSpec:
    def __init__(self, full, frac=0.0):
        self.full, self.frac = (int(full // 1), full % 1 + frac)

    @staticmethod
    def from_ticks(ticks, rate):
        full = int(ticks // rate)
        return TimeSpec(full, (ticks - full * rate) / rate)

    def to_ticks(self, rate):
        return round(self.full * rate) + round(self.frac * rate)

    def get_real_secs(self):
        return self.full + self.frac


class StreamArgs:
    def __init__(self, cpu_format, otw_format):
        assert (cpu_format, otw_format) == ("fc32", "sc16")
        self.channels = []


class StreamCMD:
    def __init__(self, mode):
        self.mode, self.stream_now, self.time_spec = mode, True, TimeSpec(0.0)


class TuneRequest:
    def __init__(self, target_freq):
        self.target_freq = target_freq


class TuneResult:
    pass


class SensorValue:
    def __init__(self, value):
        self.value = value

    def to_bool(self):
        return self.value


class MetaRange:
    def __init__(self, start, stop, step):
        self.about = start, stop, step

    def start(self):
        return self.about[0]

    def stop(self):
        return self.about[1]

    def step(self):
        return self.about[2]


class DeviceAddr:
    def __init__(self, values):
        self.values = values

    def to_dict(self):
        return dict(self.values)


class RXMetadata:
    def __init__(self):
        self.error_code, self.out_of_sequence = RXMetadataErrorCode.none, False
        self.has_time_spec, self.time_spec = False, TimeSpec(0.0)

    def strerror(self):
        return f"ERROR_CODE_{self.error_code.name.upper()}"


class TXMetadata:
    def __init__(self):
        self.start_of_burst = self.end_of_burst = self.has_time_spec = False
        self.time_spec = TimeSpec(0.0)


class TXAsyncMetadata:
    def __init__(self):
        self.event_code, self.has_time_spec, self.time_spec = TXMetadataEventCode.burst_ack, False, TimeSpec(0.0)
