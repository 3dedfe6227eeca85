# SPDX-License-Identifier: GPL-3.0-or-later
"""How a flowgraph meets the process that started it (`radio.gnuradio.process`).

    parent:     {"sample_rate": …, …}                 one line of JSON: what is wanted
    flowgraph:  {"airmeta": 1, "item": "complex64", …}  what it is, once it runs; or {"airmeta": 1, "error": "…"}
    parent:     counts
    flowgraph:  {"airmeta": 1, "taken": […], "given": […]}  samples that crossed the bridge, by unit

It ends when its input does, so that it never outlives its parent, however that ended, at SIGTERM, and when one of its
blocks calls `fail`; each time its devices are closed. Unlike the rest of this
repository, the files here link to GNU Radio and are under its licence; they are run by an interpreter that has GNU
Radio, and never imported by others.
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnuradio import gr, zeromq

VERSION = 1
IPC = "ipc://"
POLL = 100  # milliseconds after which a block looks whether it should end
MESSAGES = 256
"""High-water mark of each socket: what waits there is bounded, so whoever sends faster waits."""


@dataclass
class Ports:
    """Where samples of each unit come in and go out.

    Args:
        sources: of what the units send.
        sinks: of what they hear.
    """

    sources: list[gr.basic_block]
    sinks: list[gr.basic_block]

    def counts(self) -> dict[str, list[int]]:
        """Return how many samples of each unit came in and went out."""
        return {
            "taken": [int(block.nitems_written(0)) for block in self.sources],
            "given": [int(block.nitems_read(0)) for block in self.sinks],
        }


Build = Callable[[dict[str, Any]], tuple[gr.top_block, Ports, dict[str, Any]]]


def ports(send: Sequence[str], hear: Sequence[str]) -> Ports:
    """Return the blocks of gr-zeromq at these addresses; what goes out is tagged, so that it carries its count.

    In GNU Radio 3.10 sources connect, so the parent binds `send`; sinks bind, so it connects to `hear`.
    """
    size = gr.sizeof_gr_complex
    return Ports(
        [zeromq.pull_source(size, 1, address, POLL, False, MESSAGES) for address in send],
        [zeromq.push_sink(size, 1, address, POLL, True, MESSAGES) for address in hear],
    )


def say(**content: Any) -> None:
    """Send a line to the parent, whole: GNU Radio logs to the same place."""
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), (json.dumps({"airmeta": VERSION, **content}) + "\n").encode())


def fail(reason: str) -> None:
    """End the flowgraph, from any of its threads; the parent reports the reason, and starts it again if asked to."""
    sys.stdout.write(f"{reason}\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGTERM)


def serve(build: Build, close: Callable[[gr.top_block], None] = lambda _: None) -> None:
    """Run a flowgraph until the parent closes the pipe, or it is ended.

    Args:
        build: returns the flowgraph, its ports, and what the parent must know of it, from what the parent wants.
        close: called at the end; gr-iio 3.10.5 does not come back from wait(), so nobody else waits.
    """
    wanted: dict[str, Any] = {}
    graph, status = None, 1
    signal.signal(signal.SIGTERM, _interrupt)
    lines = _lines()
    try:
        wanted |= json.loads(next(lines, ""))
        graph, ends, about = build(wanted)
        graph.start()
        say(item="complex64", sample_rate=wanted["sample_rate"], version=gr.version(), **about)
        for line in lines:
            if line == "counts":
                say(**ends.counts())
        status = 0
    except KeyboardInterrupt:
        pass  # whoever asked for it has said why
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent reports it
        with suppress(OSError):  # the parent may be gone
            say(error=f"{type(error).__name__}: {error}")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a parent that is in a hurry kills
    remove_sockets([*wanted.get("send", []), *wanted.get("hear", [])])
    if graph is not None:
        close(graph)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(status)  # at the interpreter's own end, threads of GNU Radio crash


def _lines() -> Iterator[str]:
    """Yield the parent's lines until it closes the pipe.

    A signal that comes just before a read would not end it; one that comes before a `select` on the wakeup pipe does.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    kept = b""
    while True:
        if sys.stdin.fileno() not in select.select([sys.stdin.fileno(), woken], [], [])[0]:
            os.read(woken, 1)
            continue  # the signal's handler has run, or is about to
        more = os.read(sys.stdin.fileno(), 1 << 16)
        *lines, kept = (kept + more).split(b"\n")
        for line in lines:
            yield line.decode().strip()
        if not more:
            return


def _interrupt(*_: object) -> None:
    """End what the main thread waits for, once: what then closes the devices is not to be ended, too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def remove_sockets(addresses: Sequence[str]) -> None:
    """Remove the files of these addresses, and the folder that had nothing else: the parent may be gone."""
    files = [Path(address.removeprefix(IPC)) for address in addresses if address.startswith(IPC)]
    for file in files:
        file.unlink(missing_ok=True)
    with suppress(OSError):
        for folder in {file.parent for file in files}:
            folder.rmdir()
