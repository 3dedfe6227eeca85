"""From a configuration to the process of a server or an agent, at work until the run is done or somebody stops it."""

import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fl import checkpoint
from fl import config as configuration
from fl.algorithms.table import ALGORITHMS
from fl.config import Config, ConfigError
from fl.control.frames import Limits
from fl.control.messages import Radio as RadioAbout
from fl.control.server_state import Rules, ServerMachine
from fl.control.sockets import AgentSocket, Identity, ServerSocket
from fl.history import History
from fl.learning import Learning, learning
from fl.manifest import manifest, version
from fl.run_folder import RunError, RunFolder, StoppedError, prepare
from fl.server import ServerState
from fl.sides import agent_role, server_role
from fl.testbed.agent import AgentProcess, Credentials, Joined
from fl.testbed.agent_store import AgentStore
from fl.testbed.agent_work import AgentWork
from fl.testbed.driver import LOG
from fl.testbed.identity import count_start
from fl.testbed.logs import LogFile
from fl.testbed.parent import follow_parent
from fl.testbed.radios import OneRadio, open_radio, shares_time
from fl.testbed.reception import Observer, Reception
from fl.testbed.registry import Registry, Terms
from fl.testbed.server import ServerProcess
from fl.testbed.server_time import ServerTime, ask_time
from fl.testbed.server_work import LastHeard, ServerWork, last_heard_of
from fl.threads import use_threads
from radio.base import LostRadioError
from radio.files import remove_partial

SLACK = 1 << 20  # bytes of a message beside its largest tensor


@dataclass(frozen=True)
class Endpoint:
    """Where the server is, and who one is there.

    Args:
        address: `tcp://address:port`.
        identity: keys; None: plaintext.
        plaintext: whether plaintext may leave this host.
    """

    address: str
    identity: Identity | None
    plaintext: bool = False


@dataclass(frozen=True)
class Host:
    """What a process is given beside its experiment.

    Args:
        endpoint: of the server.
        cache: folder of the data caches.
        radio: address of its radio; None: as the configuration says.
        with_parent: whether to stop when the process that started this one has ended.
    """

    endpoint: Endpoint
    cache: Path
    radio: str | None = None
    with_parent: bool = False


def serve(config: Config, folder: RunFolder, host: Host, *, resume: bool, observe: Observer) -> bool:
    """Be the server of a run until it is done; return whether it is: False, if somebody has stopped it.

    Args:
        config: the experiment.
        folder: where the run lives.
        host: where agents connect, and what else the process needs.
        resume: go on from the last checkpoint.
        observe: is told what happens; first `listening`, with the address.

    Raises:
        RunError: the folder holds another run, or another process serves it.
        StoppedError: it cannot go on, and can be resumed.
        ConfigError, DataError, CheckpointError, HistoryError, RadioError, PlaintextError: as their names say.
    """
    use_threads(config.run.threads)
    learned = _learning(config, host.cache)

    async def main() -> str:
        with ExitStack() as stack:
            endpoint = host.endpoint
            socket = ServerSocket(endpoint.address, endpoint.identity, limits(learned), plaintext=endpoint.plaintext)
            stack.callback(socket.close)
            process = server_process(stack, learned, folder, socket, host, observe, resume)
            _on_signals(process.stop, process.end, host.with_parent)
            return await process.run()

    try:
        reason = asyncio.run(main())
    except LostRadioError as error:
        raise StoppedError(f"the server's radio is lost ({error}); all rounds before are saved: mend it") from error
    except OSError as error:
        what = f"{error.filename or folder.path}: {error.strerror or error}"
        raise StoppedError(f"{what}; the last checkpoint, if there is one, is whole: mend this") from error
    if reason and reason not in STOPPED:
        raise StoppedError(reason)
    return not reason


def server_process(
    stack: ExitStack, learned: Learning, folder: RunFolder, socket: ServerSocket, host: Host, observe: Observer,
    resume: bool,
) -> ServerProcess:  # fmt: skip
    """Return the server of a run, which the folder says where it is; what is opened for it is closed with the stack."""
    config = learned.config
    is_new = prepare(folder, config, lambda: manifest(config, learned.held), resume)
    stack.enter_context(_alone(folder.path))
    remove_partial(folder.path)
    identity = count_start(folder.path, is_new)
    stack.enter_context(LogFile(folder.path / "server.log", identity.run))
    opened = stack.enter_context(open_radio(config, None, host.radio))
    role = server_role(config, learned.message_length, opened.opened)
    state, committed, last_heard = _start(learned, folder, role, is_new)
    machine = ServerMachine(Rules(config.control.quorum, role.on_air), identity.sequence, committed, last_heard)
    terms = Terms(identity, version(), config, opened.modem)
    registry = Registry(terms, asyncio.get_running_loop().time, config.control.patience_s)
    work = ServerWork(learned, role, folder, state, committed)
    LOG.info("listening at %s, start %d", socket.endpoint, identity.sequence, extra={"round": committed})
    observe("listening", {"address": socket.endpoint, "run": identity.run, "round": committed})
    reception = Reception(socket, registry, identity, config, observe)
    return ServerProcess(work, reception, opened, machine, observe)


STOPPED = ("stopped", "stopped at once")


