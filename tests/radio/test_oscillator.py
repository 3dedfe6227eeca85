import numpy as np
import pytest

from radio.oscillator import CHUNK, COARSE, FINE, KEPT, SPAN, Oscillator, Wander

RATE, CARRIER = 4e6, 2.4e9
EVERYTHING = Wander(linewidth=10.0, frequency_walk=0.17, pll_rms=0.02)
LAWS = {
    "linewidth": Wander(linewidth=10.0),
    "frequency walk": Wander(frequency_walk=0.17),
    "pll": Wander(pll_rms=0.02),
    "everything": EVERYTHING,
}


def ensemble(wander, times, count):
    """Phases of many oscillators at the same times, one asked for after another, shape (count, T)."""
    oscillators = [Oscillator(wander, RATE, (0, number)) for number in range(count)]
    return np.array([[oscillator.phase(np.array([time]))[0] for time in times] for oscillator in oscillators])


def close_to_variance(samples, variance):
    """Whether N Gaussian samples of mean 0 have this variance, within five standard errors, √(2/N) each."""
    return np.abs(np.mean(samples**2, axis=0) / variance - 1) < 5 * np.sqrt(2 / len(samples))


def allan_variance(phase, step, carrier=CARRIER):
    """σ_y²(τ) = E(x(t + 2τ) − 2x(t + τ) + x(t))²/2τ², x = φ/2πf_c, at τ = one step of `step` seconds."""
    return np.mean(np.diff(phase / (2 * np.pi * carrier), 2) ** 2) / (2 * step**2)


def test_an_oscillator_that_does_not_wander_stands():
    assert Wander().is_still
    assert not any(law.is_still for law in LAWS.values())
    assert not Oscillator(Wander(), RATE, (1,)).phase(np.array([0.0, 1e9])).any()


@pytest.mark.parametrize("law", ["linewidth", "frequency walk"])
def test_a_phase_begins_at_zero(law):
    assert not ensemble(LAWS[law], [0.0], 3).any()


TIMES = [FINE, 10 * FINE, COARSE / 2, COARSE, 3 * COARSE + 5 * FINE, SPAN - FINE, SPAN, 5.5 * SPAN]


def test_the_variance_of_a_wiener_phase_is_the_linewidth_times_2_pi_t():
    """Within a step of the coarse path, at its ends, across groups and across chunks."""
    phases = ensemble(Wander(linewidth=10.0), TIMES, 400)
    assert close_to_variance(phases, 2 * np.pi * 10.0 * np.array(TIMES) / RATE).all()
    late = np.array([0.5, 1.0, 2.3]) * CHUNK * COARSE
    assert close_to_variance(ensemble(Wander(linewidth=10.0), late, 100), 2 * np.pi * 10.0 * late / RATE).all()


