"""A host asks when t = 0 was, before it opens its radio: several times, and the answer with the least doubt counts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from fl.control.frames import encode
from fl.control.messages import NO_ROUND, AskTime, Time
from fl.control.sockets import AgentSocket
from fl.testbed.driver import LOG
from radio.usrp.epoch import Epoch, EpochError, offset
from radio.usrp.shared_time import JoiningHost

QUESTIONS = 8
AGAIN_S = 2.0  # after which a question that was not answered is asked again


@dataclass(frozen=True)
class ServerTime:
    """The time of a server's radio, as an agent's host may join it.

    Args:
        run: of the server.
        sequence: which of its starts: the next one has another t = 0.
        host: what is known of its t = 0.
    """

    run: str
    sequence: int
    host: JoiningHost

    @property
    def doubt(self) -> float:
        """Seconds by which t = 0 may be wrong, by the clock of the agent's host."""
        return self.host.epoch.doubt + self.host.offset.doubt

    def check(self, run: str, sequence: int) -> None:
        """Return if a server that takes the agent in has this time.

        Raises:
            EpochError: it was started again since, and its t = 0 is another one.
        """
        if (run, sequence) != (self.run, self.sequence):
            raise EpochError(
                f"host {self.host.name}: its radio must have the server's t = 0, which it has of start {self.sequence} "
                f"of run {self.run}, got start {sequence} of run {run}; start this agent again with the same --state"
            )


async def ask_time(socket: AgentSocket, agent: int, now: Callable[[], float] = time.monotonic) -> ServerTime:
    """Return the time of a server's radio; waits for a server that is not there.

    Args:
        socket: way to the server.
        agent: whose radio is to join.
        now: clock of this host, in seconds.

    Raises:
        EpochError: the server has no time that hosts could share.
        VersionError: it speaks another version.
    """
    answers = [await _answered(socket, agent, now) for _ in range(QUESTIONS)]
    last = answers[-1]
    same = [one for one in answers if (one.run, one.sequence) == (last.run, last.sequence)]
    return min(same, key=lambda answer: answer.doubt)


async def _answered(socket: AgentSocket, agent: int, now: Callable[[], float]) -> ServerTime:
    """Ask until one question is answered within its time; late answers would have the largest doubt."""
    said = None
    while True:
        question = AskTime(run="", round=NO_ROUND, agent=agent, sequence=0, asked=now())
        await socket.send(encode(question))
        try:
            async with asyncio.timeout(AGAIN_S):
                message = await _answer_to(socket, question)
                got = now()
        except TimeoutError:
            problem = socket.problem or f"nobody answers within {AGAIN_S:g} s"
            if problem != said:
                LOG.warning("waiting for the server's time: %s", problem)
            said = problem
            continue
        return _understood(message, agent, got, now)


async def _answer_to(socket: AgentSocket, question: AskTime) -> Time:
    while True:
        message = (await socket.receive()).message
        if isinstance(message, Time) and message.asked == question.asked:
            return message


def _understood(message: Time, agent: int, got: float, now: Callable[[], float]) -> ServerTime:
    if message.zero is None:
        raise EpochError(
            f"agent {agent}: the server must have a time that hosts share, got none ({message.problem}); start both "
            "with the same configuration"
        )
    try:
        ahead = offset(message.asked, message.heard, message.answered, got)
    except ValueError as error:
        raise EpochError(f"agent {agent}: the server's time cannot be ({error})") from error
    host = JoiningHost(f"of agent {agent}", Epoch(message.zero, message.doubt), ahead, now)
    return ServerTime(message.run, message.sequence, host)
