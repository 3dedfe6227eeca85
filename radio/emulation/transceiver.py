"""The settings of an AD9363, as its driver keeps them, and the attributes through which clients reach them."""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, auto

from radio.emulation import synthesis
from radio.emulation.layout import PHY, Attribute, fixed
from radio.emulation.protocol import Address, RefusedError

RX_PORTS = (
    "A_BALANCED", "B_BALANCED", "C_BALANCED", "A_N", "A_P", "B_N", "B_P", "C_N", "C_P", "TX_MONITOR1", "TX_MONITOR2",
    "TX_MONITOR1_2",
)  # fmt: skip
TX_PORTS = ("A", "B")
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
    rx_port: str = RX_PORTS[0]
    tx_port: str = TX_PORTS[0]
    ensm: str = "fdd"
    tracking: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(TRACKING, True))
    level_dbfs: float = -100.0

    def attributes(self) -> dict[Address, Attribute]:
        """Return what clients see of it."""
        here: dict[Address, Attribute] = {}
        for scope, channel, names in (
            ("INPUT", "voltage0", self._receiver()),
            ("OUTPUT", "voltage0", self._transmitter()),
            ("OUTPUT", "voltage2", self._shared_output()),
            ("OUTPUT", "voltage3", self._shared_output()),
            ("INPUT", "voltage2", self._shared_input()),
            ("OUTPUT", "altvoltage0", self._oscillator("rx_lo", Effect.HEARD | Effect.HEAR_PHASE)),
            ("OUTPUT", "altvoltage1", self._oscillator("tx_lo", Effect.SENT | Effect.SEND_PHASE)),
            ("INPUT", "temp0", {"input": fixed("36842")}),
            ("INPUT", "out", {"voltage_filter_fir_en": self._fir()}),
            ("", "", self._device()),
            ("DEBUG", "", {"loopback": self._setting("loopback", _loopback, Effect.HEARD)}),
        ):
            here |= {Address(PHY, scope, channel, name): attribute for name, attribute in names.items()}
        return here

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

    def _setting(self, name: str, parse: Callable[[str], object], effect: Effect) -> Attribute:
        """Return the attribute of a field, as a number or a word."""

        def write(text: str) -> None:
            self._change(name, parse(text), effect)

        return Attribute(lambda: str(int(found) if isinstance(found := getattr(self, name), bool) else found), write)

    def _change(self, name: str, wanted: object, effect: Effect) -> None:
        self.before()
        setattr(self, name, wanted)
        self.after(effect)

    def _oscillator(self, name: str, effect: Effect) -> dict[str, Attribute]:
        def retune(text: str) -> None:
            self._change(name, synthesis.local_oscillator(text), effect)
            if name == "rx_lo":
                low, high = synthesis.gain_range(self.rx_lo)
                self.gain_db = min(max(self.gain_db, low), high)
                self.after(Effect.HEARD)

        seen = effect & (Effect.HEARD | Effect.SENT)
        return {
            "external": fixed("0"),
            "frequency": Attribute(lambda: str(getattr(self, name)), retune),
            "frequency_available": fixed("[325000000 1 3800000000]"),
            "powerdown": self._setting(f"{name}_down", synthesis.switch, seen),
        }

    def _receiver(self) -> dict[str, Attribute]:
        def gain_mode(text: str) -> None:
            self._change("gain_mode", synthesis.choice(text, synthesis.GAIN_MODES), Effect.NOTHING)

        def gain(text: str) -> None:
            self._change("gain_db", synthesis.receive_gain(text, self.gain_mode, self.rx_lo), Effect.HEARD)

        def available() -> str:
            low, high = synthesis.gain_range(self.rx_lo)
            return f"[{low} 1 {high}]"

        return {
            "gain_control_mode": Attribute(lambda: self.gain_mode, gain_mode),
            "gain_control_mode_available": fixed(" ".join(synthesis.GAIN_MODES)),
            "hardwaregain": Attribute(lambda: f"{self.gain_db}.000000 dB", gain),
            "hardwaregain_available": Attribute(available),
            "rf_port_select": self._setting("rx_port", lambda text: synthesis.choice(text, RX_PORTS), Effect.NOTHING),
            "rf_port_select_available": fixed(" ".join(RX_PORTS)),
            "rssi": Attribute(lambda: f"{min(max(self.gain_db - self.level_dbfs, 0), 127.75):.2f} dB"),
            **self._shared_input(),
        }

    def _shared_input(self) -> dict[str, Attribute]:
        return {
            **{name: self._tracked(name) for name in TRACKING},
            "filter_fir_en": self._fir(),
            "rf_bandwidth": self._setting("rx_bandwidth", synthesis.bandwidth, Effect.NOTHING),
            "rf_bandwidth_available": fixed("[200000 1 20000000]"),
            **self._rate(),
        }

    def _transmitter(self) -> dict[str, Attribute]:
        def attenuate(text: str) -> None:
            self._change("attenuation_mdb", synthesis.attenuation_mdb(text), Effect.SENT)

        return {
            "hardwaregain": Attribute(lambda: f"{-self.attenuation_mdb / 1000 or 0:.6f} dB", attenuate),
            "hardwaregain_available": fixed("[-89.750000 0.250000 0.000000]"),
            "rf_port_select": self._setting("tx_port", lambda text: synthesis.choice(text, TX_PORTS), Effect.NOTHING),
            "rf_port_select_available": fixed(" ".join(TX_PORTS)),
            "rssi": fixed("0.00 dB"),
            **self._shared_output(),
        }

    def _shared_output(self) -> dict[str, Attribute]:
        return {
            "filter_fir_en": self._fir(),
            "rf_bandwidth": self._setting("tx_bandwidth", synthesis.bandwidth, Effect.NOTHING),
            "rf_bandwidth_available": fixed("[200000 1 20000000]"),
            **self._rate(),
        }

    def _tracked(self, name: str) -> Attribute:
        def write(text: str) -> None:
            self._change("tracking", self.tracking | {name: synthesis.switch(text)}, Effect.HEARD)

        return Attribute(lambda: str(int(self.tracking[name])), write)

    def _rate(self) -> dict[str, Attribute]:
        def available() -> str:
            low = synthesis.FIR_RATE_LOW if self.fir else synthesis.RATE_RANGE[0]
            return f"[{int(low)} 1 61440000]"

        def write(text: str) -> None:
            self._change("rate", synthesis.sample_rate(text, self.fir), Effect.RATE)

        return {
            "sampling_frequency": Attribute(lambda: str(self.rate), write),
            "sampling_frequency_available": Attribute(available),
        }

    def _fir(self) -> Attribute:
        def write(text: str) -> None:
            wanted = synthesis.switch(text)
            if (wanted and not self.fir_loaded) or (not wanted and self.rate < int(synthesis.RATE_RANGE[0])):
                raise RefusedError(errno.EINVAL)
            self.fir = wanted

        return Attribute(lambda: str(int(self.fir)), write)

    def _device(self) -> dict[str, Attribute]:
        def load_fir(text: str) -> None:
            # The taps are not used: the simulated converters have no images to filter.
            if not re.search(r"^\s*(RX|TX)\s+\d+\s+GAIN\s+-?\d+\s+(DEC|INT)\s+[124]", text, re.MULTILINE):
                raise RefusedError(errno.EINVAL)
            self.fir_loaded = True

        modes = ("sleep", "wait", "alert", "fdd", "pinctrl", "pinctrl_fdd_indep")
        return {
            "calib_mode": fixed("auto"),
            "ensm_mode": self._setting("ensm", lambda text: synthesis.choice(text, modes), Effect.SENT | Effect.HEARD),
            "ensm_mode_available": fixed(" ".join(modes)),
            "filter_fir_config": Attribute(
                lambda: "FIR Rx: 128,4 Tx: 128,4" if self.fir_loaded else "FIR Rx: 0,0 Tx: 0,0", load_fir
            ),
            "rx_path_rates": Attribute(lambda: synthesis.path_rates(self.rate, 4 if self.fir else 1, "ADC")),
            "tx_path_rates": Attribute(lambda: synthesis.path_rates(self.rate, 4 if self.fir else 1, "DAC")),
            "trx_rate_governor": fixed("nominal"),
            "xo_correction": self._setting("crystal", synthesis.trim, Effect.SENT | Effect.HEARD),
            "xo_correction_available": fixed(
                f"[{synthesis.REFERENCE - synthesis.TRIM_RANGE} 1 {synthesis.REFERENCE + synthesis.TRIM_RANGE}]"
            ),
        }


def _loopback(text: str) -> int:
    return int(synthesis.choice(text, ("0", "1", "2")))
