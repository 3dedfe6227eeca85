"""The tables `waveform`, `radio` and `calibration`: how symbols become a wave, and through what it goes."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from fl.gnuradio_config import Gnuradio
from fl.pluto_config import Pluto, Tx
from fl.section import Decibel, NotNegative, Positive, Section
from fl.usrp_config import Usrp


class Waveform(Section):
    """The waveform of `uplink.kind = waveform`."""

    sample_rate: Positive = Field(4e6, description="Hz")
    n_fft: PositiveInt = Field(256, description="samples of an OFDM symbol, a multiple of 16")
    cyclic_prefix: int = Field(48, ge=0, description="samples; covers delay spread and timing uncertainty")
    half_width: PositiveInt = Field(100, description="occupied subcarriers on each side of the carrier")
    window_lead: int = Field(22, ge=0, description="samples by which the FFT window begins ahead of the prefix's end")
    level_dbfs: float = Field(-12.0, le=0, description="digital rms of a payload at power P, relative to full scale")
    delay_spread_s: Positive = Field(1.5e-6, description="delays of a channel that the receiver allows for")
    pilots: PositiveInt = Field(48, description="pilot resource elements of each agent in the payload")
    first_soundings: int = Field(4, ge=1, le=4, description="soundings of each agent in a round with a new one")
    soundings: int = Field(1, ge=1, le=4, description="soundings of each agent in all other rounds")
    response_s: NotNegative = Field(1e-3, description="from the beacon to the first sounding")
    turnaround_s: Positive = Field(0.05, description="from the last sounding to the payload: the control plane's time")
    trigger: bool = Field(True, description="a second beacon ahead of the payload, from which agents mend their phase")
    trigger_lead_s: NotNegative = Field(1e-3, description="from the trigger to the payload")
    round_period_s: Positive = Field(0.25, description="from beacon to beacon")
    channel_from: Literal["uplink", "downlink"] = Field(
        "uplink", description="downlink: agents measure the beacon and do not sound; common clock, chain ratios"
    )
    search_s: NotNegative = Field(5e-4, description="by which an agent's first beacon may come early or late")
    false_alarm: float = Field(1e-6, gt=0, lt=0.5, description="probability of finding a beacon in noise")
    presence_false_alarm: float = Field(1e-5, gt=0, lt=0.5, description="probability of hearing a silent agent")
    linewidth_hz: NotNegative = Field(0.02, description="of both oscillators together, as the phase trackers assume it")
    frequency_walk: NotNegative = Field(0.34, description="Hz²/s of both oscillators, as the phase trackers assume it")


class Loopback(Section):
    """The simulated air of `radio.kind = loopback`: every impairment but multipath fading is off unless asked for."""

    carrier_hz: Positive = Field(2.4e9, description="what a clock offset in ppm means in Hz")
    gain_db: Decibel = Field(-15.0, description="of every link at |h| = 1: keeps the sum of many agents in range")
    path_loss_db: NotNegative = Field(0.0, description="agents are weaker by up to this much, drawn uniformly in dB")
    profile: Literal["flat", "tdl_a", "tdl_c", "tdl_d", "exponential"] = Field("tdl_a", description="delay profile")
    fading: bool = Field(True, description="false: every link has gain 1, with profile = flat")
    delay_spread_s: NotNegative = Field(1e-7, description="rms")
    k_factor_db: Decibel | None = Field(None, description="Rician K of the whole link; default: that of the profile")
    doppler_hz: NotNegative = Field(0.0, description="largest Doppler shift")
    redraw: bool = Field(True, description="new channels every round period (block fading)")
    offset_ppm: NotNegative = Field(0.0, description="oscillators are drawn uniformly from ± this")
    linewidth_hz: NotNegative = Field(0.0, description="of the Wiener phase of each oscillator")
    frequency_walk: NotNegative = Field(0.0, description="Hz²/s of each oscillator; 0.17 is 1e-10 at 1 s and 2.4 GHz")
    pll_rms_deg: NotNegative = Field(0.0, description="bounded phase noise")
    pll_bandwidth_hz: float = Field(1e4, ge=1e3, description="of the bounded phase noise")
    timing_offset: NotNegative = Field(
        0.0, description="samples, drawn uniformly from ± this when a stream starts, the server's apart"
    )
    timing_jitter: NotNegative = Field(0.0, description="rms samples from burst to burst")
    iq_gain_db: float = Field(0.0, description="IQ imbalance of every transmitter and receiver, sign drawn")
    iq_phase_deg: float = Field(0.0, description="the same, in degrees")
    dc_offset_db: Decibel | None = Field(None, le=0, description="DC offset or LO leakage in dBFS, phase drawn")
    pa_saturation_dbfs: float | None = Field(None, description="Rapp amplifier; -4 is 8 dB above the payload's rms")
    pa_smoothness: Positive = Field(2.0, description="p of Rapp")
    converter_bits: int | None = Field(None, ge=2, le=24, description="of DAC and ADC")
    tx_attenuation_db: float = Field(0.0, ge=0, le=89.75, description="ahead of every amplifier, until calibrated")
    level_error_db: NotNegative = Field(0.0, description="gains of transmitters and receivers are off by up to this")
    latency: NotNegative = Field(
        0.0,
        description="samples by which bursts of a unit leave late, drawn from 0 to this for the server, too; unstated",
    )
    mixer_phases: bool = Field(False, description="random phases of all mixers, drawn anew at every restart")
    leakage_db: Decibel | None = Field(None, description="at which a radio hears itself; default: it does not")
    interferer_dbfs: Decibel | None = Field(None, description="a tone in the server's band, at its antenna")
    interferer_hz: float = Field(3e5, description="of that, beside the carrier")
    hardware_seed: int | None = Field(None, ge=0, description="which radios these are; default: the seed of the run")
    restarts: int = Field(0, ge=0, description="how often their streams were started again: timing and phases redrawn")
    step_timeout_s: Positive = Field(
        30.0, description="airmeta radio air: silence after which nobody waits any more for a unit that should send"
    )


class Radio(Section):
    """What the waveform goes through."""

    kind: Literal["loopback", "pluto", "usrp", "gnuradio"] = Field(
        "loopback",
        description="loopback: a simulated air in this process; pluto: PlutoSDRs, real or virtual; usrp: through UHD; "
        "gnuradio: whatever a flowgraph of GNU Radio reaches",
    )
    loopback: Loopback = Loopback()
    pluto: Pluto = Pluto()
    usrp: Usrp = Usrp()
    gnuradio: Gnuradio = Gnuradio()
    tx: Tx = Tx()

    @property
    def table(self) -> Literal["loopback", "pluto", "usrp", "gnuradio"]:
        """Name of the table that describes air or radios, whoever talks to them."""
        return self.gnuradio.table if self.kind == "gnuradio" else self.kind

    @property
    def is_simulated(self) -> bool:
        """Whether the air is."""
        return self.table == "loopback" or (self.table == "pluto" and self.pluto.emulate)

    @property
    def air(self) -> Loopback:
        """The simulated air; one that adds nothing, where the air is real."""
        return self.loopback if self.is_simulated else Loopback(fading=False, profile="flat", redraw=False)

    @property
    def timing_uncertainty(self) -> int:
        """Samples by which a burst may leave early or late."""
        stated = {
            "loopback": 0,
            "pluto": self.pluto.timing_uncertainty,
            "usrp": self.usrp.timing_uncertainty,
            "gnuradio": self.gnuradio.timing_uncertainty,
        }
        return stated[self.table] + math.ceil(self.air.timing_offset)

    @property
    def carrier(self) -> float:
        """In Hz; nan as long as nobody has chosen one."""
        carriers = {
            "loopback": self.loopback.carrier_hz,
            "pluto": self.pluto.carrier_hz,
            "usrp": self.usrp.carrier_hz,
            "gnuradio": self.gnuradio.carrier_hz,
        }
        return carriers[self.table] or math.nan

    def bandwidth(self, sample_rate: float) -> float:
        """Return the width in Hz of the filters through which radios send, at a sample rate in Hz."""
        if self.table == "usrp":  # their digital filters keep what is sent within the sample rate
            return min(self.usrp.bandwidth_hz or sample_rate, sample_rate)
        stated = {
            "loopback": None,
            "pluto": self.pluto.bandwidth_hz,
            "gnuradio": self.gnuradio.bandwidth_hz,
        }
        return stated[self.table] or sample_rate


class Calibration(Section):
    """What `airmeta calibrate` found out about the radios, and how much of it is used."""

    table: Path | None = Field(None, description="file of measurements; default: radios are used as they are")
    use: tuple[Literal["levels", "clock", "latency", "iq"], ...] = Field(
        ("levels", "clock", "latency", "iq"),
        description="kinds of measurements that every radio must have; channel_from = downlink needs reciprocity, too",
    )

    renew: bool = Field(
        True,
        description="measure again, before the first round or another one, what a restart of streams has voided "
        "(latency, reciprocity); false: refuse, or leave out that agent",
    )

    def uses(self, kind: str) -> bool:
        """Return whether measurements of a kind are used."""
        return self.table is not None and kind in self.use
