import numpy as np
import pytest

from dsp.phase_tracking import Track, begin, forget_phase, predict, update_frequency, update_phase, wrap

LINEWIDTH, WALK = 0.1, 0.34  # Δν in Hz, q in Hz²/s: two cheap oscillators


def moved(state, dt, rng, linewidth=LINEWIDTH, walk=WALK):
    """(φ, f) after dt, drawn from the model: in steps fine enough that their own integral needs no correction."""
    phase, frequency = state
    steps = 8
    for _ in range(steps):
        before = frequency
        frequency = before + np.sqrt(walk * dt / steps) * rng.standard_normal()
        bend = np.sqrt(walk * (dt / steps) ** 3 / 12) * rng.standard_normal()
        phase = phase + 2 * np.pi * ((before + frequency) / 2 * dt / steps + bend)
        phase = phase + np.sqrt(2 * np.pi * linewidth * dt / steps) * rng.standard_normal()
    return phase, frequency


def tracked(times, rng, frequency_std, phase_var, frequency_var=None):
    """The true (φ, f) and the track after soundings at these times."""
    state = rng.uniform(-np.pi, np.pi), frequency_std * rng.standard_normal()
    track = begin(times[0], 0.0, frequency_std)
    for time in times:
        if time > track.time:
            state = moved(state, time - track.time, rng)
            track = predict(track, time, LINEWIDTH, WALK)
        if frequency_var is not None:
            seen = state[1] + np.sqrt(frequency_var) * rng.standard_normal()
            track = update_frequency(track, seen, frequency_var)
        track = update_phase(track, wrap(state[0] + np.sqrt(phase_var) * rng.standard_normal()), phase_var)
    return state, track


def error_of(track, state):
    return np.array([wrap(track.phase - state[0]), track.frequency - state[1]])


@pytest.mark.parametrize(
    ("times", "frequency_var"),
    [([0.0, 4e-3], None), ([0.0, 4e-3, 16e-3, 48e-3], None), ([0.0, 5e-3, 0.02, 0.03, 0.05], 4.0)],
)
def test_the_stated_covariance_is_the_one_of_the_errors(times, frequency_var):
    """eᵀP⁻¹e has a chi-square law of two degrees: mean 2, exceeds 4.61 in a tenth of cases.

    2,000 tracks: five standard errors are 5·2/√2000 = 0.22 of the mean and 5·√(0.09/2000) = 0.034 of the tail.
    """
    rng, score = np.random.default_rng(0), []
    for _ in range(2000):
        state, track = tracked(times, rng, 5.0, 0.01, frequency_var)
        error = error_of(track, state)
        score.append(error @ np.linalg.solve(track.covariance, error))
    assert abs(np.mean(score) - 2) < 0.22
    assert abs(np.mean(np.array(score) > 4.605) - 0.1) < 0.034


@pytest.mark.parametrize("ahead", [5e-3, 0.05])
def test_a_prediction_states_its_error_too(ahead):
    """As above, after `ahead` seconds without a measurement."""
    rng, score = np.random.default_rng(1), []
    for _ in range(2000):
        state, track = tracked([0.0, 4e-3, 16e-3, 48e-3], rng, 5.0, 0.01)
        state, track = moved(state, ahead, rng), predict(track, track.time + ahead, LINEWIDTH, WALK)
        error = error_of(track, state)
        score.append(error @ np.linalg.solve(track.covariance, error))
    assert abs(np.mean(score) - 2) < 0.22


def test_innovations_are_white_and_as_large_as_expected():
    """Innovation of the phase over its standard deviation, 2,000 tracks: variance 1 within 5·√(2/2000) = 0.16,
    correlation of two in a row 0 within 5/√2000 = 0.11."""
    rng, pairs = np.random.default_rng(2), []
    for _ in range(2000):
        state, track = tracked([0.0, 4e-3], rng, 5.0, 0.01)
        row = []
        for time in (0.012, 0.02):
            state = moved(state, time - track.time, rng)
            track = predict(track, time, LINEWIDTH, WALK)
            seen = state[0] + 0.1 * rng.standard_normal()
            row.append(wrap(seen - track.phase) / np.sqrt(track.covariance[0, 0] + 0.01))
            track = update_phase(track, seen, 0.01)
        pairs.append(row)
    pairs = np.array(pairs)
    assert np.abs((pairs**2).mean(0) - 1).max() < 0.16
    assert abs((pairs[:, 0] * pairs[:, 1]).mean()) < 0.11


def uncertain(time=1.0):
    return Track(time, np.array([0.4, -3.0]), np.array([[0.2, 0.05], [0.05, 2.0]]))


@pytest.mark.parametrize(("first", "second"), [(1e-3, 0.05), (0.2, 3.0), (0.0, 0.1)])
def test_two_predictions_are_one_over_both_spans(first, second):
    start = uncertain()
    halfway = predict(start, start.time + first, LINEWIDTH, WALK)
    twice = predict(halfway, start.time + first + second, LINEWIDTH, WALK)
    once = predict(start, start.time + first + second, LINEWIDTH, WALK)
    assert np.isclose(twice.time, once.time)
    assert np.allclose(twice.state, once.state)
    assert np.allclose(twice.covariance, once.covariance)


