"""What was measured put onto a radio: gains and clock are set, and what the radio took is read back."""

from collections.abc import Mapping

from calibration.measurement import Quantity
from radio.base import Radio
from radio.settings import Change, SettingError, Settings

SET = {"tx_attenuation_db": "tx_attenuation_db", "rx_gain_db": "rx_gain_db", "trim_ppm": "clock_trim_ppm"}
ROUNDING = 1e-6  # dB or ppm
HALF_STEP = {"clock_trim_ppm": 0.0126}
"""By how much a radio may miss a wish: a crystal's correction is in whole Hz, 0.025 ppm of 40 MHz."""


def take(radio: Radio, quantities: Mapping[str, Quantity]) -> Settings:
    """Set on a radio what a measurement says is to be set, and return what it reads back.

    Raises:
        SettingError: the radio refused a value, or took another one.
        RadioError: the radio failed.
    """
    wanted = {setting: quantities[name].value for name, setting in SET.items() if name in quantities}
    change = Change(wanted.get("tx_attenuation_db"), wanted.get("rx_gain_db"), wanted.get("clock_trim_ppm"))
    try:
        after = radio.configure(change)
    except SettingError as error:
        raise SettingError(
            f"radio {radio.serial} refused what was measured for it ({error}); calibrate it again, or restart it"
        ) from error
    for name, value in wanted.items():
        if abs(getattr(after, name) - value) > HALF_STEP.get(name, ROUNDING):
            raise SettingError(
                f"radio {radio.serial}: {name} was to be {value:g}, the radio reads back {getattr(after, name):g}; "
                "turn off its automatic gain, restart it, and calibrate it again"
            )
    return after
