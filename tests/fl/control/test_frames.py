"""Whatever arrives, decoding returns a message or raises a ProtocolError, and takes little memory."""

import random
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.control import messages
from fl.control.frames import Limits, decode_from_agent, decode_from_server, encode, pack_for
from fl.control.messages import Close, Followed, Grant, Heartbeat, Open, Ready, Sent, TrackState
from fl.control.tensors import NAMES, ProtocolError, TensorSpec

LIMITS = Limits(header=10_000, tensors=20_000)
WHERE = {"run": "r", "round": 3, "agent": 1, "sequence": 2}
TRACK = TrackState(time=1.0, phase=0.1, frequency=-20.0, covariance=(1.0, 0.0, 0.0, 2.0))
MEMORY = 200_000  # bytes, of any message
THETA = {"theta": np.linspace(-1, 1, 50, dtype=np.float32)}


def opened(**changes):
    return Open(**(WHERE | {"deadline_s": 3.0, "oracle": False} | changes))


def sent():
    tensors = {"symbols": np.ones((20, 2), np.float32), "oracle_places": np.arange(5), "oracle_kept": np.ones(5, "f4")}
    return encode(Sent(**WHERE, fraction=0.5, power=0.9, papr_db=9.1, track=TRACK), tensors)


def all_messages():
    kinds = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, messages.Message)]
    return [kind for kind in kinds if kind is not messages.Message]


@settings(max_examples=100, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=0),
    st.text(max_size=100),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.integers(0, 2**20 - 1),
    st.integers(-1, 2**40 - 1),
)
def test_a_message_arrives_as_it_was_sent(power, failure, loss, agent, round_index):
    where = WHERE | {"agent": agent, "round": round_index}
    message = Ready(**where, loss=loss, symbol_power=power, failure=failure)
    assert decode_from_agent(encode(message), LIMITS).message == message


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.randoms())
def test_tensors_arrive_as_they_were_sent(size, rnd):
    weights = np.array([[rnd.gauss(0, 1), rnd.gauss(0, 1)] for _ in range(size)]).reshape(-1, 2)
    message = Grant(**WHERE, fraction=1.0, residual=TRACK, sounded_at=12.5)
    received = decode_from_server(encode(message, {"weights": weights}), LIMITS)
    assert received.message == message
    np.testing.assert_array_equal(received.tensors["weights"], weights)


def test_parameters_are_packed_once_for_many_agents():
    packed = pack_for(Open, THETA)
    for agent in range(3):
        received = decode_from_server(encode(opened(agent=agent), packed), LIMITS)
        assert received.message.agent == agent
        np.testing.assert_array_equal(received.tensors["theta"], THETA["theta"])


def test_every_message_is_decoded_on_one_side_at_least():
    decoded = set(messages.FromAgent.__args__) | set(messages.FromServer.__args__)
    assert decoded == set(all_messages())


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([], "2 or 3 frames"),
        ([b"airmeta\x01"], "2 or 3 frames"),
        ([b"GET / HTTP/1.1", b""], "not the airmeta protocol"),
        ([b"airmeta\x07", b""], "version 7, this airmeta speaks 1; install"),
        ([b"airmeta\x01", b"\xc1"], "not a message"),
        ([b"airmeta\x01", b"x" * 10_001], "at most 10000 bytes"),
        (encode(Close(**WHERE, heard=True)), "not a message"),  # the server's words from an agent
        ([*sent()[:2], b"x" * 20_001], "at most 20000 bytes"),
        ([*sent()[:2], sent()[2][:-1]], "not a whole safetensors frame"),
        ([*sent()[:2], (10**9).to_bytes(8, "little") + b"{}"], "header of the tensors must be at most"),
        ([*encode(Heartbeat(**WHERE)), sent()[2]], "unknown, this message may carry none"),
    ],
)
def test_what_is_not_a_message_is_refused_with_the_reason(frames, reason):
    with pytest.raises(ProtocolError, match=reason):
        decode_from_agent(frames, LIMITS)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "tensor theta: missing"),
        ({"theta": np.zeros(5)}, "must be float32, got float64"),
        ({"theta": np.zeros((5, 2), np.float32)}, r"shape must be \(d\)"),
        ({"theta": np.zeros(5, np.float32), "theta2": np.zeros(5)}, "theta2.*unknown"),
    ],
)
def test_tensors_that_are_not_of_the_message_are_not_sent(tensors, reason):
    with pytest.raises(ValueError, match=reason):
        encode(opened(), tensors)


def test_tensors_must_have_the_lengths_that_the_run_has():
    frames = encode(opened(), THETA)
    with pytest.raises(ProtocolError, match=r"shape must be \(51\), got \(50,\)"):
        decode_from_server(frames, Limits(sizes={"d": 51}))
    assert decode_from_server(frames, Limits(sizes={"d": 50}))


