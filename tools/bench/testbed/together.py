"""A server and many agents in one event loop: real sockets, files and machines, without a process for each of them."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fl.config import Config
from fl.control.sockets import AgentSocket, Identity, ServerSocket, many_sockets
from fl.learning import Learning
from fl.run_folder import RunFolder
from fl.sides import agent_role
from fl.testbed.agent import AgentProcess
from fl.testbed.agent_store import AgentStore
from fl.testbed.agent_work import AgentWork
from fl.testbed.hosting import Endpoint, Host, agent_process, limits, server_process
from fl.testbed.server import Observer, ServerProcess


class Together:
    """The parts of a testbed in this process. To be made, used and closed in one event loop.

    Args:
        learned: what is learned.
        folder: of the run.
        agents: how many there will be.

    Attributes:
        address: of the server, once it serves.
    """

    def __init__(self, learned: Learning, folder: Path, agents: int) -> None:
        self.learned = learned
        self.folder = folder
        self.address = ""
        self._stack = ExitStack()
        self._context = many_sockets(agents)
        self._stack.callback(self._context.destroy, linger=0)

    @property
    def config(self) -> Config:
        """Of the experiment."""
        return self.learned.config

    def serve(
        self, observe: Observer = lambda _what, _about: None, identity: Identity | None = None, *, resume: bool = False
    ) -> ServerProcess:
        """Return a server that listens on a free port of this host; `identity` has its keys, or it is in plaintext."""
        socket = ServerSocket("tcp://127.0.0.1:0", identity, limits(self.learned))
        self._stack.callback(socket.close)
        self.address = socket.endpoint
        host = Host(Endpoint(socket.endpoint, identity), self.folder)
        return server_process(
            self._stack, self.learned, RunFolder(self.folder / "run"), socket, host, observe, resume=resume
        )

    def agent(
        self, agent: int, address: str, identity: Identity | None = None,
        work: Callable[..., AgentWork] = AgentWork,
    ) -> AgentProcess:  # fmt: skip
        """Return an agent that connects to a server, with keys or in plaintext; `work` makes what it does."""
        store = AgentStore(self.folder / "agents", agent)
        self._stack.callback(store.close)
        role = agent_role(self.config, self.learned.message_length, agent, None, oracle=True)
        socket = AgentSocket(address, identity, limits(self.learned), context=self._context)
        self._stack.callback(socket.close)
        return agent_process(work(self.learned, role, agent, store, store.load()), socket)

    async def __aenter__(self) -> "Together":
        return self

    async def __aexit__(self, *_exc: Any) -> None:
        self._stack.close()
        await asyncio.sleep(0)


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing of every agent that comes and goes."""
    logger = logging.getLogger("airmeta.testbed")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