def take_part(config: Config, agent: int, state: Path, host: Host) -> bool:
    """Be an agent until the run is done; return whether it is: False, if somebody has stopped this process.

    Args:
        config: the experiment, the same as the server's.
        agent: id.
        state: folder of what the agent keeps.
        host: where the server is, and what else the process needs.

    Raises:
        RefusedError: the server does not take this agent in.
        AgentStoreError, ConfigError, DataError, RadioError, PlaintextError: as their names say.
    """
    use_threads(config.run.threads)
    with ExitStack() as stack:
        store = AgentStore(state, agent)
        stack.callback(store.close)
        kept = store.load()
        log = stack.enter_context(LogFile(state / f"agent-{agent}.log", kept.run, agent))
        learned = _learning(config, host.cache)
        server = _server_time(agent, host) if shares_time(config) else None
        if server is None and shares_time(config):
            return False
        opened = stack.enter_context(open_radio(config, agent, host.radio, None if server is None else server.host))
        role = agent_role(config, learned.message_length, agent, opened.opened, oracle=True)
        work = AgentWork(learned, role, agent, store, kept, opened.deliver)

        def joined(run: str, start: int) -> None:
            log.in_run(run)
            if server is not None:
                server.check(run, start)

        return asyncio.run(_work(work, _about(opened), joined, host)) not in STOPPED


async def _work(work: AgentWork, radio: RadioAbout | None, joined: Joined, host: Host) -> str:
    endpoint, most = host.endpoint, limits(work.learning)
    socket = AgentSocket(endpoint.address, endpoint.identity, most, plaintext=endpoint.plaintext)
    process = agent_process(work, socket, radio, joined)
    _on_signals(process.end, process.end, host.with_parent)
    try:
        return await process.run()
    finally:
        socket.close()


def _server_time(agent: int, host: Host) -> ServerTime | None:
    """Return the time that an agent's radio is to join, once the server says it; None: somebody has stopped this."""

    async def main() -> ServerTime | None:
        endpoint = host.endpoint
        socket = AgentSocket(endpoint.address, endpoint.identity, Limits(), plaintext=endpoint.plaintext)
        asking = asyncio.ensure_future(ask_time(socket, agent))

        def stop(_reason: str) -> None:
            asking.cancel()

        _on_signals(stop, stop, host.with_parent)
        try:
            await asyncio.wait([asking])
            return None if asking.cancelled() else asking.result()
        finally:
            socket.close()

    return asyncio.run(main())


def agent_process(
    work: AgentWork,
    socket: AgentSocket,
    radio: RadioAbout | None = None,
    joined: Joined = lambda _run, _start: None,
) -> AgentProcess:
    """Return the process of an agent, to be made and used in one event loop.

    Args:
        work: what it does.
        socket: its way to the server.
        radio: what it says of its radio; None: the uplink has none.
        joined: is told when the server takes the agent in.
    """
    config = work.learning.config
    return AgentProcess(work, socket, Credentials(version(), _shaping(config), radio), config.control, joined)


def _start(learned: Learning, folder: RunFolder, role: Any, is_new: bool) -> tuple[ServerState, int, LastHeard]:
    """Return where the run goes on: the state, the rounds that are done, and who was heard last."""
    history = History(folder.history)
    if is_new or not checkpoint.exists(folder.path):
        if not is_new:
            history.rewind(0, 0)
        return ServerState.start(learned.first_theta()), 0, frozenset()
    saved = checkpoint.load(folder.path, learned.config.run.device)
    history.rewind(saved.history_bytes, saved.rounds)
    role.restore(saved.uplink)
    return saved.state, saved.rounds, last_heard_of(saved)


def limits(learned: Learning) -> Limits:
    """Return how large messages of a run may be: an update, or its symbols, and a little more."""
    length = learned.message_length
    return Limits(tensors=16 * length + SLACK, sizes={"d": length})


def _learning(config: Config, cache: Path) -> Learning:
    """Return what an experiment learns, and how.

    Raises:
        ConfigError: its agents have nothing to send, or more than messages carry.
    """
    learned = learning(config, cache)
    if not learned.learner.sends:
        raise ConfigError(
            [
                f"algorithm.kind: agents of {config.algorithm.kind} send nothing, so there is no round for a testbed; "
                "use airmeta run, or set another algorithm.kind"
            ]
        )
    if ALGORITHMS[config.algorithm.kind].in_double:
        raise ConfigError(
            [
                f"algorithm.kind: {config.algorithm.kind} sends sums in double precision, which messages of a testbed "
                "do not carry; use airmeta run, or set another algorithm.kind"
            ]
        )
    return learned


def _shaping(config: Config) -> str:
    return json.dumps(configuration.shaping(config), separators=(",", ":"))


def _about(opened: OneRadio) -> RadioAbout | None:
    if opened.opened is None:
        return None
    radio = opened.opened.radio
    return RadioAbout(
        uri=opened.uri, serial=radio.serial, sample_rate=radio.sample_rate, lead_time=radio.lead_time,
        timing_uncertainty=radio.timing_uncertainty, timing_repeatability=radio.timing_repeatability,
        problem=opened.problem,
    )  # fmt: skip


def _alone(path: Path) -> FileLock:
    lock = FileLock(path / ".server.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(f"{path}: another process serves this run; stop that one first") from error
    return lock


def _on_signals(gently: Callable[[str], None], at_once: Callable[[str], None], with_parent: bool) -> None:
    """Stop after the round on the first Ctrl-C or SIGTERM, at once on the second, or when the parent is gone."""
    loop, seen = asyncio.get_running_loop(), []

    def note() -> None:
        seen.append(1)
        gently(STOPPED[0]) if len(seen) == 1 else at_once(STOPPED[1])

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, note)
    if with_parent:
        follow_parent(lambda: _soon(loop, at_once))


def _soon(loop: asyncio.AbstractEventLoop, at_once: Callable[[str], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(at_once, STOPPED[1])
