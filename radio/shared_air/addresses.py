"""How the air of another process is called: `air:tcp://127.0.0.1:PORT`, with virtual Plutos on it `plutos:tcp://…`.

Nobody has to prove who he is, so it is served on loopback addresses, unless somebody says otherwise.
"""

import ipaddress

PREFIX = "air:"
PLUTOS = "plutos:"
SCHEME = "tcp://"


def is_uri(text: str, prefix: str = PREFIX) -> bool:
    """Return whether this names an air of another process, or what else has a prefix."""
    return text.startswith(prefix)


def endpoint_of(uri: str, prefix: str = PREFIX) -> str:
    """Return the endpoint behind a URI.

    Raises:
        ValueError: it is none.
    """
    endpoint = uri.removeprefix(prefix)
    if not is_uri(uri, prefix) or not _parts(endpoint):
        raise ValueError(f"an air is called {prefix}tcp://127.0.0.1:PORT, as airmeta radio air prints it, got {uri!r}")
    return endpoint


def check_listening(endpoint: str, may_leave_host: bool) -> None:
    """Refuse an endpoint that cannot be, or that other hosts can reach although nobody asked for that.

    Raises:
        ValueError: so it is.
    """
    parts = _parts(endpoint)
    if parts is None:
        raise ValueError(f"an endpoint is tcp://127.0.0.1:PORT, PORT 0 for a free one, got {endpoint!r}")
    if not is_loopback(endpoint) and not may_leave_host:
        raise ValueError(
            f"the air asks nobody for a key, so it must listen on a loopback address such as tcp://127.0.0.1:{parts[1]}"
            f", got {endpoint}; say --plaintext if everybody on that network may take part"
        )


def is_loopback(endpoint: str) -> bool:
    """Return whether nobody but this host can reach an endpoint."""
    parts = _parts(endpoint)
    if parts is None:
        return False
    try:
        return parts[0] == "localhost" or ipaddress.ip_address(parts[0]).is_loopback
    except ValueError:
        return False


def _parts(endpoint: str) -> tuple[str, int] | None:
    """Return host and port; None: it is no endpoint."""
    host, colon, port = endpoint.removeprefix(SCHEME).rpartition(":")
    if not endpoint.startswith(SCHEME) or not host or not colon or not port.isdecimal() or int(port) > 65535:
        return None
    return host.strip("[]"), int(port)
