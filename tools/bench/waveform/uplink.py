"""The sum over the air: how near it comes to the noise limit, to the genie, and what each impairment costs.

The noise limit is the NMSE that thermal noise alone leaves in Σ s_i + n/√ρ over M symbols,

    NMSE_noise = σ²·M / (ρ·‖Σ s_i‖²)

with σ² per resource element and the genie's common scale ρ, both in units of P.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fl.config import check
from fl.setup import build_uplink
from tools.bench.waveform.claims import Claim, Effort, Part, Row, share
from tools.bench.waveform.rounds import (
    EVERYONE,
    EVERYTHING,
    FLAT,
    LENGTH,
    Case,
    mean_heard,
    middle,
    offer,
    paired,
    play_all,
    raw_config,
    uplink_of,
    values,
)

AWGN_SNRS = 0, 10, 20, 30, 40
SNRS = 10, 20, 30
ALLOWED_DB = {10: 1.0, 20: 1.5, 30: 3.0}
NO_NOISE_DB = 200
FLOOR_DB = 60
STILL = {"linewidth_hz": 0.0, "frequency_walk": 0.0}
AWGN_VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "trackers told": STILL,
    "trackers told, two soundings": STILL | {"soundings": 2},
}
MAIN = "linewidth 0.01 Hz"
ALONE: dict[str, dict[str, Any]] = {
    "TDL-A alone": {},
    "clock ±20 ppm": {"offset_ppm": 20.0},
    "phase 0.01 Hz": {"linewidth_hz": 0.01, "frequency_walk": 0.17},
    "phase 0.1 Hz": {"linewidth_hz": 0.1, "frequency_walk": 0.17},
    "timing ±16": {"timing_offset": 16.0},
    "jitter 0.02": {"timing_jitter": 0.02},
    "IQ 0.3 dB/1°": {"iq_gain_db": 0.3, "iq_phase_deg": 1.0},
    "PA at 8 dB": {"pa_saturation_dbfs": -4.0},
    "12 bits": {"converter_bits": 12},
}


def awgn(effort: Effort) -> Part:
    """Measure flat channels of gain 1 in noise alone, everything estimated and everything known."""
    plain = [Case("known", snr, FLAT, min_headroom_db=EVERYONE) for snr in AWGN_SNRS]
    cases = [replace(case, name=name, waveform=keys) for name, keys in AWGN_VARIANTS.items() for case in plain]
    played = play_all([*cases, *(case.with_genie() for case in plain)], effort, "awgn")
    known = dict(zip(AWGN_SNRS, played[len(cases) :], strict=True))
    rows = [_above_limit(case, mine, known[int(case.snr_db)]) for case, mine in zip(cases, played, strict=False)]
    same = share(against_symbol, [(effort.seed, index) for index in range(min(effort.rounds, 5))], effort, "no noise")
    claims = [
        Claim(f"gap to the noise limit, everything estimated, {name}, worst SNR", _worst(rows, name, "gap_db"), 0.5)
        for name in AWGN_VARIANTS
    ]
    claims += [
        Claim("gap to the noise limit, channel known, worst SNR", _worst(rows, "defaults", "known_gap_db"), 0.1),
        Claim("no noise, channel known: symbols against Σ c_i·s_i", max(row["symbols"] for row in same), 1e-4, ""),
        Claim("no noise, channel known: estimate against that of `symbol`", max(r["sum"] for r in same), 1e-4, ""),
    ]
    notes = (
        "told: waveform.linewidth_hz = waveform.frequency_walk = 0, as it is here; by default the trackers expect a "
        "wandering phase, and average less of what they measure; two soundings: waveform.soundings = 2",
        "medians over the rounds; gaps are medians of the rounds' own, estimated against the limit of the genie's ρ",
        f"no noise means an SNR of {NO_NOISE_DB} dB, errors are relative and of amplitude",
    )
    return Part("AWGN alone: the demodulated sum", {"NMSE": rows, "without noise": same}, claims, notes)


def _above_limit(case: Case, mine: list[Row], genie: list[Row]) -> Row:
    return {
        "estimated": case.name,
        "snr_db": case.snr_db,
        "limit_db": middle(values(genie, "limit_db")),
        "nmse_db": middle(values(mine, "nmse_db")),
        "known_db": middle(values(genie, "nmse_db")),
        "gap_db": middle(paired(mine, genie, other_key="limit_db")),
        "known_gap_db": middle(paired(genie, genie, other_key="limit_db")),
        "heard": mean_heard(mine),
    }


def _worst(rows: list[Row], name: str, key: str) -> float:
    return float(np.max([row[key] for row in rows if row["estimated"] == name]))


def against_symbol(seed: int, round_index: int) -> Row:
    """Return how far the genie's sum without noise is from Σ c_i·s_i, and its estimate from that of `symbol`."""
    case = Case("no noise", NO_NOISE_DB, FLAT, min_headroom_db=EVERYONE, genie=True)
    raw = raw_config(case, seed)
    raw["uplink"] |= {"kind": "symbol", "fading": {"kind": "none"}}
    reference, uplink = build_uplink(check(raw), LENGTH), uplink_of(case, seed)
    mine, theirs = (link.deliver(offer(seed, round_index), round_index) for link in (uplink, reference))
    if mine.total is None or theirs.total is None or mine.oracle_symbol_nmse_db is None:
        raise RuntimeError(f"round {round_index} delivered nothing: {mine.failure or mine.excluded}")
    difference = torch.linalg.vector_norm(mine.total - theirs.total) / torch.linalg.vector_norm(theirs.total)
    return {"round": round_index, "symbols": 10 ** (mine.oracle_symbol_nmse_db / 20), "sum": float(difference)}


