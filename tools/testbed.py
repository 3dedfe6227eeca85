"""`airmeta testbed`: server, agents and the simulated air as processes of this machine, on one page of a terminal."""

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tools.options import config_argument, json_option, set_option
from tools.paths import default_cache, default_run_folder

INTERRUPTED = 130  # exit code of a process that Ctrl-C has ended


@click.command("testbed")
@config_argument
@set_option
@click.option(
    "--agents", "-n", type=click.IntRange(min=1), help="How many; default: agents.count of the configuration."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/NAME-DATE-TIME.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--quiet", is_flag=True, help="No page, only the result.")
@json_option
@click.option("--cache", type=click.Path(path_type=Path), default=default_cache, help="Folder of the data caches.")
def command(config: Path, overrides: tuple[str, ...], agents: int | None, out: Path | None, **given: Any) -> None:
    """Run an experiment with a process for the server and one for each agent, over ZeroMQ with keys made for it.

    The same CONFIG as for `airmeta run`, and the same result. Each process can be killed; with --resume all of them go
    on where they were. Logs are in OUT/logs, what agents keep in OUT/agents.

    \b
    Examples:
        airmeta testbed experiments/quickstart.toml --agents 8 --out runs/bench
        airmeta testbed experiments/quickstart.toml --agents 8 --out runs/bench --resume
    """
    from fl.config import load
    from tools.run import conclude, resumable
    from tools.testbed_errors import readable_errors

    chosen = [*overrides, *([] if agents is None else [f"agents.count={agents}"])]
    with readable_errors():
        experiment = load(config, chosen)
        if given["resume"] and out is None:
            raise click.UsageError("--resume needs --out, the folder of the run to go on with")
        folder = out or default_run_folder(config)
        with resumable(folder), ExitStack() as stack:
            bench = Bench(stack, config, chosen, folder, given)
            with _page(experiment, given) as page:
                bench.run(experiment, page)
        conclude(folder, given["as_json"])


class Bench:
    """The processes of a testbed.

    Args:
        stack: stops them when it is closed.
        config: file of the experiment.
        overrides: of its keys.
        folder: of the run.
        given: options of the command.
    """

    def __init__(
        self, stack: ExitStack, config: Path, overrides: list[str], folder: Path, given: dict[str, Any]
    ) -> None:
        from fl.testbed.processes import Children

        self.folder = folder
        self.children = Children(folder / "logs")
        stack.callback(self.children.stop_all)
        self._keys = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airmeta-keys-")))
        sets = [word for item in overrides for word in ("--set", item)]
        self._experiment, self._cache = [str(config), *sets], ["--cache", str(given["cache"])]
        self._resume = ["--resume"] if given["resume"] else []

    def run(self, experiment: Any, page: Any) -> None:
        """Start everything, show what happens, and return when the run is done.

        Raises:
            StoppedError: the server has ended before that.
        """
        from fl.run_folder import StoppedError
        from fl.testbed.processes import lines_of

        public, radio = _make_keys(self._keys), self._radio(experiment)
        words = ["serve", *self._experiment, *self._cache, *["--listen", "tcp://127.0.0.1:0", "--json", "--out"]]
        words += [str(self.folder), *self._resume, *radio, *_keys_of(self._keys, "server")]
        server = self.children.start("server", words, read=True)
        with _interrupts(server):
            for line in lines_of(server.process.stdout):
                event = json.loads(line)
                if event.get("event") == "listening":
                    self._start_agents(experiment.agents.count, event["address"], public, radio)
                page.show(event, self.children.running)
            code = server.process.wait()
        if code == INTERRUPTED:
            raise KeyboardInterrupt("Stopped after a whole round.")
        if code:
            raise StoppedError(server.said.removeprefix("Error: "))

    def _radio(self, experiment: Any) -> list[str]:
        """Return the option that says where the radios are, once there is an air; nothing, where there is none.

        Raises:
            StoppedError: the air did not start.
        """
        from fl.run_folder import StoppedError
        from fl.shared_plutos import are_shared
        from fl.testbed.processes import lines_of

        is_simulated = experiment.radio.kind == "loopback" or are_shared(experiment)
        if experiment.uplink.kind != "waveform" or not is_simulated:
            return []
        air = self.children.start(
            "air",
            ["radio", "air", *self._experiment, "--listen", "tcp://127.0.0.1:0", "--json"],
            read=True,
            needed=True,
        )
        line = lines_of(air.process.stdout).readline()
        if not line:
            raise StoppedError(f"the simulated air did not start: {air.said}")
        return ["--radio", json.loads(line)["uri"]]

    def _start_agents(self, count: int, address: str, public: str, radio: list[str]) -> None:
        for agent in range(count):
            words = ["device", *self._experiment, *self._cache, *radio, "--id", str(agent), "--server", address]
            words += ["--server-key", public, "--key", str(self._keys / "agents")]
            words += ["--state", str(self.folder / "agents")]
            self.children.start(f"agent-{agent}", words)


def _make_keys(folder: Path) -> str:
    """Make keys of a server and of its agents, let these in, and return the server's public key."""
    from fl.control import allow_list, keys

    allow_list.allow(
        folder / "allowed.json",
        allow_list.Allowed(keys.create(folder / "agents").public, "testbed", datetime.now(UTC)),
    )
    return keys.create(folder / "server").public


def _keys_of(folder: Path, name: str) -> list[str]:
    return ["--key", str(folder / name), "--allowed", str(folder / "allowed.json")]


@contextmanager
def _interrupts(server: Any) -> Iterator[None]:
    """Hand Ctrl-C and SIGTERM on to the server, which ends the round first; a second one at once."""

    def hand_on(number: int, frame: Any) -> None:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _page(experiment: Any, given: dict[str, Any]) -> Iterator[Any]:
    from tools.testbed_page import JsonPage, NoPage, TerminalPage

    page = JsonPage() if given["as_json"] else NoPage() if given["quiet"] else TerminalPage(experiment)
    with page:
        yield page
