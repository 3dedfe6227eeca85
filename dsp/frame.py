"""What a round looks like on the air: which samples are whose, and which resource elements carry what.

    beacon | response | soundings of all agents | marker | turnaround | trigger | lead | payload of all together
    beacon | response | turnaround, silent | payload of all together         (cycles = 0: agents measure the beacon)

Offsets are samples of the server's clock from the beacon's first sample. The beacon is a short part (period N/16, for
detection and pull-in) and a long part (five times N samples, for precision); a marker, and so the trigger, is a long
part alone. The payload has no preamble: identical preambles of many agents would mislead.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dsp.ofdm import Numerology, to_bins

SHORT_REPEATS, LONG_REPEATS = 32, 5
SLOT_PREFIX, SLOT_GUARD = 64, 32
SOUNDING_REPEATS = 10
FIRST_SPACING = 0.0, 4e-3, 16e-3, 48e-3
SILENT_ELEMENTS = 64


@lru_cache(maxsize=8)
def training_symbol(numerology: Numerology) -> np.ndarray:
    """Return a flat chirp e^{jπi²/2K} on the occupied subcarriers, shape (2K,): power 1, small crest; read-only."""
    symbol = np.exp(1j * np.pi * np.arange(numerology.n_subcarriers) ** 2 / numerology.n_subcarriers)
    symbol.flags.writeable = False
    return symbol


def long_period(numerology: Numerology) -> np.ndarray:
    """Return one period of the long part, shape (N,), mean power 2K/N: power 1 on each subcarrier."""
    return np.fft.ifft(to_bins(training_symbol(numerology), numerology), norm="ortho")


def short_period(numerology: Numerology) -> np.ndarray:
    """Return one period of the short part, shape (N/16,): every 16th subcarrier, mean power 2K/N."""
    grid = np.zeros(numerology.n_subcarriers, complex)
    used = np.flatnonzero(numerology.subcarriers % 16 == 0)
    grid[used] = np.exp(1j * np.pi * np.arange(used.size) ** 2 / used.size)
    grid *= np.sqrt(numerology.n_subcarriers / used.size)
    return np.fft.ifft(to_bins(grid, numerology), norm="ortho")[: numerology.n_fft // 16]


def marker(numerology: Numerology) -> np.ndarray:
    """Return the samples of a marker: the long part, shape (5·N,)."""
    return np.tile(long_period(numerology), LONG_REPEATS)


def beacon(numerology: Numerology) -> np.ndarray:
    """Return the samples of a beacon, shape (32·N/16 + 5·N,)."""
    return np.concatenate([np.tile(short_period(numerology), SHORT_REPEATS), marker(numerology)])


def slot_prefix(numerology: Numerology) -> int:
    """Return the samples of a sounding's prefix, no shorter than that of a symbol."""
    return max(SLOT_PREFIX, numerology.cyclic_prefix)


def sounding(numerology: Numerology) -> np.ndarray:
    """Return the samples of a sounding: a prefix, then the chirp ten times."""
    period = long_period(numerology)
    return period[np.arange(-slot_prefix(numerology), SOUNDING_REPEATS * numerology.n_fft) % numerology.n_fft]


