"""What server and agents say to each other over the control plane, one Struct a message.

    agent    register                 ready              followed          sent                   ask
    server            welcome, refuse        open … sound           grant        … close, answer

A host of radios that share their time says ask_time before its agent registers, and is answered time.

Every message names the run, the round, the agent and the sequence, which counts the starts of the server: a round that
is done again after a kill is another attempt, and nothing said of the first one is taken for the second. Within an
attempt each kind of message is meant once from, and once to, an agent; the same one again changes nothing.

Tensors travel beside the header (`fl.control.tensors`); `TENSORS` says which. Complex values are pairs of real and
imaginary part on the last axis. What only a simulation may be asked for has a name that begins with `oracle_`.
"""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from fl.control.tensors import TensorSpec

MOST_AGENTS = 1 << 20
NO_ROUND = -1

Agent = Annotated[int, Meta(ge=0, lt=MOST_AGENTS)]
Index = Annotated[int, Meta(ge=NO_ROUND, lt=1 << 40)]
Count = Annotated[int, Meta(ge=0, lt=1 << 40)]
Sample = Annotated[int, Meta(ge=-(1 << 62), lt=1 << 62)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(max_length=64)]
Line = Annotated[str, Meta(max_length=1000)]
Lines = Annotated[tuple[Line, ...], Meta(max_length=100)]
Text = Annotated[str, Meta(max_length=32_768)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a message."""


class Radio(Part, frozen=True):
    """What an agent says of its radio."""

    uri: Annotated[Line, Meta(description="where it is, as the configuration says it")]
    serial: Annotated[Name, Meta(description="of the unit; empty: it has none")]
    sample_rate: Annotated[NotNegative, Meta(description="in Hz")]
    timing_uncertainty: Annotated[Count, Meta(description="samples that the cyclic prefix must cover")]
    timing_repeatability: Annotated[NotNegative, Meta(description="rms samples between sounding and payload")]
    lead_time: Annotated[Count, Meta(description="samples ahead of which a burst must be queued")]
    problem: Annotated[Line, Meta(description="why its self-test failed; empty: it passed")]


class TrackState(Part, frozen=True):
    """What is known of phase and frequency of a link at an instant (`dsp.phase_tracking.Track`)."""

    time: Annotated[float, Meta(description="in s, of the server's counter")]
    phase: Annotated[float, Meta(description="in radians")]
    frequency: Annotated[float, Meta(description="in Hz")]
    covariance: Annotated[tuple[float, float, float, float], Meta(description="of both, row by row")]


class AgentStatus(Part, frozen=True):
    """One agent as the server sees it."""

    agent: Annotated[Agent, Meta(description="its id")]
    name: Annotated[Name, Meta(description="of its key in the allow-list")]
    state: Annotated[Name, Meta(description="what it is doing, or that it is gone")]
    heard: Annotated[Count, Meta(description="rounds in which it was heard")]
    silent_s: Annotated[NotNegative, Meta(description="seconds since its last message")]


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every message says."""

    TENSORS: ClassVar[tuple[TensorSpec, ...]] = ()

    run: Annotated[Name, Meta(description="id of the run; empty: the agent has not been told yet")]
    round: Annotated[Index, Meta(description="index of the round; -1: outside of rounds")]
    agent: Annotated[Agent, Meta(description="id of the agent that speaks or is spoken to")]
    sequence: Annotated[Count, Meta(description="starts of the server up to the one that opened the round")]


class Register(Message, frozen=True, tag="register"):
    """An agent offers to take part; it says so again when the connection or the server was lost.

    `round` and `sequence` are those of the newest attempt that it has on disk; -1 and 0: it has none.
    """

    version: Annotated[Name, Meta(description="of airmeta")]
    process: Annotated[
        Name, Meta(description="random name of the agent's process: another one has forgotten its round")
    ]
    settled: Annotated[bool, Meta(description="whether it knows what became of that attempt")]
    starts: Annotated[Count, Meta(description="of the server, as far as it has heard")]
    config: Annotated[Text, Meta(description="the agent's configuration, resolved, as JSON")]
    weight: Annotated[NotNegative, Meta(description="w of the agent in the mean; 0: it has no data, and is refused")]
    radio: Annotated[Radio | None, Meta(description="its radio; null for uplinks without one")]


class Welcome(Message, frozen=True, tag="welcome"):
    """The server takes an agent in; `sequence` is that of all rounds that it will open."""

    rounds: Annotated[Count, Meta(description="of the run")]
    committed: Annotated[Count, Meta(description="rounds that are done")]
    heartbeat_s: Annotated[NotNegative, Meta(description="seconds between heartbeats, both ways")]
    patience_s: Annotated[NotNegative, Meta(description="seconds of silence after which the other side is gone")]


class Refuse(Message, frozen=True, tag="refuse"):
    """The server does not take an agent in, or does not know it."""

    reason: Annotated[Line, Meta(description="quantity, limit, value")]
    remedy: Annotated[Line, Meta(description="what to do")]
    details: Annotated[Lines, Meta(description="one line each, such as the keys in which configurations differ")] = ()
    again: Annotated[bool, Meta(description="whether registering again may help without anybody doing anything")] = (
        False
    )


class Open(Message, frozen=True, tag="open"):
    """A round begins: learn from θ."""

    TENSORS = (TensorSpec("theta", "float32", ("d",), "θ, the parameters"),)

    deadline_s: Annotated[NotNegative, Meta(description="seconds after which `ready` comes too late")]
    oracle: Annotated[bool, Meta(description="whether `sent` is to carry what only a simulation may ask for")]


class Ready(Message, frozen=True, tag="ready"):
    """An agent has computed its update, and has it on disk; or says why not."""

    loss: Annotated[float | None, Meta(description="training loss; null: not finite")]
    symbol_power: Annotated[NotNegative, Meta(description="mean|s_i|² of its symbols before power control")]
    failure: Annotated[Line, Meta(description="why there is no update to send; empty: there is")] = ""
    learn_s: Annotated[NotNegative, Meta(description="seconds that computing it took; 0: it was kept from before")] = (
        0.0
    )


class Sound(Message, frozen=True, tag="sound"):
    """Where an agent's soundings lie: the frame follows from the number of agents and whether one of them is new."""

    start: Annotated[Sample, Meta(description="index of the server at which the beacon leaves")]
    slot: Annotated[Count, Meta(description="of the agent: its row in frame and pilots")]
    agents: Annotated[Count, Meta(description="that sound in this round")]
    first: Annotated[bool, Meta(description="whether one of them has not sounded before: more cycles")]
    session: Annotated[Line, Meta(description="of the server's radio: its counter begins anew with every one")] = ""
    now: Annotated[
        Sample | None, Meta(description="index of the server when it said so; null: counters began together")
    ] = None


class Followed(Message, frozen=True, tag="followed"):
    """What an agent made of the beacon; its soundings are on the air, corrected by `cfo`."""

    TENSORS = (TensorSpec("downlink", "float64", ("subcarriers", 2), "H_down, without soundings", optional=True),)

    cfo: Annotated[float, Meta(description="of the server's carrier as received, in Hz; the agent takes it back")]
    cfo_std: Annotated[NotNegative, Meta(description="its standard deviation")]
    downlink_var: Annotated[NotNegative | None, Meta(description="error of `downlink` on each subcarrier")] = None
    failure: Annotated[Line, Meta(description="why the agent cannot follow; empty: it does")] = ""


class Grant(Message, frozen=True, tag="grant"):
    """The server's decision on an agent: send, and how."""

    TENSORS = (
        TensorSpec("weights", "float64", ("blocks", 2), "b on each block; 0: silent there", optional=True),
        TensorSpec("pilot_weights", "float64", ("blocks", 2), "of the agent's pilots", optional=True),
    )

    fraction: Annotated[Share, Meta(description="factor on an update whose norm is an outlier")]
    bits: Annotated[Count | None, Meta(description="that the agent may send, for `digital`")] = None
    sounded_at: Annotated[float | None, Meta(description="index of the server in the middle of the last slot")] = None
    residual: Annotated[TrackState | None, Meta(description="what the agent's own correction has left")] = None


class Sent(Message, frozen=True, tag="sent"):
    """What an agent has put on the air; it wrote that to disk before."""

    TENSORS = (
        TensorSpec("symbols", "float32", ("symbols", 2), "x_i, for the simulated air of `symbol`", optional=True),
        TensorSpec(
            "update", "float32", ("d",), "by wire: g_i for `ideal`, what was coded of it for `digital`", optional=True
        ),
        TensorSpec("oracle_places", "int64", ("kept",), "of the kept entries", optional=True),
        TensorSpec("oracle_kept", "float32", ("kept",), "entries of g_i there", optional=True),
    )

    fraction: Annotated[Share, Meta(description="c_i, by which all of the update was scaled")]
    bits: Annotated[Count | None, Meta(description="of the payload, for `digital`")] = None
    power: Annotated[NotNegative | None, Meta(description="mean |x_i|² of the data over P")] = None
    papr_db: Annotated[float | None, Meta(description="of the payload")] = None
    innovation: Annotated[float | None, Meta(description="radians that nobody predicted, seen in the trigger")] = None
    track: Annotated[TrackState | None, Meta(description="of the link after the trigger")] = None
    failure: Annotated[Line, Meta(description="why nothing was sent; empty: it was")] = ""


class Close(Message, frozen=True, tag="close"):
    """The round is over, and on the server's disk."""

    heard: Annotated[bool, Meta(description="whether the agent's update was counted")]
    reason: Annotated[Line, Meta(description="why not")] = ""


class Ask(Message, frozen=True, tag="ask"):
    """Was I heard in the attempt that `round` and `sequence` name? From an agent that missed its `close`."""


class Answer(Message, frozen=True, tag="answer"):
    """The answer, from what the server has on disk; none comes while that attempt goes on."""

    heard: Annotated[bool, Meta(description="whether the agent's update was counted")]


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Somebody is there, both ways."""

    state: Annotated[Name, Meta(description="what it is doing, for the status page")] = ""


class Bye(Message, frozen=True, tag="bye"):
    """The one who says so leaves, both ways."""

    reason: Annotated[Line, Meta(description="why")] = ""
    done: Annotated[bool, Meta(description="whether the run is")] = False


class AskStatus(Message, frozen=True, tag="ask_status"):
    """Somebody with an allowed key asks how the run is; it need not be registered."""


class Status(Message, frozen=True, tag="status"):
    """How the run is."""

    phase: Annotated[Name, Meta(description="of the round")]
    committed: Annotated[Count, Meta(description="rounds that are done")]
    rounds: Annotated[Count, Meta(description="of the run")]
    agents: Annotated[tuple[AgentStatus, ...], Meta(max_length=10_000, description="those known, by id")] = ()


class AskTime(Message, frozen=True, tag="ask_time"):
    """A host with an allowed key asks when t = 0 was, before it opens its radio; it need not be registered."""

    asked: Annotated[float, Meta(description="when it asks, by its own clock, in s")]


class Time(Message, frozen=True, tag="time"):
    """When t = 0 was, by the server's clock: the host joins that time at an edge of the PPS (`radio.usrp.epoch`)."""

    asked: Annotated[float, Meta(description="as the question said it")]
    heard: Annotated[float, Meta(description="when the server heard the question, by its own clock, in s")]
    answered: Annotated[float, Meta(description="when it answered")]
    zero: Annotated[float | None, Meta(description="when t = 0 was; null: hosts have no time in common")] = None
    doubt: Annotated[NotNegative, Meta(description="seconds by which `zero` may be wrong")] = 0.0
    problem: Annotated[Line, Meta(description="why there is no `zero`; empty: there is")] = ""


FromAgent = Register | Ready | Followed | Sent | Ask | Heartbeat | Bye | AskStatus | AskTime
FromServer = Welcome | Refuse | Open | Sound | Grant | Close | Answer | Heartbeat | Bye | Status | Time
