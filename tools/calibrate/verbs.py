"""The verbs that measure: `airmeta calibrate levels | clock | latency | iq | channel | reciprocity | all`."""

import json
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.calibrate.arguments import COMMON, EXTRA
from tools.calibrate.beforehand import check_references, check_writable
from tools.calibrate.beforehand import kinds as kinds_of
from tools.options import readable_errors
from tools.paths import default_table

if TYPE_CHECKING:
    from calibration.sequence import Options
    from calibration.station import Station
    from tools.calibrate.done import Done
    from tools.calibrate.opening import Bench

ABOUT = {
    "levels": "Sweep attenuation and gain: linear range, 1 dB point, noise floor; choose gains for one common |H|.",
    "clock": "Compare oscillators with the server's: offset in ppm, drift, Allan deviation; trim them if they can be.",
    "latency": "Measure by how many samples bursts arrive late at the server, and how steadily.",
    "iq": "Measure IQ imbalance, DC offset and carrier leakage of transmitters and receivers, and correct them.",
    "channel": "Measure response, delays, coherence and SNR, and say which numerology fits.",
    "reciprocity": "Measure the ratio of the chains, so that a downlink estimate serves the uplink (common clock).",
    "all": "Measure everything, in the order in which one thing needs the other.",
}
SHOWN = {
    "levels": (
        "link_gain_db",
        "tx_attenuation_db",
        "compression_dbfs",
        "rx_gain_db",
        "noise_floor_dbfs",
        "at_rx_gain_db",
    ),
    "clock": ("offset_ppm", "drift_ppm_per_s", "trim_ppm"),
    "latency": ("delay_samples", "jitter_samples"),
    "iq": ("tx_gain_db", "tx_phase_deg", "rx_gain_db", "rx_phase_deg"),
    "channel": ("snr_db", "rms_delay_s", "rms_delay_at_most_s", "coherence_time_s", "coherence_at_least_s"),
    "reciprocity": ("gain_db", "phase_deg", "delay_samples"),
}
REMARKABLE = "iq", "channel"  # kinds whose remarks matter even when all is well: tracking, numerology


def _verb(kind: str) -> click.Command:
    """Return the command that measures one kind, or all."""

    def measure(**chosen: Any) -> None:
        _measure(kind, chosen)

    body: Any = measure
    extras = [option for name in EXTRA if kind in (name, "all") for option in EXTRA[name]]
    for decorate in reversed((*COMMON, *extras)):
        body = decorate(body)
    example = "loopback:agents=4,offset_ppm=20,latency=60,iq_gain_db=0.5,iq_phase_deg=2"
    one = "" if kind in ("levels", "all") else " --agent 3"  # levels are of all agents together
    help_text = (
        f"{ABOUT[kind]}\n\nCONFIG is an experiment; without one, --radio says which radios. Every result is stored as "
        "soon as it is there; a measurement that fails leaves the old entry untouched. Exit status 1 if one failed."
        f"\n\n\b\nExamples:\n    airmeta calibrate {kind} --radio {example}\n"
        f"    airmeta calibrate {kind} --radio ip:192.168.2.1 --radio ip:192.168.3.1 --dry-run\n"
        f"    airmeta calibrate {kind} experiments/calibrated.toml{one} --report {kind}.html"
    )
    return click.command(kind, help=help_text, short_help=ABOUT[kind])(body)


def _measure(kind: str, chosen: dict[str, Any]) -> None:
    from fl.threads import use_threads
    from tools.calibrate.opening import open_bench

    use_threads(1)
    if chosen["dry_run"]:
        _rehearse(kind, chosen)
        return
    done: list[Done] = []
    held: list[Done] = []
    started, stopped = time.perf_counter(), False
    try:
        with readable_errors():
            bench = open_bench(chosen["config"], chosen["uris"], chosen["overrides"], chosen["agents"])
            try:
                _follow(kind, bench, chosen, done, held)
            finally:
                _mute(bench)
    except KeyboardInterrupt:
        stopped = True
    click.echo(f"{_counted(done)}, {time.perf_counter() - started:.1f} s", err=True)
    if chosen["report"] is not None and (done or held):
        _report(chosen["report"], kind, [*held, *done])
    if stopped:
        raise click.ClickException("stopped; what is stored stays, go on with --resume")
    if any(one.measurement is None and (one.applies or kind != "all") for one in done):
        raise SystemExit(1)


def _rehearse(kind: str, chosen: dict[str, Any]) -> None:
    """Say what a calibration would send, without opening a radio."""
    from calibration.sequence import KINDS
    from tools.calibrate.opening import parsed
    from tools.calibrate.rehearsal import describe, rehearse, rehearse_alone
    from tools.calibrate.uris import is_alone

    with readable_errors():
        config = parsed(chosen["config"], chosen["uris"], chosen["overrides"])
        kinds = KINDS if kind == "all" else (kind,)
        agents = 0 if is_alone(chosen["uris"]) else len(set(chosen["agents"])) or config.agents.count
        parts = list(rehearse(config, agents, kinds, _options(chosen)) if agents else rehearse_alone(config, kinds))
    if chosen["as_json"]:
        click.echo(json.dumps([asdict(part) for part in parts]))
    else:
        describe(config, agents, parts, click.echo)


