from dataclasses import replace

import numpy as np
import pytest

from radio.air import Air
from radio.base import FullScaleError, LateError, OverrunError
from radio.fading import Fading, Profile, profile
from radio.impairments import ReceiveChain, TransmitChain
from radio.loopback import LoopbackRadio
from radio.noise import NOISE_CHUNK
from radio.oscillator import Wander
from radio.propagation import BLOCK
from radio.unit import Unit

RATE, CARRIER = 4e6, 2.4e9
STEADY = Fading(profile("flat"), 0.0, RATE, k_factor=1e12)
RAYLEIGH = Fading(profile("flat"), 0.0, RATE)
DISPERSIVE = Fading(profile("tdl_a"), 100e-9, RATE)
MOVING = Fading(profile("tdl_a"), 100e-9, RATE, doppler=200.0, redraw=1e-3)
RESTLESS = Wander(linewidth=10.0, frequency_walk=0.17, pll_rms=0.02)


def air_of(fading, *units, seed=7, **options):
    return Air(dict(enumerate(units)).__getitem__, fading, CARRIER, RATE, seed, **options)


def noise(count, seed=0, rms=0.1):
    parts = np.random.default_rng(seed).standard_normal((count, 2)) * (rms / np.sqrt(2))
    return (parts[:, 0] + 1j * parts[:, 1]).astype(np.complex64)


