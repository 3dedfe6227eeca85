"""`airmeta calibrate --dry-run`: what would be sent, found out by calibrating simulated radios. No radio is opened.

The simulated agent is heard as a real one might be: sweeps are as long as they are with it, give or take some steps.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration import alone
from calibration.measurement import NotApplicable
from calibration.sequence import Bench, Options, calibrate
from calibration.station import Station
from dsp.metrics import from_db
from fl.radio_config import Loopback
from fl.radios import loopback, modem
from radio.base import Radio, RadioError, Samples
from radio.settings import Change, Settings
from radio.streaming.lock_step import LOCK_STEP_BLOCKS
from radio.streaming.pace import thread_blocks
from tools.calibrate.opening import signals_of

if TYPE_CHECKING:
    from fl.config import Config

AIR = Loopback(fading=False, profile="flat", redraw=False, offset_ppm=1.0)
SNR_DB = 25.0


class Counting:
    """A radio that answers as late as another one would, and counts what it sends.

    Args:
        radio: simulated.
        lead_time: of the radio in whose place it is.
    """

    def __init__(self, radio: Radio, lead_time: int) -> None:
        self.radio, self.lead_time, self.sent = radio, lead_time, 0
        self.least = self.settings.tx_attenuation_db

    def __getattr__(self, name: str) -> Any:
        return getattr(self.radio, name)

    @property
    def settings(self) -> Settings:
        """How the radio is set."""
        return self.radio.settings

    def configure(self, change: Change) -> Settings:
        """Set something."""
        return self.radio.configure(change)

    def receive(self, count: int, at: int) -> Samples:
        """Return samples."""
        return self.radio.receive(count, at)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Count samples, and queue them."""
        self.sent += samples.size
        self.radio.transmit(samples, at)


@dataclass(frozen=True)
class Part:
    """What one kind of measurement of all agents would take.

    Args:
        kind: of measurement.
        seconds: that it lasts.
        server: seconds for which the server's radio sends.
        agent: seconds for which each agent's does.
    """

    kind: str
    seconds: float
    server: float
    agent: float


def rehearse(config: "Config", agents: int, kinds: tuple[str, ...], options: Options) -> Iterator[Part]:
    """Yield what every kind would take.

    Args:
        config: of the radios.
        agents: how many, at least one.
        kinds: in their order.
        options: what the user decides.

    Raises:
        RadioError: the simulated radios cannot be calibrated with this waveform.
    """
    about = modem(config.waveform, config.radio.carrier)
    air = AIR.model_copy(update={"carrier_hz": about.carrier})
    bench = loopback(air, about.sample_rate, about.level, from_db(SNR_DB), 0.0, config.seed)
    lead = _lead(config)
    server, agent = Counting(bench.server, lead), Counting(bench.radio_of(0), lead)
    stations = Station("server", "", server), Station("agent 0", "", agent)
    played = Bench(stations[0], {0: stations[1]}, signals_of(config, about))
    for kind in kinds:
        begun, before = server.now(), (server.sent, agent.sent)
        for step in calibrate(kind, played, replace(options, tracking=None)):
            if step.failure and step.applies:
                raise RadioError(f"the rehearsal with simulated radios failed: {step.failure}")
        sent = [now - then for now, then in zip((server.sent, agent.sent), before, strict=True)]
        passed, down, up = (count / about.sample_rate for count in (server.now() - begun, *sent))
        yield Part(kind, agents * passed, agents * down, up)


def rehearse_alone(config: "Config", kinds: tuple[str, ...]) -> Iterator[Part]:
    """Yield what every kind would take of one radio that has nobody to talk to."""
    about = modem(config.waveform, config.radio.carrier)
    air = AIR.model_copy(update={"carrier_hz": about.carrier})
    server = Counting(loopback(air, about.sample_rate, about.level, from_db(SNR_DB), 0.0, config.seed).server,
                      _lead(config))  # fmt: skip
    for kind in kinds:
        begun, before = server.now(), server.sent
        with suppress(NotApplicable):
            alone.measure(kind, server, signals_of(config, about))
        passed, sent = (count / about.sample_rate for count in (server.now() - begun, server.sent - before))
        yield Part(kind, passed, sent, 0.0)


def _lead(config: "Config") -> int:
    if config.radio.kind != "pluto":
        return 0
    pluto = config.radio.pluto
    return (LOCK_STEP_BLOCKS if pluto.waits else thread_blocks(pluto.queue)) * pluto.block + pluto.antenna_delay


def describe(config: "Config", agents: int, parts: list[Part], say: Callable[[str], None]) -> None:
    """Say what would be sent: where, how strongly, for how long."""
    about = modem(config.waveform, config.radio.carrier)
    for name, text in _place(config, about.sample_rate):
        say(f"{name:20s} {text}")
    say(f"\n{'':20s} {'duration':>10s} {'server sends':>13s} {'agent sends':>12s}")
    total = Part("together", *(sum(getattr(part, name) for part in parts) for name in ("seconds", "server", "agent")))
    for part in (*parts, total):
        say(f"{part.kind:20s} {part.seconds:8.1f} s {part.server:11.3f} s {part.agent:10.3f} s")
    duty = max(total.server, total.agent) / max(total.seconds, 1e-9)
    who = f"{agents} agent(s), one after the other" if agents else "it is alone, what takes two is left out"
    say(
        f"\nDuty cycle {100 * duty:.2g} % of the radio that sends most; {who}.\n"
        "As rehearsed with simulated radios: how strongly yours hear each other decides the number of steps.\n"
        "Nothing was sent."
    )


def _place(config: "Config", rate: float) -> Iterator[tuple[str, str]]:
    pluto, allowed = config.radio.pluto, config.radio.tx
    bandwidth = rate
    if config.radio.kind == "pluto":
        bandwidth = pluto.bandwidth_hz or rate
    half = bandwidth / 2
    carrier = config.radio.carrier
    yield "LO", f"{carrier / 1e6:.6g} MHz, for iq 10 kHz more where carriers coincide"
    yield "bandwidth", f"{bandwidth / 1e6:g} MHz: {(carrier - half) / 1e6:.6g} to {(carrier + half) / 1e6:.6g} MHz"
    if config.radio.kind == "pluto" and allowed.authorised_band is not None:
        low, high = allowed.authorised_band
        yield "permitted", f"{low / 1e6:.6g} to {high / 1e6:.6g} MHz, {allowed.medium}"
    yield (
        "attenuation",
        "levels: from the largest down to none, by 3 dB at most, up to 6 dB below full scale; then as chosen",
    )
    gain = pluto.rx_gain_db if config.radio.kind == "pluto" else config.radio.loopback.gain_db
    yield "receiver's gain", f"{gain:g} dB, until levels chooses"
