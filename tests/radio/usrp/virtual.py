"""Radios on the stand-in, in lock-step: deterministic, as fast as they are heard."""

import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec

import numpy as np

import fl.usrp_radios
from radio.base import RadioError
from radio.safety import Authorisation
from radio.unit import Unit
from radio.usrp.host import find_channels, open_radios
from radio.usrp.manner import Manner
from radio.usrp.sources import Sources
from radio.usrp.tuning import Tuning
from tests.radio.usrp.bench import Board, world
from tests.radio.usrp.spy import Notes, Spied
from tests.radio.usrp.standin import Module

CARRIER = 2.4e9
CABLE = Authorisation("cable", CARRIER - 10e6, CARRIER + 10e6)


class LockStep:
    """All pumps in turn, the one whose time is least first."""

    def __init__(self, world):
        self.world, self.pumps = world, []

    def start(self, pump):
        self.pumps.append(pump)

    def wait(self, pump, index):
        if pump not in self.pumps:
            pump.fail(RadioError("nobody runs this pump"))
        while pump.ring.end < index and pump.failure is None:
            self.step(min((other for other in self.pumps if other.failure is None), key=self.due))

    def stop(self, pump):
        if pump in self.pumps:
            self.pumps.remove(pump)
        return True

    def pause(self, seconds):
        """Let time pass, and everybody hear meanwhile."""
        until = self.world.now + seconds
        while running := [pump for pump in self.pumps if pump.failure is None and self.due(pump) < until]:
            self.step(min(running, key=self.due))
        self.world.pause(max(until - self.world.now, 0))

    def due(self, pump):
        """Return the world's time at which what a pump has heard ends."""
        return (pump.ring.end + pump.hearing.count.origin) / self.world.rate - self.channel(pump).board.shift

    def channel(self, pump):
        about = pump.hearing.channel
        return about.device.usrp._spied[0].channels[about.number]

    @staticmethod
    def step(pump):
        try:
            pump.hand_over()
            pump.hear()
        except RadioError as error:
            pump.fail(error)


class Virtual:
    """A host with stand-ins, and radios on them."""

    def __init__(self, boards=2, units=None, rate=4e6, block=1024, **about):
        if isinstance(boards, int):
            boards = [Board(f"S{number}", f"192.168.10.{number + 2}") for number in range(boards)]
        self.boards, self.block, self.rate = boards, block, rate
        self.world = world(boards, units, rate, CARRIER, **about)
        self.notes = Notes()
        self.uhd = Spied(Module(self.world), "uhd", self.notes)
        self.pace = LockStep(self.world)
        self.radios = []

    @property
    def args(self):
        """One device string for all boards."""
        return ",".join(f"addr{number}={board.address}" for number, board in enumerate(self.boards))

    @property
    def parts(self):
        """The channels of the stand-in."""
        return [channel for board in self.boards for channel in board.channels]

    def manner(self, sources=None, pace=None, pause=None, lead=0.002):
        sources = sources or Sources("external", "external")
        return Manner(pace or self.pace, sources, self.block, lead, 1, "", pause or self.pace.pause)

    def channels(self, args=None, count=None):
        return find_channels(self.uhd, args or (self.args,), (), count or len(self.parts))

    def open(self, args=None, allowed=CABLE, manner=None, **tuning):
        channels = self.channels(args)
        wanted = {"carrier": CARRIER, "sample_rate": self.rate, "tx_attenuation_db": 0.0, "rx_gain_db": 20.0} | tuning
        devices = list({channel.device.args: channel.device for channel in channels}.values())
        self.radios = open_radios(devices, channels, Tuning(**wanted), manner or self.manner(), allowed)
        return self.radios

    @property
    def now(self):
        """Index of the radios now."""
        return int(self.parts[0].now) - self.origin

    @property
    def origin(self):
        """Index of the device at index 0 of the radios."""
        return self.radios[0]._upkeep.pump.hearing.count.origin

    def close(self):
        """Close the radios; those that a test has broken are mended, or they would be tried again at the very end."""
        for part in self.parts:
            part.refuses.clear()
            part.stubborn.clear()
            part.dies_after = np.inf
        for radio in self.radios:
            with suppress(RadioError):
                radio.close()


def pair(**about):
    """Return a host with two radios that hear each other."""
    return Virtual(2, [Unit(), Unit(noise_var=1e-4)], **about)


def instead_of_uhd(host, monkeypatch):
    """Let whoever imports `uhd` find the stand-in of a host, and run its radios in lock-step; `close` closes them."""
    object.__setattr__(host.uhd, "__spec__", ModuleSpec("uhd", None))
    monkeypatch.setitem(sys.modules, "uhd", host.uhd)

    def manner(_pace, sources, block, lead, uncertainty):
        return Manner(host.pace, sources, block, lead, uncertainty, "", host.pace.pause)

    def opened(*about):
        host.radios = open_radios(*about)
        return host.radios

    monkeypatch.setattr(fl.usrp_radios, "Manner", manner)
    monkeypatch.setattr(fl.usrp_radios, "open_radios", opened)
