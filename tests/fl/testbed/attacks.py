"""What somebody on the network may try: strangers, floods of connections, and frames of every kind of nonsense."""

import asyncio
import random
import socket
from contextlib import contextmanager

import msgspec
import zmq
import zmq.asyncio

from fl.control.frames import encode
from fl.control.messages import (
    NO_ROUND,
    Ask,
    AskStatus,
    AskTime,
    Bye,
    Close,
    Followed,
    Heartbeat,
    Radio,
    Ready,
    Register,
    Sent,
)

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(47)  # of ZMTP 3.1
ABOUT_RADIO = {"uri": "x", "serial": "", "sample_rate": 1e6, "timing_uncertainty": 1, "timing_repeatability": 0.0}


def resident():
    """Return the memory of this process, in MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@contextmanager
def sockets():
    """Yield a context whose sockets are closed at once, whatever they have not sent."""
    context = zmq.asyncio.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


def connect(context, address, identity=None):
    """Return a raw DEALER; `identity` has its keys."""
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.reconnect_ivl = 20
    if identity is not None:
        dealer.curve_publickey = identity.keys.public.encode()
        dealer.curve_secretkey = identity.keys.secret.encode()
        dealer.curve_serverkey = identity.others.encode()
    dealer.connect(address)
    return dealer


def forged(rng, run, attempt):
    """Return frames of a message in the name of somebody else, as whole as a real one."""
    where = {"run": run, "round": attempt.round, "agent": rng.randrange(4), "sequence": attempt.sequence}
    outside = where | {"round": NO_ROUND}
    radio = Radio(**ABOUT_RADIO, lead_time=1, problem="")
    register = {"version": "1", "process": "p", "config": "{}", "weight": 1.0, "radio": radio}
    register |= {"settled": True, "starts": 0}
    messages = (
        Register(**outside, **register), Ready(**where, loss=1.0, symbol_power=1.0),
        Followed(**where, cfo=1.0, cfo_std=1.0), Sent(**where, fraction=1.0), Ask(**where), Heartbeat(**outside),
        Bye(**outside, reason="x"), AskStatus(**outside), AskTime(**outside, asked=1.0), Close(**where, heard=True),
    )  # fmt: skip
    return encode(rng.choice(messages))


def spoilt(rng, frames):
    """Return frames after bytes were changed, cut, doubled, made up, or put in another order."""
    frames = list(frames)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(frames))
        frame = bytearray(frames[place])
        match rng.randrange(7):
            case 0 if frame:
                frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
            case 1 if frame:
                del frame[rng.randrange(len(frame)) :]
            case 2:
                frame += rng.randbytes(rng.randrange(200))
            case 3:
                frame = bytearray(rng.randbytes(rng.randrange(64)))
            case 4:
                frames.insert(place, bytes(frame))
            case 5:
                rng.shuffle(frames)
            case _:
                deep = rng.randrange(2000)
                frame = bytearray(b"\x91" * deep + msgspec.msgpack.encode({"kind": "sent"}))
        frames[place] = bytes(frame)
    return frames


class Fuzz:
    """Sends frames without end, as fast as they are taken.

    Args:
        run: what is attacked.
        identity: keys that are let in.
        seed: of the frames.

    Attributes:
        count: messages sent.
    """

    def __init__(self, run, identity, seed=0):
        self.run, self.identity, self.rng, self.count = run, identity, random.Random(seed), 0

    async def go_on(self):
        with sockets() as context:
            dealer = connect(context, self.run.address, self.identity)
            while True:
                frames = forged(self.rng, self.run.run_id, self.run.server.machine.now)
                await dealer.send_multipart(spoilt(self.rng, frames) if self.rng.random() < 0.8 else frames)
                self.count += 1
                if self.count % 20 == 0:
                    await asyncio.sleep(0)  # let the others have a word


async def opened(address):
    """Return a connection that knows nothing of ZeroMQ."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    raw = socket.socket()
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    return raw


async def flood(address, count):
    """Open connections that say nothing, half a greeting, a greeting and no more, or something else; return them."""
    words = (b"", GREETING[:10], GREETING, b"GET / HTTP/1.1\r\n\r\n", GREETING + b"\x04\x26\x05READY" + bytes(31))
    connections = []
    for place in range(count):
        connections.append(await opened(address))
        await asyncio.get_running_loop().sock_sendall(connections[-1], words[place % len(words)])
    return connections
