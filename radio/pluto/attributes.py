"""The attributes of a Pluto by name: written, read back, and compared, with errors that name radio, setting, remedy.

The kernel's driver takes some values silently that it does not keep, and pyadi-iio drops some without a word (a gain
under AGC, a misspelt property): what is not read back is not set. After an attribute has timed out, the late answer
would be taken for that of the next request: the context must be dropped.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from radio.base import ContactError, RadioError
from radio.settings import SettingError

PHY, DDS, ADC = "ad9361-phy", "cf-ad9361-dds-core-lpc", "cf-ad9361-lpc"
TDD = "iio-axi-tdd-0"
TONES = 4
GONE = (errno.EPIPE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENODEV, errno.EIO, errno.EBADF, errno.ENOTCONN,
        errno.ECONNREFUSED, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where an attribute is.

    Args:
        device: its device.
        name: its name.
        channel: id of its channel; "" for one of the device, "debug" for one of debugfs.
        is_output: whether that channel is one.
        unit: for messages.
    """

    device: str
    name: str
    channel: str = ""
    is_output: bool = False
    unit: str = ""


PLACES = {
    "rx_lo": Place(PHY, "frequency", "altvoltage0", True, " Hz"),
    "tx_lo": Place(PHY, "frequency", "altvoltage1", True, " Hz"),
    "tx_lo_powerdown": Place(PHY, "powerdown", "altvoltage1", True),
    "tx_gain_db": Place(PHY, "hardwaregain", "voltage0", True, " dB"),
    "rx_gain_db": Place(PHY, "hardwaregain", "voltage0", False, " dB"),
    "rx_gain_range": Place(PHY, "hardwaregain_available", "voltage0", False),
    "gain_control_mode": Place(PHY, "gain_control_mode", "voltage0", False),
    "quadrature_tracking": Place(PHY, "quadrature_tracking_en", "voltage0", False),
    "sample_rate": Place(PHY, "sampling_frequency", "voltage0", False, " Hz"),
    "rx_bandwidth": Place(PHY, "rf_bandwidth", "voltage0", False, " Hz"),
    "tx_bandwidth": Place(PHY, "rf_bandwidth", "voltage0", True, " Hz"),
    "xo_correction": Place(PHY, "xo_correction", unit=" Hz"),
    "loopback": Place(PHY, "loopback", "debug"),
    "tx_status": Place(DDS, "direct_reg_access", "debug"),
    "rx_status": Place(ADC, "direct_reg_access", "debug"),
    "tdd_enable": Place(TDD, "enable"),
    "tdd_state": Place(TDD, "state"),
    "tdd_sync_soft": Place(TDD, "sync_soft"),
    "tdd_sync_external": Place(TDD, "sync_external"),
    "tdd_startup_delay": Place(TDD, "startup_delay_raw"),
    "tdd_burst_count": Place(TDD, "burst_count"),
    "tdd_frame_length": Place(TDD, "frame_length_ms", unit=" ms"),
}
PLACES |= {f"tone_{tone}_scale": Place(DDS, "scale", f"altvoltage{tone}", True) for tone in range(TONES)}
for _channel in (1, 2):
    for _name, _file in (("polarity", "polarity"), ("enable", "enable"), ("on", "on_raw"), ("off", "off_ms")):
        PLACES[f"tdd_{_channel}_{_name}"] = Place(TDD, _file, f"channel{_channel}", True)


@dataclass
class Attributes:
    """The attributes of one radio.

    Args:
        context: of libiio.
        label: what errors call the radio.
    """

    context: Any
    label: str

    def read(self, setting: str) -> str:
        """Return a setting as text.

        Raises:
            RadioError: the firmware does not have it.
            ContactError: the radio does not answer.
        """
        with self.asking(setting):
            holder, name = self._find(setting)
            return str(holder[name].value).strip()

    def number(self, setting: str) -> float:
        """Return a setting as a number, its unit cut off.

        Raises:
            RadioError: as for `read`, or it is not a number.
        """
        text = self.read(setting)
        try:
            return float(text.split()[0])
        except (ValueError, IndexError) as error:
            raise RadioError(
                f"radio {self.label}: {setting} must read as a number, got {text!r}; update the firmware"
            ) from error

    def write(self, setting: str, text: str) -> None:
        """Write a setting, without reading it back.

        Raises:
            SettingError: the radio refused it.
            RadioError, ContactError: as for `read`.
        """
        with self.asking(setting, text):
            holder, name = self._find(setting)
            holder[name].value = text

    def put(self, setting: str, value: float, tolerance: float = 0.0) -> float:
        """Write a number and return what reads back, which may differ by `tolerance`.

        Raises:
            SettingError: refused, or it reads back differently.
            RadioError, ContactError: as for `read`.
        """
        self.write(setting, f"{value:.12g}")
        found, unit = self.number(setting), PLACES[setting].unit
        if abs(found - value) > tolerance + 1e-9:
            raise SettingError(
                f"radio {self.label}: {setting} must read back {value:.12g}{unit} within {tolerance:g}, got "
                f"{found:.12g}{unit}; see whether another program sets this radio, or start it again"
            )
        return found

    def choose(self, setting: str, word: str) -> None:
        """Write a word and read it back.

        Raises:
            SettingError: refused, or it reads back differently.
            RadioError, ContactError: as for `read`.
        """
        self.write(setting, word)
        if (found := self.read(setting)) != word:
            raise SettingError(
                f"radio {self.label}: {setting} must read back {word!r}, got {found!r}; see whether another program "
                "sets this radio, or start it again"
            )

    @contextmanager
    def asking(self, what: str, wanted: str = "") -> Iterator[None]:
        """Turn the errors of libiio inside into ours."""
        try:
            yield
        except OSError as error:
            if error.errno in GONE:
                raise ContactError(
                    f"radio {self.label}: no answer when asked for {what} ({_said(error)}); check cable, address, and "
                    "that it has power; the next call opens it again"
                ) from error
            if error.errno == errno.EBUSY:
                raise RadioError(
                    f"radio {self.label}: {what} is in use by another client; end the other program"
                ) from error
            raise SettingError(
                f"radio {self.label}: {what} = {wanted or 'read'} was refused ({_said(error)}); choose a value that "
                "the radio has"
            ) from error

    def _find(self, setting: str) -> tuple[Any, str]:
        """Return the attributes among which a setting is, and its name there."""
        place = PLACES[setting]
        found = self.context.find_device(place.device)
        if found is not None and place.channel not in ("", "debug"):
            found = found.find_channel(place.channel, place.is_output)
        if found is not None:
            attributes = found.debug_attrs if place.channel == "debug" else found.attrs
            if place.name in attributes:
                return attributes, place.name
        where = "/".join(part for part in (place.device, place.channel, place.name) if part)
        raise RadioError(
            f"radio {self.label}: its firmware has no {where}, which {setting} needs; update the firmware to 0.35 or "
            "later"
        )


def _said(error: OSError) -> str:
    return error.strerror or f"error {error.errno}"
