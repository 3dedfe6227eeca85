"""Serves a simulated air to several processes over ZeroMQ, one thread for everything: asking, waiting, computing.

A ROUTER does not say when a peer is gone; its monitor does, by the descriptor of the connection, which every message
carries, too. The monitor is looked at ahead of every message, so that a descriptor is never that of a later connection.
"""

import logging
import math
import time
from typing import Any, Protocol

import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from radio.base import RadioError
from radio.shared_air import messages as say
from radio.shared_air.addresses import check_listening
from radio.shared_air.attendance import failed
from radio.shared_air.barrier import Barrier
from radio.shared_air.seats import Seat, Seats

LOG = logging.getLogger("airmeta.air")
TICK = 100  # milliseconds between two looks at the time, and at whether to stop
QUEUE = 4  # messages of a peer that wait to be read: it asks one at a time
ANSWERS = 256  # to a peer; ZeroMQ learns up to a millisecond late, and in batches, that some were sent
CONNECTIONS = 4096


class Desk(Protocol):
    """Where units ask."""

    @property
    def barrier(self) -> Barrier:
        """Who owes, and who waits."""
        ...

    @property
    def seats(self) -> Seats[Any]:
        """Who has which unit."""
        ...

    def open(self, question: say.Open, route: bytes, descriptor: int) -> say.Answer | None:
        """Open a unit for a connection; None: the answer comes later, from `carry_out`."""
        ...

    def lose(self, seat: Seat[Any], reason: str) -> None:
        """Free what a unit held that is gone."""
        ...

    def answer(self, seat: Seat[Any], question: say.Question, samples: np.ndarray, now: float) -> say.Answer | None:
        """Return the answer to a question; None: it comes later, from `carry_out`."""
        ...

    def carry_out(self) -> tuple[Seat[Any], tuple[say.Answer, np.ndarray | None]] | None:
        """Return what one unit waited for, and its seat; None: nobody's turn has come."""
        ...

    def give_up(self, now: float) -> None:
        """Free units that owe a delivery and have been silent for too long."""
        ...

    def state(self, number: int, refused: int) -> say.State:
        """Return how things stand."""
        ...


class AirServer:
    """An air that listens.

    Args:
        desk: what it does with questions.
        endpoint: `tcp://127.0.0.1:PORT`; port 0 takes a free one.
        may_leave_host: whether other hosts may reach it, although nobody has to prove who he is.

    Raises:
        ValueError: other hosts could, and nobody asked for that.
        RadioError: the endpoint cannot be had.
    """

    def __init__(self, desk: Desk, endpoint: str, may_leave_host: bool = False) -> None:
        check_listening(endpoint, may_leave_host)
        self.desk = desk
        self.refused = 0
        self._end = math.inf
        self._context = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 64)
        self._socket = _router(self._context)
        self._left = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise RadioError(f"cannot listen on {endpoint} ({error}); choose another port or address") from error
        self.endpoint = str(self._socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    def serve(self) -> None:
        """Serve until somebody calls `stop`."""
        while time.monotonic() < self._end and not (math.isfinite(self._end) and not self.desk.seats.open):
            self.step()

    def stop(self, patience: float = 0.0) -> None:
        """Let `serve` return soon; may be called by a signal's handler or another thread.

        Args:
            patience: seconds in which units may leave by themselves; it returns when all have.
        """
        self._end = min(self._end, time.monotonic() + patience)

    def close(self) -> None:
        """Close all connections; what was not sent yet is not."""
        self._socket.disable_monitor()
        self._context.destroy(linger=0)

    def step(self, tick: int = TICK) -> None:
        """Answer whatever has come, let one unit hear if it is its turn, and see who hangs.

        Args:
            tick: milliseconds to wait if there is nothing to do.
        """
        self._answer_all()
        self._see_who_left()
        self.desk.give_up(time.monotonic())
        served = self.desk.carry_out()
        if served is not None:
            seat, (answer, samples) = served
            self._send(seat.route, answer, samples)
            self.desk.barrier.alive(seat.unit, time.monotonic())
        else:
            self._poll(tick)

    def _poll(self, tick: int) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._left, zmq.POLLIN)
        poller.poll(tick)

    def _answer_all(self) -> None:
        while True:
            try:
                route, *frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._see_who_left()
            if not frames:
                continue
            self._answer(route.bytes, frames)

    def _answer(self, route: bytes, frames: list[Any]) -> None:
        try:
            question, samples = say.decode_question([frame.buffer for frame in frames])
        except say.MessageError as error:
            self._refuse(route, error)
            return
        try:
            answer = self._reply(route, question, samples, frames)
        except (RadioError, ValueError) as error:
            answer = failed(question.number, error)
        if answer is not None:
            self._send(route, answer)

    def _reply(self, route: bytes, question: say.Question, samples: np.ndarray, frames: list[Any]) -> Any:
        if isinstance(question, say.Ask):
            return self.desk.state(question.number, self.refused)
        if isinstance(question, say.Open):
            return self.desk.open(question, route, frames[-1].get(zmq.SRCFD))
        seat = self.desk.seats.at(route)
        if seat is None:
            raise RadioError("this connection has no unit; open one first")
        return self.desk.answer(seat, question, samples, time.monotonic())

    def _refuse(self, route: bytes, error: say.MessageError) -> None:
        """Tell a peer that it is not understood; log this less and less often."""
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:
            LOG.warning("refused a message, the %d. so far: %s", self.refused, error)
        self._send(route, failed(0, error))

    def _send(self, route: bytes, answer: say.Answer, samples: np.ndarray | None = None) -> None:
        """Send; whoever is gone or does not read loses its unit."""
        try:
            self._socket.send_multipart([route, *say.encode(answer, samples)], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            self._lose(self.desk.seats.at(route), "is gone" if error.errno == zmq.EHOSTUNREACH else "does not read")

    def _see_who_left(self) -> None:
        while self._left.poll(0):
            descriptor = recv_monitor_message(self._left)["value"]
            self._lose(self.desk.seats.behind(int(descriptor)), "its connection was closed")

    def _lose(self, seat: Seat[Any] | None, reason: str) -> None:
        if seat is not None:
            self.desk.lose(seat, reason)


def _router(context: zmq.Context[Any]) -> zmq.Socket[Any]:
    socket = context.socket(zmq.ROUTER)
    options = {
        zmq.ROUTER_MANDATORY: 1,
        zmq.MAXMSGSIZE: say.MOST_BYTES,
        zmq.RCVHWM: QUEUE,
        zmq.SNDHWM: ANSWERS,
        zmq.LINGER: 0,
        zmq.BACKLOG: CONNECTIONS,
    }
    for option, value in options.items():
        socket.setsockopt(option, value)
    return socket
