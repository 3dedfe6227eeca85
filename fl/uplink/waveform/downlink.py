"""A round without soundings: every agent measures the beacon, and calibrated chain ratios make it the uplink's channel.

    beacon -> agents measure -> reports -> H_up = c·H_down -> grant -> payload of all -> sum, who was there

It takes a common clock (a 10 MHz reference, counters that run alike): the carrier is not corrected, clocks are not
resampled, and the payload is sent with no phase correction. What it saves are the soundings, whose airtime grows with
the number of agents. The server measures its noise while nobody sends.
"""

from collections.abc import Callable, Mapping

import numpy as np

from calibration.measurement import CalibrationError
from calibration.ratio import Ratio
from dsp.frame import Frame
from dsp.phase_tracking import begin, update_frequency
from dsp.sync import Beacon
from fl.uplink.waveform.agent import Clock, Follower
from fl.uplink.waveform.reported import hear, link_of, silence_noise
from fl.uplink.waveform.round import UNKNOWN_OFFSET, Round
from fl.uplink.waveform.server import Link
from fl.uplink.waveform.stations import Stations
from radio.base import RadioError

SIGNIFICANT = 5.0  # standard deviations
LEAST_OFFSET = 0.5  # Hz
PHASE_NOISE = 30.0  # Hz that bounded phase noise of 2 degrees in 10 kHz adds to the carrier offset of one beacon
UNKNOWN = 1e6  # Hz


class DownlinkRound(Round):
    """The stages of a round in which nobody sounds; called in the same order as those of `Round`.

    Args:
        stations: radios and memory; of the tracks, only carrier offsets, which should be 0.
        agents: ids that are scheduled.
        n_symbols: M.
        index: of the round.
        seed: of the run.
        ratios: c of each agent; who has none is left out.
    """

    def __init__(
        self,
        stations: Stations,
        agents: tuple[int, ...],
        n_symbols: int,
        index: int,
        seed: int,
        ratios: Mapping[int, Ratio],
    ) -> None:
        super().__init__(stations, agents, n_symbols, index, seed)
        self.ratios = ratios

    def _frame(self, n_symbols: int) -> Frame:
        return self.modem.downlink_frame(len(self.agents), n_symbols)

    def _answer(self, row: int, agent: int) -> None:
        if agent not in self.ratios:
            raise CalibrationError(
                f"agent {agent} has no chain ratio that holds; run airmeta calibrate reciprocity --agent {agent}"
            )
        ratio = self.ratios[agent]
        report, found = hear(self.stations.radio_of(agent), self.modem, self.start, ratio)
        self._check_carrier(agent, found)
        clock = Clock(float(self.start + ratio.clock_samples), self.start, 0.0)
        opened = self.start + self.frame.short_length
        turned_from = clock.index(opened)
        self.followers[agent] = Follower(clock, 0.0, found.cfo_std, turned_from, found.reference, opened)
        self.reports[agent] = report

    def _check_carrier(self, agent: int, found: Beacon) -> None:
        """Check that an agent's carrier is the server's, as far as all beacons so far can tell.

        Raises:
            RadioError: it is off.
        """
        track = self.stations.tracks.get(agent) or begin(self.start / self.modem.sample_rate, 0.0, UNKNOWN)
        variance = (UNKNOWN_OFFSET * found.cfo_std) ** 2 + PHASE_NOISE**2
        track = update_frequency(track, -found.cfo, variance)
        self.stations.tracks[agent] = track
        std = float(track.covariance[1, 1]) ** 0.5
        if abs(track.frequency) > max(SIGNIFICANT * std, LEAST_OFFSET):
            raise RadioError(
                f"agent {agent}: its carrier is off by {track.frequency:.4g} ± {2 * std:.2g} Hz, so the chain ratio "
                "turns; give server and agents one 10 MHz reference and run airmeta calibrate reciprocity, or set "
                "waveform.channel_from = uplink"
            )

    def sound(self) -> dict[int, Link]:
        """Return the link of every agent that reported.

        Raises:
            RadioError: the reception of the silence failed.
        """
        silence = self._hear("silence", self.frame.silence_length, self.start + self.frame.soundings_end)
        noise_var, at = silence_noise(silence, self.modem), float(self.start + self.frame.short_length)
        return {
            agent: link_of(report, noise_var, self.modem, at, self.stations.tracks[agent])
            for agent, report in sorted(self.reports.items())
        }

    def _misalignment(self, links: dict[int, Link]) -> np.ndarray:
        """Return the relative variance of each agent's amplitude: of H_down, and of its ratio, shape (n, 2K)."""
        found = np.zeros((len(self.agents), self.modem.numerology.n_subcarriers))
        for row, agent in enumerate(self.agents):
            if agent in links:
                link = links[agent]
                ratio_var = self.reports[agent].ratio.variance(self.modem.numerology)
                found[row] = link.error_var / np.maximum(np.abs(link.channel) ** 2, 1e-30) + ratio_var
        return found

    def _turn_payload(self, _agent: int, _link: Link, samples: np.ndarray, _first: int) -> np.ndarray:
        return samples


def downlink(ratios: Mapping[int, Ratio]) -> Callable[[Stations, tuple[int, ...], int, int, int], Round]:
    """Return what makes rounds without soundings, for `WaveformUplink.round_of`.

    Args:
        ratios: c of each agent, by id.
    """

    def round_of(stations: Stations, agents: tuple[int, ...], n_symbols: int, index: int, seed: int) -> Round:
        return DownlinkRound(stations, agents, n_symbols, index, seed, ratios)

    return round_of