class Tones:
    """Fifty complex exponentials in 80 % of the band, known at every instant between two samples."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.frequencies = rng.uniform(-0.4, 0.4, 50)
        parts = rng.standard_normal((2, 50))
        self.amplitudes = (parts[0] + 1j * parts[1]) / 40

    def at(self, places, response=1):
        return np.exp(2j * np.pi * np.multiply.outer(places, self.frequencies)) @ (self.amplitudes * response)

    def samples(self, count):
        return self.at(np.arange(count)).astype(np.complex64)


def power(x):
    return float(np.mean(np.abs(x.astype(np.complex128)) ** 2))


LOUD, FAST = Unit(offset_ppm=12.0, timing_offset=3.3, wander=RESTLESS), Unit(offset_ppm=-25.0, start=5, wander=RESTLESS)


def test_two_senders_together_are_the_sum_of_each_alone():
    heard = {}
    for senders in ((1,), (2,), (1, 2)):
        air = air_of(DISPERSIVE, Unit(wander=RESTLESS), LOUD, FAST)
        for unit in senders:
            air.transmit(unit, noise(5000, unit), at=1000 * unit)
        heard[senders], _ = air.receive(0, 8000, 500)
    assert power(heard[1,]) > 1e-4
    assert power(heard[2,]) > 1e-4
    assert np.allclose(heard[1, 2], heard[1,] + heard[2,], rtol=0, atol=1e-7)


def test_the_order_in_which_bursts_are_handed_over_leaves_no_trace_in_the_last_bit():
    """Units in processes of their own come in any order."""
    bursts = [(unit, noise(5000, unit + 10 * at), at) for unit in (1, 2, 3) for at in (1000, 4000)]
    heard = []
    for order in (bursts, bursts[::-1], bursts[3:] + bursts[:3]):
        air = air_of(DISPERSIVE, Unit(wander=RESTLESS), LOUD, FAST, Unit(offset_ppm=7.0))
        for unit, samples, at in order:
            air.transmit(unit, samples, at)
        heard.append(air.receive(0, 9000, 500)[0].tobytes())
    assert len(set(heard)) == 1


def test_half_the_amplitude_is_heard_at_half_the_amplitude():
    whole, half = (air_of(DISPERSIVE, Unit(), LOUD) for _ in range(2))
    whole.transmit(1, noise(5000), at=1000)
    half.transmit(1, noise(5000) / 2, at=1000)
    assert np.array_equal(whole.receive(0, 6000, 900)[0] / 2, half.receive(0, 6000, 900)[0])


def test_any_pieces_in_any_order_give_the_same_samples():
    def busy():
        air = air_of(MOVING, Unit(noise_var=1e-4, offset_ppm=3.0, wander=RESTLESS), LOUD, FAST)
        air.transmit(1, noise(9000, 1), at=2100)
        air.transmit(2, noise(12_000, 2), at=3000)
        air.transmit(1, noise(100, 3), at=14_000)
        return air

    whole, _ = busy().receive(0, 20_000, 100)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cuts = np.sort(rng.choice(np.arange(1, 20_000), 20, replace=False))
        pieces = list(zip([0, *cuts.tolist()], [*cuts.tolist(), 20_000], strict=True))
        air, pieced = busy(), np.zeros(20_000, np.complex64)
        for number in rng.permutation(len(pieces)):
            low, high = pieces[number]
            pieced[low:high], _ = air.receive(0, high - low, 100 + low)
        assert np.array_equal(pieced, whole)


def test_listening_twice_or_elsewhere_or_by_the_oracle_changes_nothing():
    unit = Unit(noise_var=1e-4, wander=RESTLESS)
    disturbed, alone = (air_of(MOVING, unit, LOUD, FAST) for _ in range(2))
    for air in (disturbed, alone):
        air.transmit(1, noise(3000), at=2000)
    disturbed.oracle_signal(0, 3000, 500)
    disturbed.receive(2, 4000, 300)
    first, _ = disturbed.receive(0, 5000, 1000)
    again, _ = disturbed.receive(0, 5000, 1000)
    assert np.array_equal(first, again)
    assert np.array_equal(first, alone.receive(0, 5000, 1000)[0])


def test_the_oracle_hears_the_future_without_fixing_it():
    air = air_of(STEADY, Unit(noise_var=1.0), Unit())
    air.oracle_signal(0, 10_000, 0)
    air.transmit(1, noise(1000), at=100)
    assert air.frontier == 0
    assert power(air.oracle_signal(0, 1000, 100)) < 0.1


@pytest.mark.parametrize("offset", [0.0, 0.3, -7.6, 40.5])
@pytest.mark.parametrize("fading", [STEADY, DISPERSIVE])
def test_nothing_is_heard_before_a_burst_leaves(offset, fading):
    air = air_of(fading, Unit(), Unit(timing_offset=offset, offset_ppm=20.0))
    before, _ = air.receive(0, 1900, 0)
    air.transmit(1, noise(3000, rms=0.3), at=2000)
    first = int(np.ceil((2000 + offset) / (1 + 20e-6)))
    assert np.array_equal(air.receive(0, 1900, 0)[0], before)
    assert not air.receive(0, first, 0)[0].any()
    assert power(air.receive(0, 1000, first)[0]) > 1e-6


def test_a_unit_does_not_hear_itself():
    air = air_of(STEADY, Unit(), Unit())
    air.transmit(0, noise(1000), at=0)
    assert not air.receive(0, 1000, 0)[0].any()


@pytest.mark.parametrize(
    ("fading", "sender", "receiver", "at"),
    [
        (STEADY, Unit(), Unit(), 0),
        (STEADY, Unit(timing_offset=0.3), Unit(), 0),
        (STEADY, Unit(timing_offset=-7.5, offset_ppm=30.0), Unit(), 0),
        (STEADY, Unit(offset_ppm=-20.0), Unit(offset_ppm=20.0), 0),
        (STEADY, Unit(start=12_345, offset_ppm=-5.0), Unit(start=777, offset_ppm=11.0), 0),
        (DISPERSIVE, Unit(timing_offset=-11.3, offset_ppm=-30.0), Unit(offset_ppm=10.0), 0),
        (DISPERSIVE, Unit(offset_ppm=30.0), Unit(), 14_400_000_000),
    ],
    ids=["plain", "delay", "delay-and-clock", "two-clocks", "starts", "taps", "taps-after-an-hour"],
)
def test_delay_clock_carrier_and_taps_are_applied_exactly(fading, sender, receiver, at):
    """y[m] = Σ_l h_l x(p(t) − τ_l) e^{j2πf_c(ε_u − ε_r)t}, within −75 dB, where p(t) counts in the sender's samples."""
    air, tones, count = air_of(fading, receiver, sender), Tones(), 5000
    begin = round(at * sender.rate) + sender.start + 3000
    air.transmit(1, tones.samples(count), at=begin)
    middle = round(receiver.index(float(sender.time(begin + sender.timing_offset))))
    m = np.arange(middle + 200, middle + count - 200)
    heard, _ = air.receive(0, m.size, int(m[0]))
    t = (m - receiver.start) / (1 + 1e-6 * receiver.offset_ppm)
    place = t * (1 + 1e-6 * sender.offset_ppm) + (sender.start - begin - sender.timing_offset)
    delays, gains = air.oracle_taps(1, 0, np.zeros(1))
    cycles = (sender.offset_ppm - receiver.offset_ppm) * 1e-6 * CARRIER / RATE * t
    response = np.exp(-2j * np.pi * np.multiply.outer(tones.frequencies, delays)) @ gains[0]
    expected = tones.at(place, response) * np.exp(2j * np.pi * (cycles - np.floor(cycles)))
    assert power(heard - expected) < 10**-7.5 * power(expected)


