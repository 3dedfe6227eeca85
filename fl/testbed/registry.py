"""Who takes part: registers agents, refuses those that cannot, and notices who has gone."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fl import config as configuration
from fl.config import Config
from fl.control.allow_list import Allowed
from fl.control.claims import Claims, Peer
from fl.control.events import Attempt
from fl.control.messages import AgentStatus, Radio, Register
from fl.testbed.identity import Identity
from fl.uplink.waveform.settings import Modem, check_radio

SHOWN = 20  # keys in which configurations differ


@dataclass(frozen=True)
class Refusal:
    """Why an agent is not taken in; fields as in `fl.control.messages.Refuse`."""

    reason: str
    remedy: str
    details: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Progress:
    """Where the server is, as an agent has to agree with.

    Args:
        committed: rounds that are done.
        last_heard: the last attempt in which the agent was heard; None: in none.
    """

    committed: int
    last_heard: Attempt | None = None


@dataclass
class Known:
    """An agent that has registered.

    Args:
        peer: its connection.
        process: random name of its process.
        name: of its key.
        weight: w.
        last: clock at its last message, in s.
        is_present: whether it is there.
        state: what it says it is doing.
        heard: rounds in which it was heard, since this start.
    """

    peer: Peer
    process: str
    name: str
    weight: float
    last: float
    is_present: bool = True
    state: str = ""
    heard: int = 0


@dataclass(frozen=True)
class Terms:
    """What an agent has to agree with.

    Args:
        identity: of the run.
        version: of airmeta.
        config: of the run.
        modem: the waveform, which radios have to suit; None: the uplink has no radios.
    """

    identity: Identity
    version: str
    config: Config
    modem: Modem | None = None


class Registry:
    """The agents of a run.

    Args:
        terms: of the run.
        clock: seconds that only increase.
        patience: seconds of silence after which an agent is gone.
    """

    def __init__(self, terms: Terms, clock: Callable[[], float], patience: float) -> None:
        self.known: dict[int, Known] = {}
        self._terms = terms
        self._clock = clock
        self._patience = patience
        self._claims = Claims()
        self._agreed = ""  # a configuration that is the server's: comparing it took most of a registration

    def register(self, message: Register, peer: Peer, allowed: Allowed | None, progress: Progress) -> Refusal | None:
        """Take an agent in, or return why not.

        Args:
            message: what it says of itself.
            peer: who it is.
            allowed: what the allow-list says of its key; None: it came in plaintext.
            progress: of the run, and of the agent in it.
        """
        if refusal := self._refusal(message, peer, progress):
            return refusal
        before = self.known.get(message.agent)
        if before is not None and not before.is_present:
            self._claims.release(message.agent)
        if taken := self._claims.claim(message.agent, peer, allowed):
            return Refusal(taken, "give every agent an id of its own with --id, and see airmeta keys list")
        name = peer.route.hex()[:8] if allowed is None else allowed.name
        heard = 0 if before is None else before.heard
        self.known[message.agent] = Known(peer, message.process, name, message.weight, self._clock(), heard=heard)
        return None

    def is_same(self, message: Register) -> bool:
        """Return whether an agent that registers is the process that was there before."""
        before = self.known.get(message.agent)
        return before is not None and before.process == message.process

    def hears(self, agent: int, peer: Peer, state: str | None = None) -> bool:
        """Note a sign of life; return whether it came from who has registered as this agent, and is there."""
        about = self.known.get(agent)
        if about is None or not about.is_present or not self._claims.is_from(agent, peer):
            return False
        about.last = self._clock()
        if state is not None:
            about.state = state
        return True

    def lose(self, agent: int) -> bool:
        """Note that an agent is gone; return whether it was there."""
        about = self.known.get(agent)
        if about is None or not about.is_present:
            return False
        about.is_present, about.state = False, "gone"
        return True

    def silent(self) -> list[tuple[int, float]]:
        """Return those that are there but have said nothing for longer than the patience, and for how many seconds."""
        now = self._clock()
        quiet = [(agent, now - about.last) for agent, about in self.known.items() if about.is_present]
        return [(agent, seconds) for agent, seconds in quiet if seconds > self._patience]

    def count(self, heard: Iterable[int]) -> None:
        """Note who was heard in a round."""
        for agent in heard:
            if agent in self.known:
                self.known[agent].heard += 1

    def route(self, agent: int) -> bytes | None:
        """Return where an agent is; None: it is not there."""
        about = self.known.get(agent)
        return about.peer.route if about is not None and about.is_present else None

    def status(self) -> tuple[AgentStatus, ...]:
        """Return what is known of each agent, by id."""
        now = self._clock()
        return tuple(
            AgentStatus(agent=agent, name=about.name, state=about.state, heard=about.heard, silent_s=now - about.last)
            for agent, about in sorted(self.known.items())
        )

    def _refusal(self, message: Register, peer: Peer, progress: Progress) -> Refusal | None:
        terms = self._terms
        if message.version != terms.version:
            return Refusal(
                f"it has airmeta {message.version}, the server {terms.version}", "install the same airmeta on all hosts"
            )
        different = [] if message.config == self._agreed else _different(message.config, terms.config)
        if different:
            return Refusal(
                f"its configuration differs in {len(different)} key(s)",
                _agree(different),
                tuple(line[:1000] for line in different[:SHOWN]),
            )
        self._agreed = message.config
        if message.agent >= terms.config.agents.count:
            most = terms.config.agents.count - 1
            return Refusal(
                f"ids go from 0 to {most}, got {message.agent}", "give it another --id, or raise agents.count"
            )
        return self._other_run(message, progress) or self._unfit(message) or self._duplicate(message, peer)

    def _other_run(self, message: Register, progress: Progress) -> Refusal | None:
        mine = self._terms.identity
        if message.run and message.run != mine.run:
            return Refusal(
                f"it holds what is left of run {message.run}, this is run {mine.run}",
                "give it another --state folder, or resume the server of that run",
            )
        if not message.run or self.is_same(message):  # what a process has on disk does not go back while it runs
            return None
        return _older_server(message, mine, progress.committed) or _older_agent(message, progress.last_heard)

    def _unfit(self, message: Register) -> Refusal | None:
        if message.weight == 0:
            return Refusal("it has no data for the task", "give its classes more images, or lower task.holdout")
        if self._terms.modem is None:
            return None
        if message.radio is None:
            return Refusal("it has no radio", "start it with --radio URI")
        return _unfit_radio(message.radio, self._terms.modem)

    def _duplicate(self, message: Register, peer: Peer) -> Refusal | None:
        before = self.known.get(message.agent)
        if before is None or not before.is_present or before.process == message.process:
            return None
        return Refusal(
            f"agent {message.agent} is there already, another process of key {before.name}",
            "give this one another --id; if the other one has just been killed, wait a moment",
            again=True,
        )


def _older_server(message: Register, mine: Identity, committed: int) -> Refusal | None:
    """Refuse an agent that knows of rounds, or of starts of the server, that this one has not had yet."""
    done = message.settled and message.sequence == mine.sequence and message.round >= committed
    if message.starts <= mine.sequence and message.round <= committed and not done:
        return None
    return Refusal(
        f"it has come to round {message.round + 1}, and has heard of {message.starts} start(s) of the server, which "
        f"here is at round {committed + 1} of start {mine.sequence}: this server's folder is older than its agents",
        "put the newest copy of the folder back; or begin another run, with other --state folders",
    )


def _older_agent(message: Register, last_heard: Attempt | None) -> Refusal | None:
    """Refuse an agent that does not remember a round in which it was heard: it would send that update again."""
    newest = Attempt(message.sequence, message.round)
    if last_heard is None or message.round < 0 or newest >= last_heard:
        return None
    return Refusal(
        f"it remembers nothing after round {newest.round + 1}, and was heard in round {last_heard.round + 1}: what it "
        "keeps is an older copy, and holds updates that were counted",
        "put the newest copy back; or remove that file, to go on with a zero residual",
    )


def _different(text: str, mine: Config) -> list[str]:
    """Return one line for each key that shapes a result and differs."""
    try:
        theirs = json.loads(text)
    except ValueError:
        return ["not JSON"]
    if not isinstance(theirs, Mapping):
        return ["not a table"]
    places = ("at the server", "at this agent")  # who reads it is the agent's user
    return configuration.differing(configuration.shaping(mine), dict[str, Any](theirs), places)


def _agree(different: list[str]) -> str:
    """Return what an agent's user has to do about keys that differ."""
    if any(line.startswith("task.partition:") for line in different):
        return (
            "start it with the server's file, the same --set and the same partition file: config.toml and "
            "partition.json of the run's folder are copies of both"
        )
    return "start it with the server's file and the same --set (the run's folder holds config.toml)"


def _unfit_radio(radio: Radio, modem: Modem) -> Refusal | None:
    if radio.problem:
        return Refusal(f"its radio failed its self-test: {radio.problem}", "airmeta doctor says more")
    if abs(radio.sample_rate - modem.sample_rate) > 1e-6 * modem.sample_rate:
        return Refusal(
            f"its radio runs at {radio.sample_rate:g} Hz, the waveform needs {modem.sample_rate:g}",
            "set it with waveform.sample_rate",
        )
    try:
        check_radio(modem, radio.timing_uncertainty, radio.timing_repeatability)
    except ValueError as error:
        return Refusal(f"its radio does not suit the waveform: {error}", "set the waveform as it says, for all")
    return None