def everything(effort: Effort) -> Part:
    """Measure all impairments together against the genie, with two linewidths and two settings of the trackers."""
    cheap = EVERYTHING | {"linewidth_hz": 0.1}
    told = {"linewidth_hz": 0.2}
    cases = [
        case
        for snr in SNRS
        for case in (
            Case(MAIN, snr, EVERYTHING),
            Case("same, nobody sits out", snr, EVERYTHING, min_headroom_db=EVERYONE),
            Case("linewidth 0.1 Hz", snr, cheap),
            Case("0.1 Hz, trackers told", snr, cheap, told),
        )
    ]
    # the trackers are nothing to the genie
    genies = [replace(case.with_genie(), name="genie", waveform={}) for case in cases]
    distinct = [case for place, case in enumerate(genies) if case not in genies[:place]]
    played = play_all([*cases, *distinct], effort, "everything on")
    of_genie = [played[len(cases) + distinct.index(case)] for case in genies]
    rows = [_compared(case, mine, genie) for case, mine, genie in zip(cases, played, of_genie, strict=False)]
    claims = [
        Claim(f"gap to the genie at {row['snr_db']:g} dB, {row['case']}", row["gap_db"], ALLOWED_DB[row["snr_db"]])
        for row in rows
        if row["case"] == MAIN
    ]
    notes = (
        "gap: median over the rounds in which both heard the same agents (`compared`); nmse, genie: medians of all",
        "the genie's air has no timing jitter: knowing it, it would undo it",
        "full: against the sum of all that was to be sent; masked: elements that agents left out because of a fade",
        "linewidths are of each oscillator; told: waveform.linewidth_hz = 0.2",
        "the amplifier saturates 8 dB above the rms of an agent at power P: only the weakest agent sends that much",
    )
    return Part("Everything on: the sum against the genie's", {"NMSE": rows}, claims, notes)


def _compared(case: Case, mine: list[Row], genie: list[Row]) -> Row:
    gaps = paired(mine, genie)
    return {
        "case": case.name,
        "snr_db": case.snr_db,
        "nmse_db": middle(values(mine, "nmse_db")),
        "genie_db": middle(values(genie, "nmse_db")),
        "gap_db": middle(gaps),
        "compared": f"{len(gaps)}/{len(mine)}",
        "full_db": middle(values(mine, "full_db")),
        "masked": float(np.mean(values(mine, "masked") or [np.nan])),
        "heard": mean_heard(mine),
        "genie_heard": mean_heard(genie),
        "gaps_db": gaps,
    }


def alone(effort: Effort) -> Part:
    """Measure what each impairment costs where it is the only one beside fading and noise."""
    snrs = (*SNRS, FLOOR_DB)
    cases = [Case(name, snr, loopback) for name, loopback in ALONE.items() for snr in snrs]
    played = dict(zip([(case.name, case.snr_db) for case in cases], play_all(cases, effort, "alone"), strict=True))
    rows: list[Row] = []
    for name in ALONE:
        row: Row = {"impairment": name}
        for snr in snrs:
            row[f"nmse_{snr}_db"] = middle(values(played[name, snr], "nmse_db"))
        for snr in SNRS:
            row[f"cost_{snr}_db"] = middle(paired(played[name, snr], played["TDL-A alone", snr]))
        rows.append(row)
    notes = (
        "cost: median difference to the same rounds with TDL-A fading and noise alone, same agents heard",
        f"at {FLOOR_DB} dB the NMSE is the floor of the impairment",
    )
    return Part("Each impairment alone", {"NMSE and cost": rows}, [], notes)
