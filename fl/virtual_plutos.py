"""Virtual Plutos in a process of their own, in real time: learning does not keep them from their work, nor a lock.

The process holds the reading end of a pipe. However the process that started it ends, kill -9 included, that pipe ends
with it, and the virtual radios, too. Both say one line at a time, in JSON:

    request {what the air is} -> URIs     request "opened" -> counts at which the receive streams were opened
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from fl.radio_config import Loopback
from fl.radios import simulated_air
from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.clock import RealTime
from radio.emulation.medium import Clock
from radio.emulation.server import Server
from radio.precedence import take_precedence

STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Scene:
    """Virtual Plutos, and the air between them.

    Args:
        units: how many.
        loopback: the table of impairments.
        noise_var: σ² of a received sample at the reference gain.
        redraw: seconds after which channels are drawn anew; 0: never.
        seed: of the run.
    """

    units: int
    loopback: dict[str, Any]
    noise_var: float
    redraw: float
    seed: int

    def bench(self, clock: Clock, has_tdd: bool = False) -> Bench:
        """Return the units, with the TDD controller or without."""
        air = Loopback(**self.loopback)
        return Bench(
            self.units,
            lambda rate: simulated_air(air, rate, self.noise_var, self.redraw, self.seed),
            clock,
            self.seed,
            has_tdd=has_tdd,
            family="airmeta-run",  # `airmeta radio emulate` has units of its own
        )


class Emulator:
    """The process, seen from the one that started it.

    Args:
        scene: what it emulates.

    Raises:
        RadioError: it does not start.
    """

    def __init__(self, scene: Scene) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fl.virtual_plutos"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent, which silences the radios first
        )
        self._requests, self._answers = _pipes(self._process)
        try:
            self.uris: list[str] = self._ask(asdict(scene))
        except BaseException:
            self.close()
            raise

    def opened(self) -> list[int]:
        """Return the count of every unit's clock at which its receive stream was opened.

        Raises:
            RadioError: the process is gone.
        """
        found: list[int] = self._ask("opened")
        return found

    def close(self) -> None:
        """End the process; it ends by itself should this one die."""
        try:
            self._process.communicate(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _ask(self, request: Any) -> Any:
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            answer = self._answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RadioError(
                "the process of the virtual radios must answer, got none; what it wrote to stderr says why, or set "
                "radio.pluto.clock = lock-step"
            )
        return json.loads(answer)


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RadioError("the process of the virtual radios has no pipes")
    return process.stdin, process.stdout


async def serve() -> None:
    """Serve the scene that the first line of stdin describes, until stdin ends."""
    take_precedence()  # where the system allows it: learning has the time that is left
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    bench = Scene(**json.loads(await lines.readline())).bench(RealTime())
    server = Server(bench, [("127.0.0.1", 0)] * len(bench.units))
    await server.start()
    _answer(server.uris)
    try:
        while await lines.readline():
            _answer([None if unit.reception is None else unit.reception.opened for unit in bench.units])
    finally:
        await server.stop()


def _answer(content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
