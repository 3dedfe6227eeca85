"""Two hosts at one distributor: radios of their own, on one air, and clocks that have nothing to do with each other."""

from dataclasses import replace

from radio.unit import Unit
from radio.usrp.epoch import Offset
from radio.usrp.host import find_channels, open_radios
from radio.usrp.shared_time import FirstHost, JoiningHost
from radio.usrp.tuning import Tuning
from tests.radio.usrp.bench import Board
from tests.radio.usrp.virtual import CABLE, CARRIER, Virtual

FIRST, SECOND = "A", "B"
AHEAD = {FIRST: 100.3, SECOND: -4000.85}  # seconds by which their clocks are ahead of the world's


class Hosts:
    """Both hosts, in lock-step.

    Args:
        asking: seconds that a look at a clock takes, in which nobody knows what happens.
    """

    def __init__(self, asking=0.0, rate=1e5, **about):
        boards = [Board(FIRST, "a"), Board(SECOND, "b", starts_at=77.7)]
        self.virtual = Virtual(boards, [Unit(noise_var=1e-6)] * 2, rate, **about)
        self.world, self.asking = self.virtual.world, asking
        self.first = FirstHost(self.clock(FIRST))
        self.radios = {}

    def clock(self, name):
        """Return the clock of a host."""

        def now():
            if self.asking:
                self.pause(self.asking)
            return self.world.now + AHEAD[name]

        return now

    def pause(self, seconds):
        self.virtual.pace.pause(seconds)

    def board(self, name):
        return next(board for board in self.virtual.boards if board.serial == name)

    def joining(self, wrong=0.0, doubt=0.0):
        """Return the second host as it would be if it knew the first one's clock with this error and doubt."""
        ahead = AHEAD[SECOND] - AHEAD[FIRST] + wrong
        return JoiningHost("b", self.first.epoch(), Offset(ahead, doubt), self.clock(SECOND))

    def open(self, name, host):
        """Open the radio of a host as that one shares its time."""
        channels = find_channels(self.virtual.uhd, (f"serial={name}",), (), 1)
        tuned = Tuning(carrier=CARRIER, sample_rate=self.virtual.rate, tx_attenuation_db=0.0, rx_gain_db=20.0)
        manner = replace(self.virtual.manner(), share=host.set_time)
        (self.radios[name],) = open_radios([channels[0].device], channels, tuned, manner, CABLE)
        self.virtual.radios = list(self.radios.values())
        return self.radios[name]

    def close(self):
        self.virtual.close()
