"""The verbs of a connection that has opened buffers: what they answer, when, and what ends their waiting."""

import asyncio
import errno

import numpy as np
import pytest

from radio.emulation import protocol, replies
from radio.emulation.layout import ADC, DDS
from radio.emulation.protocol import BYTES, MASK, Address, RefusedError, Request
from radio.emulation.transfer import MOST_BUFFERS, HangUp, Transfer
from tests.radio.emulation.standing import SAMPLE_RATE, play, standing
from tests.radio.emulation.wire import noise, pack

N = 64


class Written(list):
    """What was answered ahead of the reply, in place of a connection."""

    def write(self, data):
        self.append(data)


class Connection:
    """One connection to a unit, without a network."""

    def __init__(self, unit):
        self.unit, self.reader, self.early = unit, asyncio.StreamReader(), Written()
        self.transfer = Transfer(unit, self.reader, self.early)

    def ask(self, verb, device, size=0, **more):
        return getattr(self.transfer, verb)(Request(verb, Address(device, "", "", ""), size, MASK, **more))

    async def begin(self, *request, **more):
        """Return a request as a task that has come as far as it can."""
        task = asyncio.ensure_future(self.ask(*request, **more))
        await settled()
        return task


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


def scenario(test):
    """Run a test in a loop of its own, with a connection to a unit whose time stands."""

    def run():
        async def whole():
            await asyncio.wait_for(test(Connection(standing().units[0])), 30)

        asyncio.run(whole())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def error_of(request):
    with pytest.raises(RefusedError) as caught:
        await request
    return caught.value.errno


@scenario
async def test_a_request_is_answered_once_its_last_block_is_full_and_not_before(here):
    assert await here.ask("open", ADC, N) == b"0\n"
    asked = await here.begin("receive", ADC, BYTES * N)
    play(here.unit, N - 1)
    await settled()
    assert not asked.done()
    play(here.unit, 1)
    assert await asked == replies.block(bytes(BYTES * N))


@scenario
async def test_a_request_takes_as_many_blocks_as_it_needs_and_loses_the_rest_of_the_last(here):
    """Unit and loopback send a ramp, so that each sample tells which one it is."""
    here.unit.chip.loopback = 1
    ramp = np.arange(5 * N) / 2048
    delivery = here.unit.buffers.open_delivery(ramp.size, cyclic=True)
    here.unit.buffers.deliver(delivery, pack(ramp))
    await here.ask("open", ADC, N)
    asked = await here.begin("receive", ADC, BYTES * (2 * N + 8))
    for _ in range(3):
        play(here.unit, N)
        await settled()
    reply = await asked
    sizes, data = [BYTES * N, BYTES * N, BYTES * 8], b""
    for number, size in enumerate(sizes):
        head = b"%d\n" % size + (MASK.encode() + b"\n" if number == 0 else b"")
        assert reply.startswith(head)
        data, reply = data + reply[len(head) : len(head) + size], reply[len(head) + size :]
    assert reply == b""
    assert np.frombuffer(data, "<i2")[::2].tolist() == list(range(2 * N + 8))
    play(here.unit, N)
    (_, _, following) = (await here.ask("receive", ADC, BYTES * N)).partition(MASK.encode() + b"\n")
    assert np.frombuffer(following, "<i2")[0] == 3 * N


@scenario
async def test_less_than_a_sample_is_no_wait_and_more_than_the_largest_block_is_refused(here):
    await here.ask("open", ADC, N)
    assert await here.ask("receive", ADC, BYTES - 1) == b"0\n"
    assert await error_of(here.ask("receive", ADC, BYTES * protocol.LARGEST_BLOCK + 1)) == errno.EINVAL


@scenario
async def test_a_buffer_that_is_closed_under_a_waiting_reader_ends_its_wait(here):
    await here.ask("open", ADC, N)
    asked = await here.begin("receive", ADC, BYTES * N)
    here.unit.buffers.close_reception()
    assert await error_of(asked) == errno.EBADF