def test_the_error_falls_by_12_db_with_half_the_drift():
    """Over 896 samples, e^{jωδ} and the straight line nearest to it differ by (ωδ)²/2 less its mean."""

    def error(offset_ppm):
        air, tones = air_of(STEADY, Unit(), Unit(offset_ppm=offset_ppm)), Tones()
        air.transmit(1, tones.samples(20 * BLOCK), at=0)
        t = np.arange(BLOCK, 19 * BLOCK)
        _, gains = air.oracle_taps(1, 0, np.zeros(1))
        expected = gains[0] * tones.at(t * (1 + 1e-6 * offset_ppm)) * np.exp(1j * air.oracle_phase(1, 0, t * 1.0))
        return 10 * np.log10(power(air.receive(0, t.size, BLOCK)[0] - expected) / power(expected))

    errors = [error(offset_ppm) for offset_ppm in (40.0, 80.0, 160.0)]
    assert errors[0] < -76
    assert np.allclose(np.diff(errors), 12, atol=0.3)


def test_a_moving_channel_is_that_of_the_middle_of_each_block():
    air = air_of(replace(RAYLEIGH, doppler=500.0, redraw=2e-3), Unit(), Unit())
    air.transmit(1, np.full(30 * BLOCK, 0.5, np.complex64), at=0)
    heard, _ = air.receive(0, 28 * BLOCK, BLOCK)
    middles = (np.arange(1, 29) + 0.5) * BLOCK - 0.5
    _, gains = air.oracle_taps(1, 0, middles)
    assert np.abs(np.diff(gains[:, 0])).max() > 0.1
    inner = heard.reshape(28, BLOCK)[:, BLOCK // 4 : -BLOCK // 4]
    assert np.allclose(inner, 0.5 * gains, rtol=0, atol=1e-4)


def test_what_turns_between_two_oscillators_is_their_difference():
    air = air_of(STEADY, Unit(wander=RESTLESS), Unit(wander=RESTLESS, offset_ppm=2.0))
    air.transmit(1, np.full(50_000, 0.5, np.complex64), at=0)
    heard, _ = air.receive(0, 49_000, 500)
    _, gains = air.oracle_taps(1, 0, np.zeros(1))
    phase = air.oracle_phase(1, 0, np.arange(500.0, 49_500.0))
    assert np.allclose(heard, 0.5 * gains[0] * np.exp(1j * phase), rtol=0, atol=1e-4)


def test_both_directions_have_the_same_taps():
    def response(one, other):
        air = air_of(DISPERSIVE, Unit(), Unit())
        air.transmit(one, Tones().samples(3000), at=100)
        return air.receive(other, 3000, 100)[0]

    assert np.array_equal(response(0, 1), response(1, 0))


def test_both_directions_turn_by_opposite_phases():
    """Of a constant c over a gain h each way, the product is (ch)², whatever the oscillators do."""
    air = air_of(RAYLEIGH, Unit(wander=RESTLESS), Unit(wander=RESTLESS))
    for unit in (0, 1):
        air.transmit(unit, np.full(50_000, 0.5, np.complex64), at=0)
    there, back = (air.receive(unit, 49_000, 500)[0] for unit in (0, 1))
    _, gains = air.oracle_taps(0, 1, np.zeros(1))
    assert np.std(np.angle(there)) > 0.02
    assert np.allclose(there * back, (0.5 * gains[0]) ** 2, rtol=1e-4)


@pytest.mark.parametrize(("offset_ppm", "sign"), [(5.0, 1), (-5.0, -1)])
def test_a_fast_sender_is_heard_too_high_and_hears_the_others_too_low(offset_ppm, sign):
    """5 ppm of 2.4 GHz are 12 kHz; each one's own samples are off by another 5e-6 of that."""
    air = air_of(STEADY, Unit(), Unit(offset_ppm=offset_ppm))
    for unit in (0, 1):
        air.transmit(unit, np.full(10_000, 0.5, np.complex64), at=0)
    for unit, direction in ((0, sign), (1, -sign)):
        heard, _ = air.receive(unit, 9000, 500)
        turn = np.angle(np.vdot(heard[:-1], heard[1:])) / (2 * np.pi) * RATE
        assert np.isclose(turn, direction * 12_000, rtol=1e-4)


def test_noise_has_its_variance_and_is_white_gaussian_and_circular():
    """Of CN(0, σ²): Var|n|² = σ⁴, E|n|⁴ = 2σ⁴ with variance 20σ⁸, E n² = 0 with E|n²|² = 2σ⁴, lags CN(0, σ⁴/N)."""
    count, variance = 400_000, 0.04
    n = air_of(STEADY, Unit(noise_var=variance)).receive(0, count, 1000)[0].astype(np.complex128)
    error = 5 / np.sqrt(count)
    assert abs(power(n) / variance - 1) < error
    assert abs(np.mean(np.abs(n) ** 4) / variance**2 - 2) < np.sqrt(20) * error
    assert abs(np.mean(n)) < np.sqrt(variance) * error
    assert abs(np.mean(n**2)) / variance < np.sqrt(2) * error
    for lag in (1, 2, 3, 7, BLOCK, NOISE_CHUNK):
        assert abs(np.vdot(n[:-lag], n[lag:])) / (count - lag) / variance < 5 / np.sqrt(count - lag)


def test_noise_of_two_units_and_two_seeds_is_independent():
    units = Unit(noise_var=1.0), Unit(noise_var=1.0)
    mine, other = (air_of(STEADY, *units).receive(unit, 100_000, 0)[0] for unit in (0, 1))
    anew, _ = air_of(STEADY, *units, seed=8).receive(0, 100_000, 0)
    for one, two in ((mine, other), (mine, anew)):
        assert abs(np.vdot(one, two)) / 100_000 < 5 / np.sqrt(100_000)


@pytest.mark.parametrize("fading", [RAYLEIGH, DISPERSIVE])
def test_on_average_as_much_power_arrives_as_was_sent(fading):
    """The energy of 1,000 faded pulses: the mean over links has a variance of at most 1/1,000, as with one tap."""
    links, spacing = 1000, 512
    pulse = (0.5 * np.hanning(256) * np.exp(0.3j * np.arange(256))).astype(np.complex64)
    air = air_of(fading, *[Unit()] * (links + 1))
    for unit in range(1, links + 1):
        air.transmit(unit, pulse, at=unit * spacing)
    heard, _ = air.receive(0, links * spacing, spacing)
    energy = (np.abs(heard.reshape(links, spacing)) ** 2).sum(1) / (np.abs(pulse) ** 2).sum()
    assert abs(energy.mean() - 1) < 5 / np.sqrt(links)
    assert energy.std() > 0.3


def test_gain_raises_the_signal_and_not_the_noise():
    heard = {}
    for gain_db in (0.0, 20.0):
        air = air_of(RAYLEIGH, Unit(noise_var=1e-4, receive=ReceiveChain(gain_db=gain_db)), Unit())
        air.transmit(1, noise(3000, rms=0.01), at=0)
        heard[gain_db] = air.receive(0, 3000, 0)[0] - air_of(RAYLEIGH, Unit(noise_var=1e-4)).receive(0, 3000, 0)[0]
    assert np.allclose(heard[20.0], 10 * heard[0.0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("sender", "receiver"), [(0, 1), (1, 0)])
def test_path_loss_weakens_a_link_both_ways(sender, receiver):
    heard = {}
    for loss_db in (0.0, 20.0):
        air = air_of(RAYLEIGH, Unit(), Unit(path_loss_db=loss_db))
        air.transmit(sender, noise(3000), at=0)
        heard[loss_db] = air.receive(receiver, 3000, 0)[0]
    assert np.allclose(heard[20.0], heard[0.0] / 10, rtol=1e-5, atol=1e-7)


def test_transmitter_and_receiver_do_to_the_samples_what_their_chains_do():
    send = TransmitChain(0.5, 2.0, 0.01j, 0.8, 3.0, 8)
    hear = ReceiveChain(gain_db=9.0, iq_gain_db=0.5, iq_phase_deg=-1.0, dc=0.02, bits=6)
    real = air_of(STEADY, Unit(noise_var=1e-3, receive=hear), Unit(transmit=send))
    ideal = air_of(STEADY, Unit(noise_var=1e-3, receive=ReceiveChain(gain_db=9.0)), Unit())
    x = noise(3000, rms=0.3)
    real.transmit(1, x, at=0)
    ideal.transmit(1, send.apply(x), at=0)
    heard, clipped = real.receive(0, 3000, 0)
    expected, count = hear.apply(ideal.receive(0, 3000, 0)[0])
    assert np.array_equal(heard, expected)
    assert clipped == count > 0


def test_bursts_jitter_by_as_much_as_they_should_around_a_constant_offset():
    """A tone of 0.1 cycles a sample turns by −0.2π for each sample of delay; std of a std is 1/√(2N)."""
    count, length, spacing = 400, 256, 1000
    tone = (0.5 * np.exp(0.2j * np.pi * np.arange(length))).astype(np.complex64)
    air = air_of(STEADY, Unit(), Unit(timing_offset=2.0, timing_jitter=0.1))
    for number in range(1, count + 1):
        air.transmit(1, tone, at=number * spacing)
    heard = air.receive(0, count * spacing, spacing)[0].reshape(count, spacing)[:, 50 : length - 50]
    _, gains = air.oracle_taps(1, 0, np.zeros(1))
    delays = np.angle(heard @ tone[50 : length - 50].conj() / gains[0, 0]) / (-0.2 * np.pi)
    assert abs(delays.mean() - 2.0) < 5 * 0.1 / np.sqrt(count)
    assert abs(delays.std() / 0.1 - 1) < 5 / np.sqrt(2 * count)


@pytest.mark.parametrize("unit", [Unit(), Unit(start=-50_000_000, offset_ppm=40.0, timing_offset=-3.4)])
def test_sending_into_what_was_heard_is_late_and_the_error_says_from_when_on_it_is_not(unit):
    air = air_of(STEADY, Unit(), unit)
    air.receive(0, 4000, 40_000_000)
    with pytest.raises(LateError, match="hand it over earlier, or start it at") as caught:
        air.transmit(1, noise(1000), at=round(unit.index(39_000_000)))
    start = int(str(caught.value).split()[-1])
    with pytest.raises(LateError):
        air.transmit(1, noise(1000), at=start - 3)
    air.transmit(1, noise(1000), at=start)


def test_a_burst_may_begin_right_where_hearing_ended():
    """On a counter 1.1 times as fast, 10 samples are 11, but in floating point as often a little less or more."""
    air = air_of(STEADY, Unit(), Unit(offset_ppm=100_000.0))
    radio = LoopbackRadio(air, 1)
    for end in range(1000, 200_000, 990):
        air.receive(0, 10, end - 10)
        assert radio.now() == end * 11 // 10
        radio.transmit(noise(5), radio.now())


def test_whoever_sends_and_jitters_before_the_epoch_is_late_too():
    with pytest.raises(LateError):
        air_of(STEADY, Unit(), Unit(timing_jitter=0.1)).transmit(1, noise(10), at=-1000)


def test_what_lies_longer_ago_than_the_memory_is_gone():
    air = air_of(STEADY, Unit(noise_var=1e-4), Unit(), memory=0.01)
    air.transmit(1, noise(1000), at=1000)
    first, _ = air.receive(0, 2000, 500)
    air.receive(0, 1000, 39_400)
    assert np.array_equal(air.receive(0, 2000, 500)[0], first)
    air.receive(0, 1000, 40_000)
    with pytest.raises(OverrunError, match=r"the air keeps 0\.01 s; receive sooner"):
        air.receive(0, 2000, 500)


def test_samples_beyond_full_scale_are_refused_and_not_sent():
    air = air_of(STEADY, Unit(), Unit())
    with pytest.raises(FullScaleError, match=r"1 of 3 samples .* lower the level by 6\.0 dB"):
        air.transmit(1, np.array([0.5, 2.0, -1.0], np.complex64), at=0)
    assert not air.receive(0, 100, 0)[0].any()
    air.transmit(1, np.array([1.0, -1j], np.complex64), at=200)


OFFSETS = [0.0, 0.3, 1 / 3, -7.6]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("offset_ppm", [0.0, 17.0])
@pytest.mark.parametrize("fading", [STEADY, DISPERSIVE])
def test_after_a_cut_a_unit_is_silent_at_once_and_what_was_heard_stays(offset, offset_ppm, fading):
    units = Unit(), Unit(timing_offset=offset, offset_ppm=offset_ppm), Unit(offset_ppm=-8.0)
    air, uncut = (air_of(fading, *units) for _ in range(2))
    for either in (air, uncut):
        either.transmit(1, noise(5000, rms=0.3), at=1000)
        either.transmit(1, noise(500, rms=0.3), at=9000)
        either.transmit(2, noise(500), at=11_000)
    heard, _ = air.receive(0, 3000, 0)
    air.cut(1)
    assert np.array_equal(air.receive(0, 3000, 0)[0], heard)
    assert np.array_equal(heard, uncut.receive(0, 3000, 0)[0])
    assert not air.receive(0, 7900, 3000)[0].any()
    assert np.array_equal(air.receive(0, 1000, 10_900)[0], uncut.receive(0, 1000, 10_900)[0])


def test_a_unit_that_was_cut_may_send_again():
    air = air_of(STEADY, Unit(), Unit())
    air.transmit(1, noise(5000), at=0)
    air.receive(0, 1000, 0)
    air.cut(1)
    air.transmit(1, noise(500), at=2000)
    heard, _ = air.receive(0, 2000, 1000)
    assert not heard[:1000].any()
    assert np.isclose(power(heard[1000:1500]), power(noise(500)), rtol=0.1)


def test_idle_time_costs_next_to_nothing():
    """Twenty bursts, a minute from one to the next: five thousand million samples, of which 12,000 are looked at."""
    air = air_of(MOVING, Unit(noise_var=1e-5, wander=RESTLESS), LOUD)
    for minute in range(1, 21):
        at = int(60 * RATE * minute)
        air.transmit(1, noise(400), at=at)
        heard, _ = air.receive(0, 600, round(float(LOUD.time(at))) - 100)
        assert power(heard[:100]) < 1e-4 < power(heard[110:500])
        assert len(air._bursts) <= 2


def test_units_that_are_not_concerned_change_nothing():
    small = air_of(MOVING, Unit(noise_var=1e-4, wander=RESTLESS), LOUD)
    crowd = air_of(MOVING, Unit(noise_var=1e-4, wander=RESTLESS), LOUD, *[FAST] * 20)
    for unit in (20, 5, 1):
        crowd.transmit(unit, noise(2000, unit), at=1000 * unit + 5000)
    small.transmit(1, noise(2000, 1), at=6000)
    assert np.array_equal(small.oracle_signal(0, 3000, 5500), crowd.oracle_signal(0, 3000, 5500, sender=1))
    assert np.array_equal(small.receive(0, 3000, 5500)[0], crowd.receive(0, 3000, 5500)[0])
    assert power(crowd.receive(0, 3000, 9500)[0]) > 1e-3


@pytest.mark.parametrize(
    ("fading", "unit"),
    [
        (STEADY, Unit(noise_var=1e-3)),
        (RAYLEIGH, Unit()),
        (STEADY, Unit(wander=RESTLESS)),
        (STEADY, Unit(timing_jitter=0.5)),
    ],
    ids=["noise", "taps", "oscillator", "jitter"],
)
def test_another_seed_or_another_unit_changes_every_stream(fading, unit):
    """Over the gain of the link where it is steady: what its phase does must not be taken for one of the others."""

    def heard(seed, sender, receiver):
        air = air_of(fading, *[unit] * 4, seed=seed)
        air.transmit(sender, Tones().samples(2000), at=20)
        scale = 1 if fading is RAYLEIGH else air.oracle_taps(sender, receiver, np.zeros(1))[1][0, 0]
        return air.receive(receiver, 1000, 500)[0] / scale

    reference = heard(1, 1, 0)
    assert np.array_equal(reference, heard(1, 1, 0))
    for other in (heard(2, 1, 0), heard(1, 2, 3)):
        assert power(other - reference) > 1e-5 * power(reference)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: air_of(STEADY, Unit()).receive(0, 0, 10), "got 0 from 10"),
        (lambda: air_of(STEADY, Unit(start=50)).receive(0, 10, 30), "got 10 from -20"),
        (lambda: air_of(replace(DISPERSIVE, delay_spread=10e-6), Unit()), "386.3 samples, this air covers 64"),
        (lambda: air_of(STEADY, Unit()).transmit(0, np.zeros(5), at=0), "one complex series, got float64"),
        (lambda: air_of(STEADY, Unit()).transmit(0, np.full(5, np.nan + 0j), at=0), "finite"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_longest_path_that_is_allowed_is_heard_whole():
    """Two paths, 64 samples apart: what is sent comes once at each, wherever in a block, not wrapped and not cut."""
    far = Fading(Profile("two", np.array([0.0, 64.0]), np.array([0.5, 0.5])), 1 / RATE, RATE)
    air, pulse = air_of(far, Unit(), Unit()), (0.5 * np.hanning(32)).astype(np.complex64)
    count, spacing = 60, 311
    for number in range(1, count + 1):
        air.transmit(1, pulse, at=number * spacing)
    heard = air.receive(0, count * spacing, spacing)[0].reshape(count, spacing)
    _, gains = air.oracle_taps(1, 0, np.zeros(1))
    expected = np.zeros(spacing, complex)
    expected[:32] += gains[0, 0] * pulse
    expected[64:96] += gains[0, 1] * pulse
    assert np.allclose(heard, expected, rtol=0, atol=1e-3)


def streamed(air, unit, samples, first, size):
    for at in range(0, samples.size, size):
        air.stream(unit, samples[at : at + size], first + at, at > 0)


def test_a_stream_in_pieces_is_heard_like_one_burst_seams_included():
    sent = noise(6000, 3)
    heard = []
    for size in (6000, 701):
        air = air_of(DISPERSIVE, Unit(offset_ppm=-9.0, start=3.3, wander=RESTLESS), LOUD)
        streamed(air, 1, sent, 1000.4, size)
        heard.append(air.receive(0, 8000, 500)[0])
    assert power(heard[0]) > 1e-4
    assert np.allclose(heard[0], heard[1], rtol=0, atol=1e-6)


def test_a_piece_of_a_stream_may_come_until_its_interpolator_rings_into_what_is_heard():
    air = air_of(STEADY, Unit(), Unit())
    air.stream(1, noise(500), 0.5, False)
    air.receive(0, 460, 0)
    air.stream(1, noise(500), 500.5, True)
    air.receive(0, 20, 460)
    with pytest.raises(LateError, match="hand it over earlier"):
        air.stream(1, noise(500), 510.5, True)


def test_two_full_scale_converters_may_send_beyond_full_scale_in_a_stream_only():
    corner = np.full(600, 1 + 1j, np.complex64)
    air = air_of(STEADY, Unit(), Unit())
    with pytest.raises(FullScaleError):
        air.transmit(1, corner, at=100)
    air.stream(1, corner, 100, False)
    assert np.abs(air.receive(0, 500, 150)[0]) == pytest.approx(np.sqrt(2), abs=1e-5)


@pytest.mark.parametrize("detuned", ["sender", "receiver"])
def test_mixers_that_are_tuned_apart_beat_at_the_difference(detuned):
    beat = 0.3e6
    sender, hearer = (Unit(transmit_hz=beat), Unit()) if detuned == "sender" else (Unit(), Unit(receive_hz=-beat))
    air = air_of(STEADY, hearer, sender)
    air.transmit(1, np.full(4000, 0.5, np.complex64), at=0)
    heard = air.receive(0, 3000, 500)[0]
    turns = np.angle(np.vdot(heard[:-1], heard[1:])) / (2 * np.pi)
    assert turns * RATE == pytest.approx(beat, abs=1)


def test_a_mixer_tuned_out_of_the_band_is_not_heard_and_what_was_sent_before_is():
    air = air_of(STEADY, Unit(), Unit())
    air.stream(1, np.full(1000, 0.5, np.complex64), 0, False)
    air.replace(1, Unit(transmit_hz=RATE / 2))
    air.stream(1, np.full(1000, 0.5, np.complex64), 1000, True)
    heard = air.receive(0, 2000, 0)[0]
    assert np.abs(heard[:900]).min() > 0.4
    assert np.abs(heard[1001:]).max() == 0


def test_time_that_passes_with_nobody_listening_is_over():
    air = air_of(STEADY, Unit(), Unit())
    air.pass_time(5000.0)
    with pytest.raises(LateError):
        air.transmit(1, noise(10), at=4000)
    assert air.is_silent(0, 1000, 5000)
    air.transmit(1, noise(10), at=5500)
    assert not air.is_silent(0, 1000, 5000)
    assert air.is_silent(0, 100, 5000)
    assert np.all(air.receive(0, 400, 5000)[0] == 0)


def test_silence_in_a_stream_adds_nothing_but_the_leakage_of_its_mixer():
    """A running stream is zeros most of the time; what is between them is heard as if they were worked on."""
    loud, rest = noise(3000, 3), np.zeros(2500, np.complex64)
    heard = []
    for pieces in ([rest, loud, rest], [np.concatenate([rest, loud, rest])]):
        air, first = air_of(DISPERSIVE, Unit(offset_ppm=-9.0, wander=RESTLESS), LOUD), 500.4
        for piece in pieces:
            air.stream(1, piece, first, first > 501)
            first += piece.size
        heard.append(air.receive(0, 8000, 0)[0])
    assert power(heard[0]) > 1e-4
    assert np.allclose(heard[0], heard[1], rtol=0, atol=1e-6)
    leaking = air_of(STEADY, Unit(), Unit(transmit=TransmitChain(dc=0.01 + 0j)))
    leaking.stream(1, rest, 0, False)
    assert np.abs(leaking.receive(0, 1000, 500)[0]) == pytest.approx(0.01, rel=1e-3)
