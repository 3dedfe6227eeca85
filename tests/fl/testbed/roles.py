"""What runs in the processes of these tests: the product's `serve` and `take_part`, with what a test adds to them."""

import os
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl.config import check
from fl.run_folder import RunFolder
from fl.testbed.hosting import Endpoint, Host, serve, take_part
from fl.testbed.server import ServerProcess
from tests.fl.testbed import ledger, misfortunes
from tests.fl.testbed.kill_points import KillPoint, arm
from tools.cli import main as cli

INTERRUPTED = 130
SAID = {"round", "listening", "joined", "left", "refused"}


@dataclass(frozen=True)
class Part:
    """What a process is to be.

    Args:
        config: the experiment, as a table.
        folder: of the test: the run is in `run`, the agents in `agents`, what they say in `said`.
        cache: of the data.
        address: of the server.
        agent: id; None: the server.
        resume: as for `serve`.
        kill: where it kills itself.
        together: rounds wait until all agents are there, as long as it takes.
        misfortune: what else befalls it: a name of `misfortunes` and its argument.
        radio: URI; None: the uplink has none.
        state: folder of the agent; None: the usual one.
    """

    config: dict[str, Any]
    folder: Path
    cache: Path
    address: str
    agent: int | None = None
    resume: bool = False
    kill: KillPoint | None = None
    together: bool = False
    misfortune: tuple[str, Any] | None = None
    radio: str | None = None
    state: Path | None = None

    @property
    def name(self):
        return "server" if self.agent is None else f"agent-{self.agent}"

    @property
    def agents(self):
        return self.state or self.folder / "agents"


@dataclass
class _Telling:
    """Hands on what happens; it is no misfortune of a server that nobody listens."""

    pipe: Any
    is_open: bool = field(default=True)

    def __call__(self, what, about):
        if self.is_open and what in SAID:
            try:
                self.pipe.send((what, about))
            except OSError:
                self.is_open = False


def act(part, pipe):
    """Be a server or an agent until it is done (exit code 0), stopped (130) or refused (1).

    Args:
        part: which.
        pipe: where a server tells what happens; it closes with the process.
    """
    _speak_to(part.folder / "said" / f"{part.name}.txt")
    if part.misfortune is not None:
        name, argument = part.misfortune
        getattr(misfortunes, name)(argument)
    try:
        done = _serve(part, pipe) if part.agent is None else _take_part(part)
    except Exception as error:  # noqa: BLE001 - the end of this process
        traceback.print_exc()
        sys.stderr.write(f"Error: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    sys.stderr.flush()
    os._exit(0 if done else INTERRUPTED)


def airmeta(words, said):
    """Be `airmeta WORDS`; what it says goes into a file."""
    _speak_to(said)
    cli.main(words, prog_name="airmeta")


def _serve(part, pipe):
    ledger.keep_server_books()
    arm(part.kill, part.folder / f"kills-{part.name}.jsonl")
    if part.together:
        _wait_for_all(part.config["agents"]["count"])
    host = Host(Endpoint(part.address, None), part.cache, part.radio)
    folder = RunFolder(part.folder / "run")
    return serve(check(part.config), folder, host, resume=part.resume, observe=_Telling(pipe))


def _take_part(part):
    ledger.keep_agent_books(part.agents / f"agent-{part.agent}.safetensors", part.radio is not None)
    arm(part.kill, part.folder / f"kills-{part.name}.jsonl")
    host = Host(Endpoint(part.address, None), part.cache, part.radio)
    return take_part(check(part.config), part.agent, part.agents, host)


def _wait_for_all(count):
    begin = ServerProcess._begin

    def begin_together(self):
        there = [about.is_present for about in self._reception.registry.known.values()]
        is_over = self.machine.committed >= self.work_of.learning.config.rounds
        if is_over or self._stopping or sum(there) == count or not there:
            begin(self)
        else:
            self.loop.call_later(0.02, self._begin)

    ServerProcess._begin = begin_together


def _speak_to(path):
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout = sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)
