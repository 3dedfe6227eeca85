"""The attributes through which clients reach the settings of an AD9363, by channel, as its driver names them."""

import errno
import re
from collections.abc import Callable

from radio.emulation import synthesis
from radio.emulation.layout import PHY, Attribute, fixed
from radio.emulation.protocol import Address, RefusedError
from radio.emulation.transceiver import TRACKING, Effect, Transceiver

RX_PORTS = (
    "A_BALANCED", "B_BALANCED", "C_BALANCED", "A_N", "A_P", "B_N", "B_P", "C_N", "C_P", "TX_MONITOR1", "TX_MONITOR2",
    "TX_MONITOR1_2",
)  # fmt: skip
TX_PORTS = ("A", "B")
MODES = ("sleep", "wait", "alert", "fdd", "pinctrl", "pinctrl_fdd_indep")


def attributes(chip: Transceiver) -> dict[Address, Attribute]:
    """Return what clients see of a chip."""
    here: dict[Address, Attribute] = {}
    for scope, channel, names in (
        ("INPUT", "voltage0", _receiver(chip)),
        ("OUTPUT", "voltage0", _transmitter(chip)),
        ("OUTPUT", "voltage2", _shared_output(chip)),
        ("OUTPUT", "voltage3", _shared_output(chip)),
        ("INPUT", "voltage2", _shared_input(chip)),
        ("OUTPUT", "altvoltage0", _oscillator(chip, "rx_lo", Effect.HEARD | Effect.HEAR_PHASE)),
        ("OUTPUT", "altvoltage1", _oscillator(chip, "tx_lo", Effect.SENT | Effect.SEND_PHASE)),
        ("INPUT", "temp0", {"input": fixed("36842")}),
        ("INPUT", "out", {"voltage_filter_fir_en": _fir(chip)}),
        ("", "", _device(chip)),
        ("DEBUG", "", {"loopback": _setting(chip, "loopback", _loopback, Effect.HEARD)}),
    ):
        here |= {Address(PHY, scope, channel, name): attribute for name, attribute in names.items()}
    return here


def _setting(chip: Transceiver, name: str, parse: Callable[[str], object], effect: Effect) -> Attribute:
    """Return the attribute of a field, as a number or a word."""

    def write(text: str) -> None:
        chip.change(name, parse(text), effect)

    return Attribute(lambda: str(int(found) if isinstance(found := getattr(chip, name), bool) else found), write)


def _oscillator(chip: Transceiver, name: str, effect: Effect) -> dict[str, Attribute]:
    def retune(text: str) -> None:
        chip.change(name, synthesis.local_oscillator(text), effect)
        if name == "rx_lo":
            low, high = synthesis.gain_range(chip.rx_lo)
            chip.gain_db = min(max(chip.gain_db, low), high)
            chip.after(Effect.HEARD)

    seen = effect & (Effect.HEARD | Effect.SENT)
    return {
        "external": fixed("0"),
        "frequency": Attribute(lambda: str(getattr(chip, name)), retune),
        "frequency_available": fixed("[325000000 1 3800000000]"),
        "powerdown": _setting(chip, f"{name}_down", synthesis.switch, seen),
    }


def _receiver(chip: Transceiver) -> dict[str, Attribute]:
    def gain_mode(text: str) -> None:
        chip.change("gain_mode", synthesis.choice(text, synthesis.GAIN_MODES), Effect.NOTHING)

    def gain(text: str) -> None:
        chip.change("gain_db", synthesis.receive_gain(text, chip.gain_mode, chip.rx_lo), Effect.HEARD)

    def available() -> str:
        low, high = synthesis.gain_range(chip.rx_lo)
        return f"[{low} 1 {high}]"

    return {
        "gain_control_mode": Attribute(lambda: chip.gain_mode, gain_mode),
        "gain_control_mode_available": fixed(" ".join(synthesis.GAIN_MODES)),
        "hardwaregain": Attribute(lambda: f"{chip.gain_db}.000000 dB", gain),
        "hardwaregain_available": Attribute(available),
        "rf_port_select": _setting(chip, "rx_port", lambda text: synthesis.choice(text, RX_PORTS), Effect.NOTHING),
        "rf_port_select_available": fixed(" ".join(RX_PORTS)),
        "rssi": Attribute(lambda: f"{min(max(chip.gain_db - chip.level_dbfs, 0), 127.75):.2f} dB"),
        **_shared_input(chip),
    }