def test_a_prediction_turns_at_the_frequency_and_spreads_by_the_model():
    """Variances of a Wiener phase and of an integrated random walk, worked out by hand for 0.5 s."""
    start = Track(0.0, np.array([0.0, 2.0]), np.zeros((2, 2)))
    later = predict(start, 0.5, LINEWIDTH, WALK)
    assert np.isclose(later.phase, 2 * np.pi)
    assert later.frequency == 2.0
    expected_phase = 2 * np.pi * LINEWIDTH * 0.5 + (2 * np.pi) ** 2 * WALK * 0.125 / 3
    assert np.isclose(later.covariance[0, 0], expected_phase)
    assert np.isclose(later.covariance[1, 1], 0.5 * WALK)
    assert np.isclose(later.covariance[0, 1], np.pi * WALK * 0.25)


def test_a_still_oscillator_is_known_ever_better():
    """Without wander, two phases t apart give f to √(2·var)/(2πt), prior aside."""
    track = update_phase(begin(0.0, 0.0, 100.0), 0.3, 1e-4)
    track = update_phase(predict(track, 0.01, 0.0, 0.0), 0.3 + 2 * np.pi * 7.0 * 0.01, 1e-4)
    assert np.isclose(track.frequency, 7.0, atol=1e-2)
    assert np.isclose(np.sqrt(track.covariance[1, 1]), np.sqrt(2e-4) / (2 * np.pi * 0.01), rtol=1e-2)


def test_a_measurement_never_loses_knowledge():
    for update in (update_phase, update_frequency):
        before = uncertain()
        after = update(before, 0.1, 0.5)
        assert np.linalg.eigvalsh(before.covariance - after.covariance).min() > -1e-12
        assert np.linalg.eigvalsh(after.covariance).min() > 0
        assert np.allclose(after.covariance, after.covariance.T)
    worthless = update_phase(uncertain(), 2.0, 1e12)
    assert np.allclose(worthless.state, uncertain().state)


def test_the_first_phase_is_taken_as_measured():
    track = update_phase(begin(2.0, 4.0, 5.0), -1.2, 0.01)
    assert np.isclose(track.phase, -1.2, atol=1e-4)
    assert np.isclose(track.covariance[0, 0], 0.01, rtol=1e-4)
    assert np.isclose(track.frequency, 4.0)


@pytest.mark.parametrize("turns", [-3, 1, 40])
def test_whole_turns_of_a_measured_phase_mean_nothing(turns):
    plain, turned = (update_phase(uncertain(), 1.0 + 2 * np.pi * n, 0.1) for n in (0, turns))
    assert np.allclose(plain.state, turned.state)
    assert np.allclose(plain.covariance, turned.covariance)


def test_a_forgotten_phase_leaves_the_frequency_as_it_was():
    forgotten = forget_phase(uncertain())
    assert forgotten.frequency == -3.0
    assert forgotten.covariance[1, 1] == 2.0
    assert np.isclose(update_phase(forgotten, 2.5, 0.1).phase, 2.5, atol=1e-4)
    assert np.isclose(update_phase(forgotten, 2.5, 0.1).frequency, -3.0)


def test_time_does_not_run_backwards():
    assert np.array_equal(predict(uncertain(), 1.0, LINEWIDTH, WALK).covariance, uncertain().covariance)
    with pytest.raises(ValueError, match=r"time must not lie before that of the track \(1\.0 s\), got 0\.5 s"):
        predict(uncertain(), 0.5, LINEWIDTH, WALK)


@pytest.mark.parametrize("phase", [-10.0, -np.pi, 0.0, 3.0, np.pi, 100.0])
def test_a_wrapped_phase_is_the_same_angle_within_half_a_turn(phase):
    assert -np.pi <= wrap(phase) < np.pi
    assert np.isclose(np.exp(1j * wrap(phase)), np.exp(1j * phase))


def coherent_loss_db(errors):
    return -20 * np.log10(abs(np.mean(np.exp(1j * np.array(errors)))))


def test_prediction_keeps_a_link_coherent_for_50_ms_and_its_absence_does_not():
    """CFO uniform over ±10 Hz, linewidth 0.1 Hz, soundings at 0, 4, 16 and 48 ms of phase variance 0.005 (20 dB).

    The Wiener phase alone loses 4.34·2π·0.1·0.05 = 0.14 dB; 1,000 links.
    """
    rng, predicted, held = np.random.default_rng(3), [], []
    for _ in range(1000):
        state = rng.uniform(-np.pi, np.pi), rng.uniform(-10, 10)
        track = begin(0.0, 0.0, 10 / np.sqrt(3))
        for time in (0.0, 4e-3, 16e-3, 48e-3):
            state = moved(state, time - track.time, rng, walk=0.0)
            track = predict(track, time, LINEWIDTH, WALK)
            track = update_phase(track, wrap(state[0] + np.sqrt(0.005) * rng.standard_normal()), 0.005)
        later = moved(state, 0.05, rng, walk=0.0)
        predicted.append(predict(track, 0.098, LINEWIDTH, WALK).phase - later[0])
        held.append(track.phase - later[0])
    assert coherent_loss_db(predicted) < 0.5
    assert coherent_loss_db(held) > 6
