"""The two parts of the bench of calibration: the whole of it on a bench with faults, and reciprocity alone."""

from statistics import median
from typing import Any

from tools.bench.calibration.rounds import levels_case, reciprocity_case
from tools.bench.waveform.claims import Claim, Effort, Part, Row, share

SNRS = 15.0, 20.0, 30.0
NEAR = 1.0  # dB
SOON = 120.0  # seconds
BAD = -10.0  # dB, above which a sum is of little use


def worth(effort: Effort) -> Part:
    """Measure rounds without faults, with faults, and with faults that were calibrated."""
    rows, cells = _played(levels_case, SNRS, ("ideal", "uncalibrated", "calibrated"), effort, "calibrate all")
    gaps = [row["calibrated_db"] - row["ideal_db"] for row in rows]
    claims = [
        Claim("calibrated over the calibrated simulation, worst SNR", max(gaps), NEAR),
        Claim("uncalibrated, best SNR", min(row["uncalibrated_db"] for row in rows), BAD, above=True),
        Claim("calibrating ten agents, longest", max(cell["seconds"] for cell in cells), SOON, "s"),
    ]
    notes = (
        "NMSE of the demodulated sum against all that the heard agents offered: medians over the rounds of all benches",
        "faults: levels ±3 dB, ±20 ppm, delays up to 60 samples, IQ 0.7 dB/4°, DC -35 dBFS, mixer phases",
        "air: TDL-A with a direct path 10 dB above the rest, standing still",
        "levels of both benches: what all agents of the one without faults reach, less 3 dB, over the server's noise",
    )
    return Part("Before and after `airmeta calibrate all`", {"NMSE": rows}, claims, notes)


def reciprocity(effort: Effort) -> Part:
    """Measure rounds with channels from soundings, and from the beacon with and without the chains' ratio."""
    names = "sounded", "downlink, 1", "downlink"
    rows, _ = _played(reciprocity_case, SNRS, names, effort, "reciprocity")
    gaps = [row["downlink_db"] - row["sounded_db"] for row in rows]
    claims = [
        Claim("channels from the beacon over soundings, ratio calibrated, worst SNR", max(gaps), NEAR),
        Claim("the same without the ratio, best SNR", min(row["downlink, 1_db"] for row in rows), BAD, above=True),
    ]
    notes = ("one clock for all radios; the other faults as above, delays up to 3 samples, all calibrated",)
    return Part("Channels from the downlink", {"NMSE": rows}, claims, notes)


def _played(
    case: Any, snrs: tuple[float, ...], names: tuple[str, ...], effort: Effort, label: str
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Return a row for each SNR, medians over benches and rounds, and all cells."""
    benches = range(effort.seed, effort.seed + effort.trials)
    tasks = [(seed, snr, effort.rounds) for snr in snrs for seed in benches]
    cells = share(case, tasks, effort, label)
    rows = []
    for number, snr in enumerate(snrs):
        some = cells[number * effort.trials : (number + 1) * effort.trials]
        row: Row = {"snr_db": snr}
        for name in names:
            played = [one for cell in some for one in cell[name]]
            found = [one["nmse_db"] for one in played if one["nmse_db"] is not None]
            row[f"{name}_db"] = float(median(found)) if found else float("nan")
            row[f"{name}, heard"] = sum(len(one["heard"]) for one in played) / len(played)
            row[f"{name}, all"] = found
        rows.append(row)
    return rows, cells
