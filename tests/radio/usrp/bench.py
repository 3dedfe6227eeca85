"""What the stand-in of `uhd` drives: boards with clocks and pulses, channels on a simulated air, and their faults."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from radio.air import Air
from radio.emulation.bench import STEADY
from radio.fading import Fading, profile
from radio.unit import Unit
from tests.radio.usrp.values import TXMetadataEventCode

SLACK = 1e-6  # of a sample


@dataclass(eq=False)
class World:
    """Everything: the air, whose frontier is the time, and the boards.

    Args:
        air: with one unit for each channel, in the order of the boards.
        boards: all there are.
        phase: seconds after a whole second of the world at which the PPS comes.
        is_real_time: whether time passes by itself.
        call_time: seconds that it takes to tune a mixer, or to make a stream.
    """

    air: Air
    boards: list["Board"]
    phase: float = 0.37
    is_real_time: bool = False
    call_time: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self):
        unit = 0
        for board in self.boards:
            board.world = self
            board.channels = [Channel(board, unit + i) for i in range(board.count)]
            unit += board.count

    @property
    def rate(self):
        return self.air.sample_rate

    @property
    def now(self):
        """Time in seconds."""
        with self.lock:
            if self.is_real_time:
                self.air.pass_time((time.monotonic() - self.begun) * self.rate)
            return self.air.frontier / self.rate

    def pause(self, seconds):
        if self.is_real_time:
            time.sleep(seconds)
        else:
            self.air.pass_time(self.air.frontier + seconds * self.rate)

    def wait_until(self, seconds):
        """Let real time come to an instant; simulated time comes by hearing."""
        if self.is_real_time:
            time.sleep(max(self.begun + seconds - time.monotonic(), 0))

    def last_edge(self):
        return np.floor(self.now - self.phase) + self.phase


@dataclass(eq=False)
class Board:
    """A motherboard.

    Args:
        serial: of it.
        address: of it.
        count: of channels.
        has_pps: whether a PPS arrives.
        is_locked: whether its reference holds.
        has_satellites: whether its GPSDO is locked.
        sources: that it has.
        starts_at: what its time was at the world's 0, before anybody set it.
    """

    serial: str
    address: str = ""
    count: int = 1
    has_pps: bool = True
    is_locked: bool = True
    has_satellites: bool = True
    sources: tuple = ("internal", "external", "mimo", "gpsdo")
    starts_at: float = 1234.5
    stubborn: dict = field(default_factory=dict)
    clock_source: str = "internal"
    time_source: str = "internal"
    world: World = None
    channels: list = field(default_factory=list)
    pending: tuple | None = None
    seen: float | None = None

    @property
    def shift(self):
        """Seconds by which its time is ahead of the world's, a whole number of samples."""
        if self.pending is not None and self.world.now >= self.pending[1]:
            second, edge = self.pending
            self.starts_at, self.pending = second - edge, None
        return round(self.starts_at * self.world.rate) / self.world.rate

    @property
    def time(self):
        return self.world.now + self.shift

    def set_next(self, second):
        if self.has_pps and self.time_source != "internal":
            self.pending = second, self.world.last_edge() + 1

    def change_master_clock(self):
        """Go on from another time: the count of ticks stays, what a tick is does not."""
        self.starts_at, self.pending = self.shift + 0.123, None

    def last_pps(self):
        if self.has_pps and self.time_source != "internal":
            edge = self.world.last_edge()
            self.seen = edge + self.shift
            if abs(self.seen - round(self.seen)) < 0.5 / self.world.rate:
                self.seen = float(round(self.seen))
        return 0.0 if self.seen is None else self.seen


@dataclass(eq=False)
class Channel:
    """A transmitter and a receiver.

    Args:
        board: on which it is.
        unit: on the air.
        stubborn: what getters return, whatever was set, by the name of the setting.
        refuses: settings at which UHD raises.
        dies_after: samples heard, after which it stops answering: unplugged.
    """

    board: Board
    unit: int
    stubborn: dict = field(default_factory=dict)
    refuses: set = field(default_factory=set)
    tx_gain: float = 10.0
    rx_gain: float = 10.0
    tx_rate: float = 1e6
    rx_rate: float = 1e6
    tx_bandwidth: float = 20e6
    rx_bandwidth: float = 20e6
    tx_freq: float = 70e6
    rx_freq: float = 70e6
    tx_antenna: str = "TX/RX"
    rx_antenna: str = "RX2"
    tuned_at: list = field(default_factory=list)
    radiated: list = field(default_factory=list)
    lo_locked: bool = True
    rx_next: int | None = None
    dies_after: float = np.inf
    heard: int = 0
    rx_errors: deque = field(default_factory=deque)
    tx_open: bool = False
    tx_end: int = 0
    drops: bool = False
    takes: int | None = None
    events: deque = field(default_factory=deque)

    @property
    def world(self):
        return self.board.world

    @property
    def offset(self):
        """Index of the air less index of the device."""
        return -round(self.board.shift * self.world.rate)

    @property
    def now(self):
        """The device's index now."""
        return self.world.now * self.world.rate - self.offset

    def answer(self, what):
        """Raise as UHD does if the device does not answer."""
        if what in self.refuses or self.heard >= self.dies_after:
            raise RuntimeError(f"RuntimeError: fifo ctrl timed out looking for acks ({what})")

    def put(self, setting, value):
        self.answer(setting)
        if setting.endswith("rate") and value != self.get(setting):
            self.board.change_master_clock()
        setattr(self, setting, value)
        if setting.endswith("freq"):
            key = {"tx_freq": "transmit_hz", "rx_freq": "receive_hz"}[setting]
            about = self.world.air.unit(self.unit)
            self.world.air.replace(self.unit, replace(about, **{key: value - self.world.air.carrier}))

    def get(self, setting):
        return self.stubborn.get(setting, getattr(self, setting))

    def overflow(self, samples, is_sequence=False):
        """Lose samples."""
        self.rx_errors.append(("overflow", samples, is_sequence))

    def break_off(self, error):
        self.rx_errors.append((error, 0, False))

    def tell(self, code, index):
        self.events.append((code, index))

    def settle(self):
        """Notice that a burst has run dry."""
        if self.tx_open and self.tx_end < self.now - SLACK:
            self.tx_open = False
            self.tell(TXMetadataEventCode.underflow, self.tx_end)


def world(boards, units=None, rate=4e6, carrier=2.4e9, **about):
    """Return a world with boards, and units on an air that adds nothing."""
    units = units or [Unit()] * sum(board.count for board in boards)
    air = Air(units.__getitem__, Fading(profile("flat"), 0.0, rate, k_factor=STEADY), carrier, rate, 3)
    return World(air, boards, **about)
