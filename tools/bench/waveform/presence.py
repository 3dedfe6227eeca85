"""Who was on the air: wrong decisions in whole rounds with a silent agent, and of the decision alone against theory.

An agent's pilots arrive with total energy λ over σ². Its statistic |Σ e*y|²/(σ²·Σ|e|²) is Exp(1) without them and half
a noncentral χ² of two degrees of freedom with them, so with the threshold T = −ln P_fa

    P(silent, declared present) = e^{−T}         P(present, declared silent) = F_χ²(2T; 2, 2λ) = 1 − Q₁(√2λ, √2T)
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.stats import ncx2

from dsp.frame import map_payload
from dsp.metrics import from_db
from fl.config import check
from fl.radios import modem as modem_of
from fl.uplink.grant import PowerControl
from fl.uplink.waveform.server import WEAKEST_PILOTS, Granted, decide, is_present
from radio.fading import Fading, profile
from tools.bench.waveform.claims import Claim, Effort, Part, Row, chunks, share
from tools.bench.waveform.rounds import AGENTS, EVERYONE, EVERYTHING, RUNS
from tools.bench.waveform.silent import play_silent

SNR_DB = 10
SNRS = 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20
HEADROOM_DB = 3.0
DECISIONS_OF_TRIAL = 500
REPEATS = 50  # noise drawn anew for each draw of the channels
SYMBOLS = 11_343
CARRIER = 2.4e9


def presence(effort: Effort, cache: Path) -> Part:
    """Measure rounds, decisions on drawn channels, and decisions at the weakest pilots that the server lets in."""
    with TemporaryDirectory() as folder:
        each = max(effort.rounds // 2, 1)
        tasks = [(effort.seed + run, each, SNR_DB, EVERYTHING, Path(folder), cache) for run in range(RUNS)]
        runs: list[list[Row]] = share(play_silent, tasks, effort, "rounds with a silent agent")
    played = [row for rows in runs for row in rows]
    decisions, channels, simulated = _decisions(effort), _channels(effort), _simulated(effort)
    default = next(row for row in channels if row["snr_db"] == SNR_DB)
    rounds = [_summary(played)]
    claims = [
        Claim("wrong decisions in whole rounds at 10 dB", rounds[0]["wrong"], 0, ""),
        Claim("wrong decisions a round at 10 dB, theory over drawn channels", default["wrong"], 1e-4, ""),
        Claim("the same, simulated decisions", simulated[0]["wrong_a_round"], 1e-4, ""),
        Claim("rounds in which the history does not name the silent agent", rounds[0]["unnamed"], 0, ""),
        Claim("mean against the sum over the number heard, largest error", rounds[0]["mean_error"], 1e-3, ""),
    ]
    notes = (
        f"rounds: all impairments on, one granted agent mutes after its sounding; drawn channels: TDL-A, {AGENTS} "
        "agents, channels known, one of the granted silent",
        f"weakest let in: pilots of energy λ = {WEAKEST_PILOTS:g}·T, with the default min_headroom_db of "
        f"{HEADROOM_DB:g} dB λ >= 64 where nothing is truncated",
        "theory takes σ² as known; the server measures it on at least 64 silent elements, which multiplies the false "
        "alarms: (1 + T/64)^−64 instead of e^−T",
    )
    tables = {
        "whole rounds": rounds,
        "decisions on drawn channels, theory": channels,
        "decisions on drawn channels, simulated": simulated,
        "decisions alone": decisions,
    }
    return Part("Presence: who was on the air", tables, claims, notes)


def _summary(played: list[Row]) -> Row:
    return {
        "rounds": len(played),
        "granted": float(np.mean([row["granted"] for row in played])),
        "decisions": sum(row["granted"] for row in played),
        "wrong": sum(row["wrong"] for row in played),
        "unnamed": sum(not row["named"] for row in played),
        "mean_error": max(row["mean_error"] for row in played),
        "nmse_db": float(np.median([row["nmse_db"] for row in played if row["nmse_db"] is not None])),
    }


def _decisions(effort: Effort) -> list[Row]:
    cells = [
        (energy, rate)
        for rate in (1e-6, 1e-3)
        for energy in (-WEAKEST_PILOTS * float(np.log(rate)), 64.0 if rate == 1e-6 else 20.0)
    ]
    pieces = chunks(effort.trials * DECISIONS_OF_TRIAL, 50_000)
    tasks = [(effort.seed, *cell, first, count) for cell in cells for first, count in pieces]
    found = np.reshape(share(wrong_decisions, tasks, effort, "decisions alone"), (len(cells), len(pieces), 2)).sum(1)
    total = effort.trials * DECISIONS_OF_TRIAL
    return [
        {
            "false_alarm_set": rate,
            "pilot_energy": energy,
            "trials": total,
            "false_alarms": float(alarms / total),
            "misses": float(misses / total),
            "misses_theory": miss_probability(energy, rate),
        }
        for (energy, rate), (alarms, misses) in zip(cells, found.tolist(), strict=True)
    ]


def wrong_decisions(seed: int, energy: float, rate: float, first: int, count: int) -> tuple[int, int]:
    """Return how often 32 pilots are heard that are not there, and missed that are."""
    rng = np.random.default_rng([seed, 5, first])
    expected = np.exp(0.5j * np.pi * rng.integers(4, size=32)) * np.sqrt(energy / 32)
    noise = rng.standard_normal((count, 64), np.float32).view(np.complex64) * np.float32(np.sqrt(0.5))
    alarms = sum(is_present(pilots, expected, 1.0, rate) for pilots in noise)
    noise += expected.astype(np.complex64)
    return alarms, sum(not is_present(pilots, expected, 1.0, rate) for pilots in noise)


def miss_probability(energy: float | np.ndarray, rate: float) -> Any:
    """Return the probability that pilots of energy λ over σ² stay below the threshold."""
    return ncx2.cdf(-2 * np.log(rate), 2, 2 * np.asarray(energy))


def _channels(effort: Effort) -> list[Row]:
    pieces = chunks(effort.trials, 200)
    tasks = [(effort.seed, snr, first, count) for snr in SNRS for first, count in pieces]
    found = np.array(share(drawn, tasks, effort, "presence on drawn channels"))
    sizes = np.array([count for _, count in pieces], float)
    means = np.einsum("spc,p->sc", found.reshape(len(SNRS), len(pieces), -1), sizes) / sizes.sum()
    keys = "granted", "wrong", "granted_everyone", "wrong_everyone"
    return [{"snr_db": snr, **dict(zip(keys, row, strict=True))} for snr, row in zip(SNRS, means.tolist(), strict=True)]


def drawn(seed: int, snr_db: float, first: int, count: int) -> list[float]:
    """Return the mean number granted and the mean probability of a wrong decision, with min_headroom_db and without."""
    results = []
    for index in range(count):
        for headroom_db in (HEADROOM_DB, EVERYONE):
            granted, energies, rate = _granted(seed, first + index, snr_db, headroom_db)
            heard = energies[granted.grant.heard]
            right = np.prod(1 - miss_probability(heard, rate)) * (1 - rate)
            # one of the granted is silent: the others can be missed, it can be heard
            share_present = (len(heard) - 1) / max(len(heard), 1)
            results.append((len(heard), 1 - right**share_present if len(heard) else 0.0))
    means = np.mean(np.reshape(results, (count, 4)), axis=0)
    return [float(value) for value in means]


def _granted(seed: int, index: int, snr_db: float, headroom_db: float) -> tuple[Granted, np.ndarray, float]:
    """Return a decision on drawn channels, and the energy over σ² of each agent's pilots."""
    modem = modem_of(check({}).waveform, CARRIER)
    rng = np.random.default_rng([seed, 6, index])
    law = Fading(profile("tdl_a"), 1e-7, modem.sample_rate)
    taps = np.array([law.gains((seed, 6, index, agent), np.zeros(1))[0] for agent in range(AGENTS)])
    turn = np.multiply.outer(law.delays, modem.numerology.subcarriers) / modem.numerology.n_fft
    channels = taps @ np.exp(-2j * np.pi * turn)
    noise_var = 1 / from_db(snr_db)
    control = PowerControl("inversion", noise_var, None, from_db(headroom_db), 5.0, 1.0)
    granted = decide(control, modem, tuple(range(AGENTS)), np.ones(AGENTS), channels)
    held = rng.integers(modem.numerology.n_subcarriers, size=(AGENTS, modem.pilots))
    amplitude = np.take_along_axis(granted.pilot_amplitude, held, axis=-1)
    return granted, np.sum(amplitude**2, axis=-1) / noise_var, modem.presence_false_alarm


