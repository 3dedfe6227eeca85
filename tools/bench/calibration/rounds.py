"""What calibration is worth: rounds of ten agents on a bench with faults, before and after `airmeta calibrate all`.

    ideal          the same air, radios without faults, levels chosen alike: the calibrated simulation
    uncalibrated   levels ±3 dB, ±20 ppm, delays of up to 60 samples, IQ imbalance; nobody knows of it
    calibrated     the same radios, corrected from a table that `airmeta calibrate all` made

and with a common clock, so that a downlink estimate can serve the uplink:

    sounded        calibrated radios, channels from soundings in the uplink
    downlink, 1    channels from the beacon, as if all chains were alike
    downlink       channels from the beacon, times the calibrated ratio
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration.measurement import CalibrationError
from calibration.ratio import Ratio
from calibration.sequence import KINDS, Options
from calibration.table_file import load
from calibration.use import ORDER
from fl.config import check
from fl.setup import build_uplink
from fl.uplink.base import Uplink
from fl.uplink.waveform.downlink import downlink
from fl.uplink.waveform.link import WaveformUplink
from tools.bench.waveform.claims import Row
from tools.bench.waveform.rounds import AGENTS, LENGTH, offer
from tools.calibrate.opening import bench_of
from tools.calibrate.work import Work

AIR = {"profile": "tdl_a", "k_factor_db": 10.0, "redraw": False, "tx_attenuation_db": 3.0}
FAULTS: dict[str, Any] = {
    "level_error_db": 3.0,
    "offset_ppm": 20.0,
    "latency": 60.0,
    "iq_gain_db": 0.7,
    "iq_phase_deg": 4.0,
    "dc_offset_db": -35.0,
    "mixer_phases": True,
}
COMMON_CLOCK = FAULTS | {"offset_ppm": 0.0, "latency": 3.0}
STILL = {"linewidth_hz": 0.0, "frequency_walk": 0.0}


def raw_config(seed: int, snr_db: float, faults: dict[str, Any], **wave: Any) -> dict[str, Any]:
    """Return a configuration as a file would have it."""
    return {
        "seed": seed,
        "agents": {"count": AGENTS},
        "uplink": {"kind": "waveform", "snr_db": snr_db},
        "radio": {"loopback": AIR | faults},
        "waveform": STILL | wave,
    }


def _without_ratios(raw: dict[str, Any], uplink: Uplink) -> Uplink:
    entries = load(Path(raw["calibration"]["table"])).select(kind="reciprocity")
    counters = {entry.radio.serial: round(entry.quantities["clock_samples"].value) for entry in entries}
    if not isinstance(uplink, WaveformUplink):
        raise TypeError(f"only the waveform has chains, got {type(uplink).__name__}")
    radio_of = uplink.stations.radio_of
    alike = {agent: Ratio(clock_samples=counters[radio_of(agent).serial]) for agent in range(AGENTS)}
    return replace(uplink, manner=downlink(alike))


def using(raw: dict[str, Any], table: Path, kinds: tuple[str, ...] = ORDER) -> dict[str, Any]:
    """Return a configuration whose radios are calibrated from a table."""
    return raw | {"calibration": {"table": str(table), "use": list(kinds)}}


def play(raw: dict[str, Any], rounds: int, ratio_known: bool = True) -> list[Row]:
    """Return NMSE of the demodulated sum against all that the heard agents offered, and who was heard.

    Args:
        raw: configuration.
        rounds: how many.
        ratio_known: False: chains are taken to be alike; only the relation of the counters is used.
    """
    uplink = build_uplink(check(raw), LENGTH)
    if not ratio_known:
        uplink = _without_ratios(raw, uplink)
    rows = []
    for index in range(rounds):
        delivery = uplink.deliver(offer(raw["seed"], index), index)
        heard = [] if delivery.heard is None else delivery.heard.nonzero()[0].tolist()
        rows.append({"nmse_db": delivery.oracle_symbol_nmse_db, "heard": heard, "failure": delivery.failure})
    return rows


def calibrated(raw: dict[str, Any], table: Path, kinds: tuple[str, ...], target_db: float | None = None) -> float:
    """Measure the bench of a configuration, and return the seconds that it took.

    Raises:
        CalibrationError: a measurement failed.
    """
    started = time.perf_counter()
    work = Work(bench_of(check(raw), "--radio loopback"), table, Options(target_db=target_db), lambda _text: None)
    for done in work.run(kinds, resume=False):
        if done.measurement is None:
            raise CalibrationError(f"{done.kind} of {done.name}: {done.failure}")
    return time.perf_counter() - started


def levels_of(raw: dict[str, Any], table: Path) -> tuple[float, float]:
    """Return the largest |H|² in dB that all agents of a bench can have, and the server's noise floor in dBFS."""
    calibrated(raw, table, ("levels",))
    found = load(table).select(kind="levels")
    agents = [entry.quantities for entry in found if entry.partner is not None]
    noise = next(entry.quantities["noise_floor_dbfs"].value for entry in found if entry.partner is None)
    return min(one["link_gain_db"].value - one["tx_attenuation_db"].value for one in agents), noise


def levels_case(seed: int, snr_db: float, rounds: int) -> dict[str, Any]:
    """Return the rounds without faults, with faults, and calibrated, and how long calibration took."""
    with tempfile.TemporaryDirectory() as folder:
        ideal, faulty = raw_config(seed, snr_db, {}), raw_config(seed, snr_db, FAULTS)
        tables = {name: Path(folder) / f"{name}.json" for name in ("ideal", "calibrated")}
        reach, noise = levels_of(ideal, tables["ideal"])
        target = reach - FAULTS["level_error_db"]
        calibrated(ideal, tables["ideal"], ("levels",), target)
        _, louder = levels_of(faulty, tables["calibrated"])
        return {
            "seconds": calibrated(faulty, tables["calibrated"], KINDS[:-1], target + louder - noise),
            "ideal": play(using(ideal, tables["ideal"], ("levels",)), rounds),
            "uncalibrated": play(faulty, rounds),
            "calibrated": play(using(faulty, tables["calibrated"]), rounds),
        }


def reciprocity_case(seed: int, snr_db: float, rounds: int) -> dict[str, Any]:
    """Return rounds with channels from soundings, from the beacon alone, and from beacon and calibrated ratio."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        raw = raw_config(seed, snr_db, COMMON_CLOCK)
        seconds = calibrated(raw, table, KINDS)
        heard = using(raw_config(seed, snr_db, COMMON_CLOCK, channel_from="downlink"), table)
        return {
            "seconds": seconds,
            "sounded": play(using(raw, table), rounds),
            "downlink, 1": play(heard, rounds, ratio_known=False),
            "downlink": play(heard, rounds),
        }
