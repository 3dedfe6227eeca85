"""The sockets of the control plane: a ROUTER at the server, a DEALER at each agent, CURVE between them.

Nothing is sent in plaintext but over loopback, unless somebody says so, and then the log does. Frames are limited in
size, queues in length, handshakes in time; a peer that stops reading loses messages of its own and nobody else's.

A host that is gone without a word is found by the kernel's probes, not by heartbeats of ZeroMQ: libzmq 4.3.5 ends its
process (`!_io_error`) if one is due, or is asked for, on a connection that broke while the queue of its messages was
full. What a peer that is no airmeta asks for, nobody here can help.
"""

import asyncio
import errno
import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

from fl.control.authentication import AllowList, Gate
from fl.control.claims import Peer
from fl.control.frames import Limits, Received, decode_from_agent, decode_from_server, encode
from fl.control.keys import KeyPair
from fl.control.messages import NO_ROUND, Refuse
from fl.control.refusals import Refusals
from fl.control.tensors import ProtocolError, VersionError

LOG = logging.getLogger("airmeta.control")
QUEUE = 64  # messages each way and peer
HANDSHAKE_MS = 5000
SILENCE_MS = 30_000  # after which a connection to a host that answers nothing is given up
PROBE_S = 5
AGAIN_S = 2.0
LAST_WORD_MS = 200
REFUSED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
)
SOCKETS = 4  # of ZeroMQ for one agent: its own, two of its monitor, one to spare
CONNECTIONS = 4096  # that may wait to be accepted


class PlaintextError(ValueError):
    """Somebody would listen in, and nobody said that this is all right."""


class AddressError(ValueError):
    """An address that cannot be used."""


def many_sockets(count: int) -> zmq.asyncio.Context:
    """Return a context for so many agents in one process; whoever made it ends it."""
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, SOCKETS * count + 64)
    return context


@dataclass(frozen=True)
class Identity:
    """Who an end is.

    Args:
        keys: of this host.
        others: at the server, its allow-list; at an agent, the server's public key.
    """

    keys: KeyPair
    others: Path | str


