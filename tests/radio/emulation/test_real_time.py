"""The clock of virtual Plutos in real time, with a time of day that the test turns on by hand."""

import asyncio
from types import SimpleNamespace

import pytest

from radio.emulation import clock
from radio.emulation.bench import Bench
from radio.emulation.clock import TICK, RealTime
from radio.emulation.layout import DDS
from radio.emulation.status import UNDERFLOW

SIZE = 100_000


class Afternoon:
    """One unit that streams in real time, its client, and a time of day that passes while the clock sleeps."""

    def __init__(self, monkeypatch, **options):
        self.now, self.stalls, self.steps = 100.0, {}, []
        monkeypatch.setattr(clock, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": self.sleep}))
        monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.unit = Bench(1, clock=RealTime(**options), start_spread=0.0).units[0]
        self.medium, self.rate = self.unit.front.medium, self.unit.front.chip.rate

    async def sleep(self, seconds):
        """Let the client fill its queue, then time pass, more than was asked for where the machine stalls."""
        while self.delivery.queued(self.medium.count(0)) < self.delivery.depth:
            self.unit.buffers.deliver(self.delivery, bytes(4 * SIZE))
        self.now += seconds + self.stalls.pop(len(self.steps), 0.0)
        self.steps.append((self.now, self.medium.time / self.rate))
        if len(self.steps) == self.count:
            self.unit.buffers.close_delivery()

    def stream(self, count):
        """Stream through so many steps, and return how far behind the time of day sample time was at each."""
        self.count = count

        async def run():
            start = self.now
            self.delivery = self.unit.buffers.open_delivery(SIZE, cyclic=False)
            self.unit.buffers.deliver(self.delivery, bytes(4 * SIZE))
            self.unit.front.medium.clock.settle(self.medium)
            while len(self.steps) < count:
                await asyncio.sleep(0)
            await self.unit.front.medium.clock.stop()
            return [now - start - time for now, time in self.steps]

        return asyncio.run(run())

    @property
    def ran_dry(self):
        return bool(self.unit.registers[DDS].status & UNDERFLOW)


def test_sample_time_is_the_time_of_day(monkeypatch):
    behind = Afternoon(monkeypatch).stream(300)
    assert max(behind) < 2 * TICK


def test_what_the_emulator_is_late_is_made_up_for_and_costs_no_sample(monkeypatch):
    day = Afternoon(monkeypatch, slack=0.5)
    day.stalls[100] = 0.3
    behind = day.stream(400)
    assert max(behind) > 0.3
    assert behind[-1] < 2 * TICK
    assert not day.ran_dry
    played = [after[1] - before[1] for before, after in zip(day.steps, day.steps[1:], strict=False)]
    passed = [after[0] - before[0] for before, after in zip(day.steps, day.steps[1:], strict=False)]
    assert all(one <= 2 * other + 1e-6 for one, other in zip(played[1:], passed, strict=False))


def test_what_is_beyond_the_slack_is_lost_and_said(monkeypatch, caplog):
    day = Afternoon(monkeypatch, slack=0.1)
    day.stalls[100] = 0.8
    behind = day.stream(130)
    assert max(behind[101:]) < 0.1 + 2 * TICK
    assert day.ran_dry
    assert len(caplog.records) == 1
    assert "more than the 100 ms that they make up for: samples are lost; lower" in caplog.text


@pytest.mark.parametrize("block", [64, 4096])
def test_a_step_leaves_half_of_a_short_queue_for_its_client_to_refill(monkeypatch, block):
    monkeypatch.setattr(f"{__name__}.SIZE", block)
    day = Afternoon(monkeypatch)
    day.stream(200)
    steps = [after[1] - before[1] for before, after in zip(day.steps, day.steps[1:], strict=False)]
    assert max(steps) <= min(TICK, 2 * block / day.rate) + 1e-9
