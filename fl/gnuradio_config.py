"""The table `radio.gnuradio`: a flowgraph of GNU Radio, ours or the user's."""

from typing import Literal

from pydantic import Field, PositiveInt

from fl.section import Positive, Section

OURS = ("channel", "pluto", "usrp")


class Gnuradio(Section):
    """A flowgraph, for `radio.kind = gnuradio`; it runs in a process of its own, under a Python that has GNU Radio."""

    flowgraph: str = Field(
        "channel",
        description="channel: the air of radio.loopback, of GNU Radio's blocks; pluto: the radios of radio.pluto, by "
        "gr-iio; usrp: those of radio.usrp, by gr-uhd; running: one that you have started; else the path of a script, "
        "such as GRC generates",
    )
    python: str | None = Field(
        None, description="a Python that has GNU Radio; default: the first that is found, /usr/bin/python3 included"
    )
    arguments: tuple[str, ...] = Field((), description="of a script of yours")
    send: tuple[str, ...] = Field(
        (), description="where the ZMQ PULL Source of each unit connects to, the server's first; for one of yours"
    )
    hear: tuple[str, ...] = Field((), description="what the ZMQ PUSH Sink of each unit is bound to; for one of yours")
    carrier_hz: Positive | None = Field(None, description="of a flowgraph of yours; no default")
    bandwidth_hz: Positive | None = Field(
        None, description="of yours, all of it inside radio.tx.authorised_band; default: sample_rate"
    )
    real_time: bool = Field(
        True, description="one of yours has a clock of its own: a radio; false: a simulation that waits for samples"
    )
    delay: int | None = Field(
        None, description="samples that one of yours hears later than it sends, by its own counts; no default"
    )
    held: int = Field(0, ge=0, description="samples that a simulation of yours keeps back: histories, FFT filters")
    block: PositiveInt = Field(4096, description="samples handed over at a time in real time; pluto: radio.pluto.block")
    timing_uncertainty: int = Field(0, ge=0, description="samples by which delay may be wrong")
    timeout_s: Positive = Field(5.0, description="without samples, after which the bridge has stalled")

    @property
    def is_ours(self) -> bool:
        """Whether the flowgraph is one that comes with the toolkit."""
        return self.flowgraph in OURS

    @property
    def table(self) -> Literal["loopback", "pluto", "usrp", "gnuradio"]:
        """Name of the table that describes what is behind the flowgraph; its own, where no other one does."""
        behind: dict[str, Literal["loopback", "pluto", "usrp"]] = {
            "channel": "loopback",
            "pluto": "pluto",
            "usrp": "usrp",
        }
        return behind.get(self.flowgraph, "gnuradio")

    @property
    def radiates(self) -> bool:
        """Whether what it gets may leave the machine."""
        return self.flowgraph in ("pluto", "usrp") or (not self.is_ours and self.real_time)