def _simulated(effort: Effort) -> list[Row]:
    tasks = [(effort.seed, first, count) for first, count in chunks(effort.trials, 100)]
    rounds, decisions, wrong = np.sum(share(simulate, tasks, effort, "simulated decisions"), axis=0).tolist()
    row = {"snr_db": SNR_DB, "rounds": rounds, "decisions": decisions, "wrong": wrong}
    return [row | {"wrong_a_round": wrong / max(rounds, 1)}]


def simulate(seed: int, first: int, count: int) -> tuple[int, int, int]:
    """Return rounds, decisions and wrong ones of rounds of decisions alone, the silent agent in its turn."""
    rounds = decisions = wrong = 0
    modem = modem_of(check({}).waveform, CARRIER)
    for index in range(first, first + count):
        granted, energies, rate = _granted(seed, index, SNR_DB, HEADROOM_DB)
        rows = np.flatnonzero(granted.grant.heard)
        if not rows.size:
            continue
        rng = np.random.default_rng([seed, 7, index])
        places = map_payload(modem.numerology, SYMBOLS, AGENTS, modem.pilots, rng)
        for repeat in range(REPEATS):
            silent = rows[repeat % rows.size]
            power = rng.exponential(size=places.silent.size).mean()
            for row in rows:
                expected = places.pilot_values[row] * np.sqrt(energies[row] / modem.pilots)
                noise = rng.standard_normal((2, modem.pilots)) / np.sqrt(2)
                there = row != silent
                heard = is_present(
                    there * expected + noise[0] + 1j * noise[1], expected, power, rate, places.silent.size
                )
                wrong += heard != there
            decisions += rows.size
        rounds += REPEATS
    return rounds, decisions, wrong
