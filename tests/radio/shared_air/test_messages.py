"""What is no message, or comes from somebody who should not be there: refused, and nobody is harmed."""

import msgspec
import numpy as np
import pytest
import zmq

from radio.base import LostRadioError, RadioError
from radio.settings import Change
from radio.shared_air import messages as say
from radio.shared_air.addresses import check_listening, endpoint_of
from radio.shared_air.radio import SharedAirRadio, state_of
from tests.radio.shared_air.device import burst
from tests.radio.shared_air.host import ABOUT, Host, drifting_air

HEAD = say.MAGIC + bytes([say.VERSION])


@pytest.fixture
def host():
    host = Host(drifting_air())
    yield host
    host.close()


def header(**content):
    return msgspec.msgpack.encode(content)


NONSENSE = {
    "another version": [say.MAGIC + bytes([99]), header(type="Now", number=1)],
    "another protocol": [b"airmeta\x01", header(type="Now", number=1)],
    "one frame": [HEAD],
    "too many frames": [HEAD, header(type="Now", number=1), b"", b""],
    "no header": [HEAD, b"\xc1"],
    "unknown message": [HEAD, header(type="Obey", number=1)],
    "unknown field": [HEAD, header(type="Now", number=1, hurry=True)],
    "a field of another type": [HEAD, header(type="Receive", number=1, count="all", at=0)],
    "too many samples": [HEAD, header(type="Receive", number=1, count=say.MOST_SAMPLES + 1, at=0)],
    "an index beyond all": [HEAD, header(type="Receive", number=1, count=1, at=1 << 62)],
    "half a sample": [HEAD, header(type="Transmit", number=1, at=0), b"1234"],
    "samples with what has none": [HEAD, header(type="Now", number=1), bytes(8)],
    "no samples with what has some": [HEAD, header(type="Transmit", number=1, at=0)],
    "a header that does not end": [HEAD, bytes(say.MOST_HEADER + 1)],
}


@pytest.mark.parametrize("frames", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_message_is_refused(frames):
    with pytest.raises(say.MessageError):
        say.decode_question(frames)


def test_nonsense_from_others_harms_nobody(host):
    radio = host.open(0)
    rng = np.random.default_rng(0)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(host.server.endpoint)
        for frames in NONSENSE.values():
            stranger.send_multipart(frames)
            answer, _ = say.decode_answer(stranger.recv_multipart())
            assert isinstance(answer, say.Failed)
        whole = header(type="Transmit", number=1, at=10)
        for _ in range(500):
            cut = bytearray(whole[: rng.integers(len(whole) + 1)])
            if cut:
                cut[rng.integers(len(cut))] ^= int(rng.integers(1, 256))
            stranger.send_multipart([HEAD, bytes(cut), rng.bytes(8 * int(rng.integers(3)))])
            answer, _ = say.decode_answer(stranger.recv_multipart())
            assert isinstance(answer, say.Failed)  # if by chance a message: nobody has opened a unit here
    assert radio.receive(100, 1000).data.size == 100
    assert state_of(host.server.endpoint).connected == (0,)
    radio.close()


def test_samples_travel_unchanged_and_can_be_written_to():
    sent = burst(1, 3)
    _, samples = say.decode_question([bytes(frame) for frame in say.encode(say.Transmit(1, 5), sent)])
    assert np.array_equal(samples, sent)
    samples[:] = 0


@pytest.mark.parametrize(
    "unit, about, message",
    [
        (3, ABOUT, r"0, the server's, to 2.* got 3"),
        (1, ABOUT | {"seed": 4}, r"another experiment.*\n  seed: 3 at the air, 4 at unit 1$"),
        (1, ABOUT | {"new": None}, "new: None at the air"),
    ],
)
def test_who_does_not_belong_to_the_experiment_is_refused_with_the_reason(host, unit, about, message):
    with pytest.raises(RadioError, match=message):
        host.open(unit, about)


def test_only_unit_0_expects_and_only_units_that_there_are(host):
    server, agent = host.open(0), host.open(1)
    with pytest.raises(ValueError, match="only unit 0"):
        agent.expect([0])
    with pytest.raises(RadioError, match="got 7"):
        server.expect([7])
    assert server.expect([1, 2]) == (2,)
    server.close()
    agent.close()


def test_without_an_air_a_radio_is_lost_and_says_what_to_start():
    with pytest.raises(LostRadioError, match="start airmeta radio air"):
        SharedAirRadio("air:tcp://127.0.0.1:1", 0, ABOUT)


@pytest.mark.parametrize("uri", ["tcp://127.0.0.1:5", "air:127.0.0.1:5", "air:tcp://127.0.0.1", "air:tcp://a:99999"])
def test_what_is_no_uri_is_refused(uri):
    with pytest.raises(ValueError, match="air:tcp://"):
        endpoint_of(uri)


def test_other_hosts_are_let_in_only_if_somebody_asks_for_that():
    for endpoint in ("tcp://0.0.0.0:5", "tcp://192.0.2.1:5", "tcp://*:5"):
        with pytest.raises(ValueError, match="--plaintext"):
            check_listening(endpoint, may_leave_host=False)
        check_listening(endpoint, may_leave_host=True)
    for endpoint in ("tcp://127.0.0.1:5", "tcp://[::1]:5", "tcp://localhost:5"):
        check_listening(endpoint, may_leave_host=False)


def test_a_unit_that_comes_back_is_set_as_at_first_and_its_counter_runs_on(host):
    radio = host.open(1)
    first = radio.settings
    radio.receive(1000, 5000)
    radio.configure(Change(rx_gain_db=6.0, clock_trim_ppm=10.0))
    radio.receive(1000, 6000)
    now = radio.now()
    radio.close()
    again = host.open(1)
    assert again.settings == first
    assert again.now() == now
    again.close()
