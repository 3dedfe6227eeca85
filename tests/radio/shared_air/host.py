"""An air served by a thread of this process, and units of it."""

import threading

from radio.air import Air
from radio.fading import Fading, profile
from radio.loopback import LoopbackRadio
from radio.shared_air.desk import Desk, Shared
from radio.shared_air.radio import SharedAirRadio
from radio.shared_air.server import AirServer
from radio.unit import Unit

RATE = 4e6
ABOUT = {"seed": 3, "radio.loopback.profile": "tdl_a"}


def drifting_air(leakage_db=None):
    """Units with clocks, starts and timing of their own."""

    def unit_of(unit):
        return Unit(
            offset_ppm=5.0 * unit, start=100 * unit, timing_offset=0.3 * unit, timing_jitter=0.1, noise_var=1e-4,
            leakage_db=leakage_db,
        )  # fmt: skip

    return Air(unit_of, Fading(profile("tdl_a"), 50e-9, RATE, 20.0), 2.4e9, RATE, seed=3)


class Host:
    """Serves an air until it is closed."""

    def __init__(self, air, units=3, uncertainty=0, step_timeout=60.0):
        shared = Shared(air, lambda unit: LoopbackRadio(air, unit, uncertainty), units, ABOUT, step_timeout)
        self.server = AirServer(Desk(shared), "tcp://127.0.0.1:0")
        self.uri = f"air:{self.server.endpoint}"
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()

    def open(self, unit, about=None):
        return SharedAirRadio(self.uri, unit, ABOUT if about is None else about)

    def close(self):
        if self._thread.is_alive():
            self.server.stop()
            self._thread.join()
            self.server.close()