@dataclass(frozen=True)
class Frame:
    """Where everything of a round lies.

    Args:
        numerology: the grid's numbers.
        agents: n, scheduled.
        cycles: soundings of each agent, 1 to 4; 0, without a trigger: no soundings and no markers.
        payload_symbols: OFDM symbols of the payload.
        response: samples from the end of the beacon to the first sounding, or to the silence without one.
        turnaround: samples from the end of the last sounding to the payload; without soundings, from the silence on.
        trigger_lead: samples from the end of the trigger to the payload; None: no trigger.

    Raises:
        ValueError: a part does not fit.
    """

    numerology: Numerology
    agents: int
    cycles: int
    payload_symbols: int
    response: int
    turnaround: int
    trigger_lead: int | None

    def __post_init__(self) -> None:
        if not 1 <= self.cycles <= len(FIRST_SPACING) and (self.cycles != 0 or self.trigger_lead is not None):
            raise ValueError(
                f"cycles must be between 1 and {len(FIRST_SPACING)}, got {self.cycles}; 0 only with trigger_lead = None"
            )
        for name, least in (("agents", 1), ("payload_symbols", 1), ("response", 0), ("trigger_lead", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        needed = self.marker_length + (0 if self.trigger_lead is None else self.trigger_lead + self.marker_length)
        held = "the closing marker, the trigger and its lead"
        if self.cycles == 0:
            needed, held = self.silence_length, "the silence in which the server measures its noise"
        if self.turnaround < needed:
            raise ValueError(
                f"turnaround must hold {held} ({needed} samples), got {self.turnaround}; set waveform.turnaround_s >= "
                f"{needed / self.numerology.sample_rate:.2g}"
            )

    @property
    def short_length(self) -> int:
        """Samples of the beacon's short part."""
        return SHORT_REPEATS * self.numerology.n_fft // 16

    @property
    def marker_length(self) -> int:
        """Samples of a marker."""
        return LONG_REPEATS * self.numerology.n_fft

    @property
    def beacon_length(self) -> int:
        """Samples of the beacon."""
        return self.short_length + self.marker_length

    @property
    def slot_length(self) -> int:
        """Samples of a sounding slot."""
        return slot_prefix(self.numerology) + SOUNDING_REPEATS * self.numerology.n_fft + SLOT_GUARD

    @property
    def cycle_starts(self) -> tuple[int, ...]:
        """First sample of each cycle of soundings; unequal gaps, so that the phase slope is unambiguous."""
        first, length = self.beacon_length + self.response, self.agents * self.slot_length
        starts: list[int] = []
        for spacing in FIRST_SPACING[: self.cycles]:
            # cycles longer than the spacing still differ in their gaps
            more = (spacing - FIRST_SPACING[1]) / 4 * self.numerology.sample_rate
            earliest = starts[-1] + length + self.marker_length + round(more) if starts else first
            starts.append(max(first + round(spacing * self.numerology.sample_rate), earliest))
        return tuple(starts)

    def slot(self, cycle: int, agent: int) -> int:
        """Return the first sample of an agent's slot."""
        return self.cycle_starts[cycle] + agent * self.slot_length

    @property
    def soundings_end(self) -> int:
        """First sample after the last sounding; without soundings, that of the silence."""
        if self.cycles == 0:
            return self.beacon_length + self.response
        return self.cycle_starts[-1] + self.agents * self.slot_length

    @property
    def silence_length(self) -> int:
        """Samples from `soundings_end` on in which nobody sends, in a round without soundings."""
        return SOUNDING_REPEATS * self.numerology.n_fft

    @property
    def markers(self) -> tuple[int, ...]:
        """First sample of each long part that serves as a phase reference: before and after the last cycle, trigger."""
        if self.cycles == 0:
            return ()
        opening = self.short_length if self.cycles == 1 else self.cycle_starts[-1] - self.marker_length
        closing = (opening, self.soundings_end)
        if self.trigger_lead is None:
            return closing
        return (*closing, self.payload - self.trigger_lead - self.marker_length)

    @property
    def payload(self) -> int:
        """First sample of the payload."""
        return self.soundings_end + self.turnaround

    @property
    def payload_length(self) -> int:
        """Samples of the payload."""
        return self.payload_symbols * self.numerology.symbol_length

    @property
    def end(self) -> int:
        """First sample after the round."""
        return self.payload + self.payload_length

    @property
    def sounding_uses(self) -> int:
        """Samples of beacon, markers and soundings, as channel uses."""
        sounded = self.cycles * self.agents * self.slot_length
        return self.beacon_length + len(self.markers[1 if self.cycles == 1 else 0 :]) * self.marker_length + sounded


@dataclass(frozen=True)
class PayloadMap:
    """Which resource elements carry what; elements are numbered symbol by symbol.

    Args:
        symbols: OFDM symbols.
        data: element of each of the M symbols, shape (M,).
        pilots: elements of each agent's pilots, shape (n, P): nobody else sends there.
        pilot_values: what they carry, modulus 1, shape (n, P).
        silent: elements on which nobody sends, shape (silent,): noise and distortion are measured there.
    """

    symbols: int
    data: np.ndarray
    pilots: np.ndarray
    pilot_values: np.ndarray
    silent: np.ndarray


def payload_symbols(numerology: Numerology, n_symbols: int, agents: int, pilots: int) -> int:
    """Return the OFDM symbols that hold M symbols, the pilots of all agents and the silent elements."""
    return -(-(n_symbols + agents * pilots + SILENT_ELEMENTS) // numerology.n_subcarriers)


def map_payload(
    numerology: Numerology, n_symbols: int, agents: int, pilots: int, rng: np.random.Generator
) -> PayloadMap:
    """Return a scattered map: pilots, silent elements and data anywhere.

    Data are interleaved because neighbouring symbols of a sparse update turn alike, and would pile up to a peak.
    """
    symbols = payload_symbols(numerology, n_symbols, agents, pilots)
    elements = symbols * numerology.n_subcarriers
    order = rng.permutation(elements)
    held = order[: agents * pilots].reshape(agents, pilots)
    silent = np.sort(order[agents * pilots : elements - n_symbols])
    data = order[elements - n_symbols :]
    values = np.exp(0.5j * np.pi * rng.integers(4, size=held.shape))
    return PayloadMap(symbols, data, held, values, silent)
