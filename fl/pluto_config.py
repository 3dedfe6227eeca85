"""The tables `radio.pluto` and `radio.tx`: PlutoSDRs, real or virtual, and what may be sent."""

from typing import Literal

from pydantic import Field, PositiveInt

from fl.section import Positive, Section


class Pluto(Section):
    """PlutoSDRs, for `radio.kind = pluto`. There is no default carrier: look up what you may use."""

    uris: tuple[str, ...] = Field((), description="of libiio, such as ip:192.168.2.1: the server's, then the agents'")
    emulate: bool = Field(False, description="virtual ones on this machine, on the air of radio.loopback")
    clock: Literal["lock-step", "real-time"] = Field(
        "lock-step",
        description="of virtual ones: samples wait for everybody, and runs can be repeated; or time goes by",
    )
    carrier_hz: Positive | None = Field(None, description="of all of them; no default")
    bandwidth_hz: Positive | None = Field(
        None,
        description="of the analogue filters, inside radio.tx.authorised_band; default: sample_rate",
    )
    block: PositiveInt = Field(4096, description="samples of a buffer; larger ones survive more load, and answer later")
    queue: int = Field(
        4,
        ge=2,
        le=64,
        description="blocks queued to be sent, but in lock-step; more survive more load, and answer later",
    )
    rx_gain_db: float = Field(
        40.0, ge=-3, le=73, multiple_of=1, description="of all receivers until calibrated, in whole dB"
    )
    tx_attenuation_db: float = Field(
        89.75, ge=0, le=89.75, description="of all transmitters until calibrated; default: the largest"
    )
    antenna_delay: int = Field(
        96, ge=0, description="samples from the digital loopback to the antenna and back; calibrate latency corrects it"
    )
    trigger: Literal["auto", "external", "off"] = Field(
        "auto",
        description="of streams: by the TDD controller of firmware 0.39 and later where it is there, at a pulse that "
        "comes in at a pin of all radios, or none",
    )
    timing_uncertainty: int = Field(2, ge=0, description="samples by which that may be wrong")
    timeout_s: Positive = Field(5.0, description="in which a radio must answer")

    @property
    def waits(self) -> bool:
        """Whether sample time waits for everybody."""
        return self.emulate and self.clock == "lock-step"


class Tx(Section):
    """What may be sent: without both keys nothing is."""

    medium: Literal["cable", "antenna"] | None = Field(
        None,
        description="what is at the connectors; a cable needs attenuators: 30 dB behind a Pluto, 40 or more "
        "behind most USRPs",
    )
    authorised_band: tuple[Positive, Positive] | None = Field(
        None, description="[low, high] in Hz, in which you may transmit; differs by country"
    )
