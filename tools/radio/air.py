"""`airmeta radio air`: the simulated air of an experiment, for a server and devices in processes of their own."""

import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tools.options import json_option, readable_errors, set_option

LEAVING = 10.0
"""Seconds in which others whose parent is gone may silence their radios."""


@click.command("air")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--listen", default="tcp://127.0.0.1:30500", show_default=True, metavar="ENDPOINT", help="Port 0: any free one."
)
@click.option("--plaintext", is_flag=True, help="Listen on an address that other hosts can reach; nobody needs a key.")
@click.option("--with-parent", is_flag=True, help="End when standard input does, as it does with who started this.")
@click.option("--status", metavar="ENDPOINT", help="Ask an air how things stand, and serve none.")
@set_option
@json_option
def air(config: Path | None, status: str | None, as_json: bool, **chosen: Any) -> None:
    """Serve the simulated air of an experiment to several processes, until Ctrl-C.

    Prints its URI: --radio of airmeta serve and airmeta device. Sample time stands until all who are to send have done
    so, or have left, or have been silent for radio.loopback.step_timeout_s; nobody has to prove who he is. With
    radio.pluto.emulate the units are virtual Plutos, which processes reach through libiio.

    \b
    Examples:
        airmeta radio air experiments/quickstart.toml --set uplink.kind=waveform
        airmeta radio air experiments/pluto-virtual.toml
        airmeta radio air --status tcp://127.0.0.1:30500
    """
    with readable_errors():
        if status is not None:
            _show(status, as_json)
        elif config is None:
            raise click.UsageError("which experiment? give CONFIG, or --status ENDPOINT of an air that runs")
        else:
            _serve(config, as_json=as_json, **chosen)


def _serve(
    config: Path, listen: str, plaintext: bool, with_parent: bool, overrides: Sequence[str], as_json: bool
) -> None:
    from fl.config import load
    from fl.testbed.parent import follow_parent
    from fl.threads import use_threads
    from radio.shared_air.addresses import is_loopback
    from radio.shared_air.server import AirServer

    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    experiment = load(config, overrides)
    use_threads(experiment.run.threads)  # as a run does: sums over other threads differ in their last bits
    with _desk(experiment) as (desk, prefix):
        try:
            server = AirServer(desk, listen, plaintext)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        if with_parent:
            follow_parent(lambda: server.stop(LEAVING))
        try:
            if not is_loopback(server.endpoint):
                click.echo("This air can be reached from other machines; anybody there may take part.", err=True)
            about = {"endpoint": server.endpoint, "uri": prefix + server.endpoint, "units": desk.attendance.units}
            click.echo(json.dumps(about) if as_json else about["uri"])
            server.serve()
        finally:
            server.close()


@contextmanager
def _desk(experiment: Any) -> Iterator[tuple[Any, str]]:
    """Yield what answers the questions of processes, and with what its URI begins."""
    from fl.shared_air import shared_air
    from fl.shared_plutos import are_shared, shared_plutos
    from radio.shared_air.addresses import PLUTOS, PREFIX
    from radio.shared_air.desk import Desk

    if are_shared(experiment):
        with shared_plutos(experiment) as desk:
            yield desk, PLUTOS
    else:
        yield Desk(shared_air(experiment)), PREFIX


def _show(endpoint: str, as_json: bool) -> None:
    import msgspec

    from radio.shared_air.radio import state_of

    try:
        state = msgspec.structs.asdict(state_of(endpoint))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    del state["number"]
    if as_json:
        click.echo(json.dumps(state))
        return
    for key, value in state.items():
        said = ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else value
        click.echo(f"{key:10} {said}")
