"""A plan of levels put to use: radios are set, and asked what they took."""

from calibration.level_plan import LevelPlan
from calibration.measurement import Measurement
from radio.base import Radio
from radio.settings import Change, SettingError

SET = "tx_attenuation_db", "rx_gain_db"
ROUNDING = 1e-6  # dB


def apply(chosen: LevelPlan, server: Radio, agents: dict[int, Radio]) -> None:
    """Set the radios that a plan keeps, and compare what they read back.

    Raises:
        SettingError: a radio refused a value, or took another one.
        RadioError: a radio failed.
    """
    _set_radio(server, chosen.server)
    for agent in chosen.kept:
        _set_radio(agents[agent], chosen.agents[agent])


def _set_radio(radio: Radio, measurement: Measurement) -> None:
    wanted = {name: one.value for name, one in measurement.quantities.items() if name in SET}
    change = Change(tx_attenuation_db=wanted.get("tx_attenuation_db"), rx_gain_db=wanted.get("rx_gain_db"))
    try:
        after = radio.configure(change)
    except SettingError as error:
        raise SettingError(
            f"radio {radio.serial} refused its levels ({error}); calibrate levels again on this radio, or restart it"
        ) from error
    for name, value in wanted.items():
        if abs(getattr(after, name) - value) > ROUNDING:
            raise SettingError(
                f"radio {radio.serial}: {name} was to be {value:g}, the radio reads back {getattr(after, name):g}; "
                "turn off its automatic gain, restart it, and calibrate levels again"
            )