class ServerSocket:
    """Where agents connect. To be made and used in one event loop.

    Args:
        endpoint: `tcp://address:port`; port 0 takes a free one.
        identity: who the server is, and whom it lets in; None: plaintext.
        limits: of messages.
        plaintext: whether plaintext may leave this host.

    Raises:
        PlaintextError: it would.
        AddressError: the address cannot be had.
    """

    def __init__(self, endpoint: str, identity: Identity | None, limits: Limits, *, plaintext: bool = False) -> None:
        _check_plaintext(endpoint, identity, plaintext)
        loop = asyncio.get_running_loop()
        self.refusals = Refusals(LOG, loop.time)
        self.allowed = None if identity is None else AllowList(Path(identity.others), LOG)
        self._limits = limits
        self._context = zmq.asyncio.Context()
        self._context.set(zmq.MAX_SOCKETS, 64)
        self._gate = None if self.allowed is None else Gate(self._context, self.allowed, self.refusals)
        if self._gate is not None:
            self._gate.start()
        self._socket = _socket(self._context, zmq.ROUTER, limits)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.BACKLOG, CONNECTIONS)
        if identity is not None:
            self._socket.curve_server = True
            self._socket.curve_secretkey = identity.keys.secret.encode("ascii")
            self._socket.zap_domain = b"*"
        self._watch = _watch(self._socket, self._handshake)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise AddressError(f"{endpoint}: cannot be used ({error}); {_remedy(error.errno)}") from error
        self.endpoint = str(self._socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    async def receive(self) -> tuple[Peer, Received]:
        """Return the next message that is one, and who sent it."""
        while True:
            route, *frames = await self._socket.recv_multipart(copy=False)
            peer = Peer(route.bytes, _key_of(frames))
            if self.allowed is not None and self.allowed.entry(peer.key) is None:
                self.refusals.note(str(peer), "revoked; nothing it says is heard")
                continue
            try:
                return peer, decode_from_agent([frame.bytes for frame in frames], self._limits)
            except ProtocolError as error:
                self.refusals.note(str(peer), f"sent what is not a message: {error}")
                if isinstance(error, VersionError):  # it understands no more of the answer than that it is another's
                    await self.send(route.bytes, encode(_refusal(error)))

    async def send(self, route: bytes, frames: Sequence[bytes]) -> bool:
        """Send to a peer; return whether it was taken: it is not, if the peer is gone or has stopped reading."""
        try:
            await self._socket.send_multipart([route, *frames], flags=zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return False
            raise
        return True

    def close(self) -> None:
        """Close at once; what was not sent yet is not."""
        if self._gate is not None:
            self._gate.stop()
        _close(self._context, self._socket, self._watch)

    def _handshake(self, event: int) -> None:
        if event in (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
            self.refusals.note(
                "a peer",
                "its handshake failed: it has no key, has not this server's public key, or is no airmeta; on the "
                "agent's host: airmeta keys new, and give it the server's public key (airmeta keys list)",
            )


class AgentSocket:
    """An agent's way to its server. It connects, and again whenever the connection is lost.

    Args:
        endpoint: of the server.
        identity: who the agent is, and the server's public key; None: plaintext.
        limits: of messages.
        plaintext: whether plaintext may leave this host.
        context: of ZeroMQ, shared by many agents in one process; None: one of its own.

    Raises:
        AddressError: the address is none.
        PlaintextError: it would.
    """

    def __init__(
        self, endpoint: str, identity: Identity | None, limits: Limits, *, plaintext: bool = False,
        context: zmq.asyncio.Context | None = None,
    ) -> None:  # fmt: skip
        _check_plaintext(endpoint, identity, plaintext)
        self.problem = ""
        self._refusals = Refusals(LOG, asyncio.get_running_loop().time)
        self._shared = context is not None
        self._public = "" if identity is None else identity.keys.public
        self._limits = limits
        self._context = context or zmq.asyncio.Context()
        self._socket = _socket(self._context, zmq.DEALER, limits)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
        if identity is not None:
            self._socket.curve_publickey = identity.keys.public.encode("ascii")
            self._socket.curve_secretkey = identity.keys.secret.encode("ascii")
            self._socket.curve_serverkey = str(identity.others).encode("ascii")
        self._watch = _watch(self._socket, self._handshake)
        self._endpoint = endpoint
        self._again: asyncio.TimerHandle | None = None
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise AddressError(f"{endpoint}: no address ({error}); write tcp://HOST:PORT") from error

    async def receive(self) -> Received:
        """Return the next message of the server that is one.

        Raises:
            VersionError: it speaks another version.
        """
        while True:
            try:
                return decode_from_server(await self._socket.recv_multipart(), self._limits)
            except VersionError:
                raise
            except ProtocolError as error:
                self._refusals.note("the server", f"sent what is not a message: {error}")

    async def send(self, frames: Sequence[bytes]) -> bool:
        """Send to the server; return whether it was taken: it is not, if nothing gets through for long."""
        try:
            await self._socket.send_multipart(list(frames), flags=zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Close; what was said last has a moment to leave."""
        if self._again is not None:
            self._again.cancel()
        _close(None if self._shared else self._context, self._socket, self._watch, LAST_WORD_MS)

    def _connect_again(self) -> None:
        """Try once more: ZeroMQ gives up on a server that refused, and somebody may have allowed the key since."""
        self._again = None
        self._socket.disconnect(self._endpoint)
        self._socket.connect(self._endpoint)

    def _handshake(self, event: int) -> None:
        """Note why there is no connection, for whoever waits for one."""
        if event in REFUSED and self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._connect_again)
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.problem = ""
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.problem = (
                f"the server does not let this key in; on its host: airmeta keys allow '{self._public}' --name NAME"
            )
        elif event in (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
            self.problem = (
                "the handshake failed: the server has another public key than was given here, or speaks plaintext; "
                "airmeta keys list on its host shows its key"
            )


def _check_plaintext(endpoint: str, identity: Identity | None, plaintext: bool) -> None:
    if identity is not None:
        return
    host = endpoint.removeprefix("tcp://").rsplit(":", 1)[0].strip("[]")
    if endpoint.startswith(("ipc://", "inproc://")) or host == "localhost" or _is_loopback(host):
        return
    if not plaintext:
        raise PlaintextError(
            f"{endpoint}: without keys everything is sent in plaintext, and anybody may take part; make keys with "
            "airmeta keys new, or say --plaintext if you mean it"
        )
    LOG.warning("%s: in plaintext, as was asked for: anybody on this network may listen and take part", endpoint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _socket(context: zmq.asyncio.Context, kind: int, limits: Limits) -> zmq.asyncio.Socket:
    socket = context.socket(kind)
    options = {
        zmq.MAXMSGSIZE: limits.frame,
        zmq.RCVHWM: QUEUE,
        zmq.SNDHWM: QUEUE,
        zmq.LINGER: 0,
        zmq.HANDSHAKE_IVL: HANDSHAKE_MS,
        zmq.TCP_KEEPALIVE: 1,
        zmq.TCP_KEEPALIVE_IDLE: PROBE_S,
        zmq.TCP_KEEPALIVE_INTVL: PROBE_S,
        zmq.TCP_KEEPALIVE_CNT: SILENCE_MS // 1000 // PROBE_S - 1,
        zmq.TCP_MAXRT: SILENCE_MS,
    }
    for option, value in options.items():
        socket.setsockopt(option, value)
    return socket


def _watch(socket: zmq.asyncio.Socket, note: Any) -> asyncio.Task[None]:
    """Call `note` with every event of the handshakes of a socket."""
    monitor = socket.get_monitor_socket(sum(REFUSED) | zmq.EVENT_HANDSHAKE_SUCCEEDED)

    async def watch() -> None:
        try:
            while True:
                note((await recv_monitor_message(monitor))["event"])
        finally:
            monitor.close(linger=0)

    return asyncio.get_running_loop().create_task(watch())


def _remedy(number: int | None) -> str:
    """Return what to do about an address that ZeroMQ does not take."""
    if number == errno.EADDRINUSE:
        return "another process listens there: stop it, or take another port"
    if number in (errno.EADDRNOTAVAIL, errno.ENODEV):
        return "--listen takes an address of this host, or tcp://0.0.0.0:PORT for all of them"
    if number == errno.EACCES:
        return "take a port above 1023"
    return "give it as tcp://HOST:PORT"


def _close(
    context: zmq.asyncio.Context | None, socket: zmq.asyncio.Socket, watch: asyncio.Task[None], linger: int = 0
) -> None:
    watch.cancel()
    socket.disable_monitor()
    socket.close(linger=linger)
    if context is not None:
        context.destroy(linger=linger)


def _refusal(error: VersionError) -> Refuse:
    reason, _, remedy = str(error).partition("; ")
    return Refuse(run="", round=NO_ROUND, agent=0, sequence=0, reason=reason, remedy=remedy)


def _key_of(frames: Sequence[zmq.Frame]) -> str:
    """Return the public key that a message came with; nothing in plaintext."""
    try:
        return str(frames[0].get("User-Id")) if frames else ""
    except zmq.ZMQError:
        return ""
