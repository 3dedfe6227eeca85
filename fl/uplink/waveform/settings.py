"""What server and agents agree on before the first round of a waveform run."""

import math
from dataclasses import dataclass

from dsp.frame import Frame, payload_symbols
from dsp.ofdm import Numerology

MOST_JITTER = 0.05  # samples rms: 7° at the edge of the default band


@dataclass(frozen=True)
class Modem:
    """The waveform of a run.

    Args:
        numerology: the OFDM grid.
        carrier: in Hz.
        level: amplitude of a resource element at power P, relative to full scale.
        delay_spread: delays of a channel that the receiver allows for, in samples.
        pilots: of each agent in the payload.
        first_soundings: cycles of soundings in a round with an agent that is not tracked yet.
        soundings: cycles in all other rounds.
        response: samples from the beacon to the first sounding.
        turnaround: samples from the last sounding to the payload.
        trigger_lead: samples from the trigger to the payload; None: no trigger.
        period: samples from beacon to beacon.
        search: samples by which a beacon may come early or late in an agent's first round.
        false_alarm: probability of finding a beacon in noise.
        presence_false_alarm: probability of hearing an agent that is silent.
        linewidth: Δν of both oscillators together that the trackers assume, in Hz.
        frequency_walk: random walk of frequency that they assume, in Hz²/s.
    """

    numerology: Numerology
    carrier: float
    level: float
    delay_spread: float
    pilots: int
    first_soundings: int
    soundings: int
    response: int
    turnaround: int
    trigger_lead: int | None
    period: int
    search: int
    false_alarm: float
    presence_false_alarm: float
    linewidth: float
    frequency_walk: float

    @property
    def sample_rate(self) -> float:
        """In Hz."""
        return self.numerology.sample_rate

    def check_period(self, frame: Frame) -> None:
        """Check that a round ends before the next one begins.

        Raises:
            ValueError: it does not.
        """
        if frame.end > self.period:
            raise ValueError(
                f"a round of {frame.agents} agents lasts {frame.end / self.sample_rate:.3f} s, more than round_period "
                f"({self.period / self.sample_rate:.3f} s); set waveform.round_period_s >= "
                f"{1.25 * frame.end / self.sample_rate:.2f}"
            )

    def frame(self, agents: int, n_symbols: int, first: bool) -> Frame:
        """Return where everything of a round with M symbols lies."""
        return Frame(
            self.numerology,
            agents,
            self.first_soundings if first else self.soundings,
            payload_symbols(self.numerology, n_symbols, agents, self.pilots),
            self.response,
            self.turnaround,
            self.trigger_lead,
        )

    def downlink_frame(self, agents: int, n_symbols: int) -> Frame:
        """Return where everything of a round with M symbols lies if agents measure the beacon and do not sound."""
        symbols = payload_symbols(self.numerology, n_symbols, agents, self.pilots)
        return Frame(self.numerology, agents, 0, symbols, self.response, self.turnaround, None)


def check_radio(modem: Modem, uncertainty: int, repeatability: float) -> None:
    """Check that a radio's timing suits the waveform.

    Args:
        modem: the waveform.
        uncertainty: samples by which a burst may leave early or late.
        repeatability: rms samples by which that changes between sounding and payload.

    Raises:
        ValueError: the prefix does not cover the delays, or timing would turn the payload's phase.
    """
    numerology = modem.numerology
    late = numerology.window_lead
    early = numerology.cyclic_prefix - numerology.window_lead
    if uncertainty > late or uncertainty + modem.delay_spread > early:
        needed = math.ceil(2 * uncertainty + modem.delay_spread)
        prefix = max(needed, numerology.cyclic_prefix)
        if needed > numerology.n_fft:
            most = math.floor((numerology.n_fft - modem.delay_spread) / 2)
            raise ValueError(
                f"timing_uncertainty must be at most {most} samples with n_fft {numerology.n_fft}, got {uncertainty}: "
                "no cyclic prefix can cover it; measure and take out the delays, or raise waveform.n_fft"
            )
        remedy = "" if prefix == numerology.cyclic_prefix else f"waveform.cyclic_prefix >= {needed} and "
        raise ValueError(
            f"cyclic_prefix must cover timing_uncertainty ({uncertainty} samples either way) plus the delay spread "
            f"({modem.delay_spread:g}), got {numerology.cyclic_prefix} with window_lead {numerology.window_lead}; set "
            f"{remedy}waveform.window_lead between {uncertainty} and "
            f"{math.floor(prefix - uncertainty - modem.delay_spread)}"
        )
    if repeatability > MOST_JITTER:
        raise ValueError(
            f"timing_repeatability must be at most {MOST_JITTER} samples, got {repeatability:g}: timing that changes "
            "after the sounding turns the phase that was inverted; keep the streams running between sounding and "
            "payload, use hardware triggers, or lower the sample rate"
        )
