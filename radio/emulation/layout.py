"""What a virtual Pluto consists of for a client: devices, channels, attributes, and the XML that says so.

The context is our own, with what pyadi-iio, gr-iio and iio_info look for. Names and formats are those of the drivers
`ad9361` and `cf_axi_*` of Analog Devices.
"""

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from radio.emulation.protocol import Address, RefusedError

PHY, DDS, ADC = "ad9361-phy", "cf-ad9361-dds-core-lpc", "cf-ad9361-lpc"
TDD, TDD_CHANNELS = "iio-axi-tdd-0", 3
IDS = {"iio:device0": PHY, "iio:device2": DDS, "iio:device3": ADC, "iio:device5": TDD}
LABELLED = {TDD: "adi-iio-fakedev"}
"""Names in the kernel of devices that clients find by a label."""
CALLED = IDS | {name: device for device, name in LABELLED.items()}
"""What clients may call a device beside its own name, and that."""
BUFFERED = (DDS, ADC)
SHARED = (
    "filter_fir_en", "rf_bandwidth", "rf_bandwidth_available", "sampling_frequency", "sampling_frequency_available",
    "quadrature_tracking_en", "rf_dc_offset_tracking_en", "bb_dc_offset_tracking_en", "gain_control_mode_available",
    "rf_port_select_available",
)  # fmt: skip
"""Attributes that all channels of a kind and direction share in the kernel."""

_DTD = (
    "<!DOCTYPE context [<!ELEMENT context (device | context-attribute)*><!ELEMENT context-attribute EMPTY>"
    "<!ELEMENT device (channel | attribute | debug-attribute | buffer-attribute)*>"
    "<!ELEMENT channel (scan-element?, attribute*)><!ELEMENT attribute EMPTY><!ELEMENT scan-element EMPTY>"
    "<!ELEMENT debug-attribute EMPTY><!ELEMENT buffer-attribute EMPTY>"
    "<!ATTLIST context name CDATA #REQUIRED description CDATA #IMPLIED>"
    "<!ATTLIST context-attribute name CDATA #REQUIRED value CDATA #REQUIRED>"
    "<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED label CDATA #IMPLIED>"
    "<!ATTLIST channel id CDATA #REQUIRED type (input|output) #REQUIRED name CDATA #IMPLIED>"
    "<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED scale CDATA #IMPLIED>"
    "<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED value CDATA #IMPLIED>"
    "<!ATTLIST debug-attribute name CDATA #REQUIRED value CDATA #IMPLIED>"
    "<!ATTLIST buffer-attribute name CDATA #REQUIRED value CDATA #IMPLIED>]>"
)


@dataclass(frozen=True)
class Channel:
    """A channel of a device.

    Args:
        scope: INPUT or OUTPUT.
        id: as clients send it.
        name: second name, "" for none.
        index: place in a buffer, None for a channel without samples.
        form: of its samples.
    """

    scope: str
    id: str
    name: str = ""
    index: int | None = None
    form: str = ""


CHANNELS = {
    PHY: (
        Channel("INPUT", "voltage0"),
        Channel("OUTPUT", "voltage0"),
        Channel("OUTPUT", "voltage2"),
        Channel("OUTPUT", "voltage3"),
        Channel("INPUT", "voltage2"),
        Channel("OUTPUT", "altvoltage0", "RX_LO"),
        Channel("OUTPUT", "altvoltage1", "TX_LO"),
        Channel("INPUT", "temp0"),
        Channel("INPUT", "out"),
    ),
    DDS: (
        Channel("OUTPUT", "voltage0", "", 0, "le:S16/16>>0"),
        Channel("OUTPUT", "voltage1", "", 1, "le:S16/16>>0"),
        Channel("OUTPUT", "altvoltage0", "TX1_I_F1"),
        Channel("OUTPUT", "altvoltage1", "TX1_I_F2"),
        Channel("OUTPUT", "altvoltage2", "TX1_Q_F1"),
        Channel("OUTPUT", "altvoltage3", "TX1_Q_F2"),
    ),
    ADC: (
        Channel("INPUT", "voltage0", "", 0, "le:S12/16>>0"),
        Channel("INPUT", "voltage1", "", 1, "le:S12/16>>0"),
    ),
    TDD: tuple(Channel("OUTPUT", f"channel{number}") for number in range(TDD_CHANNELS)),
}


