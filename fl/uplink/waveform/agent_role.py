"""An agent's side of the uplink `waveform`: what one radio does in a round, and what it remembers until the next.

    beacon -> clock, carrier -> soundings -> grant -> payload, ready -> markers and trigger -> payload, turned

Everything that can be computed ahead of the trigger is: turning a payload does not change how large it is.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from array_api_compat import to_device

from dsp.frame import Frame, sounding
from dsp.metrics import papr_db
from dsp.ofdm import modulate
from dsp.sync import Reference
from fl.uplink.base import Array
from fl.uplink.codec import Codec, mean_power
from fl.uplink.roles import AgentGrant, BeaconReport, IncompleteError, SoundingSlot, TransmitReport, reason_of, scaled
from fl.uplink.waveform import agent as agent_side
from fl.uplink.waveform.agent import Clock, Correction, Follower
from fl.uplink.waveform.payload import payload_grid, places_of
from fl.uplink.waveform.settings import Modem
from fl.uplink.waveform.stations import look_after
from radio.base import Radio, RadioError

PEAK = 0.999


@dataclass(frozen=True)
class Ready:
    """A payload that waits for its trigger.

    Args:
        samples: in the agent's own time, scaled.
        first: own index of the first one.
        grant: that it was made for.
        fraction: c_i <= 1, what of the update it carries.
        power: mean |x_i|² of the data over P.
        papr_db: before scaling.
    """

    samples: np.ndarray
    first: int
    grant: AgentGrant
    fraction: float
    power: float
    papr_db: float


@dataclass
class WaveformAgent:
    """An agent on the air; its stages are called in the order in which they are written.

    Args:
        codec: from updates to symbols.
        kept_entries: k of top-k.
        modem: the waveform.
        radio: returns the agent's radio; raises a `RadioError` if it cannot be had.
        runs_on: whether its time runs on while nobody sends or receives.
        oracle: whether its reports carry what only a simulation may ask for.
        clock: beside the server's; None before a beacon was heard, and after streams were started again.
    """

    on_air: ClassVar[bool] = True
    codec: Codec
    kept_entries: int
    modem: Modem
    radio: Callable[[], Radio]
    runs_on: bool = False
    oracle: bool = False
    clock: Clock | None = field(default=None, init=False)
    _sessions: tuple[str, str] | None = field(default=None, init=False)
    _round: int = field(default=0, init=False)
    _kept: Array = field(default=None, init=False)
    _symbols: Array = field(default=None, init=False)
    _slot: SoundingSlot = field(default=SoundingSlot(0, 0, 0, True, ""), init=False)
    _follower: Follower | None = field(default=None, init=False)
    _ready: Ready | None = field(default=None, init=False)

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update of a round; return mean|s_i|² of its symbols.

        A stream that broke meanwhile is started again here, ahead of the beacon.
        """
        self._round, self._kept = round_index, kept
        self._symbols = self.codec.sensing_of(round_index).forward(kept)
        if self.runs_on:
            with suppress(RadioError):  # `follow` says why
                look_after(self.radio())
        return float(mean_power(self._symbols))

    def follow(self, slot: SoundingSlot) -> BeaconReport:
        """Find the beacon, and put the soundings on the air.

        Raises:
            NotDetected: no beacon came; the agent's clock runs on, and the next one is looked for where it is due.
            RadioError: the radio failed.
        """
        self._slot, self._follower, self._ready = slot, None, None
        try:
            self.forget_unless(slot.session)
            radio = self.radio()
            follower = self._hear(radio)
            self._sound(radio, follower)
        except RadioError:
            self.clock = None
            raise
        self._follower = follower
        self.remember(follower.clock, slot.session)
        return self._report(follower)

    def forget_unless(self, server: str) -> None:
        """Forget the clock if the streams of the agent or of the server were started again since it was learned.

        Args:
            server: session of the server's radio.

        Raises:
            RadioError: the agent's radio cannot be had; the clock is forgotten as well.
        """
        before, self._sessions = self._sessions, None
        try:
            self._sessions = server, self.radio().session
        finally:
            if before != self._sessions:
                self.clock = None

    def remember(self, clock: Clock, server: str) -> None:
        """Note the clock, as learned with these sessions of the server's radio and the agent's.

        Raises:
            RadioError: the agent's radio cannot be had.
        """
        self._sessions = server, self.radio().session
        self.clock = clock

    def prepare(self, grant: AgentGrant) -> Array:
        """Make the payload as granted; return what it carries, c_i·g_i.

        An agent scales down, never clips: to its power if the exact energy exceeds it, to full scale if a peak does.
        """
        slot, modem, follower = self._slot, self.modem, self._following()
        frame = self._frame()
        places = places_of(modem, self.codec, slot.agents, self._round)
        symbols = np.asarray(to_device(self._symbols, "cpu"))
        grid = payload_grid(symbols, modem, grant, places, slot.slot)
        energy = np.sqrt(np.mean(np.abs(grid[places.data]) ** 2))
        excess = np.maximum(np.float32(1.0), energy)
        grid /= excess
        wave = modulate(grid.reshape(places.symbols, -1), modem.numerology) * np.float32(modem.level)
        samples, first = agent_side.on_air(modem, follower, wave, slot.start + frame.payload)
        samples = self._shaped(samples, first)
        scale = PEAK / max(float(np.abs(samples).max()), PEAK)
        self._ready = Ready(
            samples=samples * np.float32(scale),
            first=first,
            grant=grant,
            fraction=grant.fraction / float(excess) * scale,
            power=float((energy / excess) ** 2),
            papr_db=float(papr_db(wave)),
        )
        return scaled(self._kept, self._ready.fraction)

    def transmit(self) -> TransmitReport:
        """Listen for the markers and the trigger, turn the payload by what they say, and put it on the air.

        Raises:
            RadioError: nothing was sent.
        """
        if self._ready is None:
            raise RuntimeError("a payload is sent after it was prepared, and none was")
        ready, self._ready = self._ready, None
        radio = self.radio()
        correction = self._correct(radio, ready.grant)
        samples = ready.samples
        if correction is not None:
            samples = agent_side.turn(samples, -self._cycles(correction, ready))
        radio.transmit(samples, ready.first)
        return TransmitReport(
            ready.fraction,
            ready.power,
            ready.papr_db,
            None if correction is None else correction.innovation,
            None if correction is None else correction.track,
            oracle_kept=self._kept if self.oracle else None,
        )

    def trouble(self) -> str:
        """Return what the agent's radio says of its last burst; nothing, if that left as it should have.

        A simulated radio knows of no burst that came too late; asking it would let its time pass.
        """
        if not self.runs_on:
            return ""
        try:
            radio = self.radio()
            radio.receive(1, radio.now() - 1)  # nothing to wait for
        except RadioError as error:
            return reason_of(error)
        return ""

    def _frame(self) -> Frame:
        return self.modem.frame(self._slot.agents, self.codec.n_symbols, self._slot.first)

    def _hear(self, radio: Radio) -> Follower:
        rough = None if self._slot.now is None else Clock(float(radio.now()), self._slot.now, 0.0)
        return agent_side.follow(radio, self.modem, self._slot.start, self.clock, rough)

    def _sound(self, radio: Radio, follower: Follower) -> None:
        wave, frame = (self.modem.level * sounding(self.modem.numerology)).astype(np.complex64), self._frame()
        for cycle in range(frame.cycles):
            at = self._slot.start + frame.slot(cycle, self._slot.slot)
            samples, first = agent_side.on_air(self.modem, follower, wave, at)
            radio.transmit(self._shaped_sounding(samples, first), first)

    def _report(self, follower: Follower) -> BeaconReport:
        return BeaconReport(follower.cfo, follower.cfo_std)

    def _shaped_sounding(self, samples: np.ndarray, _first: int) -> np.ndarray:
        return samples

    def _shaped(self, samples: np.ndarray, _first: int) -> np.ndarray:
        return samples

    def _correct(self, radio: Radio, grant: AgentGrant) -> Correction | None:
        """Return how to turn the payload back by what the uplink's phase has moved since the sounding."""
        if grant.residual is None or grant.sounded_at is None:
            raise IncompleteError("a grant after soundings must say when they were heard and what they have left")
        follower, markers = self._following(), [self._slot.start + offset for offset in self._frame().markers]
        opening = (follower.opening, follower.opened)
        if markers[0] != follower.opened:
            opening = self._listen(radio, markers[0])
        closing = self._listen(radio, markers[1])
        trigger = self._listen(radio, markers[2]) if len(markers) > 2 else None
        return agent_side.correct(self.modem, grant.residual, grant.sounded_at, opening, closing, trigger)

    def _listen(self, radio: Radio, at: int) -> tuple[Reference, int]:
        """Return the marker that leaves the server at index `at`, and that index."""
        return agent_side.listen(radio, self.modem, self._following(), at), at

    def _cycles(self, correction: Correction, ready: Ready) -> np.ndarray:
        """Return the turns to take back of each sample."""
        clock = self._following().clock
        server = self._slot.start + (ready.first + np.arange(ready.samples.size) - clock.own) * (1 + clock.offset)
        return correction.phase / (2 * np.pi) + correction.frequency / self.modem.sample_rate * (server - correction.at)

    def _following(self) -> Follower:
        if self._follower is None:
            raise RuntimeError("an agent sends after it has followed a beacon, and it has not")
        return self._follower
