"""Laws of the barrier, with units that hear and send at random."""

import numpy as np
import pytest

from radio.shared_air.barrier import Barrier


@pytest.mark.parametrize("seed", range(200))
def test_nobody_hears_what_an_owing_unit_can_still_send_into_and_all_come_to_an_end(seed):
    """Each unit hears up to instants of its own and at last delivers; it can send from its latest instant on."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    plans = {unit: sorted(rng.integers(1, 20, rng.integers(0, 4)).tolist()) for unit in range(n)}
    owes = {unit for unit in range(n) if rng.random() < 0.7}
    can_send_from = dict.fromkeys(range(n), 0)
    barrier, frontier = Barrier(), 0
    barrier.expect(owes, 0.0)
    left = {unit: [*plan, None] for unit, plan in plans.items()}
    while any(left.values()):
        free = [unit for unit in left if left[unit] and unit not in barrier.waiting]
        unit = barrier.ready(frontier)
        if unit is not None and (not free or rng.random() < 0.5):
            end = barrier.waiting[unit]
            barrier.served(unit)
            others = [other for other in barrier.owing if other != unit]
            assert end <= frontier or all(max(can_send_from[o], barrier.waiting.get(o, 0)) >= end for o in others)
            frontier = max(frontier, end)
            can_send_from[unit] = frontier
            continue
        assert free, "everybody waits for somebody else"
        chosen = int(rng.choice(free))
        wanted = left[chosen].pop(0)
        if wanted is None:
            barrier.deliver(chosen)
        else:
            barrier.wait(chosen, wanted)
    while (unit := barrier.ready(frontier)) is not None:
        barrier.served(unit)
    assert not barrier.waiting


def test_who_is_silent_for_too_long_is_given_up_unless_it_waits_for_others():
    barrier = Barrier()
    barrier.expect([1, 2, 3], 0.0)
    barrier.wait(2, 100.0)
    barrier.alive(3, 8.0)
    assert barrier.give_up(10.0, 10.0) == ()
    assert barrier.give_up(10.1, 10.0) == (1,)
    assert (set(barrier.owing), barrier.hung) == ({2, 3}, {1})
    barrier.expect([1], 20.0)
    assert barrier.hung == set()
