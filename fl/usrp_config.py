"""The table `radio.usrp`: USRPs of this host, and from where they have clock and time."""

from typing import Literal

from pydantic import Field, PositiveInt

from fl.section import NotNegative, Positive, Section


class Usrp(Section):
    """USRPs through UHD, for `radio.kind = usrp`. There is no default carrier: look up what you may use."""

    devices: tuple[str, ...] = Field(
        (), description="device strings of UHD, such as serial=30C5A1F or addr0=192.168.10.2,addr1=192.168.10.3"
    )
    channels: tuple[int, ...] = Field(
        (), description="of every device, the server's first, then the agents'; default: all, in UHD's order"
    )
    clock_source: Literal["internal", "external", "mimo", "gpsdo"] = Field(
        "external", description="of the 10 MHz; mimo: the second motherboard follows the first"
    )
    time_source: Literal["internal", "external", "mimo", "gpsdo"] = Field(
        "external", description="of the pulse per second; internal: every device has its own time"
    )
    carrier_hz: Positive | None = Field(None, description="of all of them; no default")
    bandwidth_hz: Positive | None = Field(
        None, description="of the analogue filters; default: as they are, and a signal as wide as the sample rate"
    )
    tx_antenna: str = Field("", description="connector, such as TX/RX; default: the device's choice")
    rx_antenna: str = Field("", description="connector, such as RX2; default: the device's choice")
    rx_gain_db: NotNegative = Field(20.0, description="of all receivers until calibrated")
    tx_attenuation_db: NotNegative | None = Field(
        None, description="below the largest gain of all transmitters, until calibrated; default: the largest"
    )
    block: PositiveInt = Field(2048, description="samples fetched at once; larger ones survive more load")
    lead_s: Positive = Field(0.01, description="by which a burst must be handed over early, beside two blocks")
    timing_uncertainty: int = Field(1, ge=0, description="samples by which bursts leave early or late")