def _shared_input(chip: Transceiver) -> dict[str, Attribute]:
    return {
        **{name: _tracked(chip, name) for name in TRACKING},
        "filter_fir_en": _fir(chip),
        "rf_bandwidth": _setting(chip, "rx_bandwidth", synthesis.bandwidth, Effect.NOTHING),
        "rf_bandwidth_available": fixed("[200000 1 20000000]"),
        **_rate(chip),
    }


def _transmitter(chip: Transceiver) -> dict[str, Attribute]:
    def attenuate(text: str) -> None:
        chip.change("attenuation_mdb", synthesis.attenuation_mdb(text), Effect.SENT)

    return {
        "hardwaregain": Attribute(lambda: f"{-chip.attenuation_mdb / 1000 or 0:.6f} dB", attenuate),
        "hardwaregain_available": fixed("[-89.750000 0.250000 0.000000]"),
        "rf_port_select": _setting(chip, "tx_port", lambda text: synthesis.choice(text, TX_PORTS), Effect.NOTHING),
        "rf_port_select_available": fixed(" ".join(TX_PORTS)),
        "rssi": fixed("0.00 dB"),
        **_shared_output(chip),
    }


def _shared_output(chip: Transceiver) -> dict[str, Attribute]:
    return {
        "filter_fir_en": _fir(chip),
        "rf_bandwidth": _setting(chip, "tx_bandwidth", synthesis.bandwidth, Effect.NOTHING),
        "rf_bandwidth_available": fixed("[200000 1 20000000]"),
        **_rate(chip),
    }


def _tracked(chip: Transceiver, name: str) -> Attribute:
    def write(text: str) -> None:
        chip.change("tracking", chip.tracking | {name: synthesis.switch(text)}, Effect.HEARD)

    return Attribute(lambda: str(int(chip.tracking[name])), write)


def _rate(chip: Transceiver) -> dict[str, Attribute]:
    def available() -> str:
        low = synthesis.FIR_RATE_LOW if chip.fir else synthesis.RATE_RANGE[0]
        return f"[{int(low)} 1 61440000]"

    def write(text: str) -> None:
        chip.change("rate", synthesis.sample_rate(text, chip.fir), Effect.RATE)

    return {
        "sampling_frequency": Attribute(lambda: str(chip.rate), write),
        "sampling_frequency_available": Attribute(available),
    }


def _fir(chip: Transceiver) -> Attribute:
    def write(text: str) -> None:
        wanted = synthesis.switch(text)
        if (wanted and not chip.fir_loaded) or (not wanted and chip.rate < int(synthesis.RATE_RANGE[0])):
            raise RefusedError(errno.EINVAL)
        chip.fir = wanted

    return Attribute(lambda: str(int(chip.fir)), write)


def _device(chip: Transceiver) -> dict[str, Attribute]:
    def load_fir(text: str) -> None:
        # The taps are not used: the simulated converters have no images to filter.
        if not re.search(r"^\s*(RX|TX)\s+\d+\s+GAIN\s+-?\d+\s+(DEC|INT)\s+[124]", text, re.MULTILINE):
            raise RefusedError(errno.EINVAL)
        chip.fir_loaded = True

    return {
        "calib_mode": fixed("auto"),
        "ensm_mode": _setting(chip, "ensm", lambda text: synthesis.choice(text, MODES), Effect.SENT | Effect.HEARD),
        "ensm_mode_available": fixed(" ".join(MODES)),
        "filter_fir_config": Attribute(
            lambda: "FIR Rx: 128,4 Tx: 128,4" if chip.fir_loaded else "FIR Rx: 0,0 Tx: 0,0", load_fir
        ),
        "rx_path_rates": Attribute(lambda: synthesis.path_rates(chip.rate, 4 if chip.fir else 1, "ADC")),
        "tx_path_rates": Attribute(lambda: synthesis.path_rates(chip.rate, 4 if chip.fir else 1, "DAC")),
        "trx_rate_governor": fixed("nominal"),
        "xo_correction": _setting(chip, "crystal", synthesis.trim, Effect.SENT | Effect.HEARD),
        "xo_correction_available": fixed(
            f"[{synthesis.REFERENCE - synthesis.TRIM_RANGE} 1 {synthesis.REFERENCE + synthesis.TRIM_RANGE}]"
        ),
    }


def _loopback(text: str) -> int:
    return int(synthesis.choice(text, ("0", "1", "2")))
