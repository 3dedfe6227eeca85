"""Asking a server how its run is."""

import asyncio

from fl.control.frames import Limits, encode
from fl.control.messages import NO_ROUND, AskStatus, Status
from fl.control.sockets import AgentSocket
from fl.testbed.hosting import Endpoint


async def inquire(endpoint: Endpoint, timeout: float) -> Status:
    """Return what a server says of its run.

    Args:
        endpoint: of the server.
        timeout: seconds to wait.

    Raises:
        TimeoutError: nothing came.
    """
    socket = AgentSocket(endpoint.address, endpoint.identity, Limits(), plaintext=endpoint.plaintext)
    try:
        async with asyncio.timeout(timeout):
            await socket.send(encode(AskStatus(run="", round=NO_ROUND, agent=0, sequence=0)))
            while True:
                message = (await socket.receive()).message
                if isinstance(message, Status):
                    return message
    except TimeoutError:
        why = socket.problem or "nobody answers; is a server running there?"
        raise TimeoutError(f"{endpoint.address}: no answer in {timeout:g} s: {why}") from None
    finally:
        socket.close()
