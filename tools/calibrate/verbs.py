"""The verbs that measure: `airmeta calibrate levels | clock | latency | iq | channel | reciprocity | all`."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.options import Command, json_option, readable_errors, set_option
from tools.paths import default_table

if TYPE_CHECKING:
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
    "levels": ("link_gain_db", "tx_attenuation_db", "compression_dbfs", "rx_gain_db", "noise_floor_dbfs"),
    "clock": ("offset_ppm", "drift_ppm_per_s", "trim_ppm"),
    "latency": ("delay_samples", "jitter_samples"),
    "iq": ("tx_gain_db", "tx_phase_deg", "rx_gain_db", "rx_phase_deg"),
    "channel": ("snr_db", "rms_delay_s", "rms_delay_at_most_s", "coherence_time_s", "coherence_at_least_s"),
    "reciprocity": ("gain_db", "phase_deg", "delay_samples"),
}
EXTRA: dict[str, tuple[Callable[[Command], Command], ...]] = {
    "levels": (
        click.option(
            "--reference-dbm", type=float, help="Power at the server's antenna of an unattenuated tone: scales to dBm."
        ),
        click.option(
            "--target-db", type=float, help="|H|² for all agents; default: the largest that all of them can reach."
        ),
        click.option(
            "--cutoff-db", type=click.FloatRange(min=0), default=10.0, show_default=True,
            help="Agents weaker than the median by more are dropped.",
        ),
    ),
    "iq": (
        click.option(
            "--tracking", type=click.Choice(["on", "off"]), help="Quadrature tracking of radios that have it."
        ),
    ),
    "clock": (
        click.option(
            "--seconds", type=click.FloatRange(min=0.2, max=60), default=1.3, show_default=True,
            help="For which clocks are compared.",
        ),
    ),
}  # fmt: skip
REMARKABLE = "iq", "channel"  # kinds whose remarks matter even when all is well: tracking, numerology
COMMON = (
    click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False)),
    click.option("--radio", "uris", multiple=True, metavar="URI", help="Radios, server first; loopback[:KEY=VALUE,…]."),
    set_option,
    click.option("--agent", "agents", multiple=True, type=int, metavar="N", help="Only this agent; repeatable."),
    click.option(
        "--table",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Calibration table; default: calibration.table of CONFIG, else this user's.",
    ),
    click.option("--resume", is_flag=True, help="Leave out what the table still holds."),
    click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write one HTML page."),
    json_option,
)


def _verb(kind: str) -> click.Command:
    """Return the command that measures one kind, or all."""

    def measure(**chosen: Any) -> None:
        _measure(kind, chosen)

    body: Any = measure
    extras = [option for name in EXTRA if kind in (name, "all") for option in EXTRA[name]]
    for decorate in reversed((*COMMON, *extras)):
        body = decorate(body)
    example = "loopback:agents=4,offset_ppm=20,latency=60,iq_gain_db=0.5,iq_phase_deg=2"
    help_text = (
        f"{ABOUT[kind]}\n\nCONFIG is an experiment; without one, --radio says which radios. Every result is stored as "
        "soon as it is there; a measurement that fails leaves the old entry untouched. Exit status 1 if one failed."
        f"\n\n\b\nExamples:\n    airmeta calibrate {kind} --radio {example}\n"
        f"    airmeta calibrate {kind} experiments/omniglot-bench.toml --agent 3 --report {kind}.html"
    )
    return click.command(kind, help=help_text, short_help=ABOUT[kind])(body)


def _measure(kind: str, chosen: dict[str, Any]) -> None:
    from calibration.sequence import Options
    from fl.threads import use_threads
    from tools.calibrate.opening import open_bench
    from tools.calibrate.work import Work

    use_threads(1)
    tracking = {"on": True, "off": False, None: None}[chosen.get("tracking")]
    names = {name: chosen[name] for name in ("reference_dbm", "target_db", "cutoff_db", "seconds") if name in chosen}
    done: list[Done] = []
    started = time.perf_counter()
    with readable_errors():
        bench = open_bench(chosen["config"], chosen["uris"], chosen["overrides"], chosen["agents"])
        kinds = _kinds(kind, bench)
        table = chosen["table"] or bench.config.calibration.table or default_table()
        work = Work(bench, table, Options(tracking=tracking, **names), _remark, _begun)
        if not chosen["as_json"]:
            _header(bench, table)
        try:
            for one in work.run(kinds, chosen["resume"]):
                done.append(one)
                known = any(other.failure == one.failure or not other.applies for other in done[:-1])
                click.echo(json.dumps(_record(one, bench)) if chosen["as_json"] else _line(one, known))
        except KeyboardInterrupt:
            raise click.ClickException(
                f"stopped after {len(done)} measurements, which are stored; go on with --resume"
            ) from None
        finally:
            _mute(bench)
        if chosen["report"] is not None:
            _report(chosen["report"], kind, done)
    stored = sum(one.measurement is not None for one in done)
    spent = time.perf_counter() - started
    click.echo(f"{stored} of {len(done)} measurements stored in {table}, {spent:.1f} s", err=True)
    if any(one.measurement is None and (one.applies or kind != "all") for one in done):
        raise SystemExit(1)


def _kinds(kind: str, bench: "Bench") -> tuple[str, ...]:
    """Return the kinds that a verb measures; levels are of all agents together."""
    from calibration.sequence import KINDS

    whole = len(bench.agents) == bench.config.agents.count
    if kind == "levels" and not whole:
        raise click.ClickException("levels are chosen for all agents together; leave out --agent")
    return (kind,) if kind != "all" else KINDS if whole else KINDS[1:]


def _header(bench: "Bench", table: Path) -> None:
    signals = bench.signals
    band = f"{signals.carrier / 1e9:g} GHz, {signals.sample_rate / 1e6:g} MS/s"
    click.echo(f"Server     {bench.server.radio.serial}, {band}")
    click.echo(f"Agents     {', '.join(str(agent) for agent in bench.agents)}")
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
        said: whether another radio was skipped before, for the same reason.
    """
    from tools.calibrate.done import written

    head = f"{done.kind:12s} {done.name:9s} {done.word:10s} {done.seconds:5.1f} s  "
    if done.measurement is None:
        return f"{head}{'as above' if said and not done.applies else done.failure}"
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