def _options(chosen: dict[str, Any]) -> "Options":
    """Return what the arguments say of how to measure."""
    from calibration.sequence import Options

    named = {name: chosen[name] for name in ("target_db", "cutoff_db", "seconds") if name in chosen}
    tracking = {"on": True, "off": False, None: None}[chosen.get("tracking")]
    return Options(tracking=tracking, reference_dbm=dict(chosen.get("reference_dbm", ())), **named)


def _follow(kind: str, bench: "Bench", chosen: dict[str, Any], done: list["Done"], held: list["Done"]) -> None:
    """Measure, say what comes of it, and add it to `done`; to `held` what need not be measured."""
    from tools.calibrate.work import Work

    options, kinds = _options(chosen), kinds_of(kind, bench)
    check_references(options.reference_dbm, bench)
    table = chosen["table"] or bench.config.calibration.table or default_table()
    check_writable(table, chosen["report"])
    work = Work(bench, table, options, _remark, _begun, held.append)
    if not chosen["as_json"]:
        _header(bench, table)
    if kind == "all" and "levels" not in kinds:
        _remark("levels: of all agents together, left as they are")
    for one in work.run(kinds, chosen["resume"]):
        known = any(_is_alike(one, other) for other in done)
        done.append(one)
        click.echo(json.dumps(_record(one, bench)) if chosen["as_json"] else _line(one, known))


def _is_alike(one: "Done", other: "Done") -> bool:
    """Return whether two radios were not measured for the same reason."""
    if not one.failure or one.kind != other.kind:
        return False
    return one.failure == other.failure or not (one.applies or other.applies)


def _counted(done: list["Done"]) -> str:
    """Return how many measurements came to what."""
    stored = sum(one.measurement is not None for one in done)
    skipped = sum(not one.applies for one in done)
    rest = f"{stored} of {len(done) - skipped} measurements stored"
    return f"{rest}, {skipped} skipped as not possible with these radios" if skipped else rest


def _header(bench: "Bench", table: Path) -> None:
    signals = bench.signals
    band = f"{signals.carrier / 1e9:g} GHz, {signals.sample_rate / 1e6:g} MS/s"
    click.echo(f"Server     {bench.server.radio.serial}, {band}")
    click.echo(f"Agents     {', '.join(str(agent) for agent in bench.agents) or 'none'}")
    click.echo(f"Table      {table}\n")


def _remark(text: str) -> None:
    click.echo(text, err=True)


def _begun(kind: str, station: "Station") -> None:
    """Say on a terminal what is being measured; the line of the result takes its place."""
    if sys.stderr.isatty():
        click.echo(f"{kind:12s} {station.name:9s} …\r", err=True, nl=False)


def _line(done: "Done", said: bool) -> str:
    """Return what came of a measurement in a line.

    Args:
        done: the measurement.
        said: whether another radio was not measured before, for the same reason.
    """
    from tools.calibrate.done import written

    head = f"{done.kind:12s} {done.name:9s} {done.word:10s} {done.seconds:5.1f} s  "
    if done.measurement is None:
        return f"{head}{'as above' if said else done.failure}"
    numbers = done.measurement.quantities
    shown = "  ".join(f"{name} {written(numbers[name])}" for name in SHOWN[done.kind] if name in numbers)
    remark = done.reason if done.word != "good" or done.kind in REMARKABLE else ""
    return f"{head}{shown}" + (f"\n{'':12s} {remark}" if remark else "")


def _record(done: "Done", bench: "Bench") -> dict[str, Any]:
    stations = {one.name: one for one in (bench.server, *bench.agents.values())}
    about = {
        "kind": done.kind,
        "name": done.name,
        "serial": stations[done.name].radio.serial,
        "verdict": done.word,
        "reason": done.reason,
        "seconds": done.seconds,
    }
    if done.measurement is None:
        return about
    return about | {"quantities": {name: asdict(one) for name, one in done.measurement.quantities.items()}}


def _mute(bench: "Bench") -> None:
    with ExitStack() as stack:  # one that fails leaves none of the others open
        for station in (bench.server, *bench.agents.values()):
            stack.callback(station.radio.close)


def _report(path: Path, kind: str, done: Iterable["Done"]) -> None:
    from tools.calibrate.report import write

    try:
        write(path, f"Calibration: {kind}", list(done))
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}; choose a file that can be written") from error
    click.echo(f"wrote {path}", err=True)


VERBS = tuple(_verb(kind) for kind in ABOUT)
