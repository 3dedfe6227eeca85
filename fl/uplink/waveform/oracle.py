"""What only a simulation knows of a link, for the genie that a receiver is compared with. No receiver uses it.

The genie knows channels, clocks, phase trajectories and the linear gain of each front end, and has the same front ends.
"""

from dataclasses import dataclass, replace

import numpy as np

from dsp.frame import SHORT_REPEATS
from dsp.phase_tracking import begin
from dsp.sync import Reference
from fl.uplink.codec import Codec
from fl.uplink.roles import AgentGrant
from fl.uplink.waveform.agent import Clock, Correction, Follower
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.round import Round
from fl.uplink.waveform.server import Link, Sounding
from fl.uplink.waveform.settings import Modem
from fl.uplink.waveform.stations import ServerStation
from radio.air import Air
from radio.base import Radio
from radio.loopback import LoopbackRadio


@dataclass(frozen=True)
class Oracle:
    """The truth about the links of an air.

    Args:
        air: the simulated air.
        modem: the waveform.
        server: unit of the server.
    """

    air: Air
    modem: Modem
    server: int = 0

    def follower(self, unit: int, beacon_at: int) -> Follower:
        """Return an agent's knowledge of the server without error; it turns no carrier, `turn` does all of it."""
        own, server = self.air.unit(unit), self.air.unit(self.server)
        offset = server.rate / own.rate - 1
        time = float(server.time(beacon_at))
        clock = Clock(own.index(time), beacon_at, offset)
        nothing = Reference(np.zeros(self.modem.numerology.n_subcarriers, complex), 0.0)
        opened = beacon_at + SHORT_REPEATS * self.modem.numerology.n_fft // 16
        return Follower(clock, 0.0, 0.0, clock.index(opened), nothing, opened)

    def channel(self, unit: int, at: float) -> np.ndarray:
        """Return H on each subcarrier at an index of the server for samples that were turned, shape (2K,).

        An echo was turned back by the phase of its departure and meets that of its arrival, τ later.
        """
        own, server = self.air.unit(unit), self.air.unit(self.server)
        time = float(server.time(at))
        delays, gains = self.air.oracle_taps(unit, self.server, np.array([time]))
        theta = self.air.oracle_phase(unit, self.server, np.concatenate([[time], time - delays]))
        gains = gains * np.exp(1j * (theta[0] - theta[1:]))
        numerology = self.modem.numerology
        late = delays + own.timing_offset
        ramps = np.exp(-2j * np.pi * np.multiply.outer(late, numerology.subcarriers) / numerology.n_fft)
        probe = np.array([1, 1j, -1, -1j], np.complex64) / 8
        heard, _ = server.receive.apply(probe)
        return (
            (gains[0] @ ramps) * own.transmit.gain * server.receive.gain * np.vdot(probe, heard) / np.vdot(probe, probe)
        )

    def turn(self, unit: int, samples: np.ndarray, first: int) -> np.ndarray:
        """Return samples that arrive with no phase: turned back by θ_u − θ_s at the instant of each."""
        own = self.air.unit(unit)
        index = first + own.timing_offset + np.arange(samples.size)
        theta = self.air.oracle_phase(unit, self.server, np.asarray(own.time(index)))
        return (samples * np.exp(-1j * theta)).astype(np.complex64)

    def front_end_gain(self, unit: int, samples: np.ndarray) -> complex:
        """Return the linear gain of a transmitter for these samples over its nominal one: <x, y>/(t·<x, x>)."""
        transmit = self.air.unit(unit).transmit
        sent = transmit.apply(samples.astype(np.complex64))
        return complex(np.vdot(samples, sent) / max(float(np.vdot(samples, samples).real), 1e-30)) / transmit.gain


@dataclass
class GenieAgent(WaveformAgent):
    """An agent that knows what `Oracle` knows.

    Args:
        oracle: the truth.
    """

    truth: Oracle | None = None

    def _hear(self, radio: Radio) -> Follower:
        return self._oracle().follower(self._unit(), self._slot.start)

    def _shaped_sounding(self, samples: np.ndarray, first: int) -> np.ndarray:
        return self._oracle().turn(self._unit(), samples, first)

    def _shaped(self, samples: np.ndarray, first: int) -> np.ndarray:
        turned = self._oracle().turn(self._unit(), samples, first)
        return (turned / self._oracle().front_end_gain(self._unit(), turned)).astype(np.complex64)

    def _correct(self, radio: Radio, grant: AgentGrant) -> Correction | None:
        return None

    def _oracle(self) -> Oracle:
        if self.truth is None:
            raise RuntimeError("a genie needs an oracle, and this one has none")
        return self.truth

    def _unit(self) -> int:
        radio = self.radio()
        if not isinstance(radio, LoopbackRadio):
            raise TypeError(f"only a simulated air has a genie, an agent has a {type(radio).__name__}")
        return radio.unit


class GenieRound(Round):
    """A round in which the server knows what `Oracle` knows; noise and front ends are the same."""

    def __init__(
        self,
        station: ServerStation,
        codec: Codec,
        agents: tuple[int, ...],
        index: int,
        oracle: Oracle,
    ) -> None:
        super().__init__(station, codec, agents, index)
        self.oracle = oracle

    def _link(self, row: int, agent: int, soundings: list[Sounding]) -> Link:
        link = super()._link(row, agent, soundings)
        channel = self.oracle.channel(agent + 1, self.start + self.frame.payload)
        return replace(link, channel=channel, residual=begin(link.residual.time, 0.0, 0.0))

    def _misalignment(self) -> np.ndarray | None:
        return None


def genie(oracle: Oracle) -> Manner:
    """Return the manner of a genie's rounds: agent i is unit i + 1 of the air."""

    def round_of(station: ServerStation, codec: Codec, agents: tuple[int, ...], index: int) -> Round:
        return GenieRound(station, codec, agents, index, oracle)

    def agent_of(_agent: int, plain: WaveformAgent) -> WaveformAgent:
        return GenieAgent(
            plain.codec, plain.kept_entries, plain.modem, plain.radio, plain.runs_on, plain.oracle, oracle
        )

    return Manner(round_of, agent_of)
