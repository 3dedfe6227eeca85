"""One MultiUSRP: found by its device string, opened, and asked with errors that name radio and remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from radio.base import RadioError


@dataclass(frozen=True)
class Device:
    """Motherboards that UHD drives as one.

    Args:
        uhd: the module.
        args: device string, such as serial=30C5A1F or addr0=192.168.10.2,addr1=192.168.10.3.
        usrp: the MultiUSRP.
        serials: of its motherboards, in their order.
    """

    uhd: Any
    args: str
    usrp: Any
    serials: tuple[str, ...]

    @contextmanager
    def asking(self, what: str, of: str = "") -> Iterator[None]:
        """Name radio and setting in what UHD says.

        Args:
            what: is asked or told.
            of: the radio's label; "" for the whole device.

        Raises:
            RadioError: UHD failed.
        """
        try:
            yield
        except RadioError:
            raise
        except (RuntimeError, OSError, LookupError) as error:
            text = " ".join(str(error).split())
            raise RadioError(
                f"radio {of or self.args}: UHD failed at {what} ({text}); check its cable and power, uhd_usrp_probe "
                f"--args {self.args!r} says what is there"
            ) from error

    @property
    def boards(self) -> range:
        """Numbers of its motherboards."""
        return range(len(self.serials))

    def name(self, board: int) -> str:
        """Return what errors call a motherboard."""
        return f"{self.serials[board]} ({self.args}, motherboard {board})"


@dataclass(frozen=True)
class Channel:
    """One transmitter and receiver of a device.

    Args:
        device: of which it is one.
        number: as UHD counts, through all motherboards.
        board: its motherboard.
    """

    device: Device
    number: int
    board: int

    @property
    def serial(self) -> str:
        """Which radio it is."""
        return f"{self.device.serials[self.board]}:{self.number}"

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.serial} ({self.device.args})"

    def stream_args(self) -> Any:
        """Return what a stream of this channel is made with: complex64 here, 16 bits on the link."""
        about = self.device.uhd.usrp.StreamArgs("fc32", "sc16")
        about.channels = [self.number]
        return about


def open_device(uhd: Any, args: str) -> Device:
    """Return the device of a device string.

    Args:
        uhd: the module.
        args: device string.

    Raises:
        RadioError: the string matches none or several, or UHD cannot open it.
    """
    try:
        found = [address.to_dict() for address in uhd.find(args)]
        if not found:
            others = [address.to_dict() for address in uhd.find("")]
            raise RadioError(
                f"radio {args}: no USRP matches this device string, found {_listed(others)}; check radio.usrp.devices, "
                "cable and power; uhd_find_devices lists what can be reached"
            )
        if len(found) > 1:
            raise RadioError(
                f"radio {args}: a device string must match one USRP, got {len(found)}: {_listed(found)}; add the "
                "serial or the address of the one you mean to radio.usrp.devices"
            )
        usrp = uhd.usrp.MultiUSRP(args)
        device = Device(uhd, args, usrp, _serials(usrp, args))
    except RadioError:
        raise
    except (RuntimeError, OSError, LookupError) as error:
        text = " ".join(str(error).split())
        raise RadioError(
            f"radio {args}: UHD cannot open it ({text}); end other programs that use it, check cable and power; "
            "FPGA images come by uhd_images_downloader"
        ) from error
    return device


def channels_of(device: Device, wanted: tuple[int, ...]) -> list[Channel]:
    """Return channels of a device that can send and hear; all of them if none is named.

    Raises:
        RadioError: it has not got one.
    """
    with device.asking("its channels"):
        count = min(device.usrp.get_rx_num_channels(), device.usrp.get_tx_num_channels())
        boards = [device.serials.index(_serial(device.usrp, number)) for number in range(count)]
    missing = [number for number in wanted if not 0 <= number < count]
    if missing:
        raise RadioError(
            f"radio {device.args}: channels must lie between 0 and {count - 1}, got {missing[0]}; name others in "
            "radio.usrp.channels"
        )
    return [Channel(device, number, boards[number]) for number in wanted or range(count)]


def _serials(usrp: Any, args: str) -> tuple[str, ...]:
    """Return the serials of all motherboards; channels are counted through them in their order."""
    serials = tuple(dict.fromkeys(_serial(usrp, number) for number in range(usrp.get_rx_num_channels())))
    boards = usrp.get_num_mboards()
    if len(serials) != boards or "" in serials:
        raise RadioError(
            f"radio {args}: each of {boards} motherboards must have a receiver and a serial of its own, got "
            f"{', '.join(serials) or 'none'}; write distinct serials with usrp_burn_mb_eeprom"
        )
    return serials


def _serial(usrp: Any, channel: int) -> str:
    return str(usrp.get_usrp_rx_info(channel).get("mboard_serial", ""))


def _listed(addresses: list[dict[str, str]]) -> str:
    """Return addresses as somebody would write them into a device string."""
    texts = [",".join(f"{key}={value}" for key, value in address.items() if value) for address in addresses]
    return "; ".join(texts) or "none at all"