@dataclass(frozen=True)
class Attribute:
    """A value that clients may read and perhaps write.

    Args:
        read: returns it; may refuse.
        write: sets it; may refuse. None: it cannot be written.
    """

    read: Callable[[], str]
    write: Callable[[str], None] | None = None


Attributes = Mapping[Address, Attribute]


def fixed(text: str) -> Attribute:
    """Return an attribute that never changes."""
    return Attribute(lambda: text)


def locate(address: Address) -> Address | None:
    """Return an address with the names that attributes are kept under, whatever id or name a client used.

    None: there is no such channel. The device of an address that is not known stays as it is.
    """
    device = CALLED.get(address.device, address.device)
    if not address.channel:
        return address._replace(device=device)
    for channel in CHANNELS.get(device, ()):
        if channel.scope == address.scope and address.channel in (channel.id, channel.name):
            return address._replace(device=device, channel=channel.id)
    return None


def device_of(address: Address) -> str:
    """Return the name of a request's device.

    Raises:
        RefusedError: ENODEV.
    """
    found = locate(address)
    if found is None or found.device not in CHANNELS:
        raise RefusedError(errno.ENODEV)
    return found.device


def context_xml(attributes: Attributes, about: Mapping[str, str]) -> bytes:
    """Return the XML that describes a unit.

    Args:
        attributes: those it has, by address.
        about: context attributes: serial, firmware, model.
    """
    parts = ['<?xml version="1.0" encoding="utf-8"?>', _DTD, '<context name="network" description="airmeta virtual">']
    parts += [f"<context-attribute name={quoteattr(key)} value={quoteattr(text)}/>" for key, text in about.items()]
    present = {address.device for address in attributes}
    for identity, device in IDS.items():
        if device not in present:
            continue
        label = f" label={quoteattr(device)}" if device in LABELLED else ""
        parts.append(f"<device id={quoteattr(identity)} name={quoteattr(LABELLED.get(device, device))}{label}>")
        parts += [_channel(channel, device, attributes) for channel in CHANNELS[device]]
        for scope, tag in (("", "attribute"), ("DEBUG", "debug-attribute"), ("BUFFER", "buffer-attribute")):
            parts += _listed(tag, names_in(attributes, Address(device, scope, "", "")))
        parts.append("</device>")
    return "".join([*parts, "</context>"]).encode()


def names_in(attributes: Attributes, place: Address) -> list[Address]:
    """Return the attributes of a device, a scope or a channel, in the order of the XML."""
    return [address for address in attributes if address[:3] == place[:3]]


def _channel(channel: Channel, device: str, attributes: Attributes) -> str:
    kind = "input" if channel.scope == "INPUT" else "output"
    name = f" name={quoteattr(channel.name)}" if channel.name else ""
    scan = ""
    if channel.index is not None:
        scan = f'<scan-element index="{channel.index}" format={quoteattr(channel.form)}/>'
    names = names_in(attributes, Address(device, channel.scope, channel.id, ""))
    body = "".join(
        f"<attribute name={quoteattr(address.name)} filename={quoteattr(_filename(channel, address.name))}/>"
        for address in names
    )
    return f'<channel id={quoteattr(channel.id)}{name} type="{kind}">{scan}{body}</channel>'


def _listed(tag: str, addresses: Iterable[Address]) -> list[str]:
    return [f"<{tag} name={quoteattr(address.name)}/>" for address in addresses]


def _filename(channel: Channel, name: str) -> str:
    """Return the name of an attribute's file in the kernel, by which gr-iio looks it up."""
    direction = "in" if channel.scope == "INPUT" else "out"
    kind = channel.id.rstrip("0123456789")
    if kind != channel.id and (name in SHARED or (kind == "altvoltage" and name == "sampling_frequency")):
        return f"{direction}_{kind}_{name}"
    second = f"_{channel.name}" if channel.name else ""
    return f"{direction}_{channel.id}{second}_{name}"
