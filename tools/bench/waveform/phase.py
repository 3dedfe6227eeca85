"""Phase prediction without a trigger: how much of the sum is left when phases wander between sounding and payload.

One agent with a carrier offset uniform in ±10 Hz sends the four soundings of a first round over the simulated air. The
server's estimators and tracker follow the link and predict its channel at a later time t,

    Ĥ(t) = H(t_s)·e^{j2πf̂(t − t_s)},      without prediction Ĥ(t) = H(t_s)

and the coherent loss is −20·log10|mean e^{j(arg Ĥ − arg H)}| over the trials, H as only the simulation knows it.
"""

import numpy as np

from dsp.frame import Frame, sounding
from dsp.metrics import from_db
from dsp.phase_tracking import begin
from fl.config import check
from fl.radios import modem as modem_of
from fl.uplink.waveform.server import follow_link, read_soundings, slot_middle
from fl.uplink.waveform.settings import Modem
from radio.air import Air
from radio.fading import Fading, profile
from radio.oscillator import Wander
from radio.unit import Unit
from tools.bench.waveform.claims import Claim, Effort, Part, Row, chunks, share

CARRIER = 2.4e9
OFFSET = 10.0
SNR_DB = 20
WALK = 0.17
STEADY = 1e12  # K of a link that does not fade
START = 100_000
TIMES_MS = tuple(range(0, 101, 5))
LINEWIDTHS = 0.01, 0.1, 0.2
CLAIMED, AFTER_MS = 0.1, 50
CHUNK = 50


def phase(effort: Effort) -> Part:
    """Measure the coherent loss over time, with and without prediction."""
    pieces = chunks(effort.trials, CHUNK)
    tasks = [(linewidth, effort.seed, first, count) for linewidth in LINEWIDTHS for first, count in pieces]
    found = share(turns, tasks, effort, "phase prediction")
    rows: list[Row] = [{"after_ms": after} for after in TIMES_MS]
    for place, linewidth in enumerate(LINEWIDTHS):
        turned = np.concatenate(found[place * len(pieces) : (place + 1) * len(pieces)])
        loss = -20 * np.log10(np.abs(np.mean(np.exp(1j * turned), axis=0)))
        for row, predicted, unpredicted in zip(rows, *loss.tolist(), strict=True):
            row |= {f"loss_{linewidth:g}_db": predicted, f"unpredicted_{linewidth:g}_db": unpredicted}
    here = rows[TIMES_MS.index(AFTER_MS)]
    claims = [
        Claim(f"coherent loss after {AFTER_MS} ms, linewidth {CLAIMED} Hz", here[f"loss_{CLAIMED:g}_db"], 0.5),
        Claim("the same without prediction", here[f"unpredicted_{CLAIMED:g}_db"], 6.0, above=True),
    ]
    cycles = _frame(_modem(CLAIMED)).cycle_starts
    span = 1e3 * (cycles[-1] - cycles[0]) / _modem(CLAIMED).sample_rate
    notes = (
        f"linewidth of both oscillators together; random walk {WALK} Hz²/s each; {SNR_DB} dB, four soundings over "
        f"{span:.1f} ms; time since the middle of the last one",
        "a loss without prediction that exceeds some 30 dB is limited by the number of trials",
    )
    return Part("Phase prediction without trigger", {"coherent loss": rows}, claims, notes)


def turns(linewidth: float, seed: int, first: int, count: int) -> np.ndarray:
    """Return the phase errors with and without prediction at TIMES_MS, shape (count, 2, times)."""
    modem = _modem(linewidth)
    return np.array([_trial(modem, linewidth, np.random.default_rng([seed, 4, first + i])) for i in range(count)])


def _trial(modem: Modem, linewidth: float, rng: np.random.Generator) -> np.ndarray:
    air, frame = _air(modem, linewidth, rng), _frame(modem)
    wave = (modem.level * sounding(modem.numerology)).astype(np.complex64)
    for cycle in range(frame.cycles):
        air.transmit(1, wave, START + frame.slot(cycle, 0))
    heard = [air.receive(0, frame.slot_length, START + frame.slot(cycle, 0))[0] for cycle in range(frame.cycles)]
    middles = [START + slot_middle(modem, frame, cycle, 0) for cycle in range(frame.cycles)]
    soundings = read_soundings(heard, modem, frame, 0)
    unknown = begin(middles[0] / modem.sample_rate, 0.0, OFFSET / np.sqrt(3))
    link = follow_link(soundings, middles, modem, unknown)
    elapsed = np.array(TIMES_MS) / 1e3
    times = link.sounded_at + elapsed * modem.sample_rate
    _, gains = air.oracle_taps(1, 0, times)
    truth = air.oracle_phase(1, 0, times) + np.angle(gains[:, 0])
    still = float(np.angle(link.channel.sum()))
    return np.array([still + 2 * np.pi * link.residual.frequency * elapsed - truth, still - truth])


def _air(modem: Modem, linewidth: float, rng: np.random.Generator) -> Air:
    """Return an air with a server (0) and an agent (1) whose oscillators share the linewidth."""
    wander = Wander(linewidth=linewidth / 2, frequency_walk=WALK)
    noise_var = modem.level**2 / from_db(SNR_DB)
    units = (
        Unit(wander=wander, noise_var=noise_var),
        Unit(wander=wander, offset_ppm=1e6 * float(rng.uniform(-OFFSET, OFFSET)) / CARRIER),
    )
    still = Fading(profile("flat"), 0.0, modem.sample_rate, k_factor=STEADY)
    return Air(units.__getitem__, still, CARRIER, modem.sample_rate, int(rng.integers(2**31)))


def _modem(linewidth: float) -> Modem:
    waveform = {"trigger": False, "linewidth_hz": linewidth, "frequency_walk": 2 * WALK}
    return modem_of(check({"waveform": waveform}).waveform, CARRIER)


def _frame(modem: Modem) -> Frame:
    return modem.frame(1, 1, first=True)
