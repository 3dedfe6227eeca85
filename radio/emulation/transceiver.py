"""The settings of an AD9363, as its driver keeps them, and what a change of one means on the air."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, auto

from radio.emulation import synthesis

TRACKING = ("quadrature_tracking_en", "rf_dc_offset_tracking_en", "bb_dc_offset_tracking_en")


class Effect(Flag):
    """What a new setting changes on the air."""

    NOTHING = 0
    SENT = auto()
    HEARD = auto()
    RATE = auto()
    SEND_PHASE = auto()
    HEAR_PHASE = auto()


Hook = Callable[[Effect], None]


@dataclass
class Transceiver:
    """The settings of one AD9363, as after power-up.

    Args:
        before: called ahead of a change: brings the air up to now.
        after: called behind it, with what it changes.
        level_dbfs: mean level of what the receiver heard last.
    """

    before: Callable[[], None]
    after: Hook
    rx_lo: int = 2_400_000_000
    tx_lo: int = 2_450_000_000
    rx_lo_down: bool = False
    tx_lo_down: bool = False
    rate: int = 30_720_000
    fir_loaded: bool = False
    fir: bool = False
    gain_mode: str = "slow_attack"
    gain_db: int = 71
    attenuation_mdb: int = 10_000
    rx_bandwidth: int = 18_000_000
    tx_bandwidth: int = 18_000_000
    crystal: int = synthesis.REFERENCE
    loopback: int = 0
    rx_port: str = "A_BALANCED"
    tx_port: str = "A"
    ensm: str = "fdd"
    tracking: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(TRACKING, True))
    level_dbfs: float = -100.0

    def change(self, name: str, wanted: object, effect: Effect) -> None:
        """Set a field, with what that changes on the air."""
        self.before()
        setattr(self, name, wanted)
        self.after(effect)

    def settle_gain(self, level_dbfs: float) -> bool:
        """Note the level of a block, let the automatic gain control react to it, and return whether the gain moved.

        Target: −15 to −9 dBFS; slow_attack moves by at most 3 dB from block to block, the others by 12.
        """
        self.level_dbfs = level_dbfs
        if self.gain_mode == "manual":
            return False
        low, high = synthesis.gain_range(self.rx_lo)
        most = 3 if self.gain_mode == "slow_attack" else 12
        error = -12.0 - level_dbfs
        step = 0 if abs(error) <= 3 else round(min(max(error, -most), most))
        before, self.gain_db = self.gain_db, min(max(self.gain_db + step, low), high)
        return self.gain_db != before
