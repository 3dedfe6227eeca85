"""A round without soundings: every agent measures the beacon, and calibrated chain ratios make it the uplink's channel.

    beacon -> agents measure -> reports -> H_up = c·H_down -> grant -> payload of all -> sum, who was there

It takes a common clock (a 10 MHz reference, counters that run alike): the carrier is not corrected, clocks are not
resampled, and the payload is sent with no phase correction. What it saves are the soundings, whose airtime grows with
the number of agents. The server measures its noise while nobody sends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from calibration.measurement import CalibrationError
from calibration.ratio import Ratio
from dsp.frame import Frame
from dsp.phase_tracking import Track, begin, update_frequency
from fl.uplink.codec import Codec
from fl.uplink.roles import AgentGrant, BeaconReport, reason_of
from fl.uplink.waveform.agent import Clock, Correction, Follower
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.reported import Report, hear, link_of, silence_noise
from fl.uplink.waveform.round import UNKNOWN_OFFSET, Round
from fl.uplink.waveform.server import Link
from fl.uplink.waveform.stations import ServerStation
from radio.base import Radio, RadioError

SIGNIFICANT = 5.0  # standard deviations
LEAST_OFFSET = 0.5  # Hz
PHASE_NOISE = 30.0  # Hz that bounded phase noise of 2 degrees in 10 kHz adds to the carrier offset of one beacon
UNKNOWN = 1e6  # Hz


def no_ratio(agent: int) -> CalibrationError:
    """Return what is raised of an agent whose counter and chains were not compared with the server's."""
    return CalibrationError(
        f"agent {agent} has no chain ratio that holds; run airmeta calibrate reciprocity --agent {agent}"
    )


@dataclass
class DownlinkAgent(WaveformAgent):
    """An agent that measures the beacon in place of sounding.

    Args:
        clock_samples: returns how far its counter is ahead of the server's (`Ratio`); raises a `RadioError` where that
            is not known.
    """

    clock_samples: Callable[[], int] = lambda: 0
    _heard: BeaconReport = field(default=BeaconReport(), init=False)

    def _frame(self) -> Frame:
        return self.modem.downlink_frame(self._slot.agents, self.codec.n_symbols)

    def _hear(self, radio: Radio) -> Follower:
        start, relation = self._slot.start, self.clock_samples()
        channel, error_var, found = hear(radio, self.modem, start, relation)
        self._heard = BeaconReport(found.cfo, found.cfo_std, channel, error_var)
        clock = Clock(float(start + relation), start, 0.0)
        opened = start + self._frame().short_length
        return Follower(clock, 0.0, found.cfo_std, clock.index(opened), found.reference, opened)

    def _sound(self, radio: Radio, follower: Follower) -> None:
        pass

    def _report(self, follower: Follower) -> BeaconReport:
        return self._heard

    def _correct(self, radio: Radio, grant: AgentGrant) -> Correction | None:
        return None


class DownlinkRound(Round):
    """The server's stages of a round in which nobody sounds; called in the same order as those of `Round`.

    Args:
        station: radio and memory; of the tracks, only carrier offsets, which should be 0.
        codec: says M, and the seed.
        agents: ids that are scheduled.
        index: of the round.
        ratios: c of each agent; who has none is left out.
    """

    def __init__(
        self,
        station: ServerStation,
        codec: Codec,
        agents: tuple[int, ...],
        index: int,
        ratios: Mapping[int, Ratio],
    ) -> None:
        super().__init__(station, codec, agents, index)
        self.ratios = ratios

    def _frame(self, n_symbols: int) -> Frame:
        return self.modem.downlink_frame(len(self.agents), n_symbols)

    @property
    def beacons(self) -> dict[int, Report]:
        """What each agent measured, with its ratio."""
        return {
            agent: Report(one.downlink, one.downlink_var, self.ratios[agent])
            for agent, one in self.reports.items()
            if one.downlink is not None and one.downlink_var is not None and agent in self.ratios
        }

    def sound(self) -> None:
        """Receive the silence.

        Raises:
            RadioError: the reception failed.
        """
        self._hear("silence", self.frame.silence_length, self.start + self.frame.soundings_end)

    def meet(self, reports: Mapping[int, BeaconReport], absent: Mapping[int, str]) -> None:
        """Find the link of every agent that reported what it heard, over a carrier that is the server's.

        Raises:
            RadioError: nobody did.
        """
        fit, unfit = {}, dict(absent)
        for agent, report in reports.items():
            try:
                self._check(agent, report)
                fit[agent] = report
            except RadioError as error:
                unfit[agent] = reason_of(error)
        super().meet(fit, unfit)

    def _check(self, agent: int, report: BeaconReport) -> None:
        """Check that an agent has a ratio and that its carrier is the server's, as far as all beacons so far can tell.

        Raises:
            RadioError: it has none, or it is off.
        """
        if agent not in self.ratios:
            raise no_ratio(agent)
        track = self.station.tracks.get(agent) or begin(self.start / self.modem.sample_rate, 0.0, UNKNOWN)
        variance = (UNKNOWN_OFFSET * report.cfo_std) ** 2 + PHASE_NOISE**2
        track = update_frequency(track, -report.cfo, variance)
        self.station.tracks[agent] = track
        std = float(track.covariance[1, 1]) ** 0.5
        if abs(track.frequency) > max(SIGNIFICANT * std, LEAST_OFFSET):
            raise RadioError(
                f"agent {agent}: its carrier is off by {track.frequency:.4g} ± {2 * std:.2g} Hz, so the chain ratio "
                "turns; give server and agents one 10 MHz reference and run airmeta calibrate reciprocity, or set "
                "waveform.channel_from = uplink"
            )

    def _links(self) -> dict[int, Link]:
        noise_var = silence_noise(self.segments[0][1].data, self.modem)
        at = float(self.start + self.frame.short_length)
        return {
            agent: link_of(report, noise_var, self.modem, at, self.station.tracks[agent])
            for agent, report in sorted(self.beacons.items())
        }

    def corrected(self, _agent: int) -> float:
        """Return 0: carriers are one."""
        return 0.0

    def follow(self, agent: int, residual: Track) -> None:
        """Do nothing: carriers are followed by beacons."""

    def _misalignment(self) -> np.ndarray:
        """Return the relative variance of each agent's amplitude: of H_down, and of its ratio, shape (n, 2K)."""
        found = np.zeros((len(self.agents), self.modem.numerology.n_subcarriers))
        for row, agent in enumerate(self.agents):
            if agent in self.links:
                link = self.links[agent]
                ratio_var = self.ratios[agent].variance(self.modem.numerology)
                found[row] = link.error_var / np.maximum(np.abs(link.channel) ** 2, 1e-30) + ratio_var
        return found


def downlink(ratios: Mapping[int, Ratio]) -> Manner:
    """Return the manner of rounds without soundings.

    Args:
        ratios: c of each agent, by id.
    """

    def round_of(station: ServerStation, codec: Codec, agents: tuple[int, ...], index: int) -> Round:
        return DownlinkRound(station, codec, agents, index, ratios)

    def agent_of(agent: int, plain: WaveformAgent) -> WaveformAgent:
        def clock_samples() -> int:
            if agent not in ratios:
                raise no_ratio(agent)
            return ratios[agent].clock_samples

        return DownlinkAgent(
            plain.codec, plain.kept_entries, plain.modem, plain.radio, plain.runs_on, plain.oracle, clock_samples
        )

    return Manner(round_of, agent_of)
