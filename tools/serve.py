"""`airmeta serve`: the server of a run whose agents are processes of their own, on this host or on others."""

import json
import shlex
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, config_argument, json_option, set_option
from tools.paths import default_run_folder
from tools.testbed_options import allowed_option, key_option, plaintext_option, server_endpoint, with_parent_option


@click.command("serve")
@config_argument
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/NAME-DATE-TIME.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--listen", default="tcp://127.0.0.1:5555", show_default=True, help="Address; port 0 takes a free one.")
@click.option("--radio", metavar="URI", help="Of the server's radio; default: as the configuration says.")
@key_option
@allowed_option
@plaintext_option
@with_parent_option
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@cache_option
def command(config: Path, overrides: tuple[str, ...], out: Path | None, listen: str, **given: Any) -> None:
    """Be the server of a run: open rounds, decode what the agents send, drive the learning.

    Writes the run's folder like `airmeta run`. Agents are started with `airmeta device` and the same CONFIG.

    \b
    Examples:
        airmeta serve experiments/quickstart.toml --out runs/bench --listen tcp://0.0.0.0:5555
        airmeta serve experiments/quickstart.toml --out runs/bench --listen tcp://0.0.0.0:5555 --resume
    """
    from fl.config import load
    from fl.run_folder import RunFolder
    from fl.testbed.hosting import Host, serve
    from tools.progress import JsonLines, Live, Silent
    from tools.run import conclude, resumable
    from tools.testbed_errors import readable_errors

    with readable_errors():
        experiment = load(config, overrides)
        if given["resume"] and out is None:
            raise click.UsageError("--resume needs --out, the folder of the run to go on with")
        folder = out or default_run_folder(config)
        endpoint = server_endpoint(listen, given["key_path"], given["allow_list"], given["plaintext"])
        shown = JsonLines() if given["as_json"] else Silent() if given["quiet"] else Live(experiment.rounds)

        def observe(what: str, about: dict[str, Any]) -> None:
            if what == "round":
                shown.round(about)
            elif given["as_json"]:
                click.echo(json.dumps({"event": what, **about}))
            elif what != "status" and not given["quiet"]:
                click.echo(_line(what, about), err=True)

        with resumable(folder), shown:
            host = Host(endpoint, given["cache"], given["radio"], given["with_parent"])
            is_done = serve(experiment, RunFolder(folder), host, resume=given["resume"], observe=observe)
            if not is_done:
                raise KeyboardInterrupt("Stopped after a whole round.")
        conclude(folder, given["as_json"])


def _line(what: str, about: dict[str, Any]) -> str:
    """Return one line of text about something that has happened."""
    if what == "listening":
        return f"listening at {about['address']}, run {about['run']}, from round {about['round'] + 1}"
    if what == "stopping":
        return str(about["reason"])
    rest = {key: value for key, value in about.items() if key != "agent"}
    return f"agent {about['agent']} {what}" + (f": {shlex.join(map(str, rest.values()))}" if rest else "")
