"""Who may connect to a server: CURVE keys on its allow-list, as ZeroMQ's authentication protocol asks (RFC 27)."""

import logging
from pathlib import Path

import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.utils import z85

from fl.control import allow_list
from fl.control.allow_list import Allowed
from fl.control.keys import KeyFileError
from fl.control.refusals import Refusals


class AllowList:
    """An allow-list as it is on disk now: whoever is revoked is out with its next message.

    Args:
        path: of the list.
        log: where a list that cannot be read is said.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self.path = path
        self._log = log
        self._seen: tuple[int, int, int] | None = None
        self._entries: dict[str, Allowed] = {}
        self.entry("")

    def entry(self, key: str) -> Allowed | None:
        """Return what the list says of a public key; None: it is not let in."""
        seen = self._signature()
        if seen != self._seen:
            self._seen = seen
            try:
                self._entries = {entry.key: entry for entry in allow_list.load(self.path)}
            except KeyFileError as error:
                self._entries = {}
                self._log.error("nobody is let in: %s", error)
        return self._entries.get(key)

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class Gate(AsyncioAuthenticator):
    """Lets keys in that are on the list, and names those that are not.

    Args:
        context: of the sockets that it guards.
        allowed: the list.
        refusals: where it says whom it refused.
    """

    def __init__(self, context: zmq.asyncio.Context, allowed: AllowList, refusals: Refusals) -> None:
        quiet = logging.getLogger("airmeta.zap")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        super().__init__(context, log=quiet)
        self._allowed_keys = allowed
        self._refusals = refusals
        self._address = ""
        self.configure_curve_callback("*", self)

    async def handle_zap_message(self, msg: list[bytes]) -> None:
        """Answer one question of ZeroMQ; they come one after the other."""
        self._address = msg[3].decode("ascii", "replace") if len(msg) > 3 else ""
        await super().handle_zap_message(msg)

    def callback(self, _domain: str, key: bytes) -> bool:
        """Return whether a public key is let in."""
        public = key.decode("ascii")
        if self._allowed_keys.entry(public) is not None:
            return True
        self._refusals.note(
            f"key {public} at {self._address}",
            f"not on {self._allowed_keys.path}; if it is one of yours: airmeta keys allow '{public}' --name NAME",
        )
        return False

    def curve_user_id(self, client_public_key: bytes) -> str:
        """Return the name by which messages of a peer are known: its public key."""
        return z85.encode(client_public_key).decode("ascii")