def test_axes_of_one_name_have_one_length():
    with pytest.raises(ValueError, match=r"pilot_weights: shape must be \(4, 2\)"):
        encode(Grant(**WHERE, fraction=1.0), {"weights": np.zeros((4, 2)), "pilot_weights": np.zeros((5, 2))})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_do_not_pass(bad):
    with pytest.raises(ValueError, match=r"Followed\.cfo is not finite"):
        encode(Followed(**WHERE, cfo=bad, cfo_std=1.0))
    frame = encode(opened(), {"theta": np.full(4, bad, np.float32)})
    with pytest.raises(ProtocolError, match="theta: not finite"):
        decode_from_server(frame, LIMITS)
    raw = msgspec.msgpack.encode({"kind": "followed", **WHERE, "cfo": bad, "cfo_std": 1.0})
    with pytest.raises(ProtocolError, match="cfo is not finite"):
        decode_from_agent([b"airmeta\x01", raw], LIMITS)
    bent = TrackState(time=0.0, phase=0.0, frequency=0.0, covariance=(1.0, bad, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"Grant\.residual\.covariance\.1 is not finite"):
        encode(Grant(**WHERE, fraction=1.0, residual=bent))


def test_unknown_fields_and_values_out_of_range_are_refused():
    for change in ({"extra": 1}, {"agent": -1}, {"agent": 1 << 30}, {"run": "x" * 65}, {"sequence": "1"}):
        raw = msgspec.msgpack.encode({"kind": "heartbeat", **(WHERE | change)})
        with pytest.raises(ProtocolError, match="not a message"):
            decode_from_agent([b"airmeta\x01", raw], LIMITS)


def test_a_tensor_of_no_entries_may_not_have_a_shape_that_no_array_has():
    header = b'{"theta":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}'
    frame = len(header).to_bytes(8, "little") + header
    with pytest.raises(ProtocolError, match="theta"):
        decode_from_server([*encode(opened(), THETA)[:2], frame], LIMITS)


def test_dtypes_have_the_names_of_safetensors():
    assert {spec.dtype for kind in all_messages() for spec in kind.TENSORS} <= set(NAMES)
    assert all(isinstance(spec, TensorSpec) for kind in all_messages() for spec in kind.TENSORS)


def mutated(rng: random.Random) -> list[bytes]:
    """Return frames that were a message before bytes were changed, cut, doubled or made up."""
    frames = list(rng.choice([sent(), encode(opened(), THETA), encode(Followed(**WHERE, cfo=1.0, cfo_std=0.1))]))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(frames))
        frame = bytearray(frames[place])
        what = rng.randrange(6)
        at = rng.randrange(len(frame) + 1)
        if what == 0 and frame:
            frame[at % len(frame)] = rng.randrange(256)
        elif what == 1:
            del frame[at:]
        elif what == 2:
            frame[at:at] = rng.randbytes(rng.randrange(9))
        elif what == 3:  # lengths that promise more than there is
            frame[at:at] = rng.choice([b"\xdd\x7f\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
        elif what == 4:
            frame = frame[at:] + frame[:at]
        else:
            frame = bytearray(rng.randbytes(rng.randrange(200)))
        frames[place] = bytes(frame)
        if rng.random() < 0.05:
            frames.append(bytes(frame))
    return frames


def decoded(frames: list[bytes]) -> tuple[int, int]:
    """Return how many sides refuse a message, and the bytes that it takes to decode."""
    refusals = 0
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for decode in (decode_from_agent, decode_from_server):
        try:
            decode(frames, LIMITS)
        except ProtocolError:
            refusals += 1
    return refusals, tracemalloc.get_traced_memory()[1] - before


def fuzz(count: int) -> None:
    rng = random.Random(1)
    refused = 0
    tracemalloc.start()
    try:
        for _ in range(count):
            frames = mutated(rng)
            refusals, taken = decoded(frames)
            refused += refusals
            # A thread that another test left may take memory meanwhile: what a message takes, it takes each time.
            assert taken < MEMORY or min(decoded(frames)[1] for _ in range(3)) < MEMORY, frames
    finally:
        tracemalloc.stop()
    assert refused > count  # one side refuses each of them at least


def test_what_was_tampered_with_is_a_message_or_refused():
    fuzz(2000)


@pytest.mark.slow
def test_what_was_tampered_with_is_a_message_or_refused_a_hundred_thousand_times():
    fuzz(100_000)


def test_deep_nesting_is_refused():
    for nest in (b"\x91" * 9000, b"\x81\xa1a" * 3000):
        raw = msgspec.msgpack.encode({"kind": "heartbeat", **WHERE})
        for frame in (nest, raw[:-1] + nest, raw.replace(b"\xa1r", nest)):
            with pytest.raises(ProtocolError):
                decode_from_agent([b"airmeta\x01", frame], LIMITS)