@pytest.mark.parametrize("device", [ADC, DDS])
def test_a_client_that_is_gone_waits_for_nothing_more(device):
    @scenario
    async def gone(here):
        await here.ask("open", device, N)
        if device == DDS:
            for _ in range(here.unit.buffers.depths[DDS]):
                here.unit.buffers.deliver(here.transfer.delivery, bytes(BYTES * N))
            here.reader.feed_data(bytes(BYTES * N))
        asked = await here.begin("receive" if device == ADC else "send", device, BYTES * N)
        assert not asked.done()
        here.transfer.hang_up()
        with pytest.raises(HangUp):
            await asked
        here.transfer.hang_up()
        assert (here.transfer.reception or here.transfer.delivery).waiting is None

    gone()


@scenario
async def test_a_block_is_asked_for_before_it_is_taken_and_confirmed_with_its_size_behind(here):
    data = pack(noise(N))
    await here.ask("open", DDS, N)
    sent = await here.begin("send", DDS, len(data))
    assert here.early == [b"0\n"]
    assert not sent.done()
    here.reader.feed_data(data)
    assert await sent == b"%d\n" % len(data)
    assert [block.data for block in here.transfer.delivery.blocks] == [data]


@scenario
async def test_a_block_waits_for_a_free_kernel_buffer(here):
    await here.ask("set_depth", DDS, 2)
    await here.ask("open", DDS, N)
    for _ in range(2):
        here.reader.feed_data(bytes(BYTES * N))
        await here.ask("send", DDS, BYTES * N)
    here.reader.feed_data(bytes(BYTES * N))
    third = await here.begin("send", DDS, BYTES * N)
    play(here.unit, N - 1)
    await settled()
    assert not third.done()
    play(here.unit, 1)
    assert await third == b"%d\n" % (BYTES * N)


@scenario
async def test_a_block_that_waits_for_room_need_not_where_another_sample_rate_drops_the_queue(here):
    await here.ask("set_depth", DDS, 1)
    await here.ask("open", DDS, N)
    here.unit.buffers.deliver(here.transfer.delivery, bytes(BYTES * N))
    here.reader.feed_data(pack(noise(N)))
    sent = await here.begin("send", DDS, BYTES * N)
    assert not sent.done()
    here.unit.write(SAMPLE_RATE, "5000000")
    assert await sent == b"%d\n" % (BYTES * N)
    assert [block.data for block in here.transfer.delivery.blocks] == [pack(noise(N))]


@scenario
async def test_a_second_block_that_would_repeat_is_refused_before_it_is_sent(here):
    await here.ask("open", DDS, N, cyclic=True)
    here.reader.feed_data(bytes(BYTES * N))
    await here.ask("send", DDS, BYTES * N)
    here.early.clear()
    assert await error_of(here.ask("send", DDS, BYTES * N)) == errno.EBUSY
    assert here.early == []


@scenario
async def test_blocks_of_no_size_of_half_a_sample_or_too_large_are_refused_before_they_are_sent(here):
    await here.ask("open", DDS, N)
    for size in (0, BYTES + 1, BYTES * (N + 1)):
        assert await error_of(here.ask("send", DDS, size)) == errno.EINVAL
    assert here.early == []


@scenario
async def test_a_depth_is_that_of_the_next_buffer_of_its_device(here):
    for device, depth in ((ADC, 1), (DDS, MOST_BUFFERS)):
        await here.ask("set_depth", device, depth)
        await here.ask("open", device, N)
        assert await error_of(here.ask("set_depth", device, 2)) == errno.EBUSY
    assert (here.transfer.reception.depth, here.transfer.delivery.depth) == (1, MOST_BUFFERS)
    for depth in (0, MOST_BUFFERS + 1):
        assert await error_of(here.ask("set_depth", ADC, depth)) == errno.EINVAL


@pytest.mark.parametrize("device, verb", [(ADC, "receive"), (DDS, "send")])
def test_a_connection_uses_and_closes_only_what_it_has_opened_itself(device, verb):
    @scenario
    async def two(here):
        other = Connection(here.unit)
        assert await error_of(here.ask(verb, device, BYTES * N)) == errno.EBADF
        await other.ask("open", device, N)
        assert await error_of(here.ask(verb, device, BYTES * N)) == errno.EBADF
        assert await error_of(here.ask("close", device)) == errno.EBADF
        assert await error_of(here.ask("open", device, N)) == errno.EBUSY
        assert here.unit.buffers.is_open(device)
        assert await other.ask("close", device) == b"0\n"
        assert not here.unit.buffers.is_open(device)
        assert await here.ask("open", device, N) == b"0\n"

    two()