def test_steps_of_a_wiener_phase_are_independent_everywhere():
    """Bridges and coarse path together have no joints: every step has the same variance, no two are correlated."""
    points = np.arange(0, 4 * SPAN, FINE) + (CHUNK * COARSE - 2 * SPAN)
    steps = np.diff(Oscillator(Wander(linewidth=10.0), RATE, (5,)).phase(points))
    variance = 2 * np.pi * 10.0 * FINE / RATE
    assert close_to_variance(steps, variance)
    for lag in (1, 2, 5, 127, 128, SPAN // FINE):
        assert abs(np.mean(steps[:-lag] * steps[lag:])) / variance < 5 / np.sqrt(steps.size - lag)
    for joint in (COARSE // FINE, SPAN // FINE):
        for place in (joint - 1, 0):
            assert close_to_variance(steps[place::joint], variance)


def test_the_variance_of_a_walking_frequency_s_phase_grows_with_the_cube_of_time():
    """∫∫ of white noise of q Hz²/s: Var φ = (2π)²·q·t³/3; on the coarse path less by a part (COARSE/2t)², 1/256."""
    times = np.array([8 * COARSE, 20 * COARSE, 2.5 * SPAN, 6.3 * SPAN])
    phases = ensemble(Wander(frequency_walk=1e6), times, 400)
    expected = (2 * np.pi) ** 2 * 1e6 * (times / RATE) ** 3 / 3
    assert close_to_variance(phases, expected).all()


def test_a_walking_frequency_has_no_jumps():
    """Where a parabola of curvature c meets one of curvature c', with one slope, the second difference is the mean."""
    points = np.arange(0, 3 * SPAN, FINE) + (CHUNK * COARSE - SPAN)
    curvature = np.diff(Oscillator(Wander(frequency_walk=1e6), RATE, (5,)).phase(points), 2)
    count = COARSE // FINE
    before, joints, after = (curvature[count + place : -count : count] for place in (-2, -1, 0))
    rounding = 1e-5 * np.abs(curvature).max()
    assert np.allclose(joints, (before + after) / 2, rtol=0, atol=rounding)
    assert np.allclose(curvature[: count - 1], curvature[0], rtol=0, atol=rounding)
    assert np.std(joints) > 1000 * rounding


def test_0_17_square_hertz_a_second_are_an_allan_deviation_of_1e_10_at_2_4_ghz():
    """σ_y² = q·τ/(3f_c²). Second differences of such a phase correlate by 1/4 from one second to the next, so the
    variance of their mean square is 2(1 + 2/16)/N of its square; N = 2,000 s, at a rate at which they are cheap."""
    rate, seconds = 2e4, 2000
    phase = Oscillator(Wander(frequency_walk=0.17), rate, (1,)).phase(rate * np.arange(seconds + 2.0))
    measured, tolerance = allan_variance(phase, 1.0), 5 * np.sqrt(2.25 / seconds)
    assert abs(measured / (0.17 / (3 * CARRIER**2)) - 1) < tolerance
    assert np.isclose(np.sqrt(measured), 1e-10, rtol=tolerance)
    longer = allan_variance(phase[::4], 4.0)
    assert abs(longer / measured / 4 - 1) < 5 * np.sqrt(2.25 * 4 / seconds)


def test_a_linewidth_is_an_allan_variance_that_falls_with_time():
    """σ_y² = Δν/(2πf_c²τ). Second differences correlate by −1/2 with the next: 2(1 + 2/4)/N."""
    rate, seconds = 2e4, 1000
    phase = Oscillator(Wander(linewidth=3.0), rate, (1,)).phase(rate / 4 * np.arange(4 * seconds + 2.0))
    for step in (1, 4):
        expected = 3.0 / (2 * np.pi * CARRIER**2 * step / 4)
        count = 4 * seconds / step
        assert abs(allan_variance(phase[::step], step / 4) / expected - 1) < 5 * np.sqrt(3 / count)


@pytest.mark.parametrize("bandwidth", [2e3, 1e4, 1e5])
def test_a_pll_s_phase_has_its_rms_and_its_bandwidth_and_no_more_an_hour_later(bandwidth):
    """E φ(t)φ(t + τ) = rms²·e^{−2πBτ} = rms²·k^i. N values so correlated count as N(1 − k²)/(1 + k²) for a variance;
    the error of a correlation of two is no larger than that of the variance."""
    keep = np.exp(-2 * np.pi * bandwidth * FINE / RATE)
    for begin in (0, 3600 * RATE // SPAN * SPAN):
        oscillator = Oscillator(Wander(pll_rms=0.02, pll_bandwidth=bandwidth), RATE, (3,))
        phase = oscillator.phase(begin + np.arange(0, 60 * SPAN, FINE)) / 0.02
        error = 5 * np.sqrt(2 / phase.size * (1 + keep**2) / (1 - keep**2))
        assert abs(np.mean(phase**2) - 1) < error
        for lag in (1, 10, 1000):
            assert abs(np.mean(phase[:-lag] * phase[lag:]) - keep**lag) < error
        joints = phase[SPAN // FINE - 1 :: SPAN // FINE], phase[SPAN // FINE :: SPAN // FINE]
        steps = joints[1] - joints[0][: joints[1].size]
        assert close_to_variance(steps, 2 * (1 - keep))


@pytest.mark.parametrize("law", LAWS)
def test_any_times_in_any_order_have_the_same_phases(law):
    rng = np.random.default_rng(0)
    edges = [SPAN - 5.5, SPAN + 5.5, CHUNK * COARSE - 5.5]
    times = np.concatenate([rng.uniform(0, 3 * SPAN, 300), CHUNK * COARSE + rng.uniform(-SPAN, SPAN, 300), edges])
    whole = Oscillator(LAWS[law], RATE, (1, 2)).phase(np.sort(times))
    one_by_one = Oscillator(LAWS[law], RATE, (1, 2))
    for number in rng.permutation(times.size):
        assert one_by_one.phase(times[number : number + 1])[0] == whole[np.searchsorted(np.sort(times), times[number])]


def test_what_was_forgotten_is_drawn_again_the_same():
    oscillator = Oscillator(EVERYTHING, RATE, (1, 2))
    times = np.arange(0.0, SPAN, 100)
    first = oscillator.phase(times)
    for group in range(1, KEPT + 20):
        oscillator.phase(np.array([group * SPAN + 5.0]))
    oscillator.phase(np.array([3.0 * CHUNK * COARSE]))
    assert len(oscillator._groups) <= KEPT
    assert np.array_equal(oscillator.phase(times), first)


@pytest.mark.parametrize("law", LAWS)
def test_a_phase_is_a_straight_line_between_two_points(law):
    oscillator = Oscillator(LAWS[law], RATE, (1,))
    for begin in (0, SPAN - FINE, CHUNK * COARSE - FINE):
        line = oscillator.phase(begin + np.linspace(0, FINE, 9))
        assert np.allclose(np.diff(line, 2), 0, atol=1e-9 * max(1, np.abs(line).max()))


def test_shapes_are_kept_and_an_hour_is_skipped():
    oscillator = Oscillator(EVERYTHING, RATE, (1,))
    times = 3600 * RATE + np.arange(12.0).reshape(3, 4)
    assert np.array_equal(oscillator.phase(times).ravel(), oscillator.phase(times.ravel()))
    assert oscillator.phase(np.zeros((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("law", LAWS)
def test_every_oscillator_wanders_by_itself(law):
    times = np.arange(0.0, 2 * SPAN, FINE)
    one, other = (Oscillator(LAWS[law], RATE, (1, 2, unit)).phase(times) for unit in (3, 4))
    assert np.abs(one - other).max() > 0.1 * np.abs(one).max()
    if law == "linewidth":
        assert abs(np.corrcoef(np.diff(one), np.diff(other))[0, 1]) < 5 / np.sqrt(times.size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Wander(linewidth=-1.0), "linewidth must not be negative"),
        (lambda: Wander(frequency_walk=np.nan), "frequency_walk must not be negative"),
        (lambda: Wander(pll_rms=-0.1), "pll_rms must not be negative"),
        (lambda: Wander(pll_rms=0.1, pll_bandwidth=10.0), "at least 1 kHz, got 10"),
        (lambda: Oscillator(EVERYTHING, RATE, (1,)).phase(np.array([5.0, -1.0])), "must not be negative, got -1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
