"""What `radio.base` promises, held by every radio; a new backend adds one entry to `BACKENDS`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from calibration.corrected import CorrectedRadio
from calibration.iq_correction import Imbalance
from radio.air import Air
from radio.base import FullScaleError, LateError, Radio, RadioError, Receiver
from radio.fading import Fading, profile
from radio.impairments import ReceiveChain, TransmitChain
from radio.loopback import LoopbackRadio
from radio.settings import Change, SettingError
from radio.sigmf import Recording, Segment, record
from radio.unit import Unit
from tests.radio.gnuradio.behind import two
from tests.radio.pluto.virtual import Virtual
from tests.radio.shared_air.host import Host
from tests.radio.usrp.virtual import pair as usrp_pair

RATE = 4e6
BURST = 512


@dataclass(frozen=True)
class Pair:
    """Two radios that hear each other, at a signal-to-noise ratio of 20 dB or more.

    Args:
        sender: one radio.
        hearer: the other.
        behind: what its counter shows when that of the sender shows 0.
        haste: samples that go by while the test calls `transmit`, beyond `lead_time`; 0 where time stands meanwhile.
        end: called when both are closed.
    """

    sender: Radio
    hearer: Radio
    behind: int
    haste: int = 0
    end: Callable[[], object] = lambda: None

    def ahead(self) -> int:
        """Return an index for which a burst may be handed over now."""
        return self.sender.now() + self.sender.lead_time + self.haste

    def listen(self, at: int, count: int = BURST) -> np.ndarray:
        """Return what the other radio hears while the sender's counter runs from `at` on."""
        return self.hearer.receive(count, at + self.behind).data


def loopback(sender: Unit, hearer: Unit, uncertainty: int) -> Pair:
    air = Air({1: sender, 2: hearer}.__getitem__, Fading(profile("tdl_a"), 50e-9, RATE), 2.4e9, RATE, seed=3)
    radios = LoopbackRadio(air, 1, uncertainty), LoopbackRadio(air, 2, uncertainty)
    return Pair(*radios, hearer.start - sender.start)


def corrected_loopback() -> Pair:
    """Two radios that are late by 19.4 samples and have crooked mixers, as calibration leaves them."""
    sent, heard = Imbalance(-0.8, 4.0, 0.03j), Imbalance(0.9, -3.0, -0.02 + 0j)
    chains = TransmitChain(-0.8, 4.0, 0.03j), ReceiveChain(0.0, 0.9, -3.0, -0.02 + 0j)
    faults = {"timing_offset": 19.4, "transmit": chains[0], "receive": chains[1]}
    pair = loopback(Unit(start=3000, **faults), Unit(start=70, noise_var=1e-4, **faults), 20)
    radios = (CorrectedRadio(radio, 19, sent, heard, 1) for radio in (pair.sender, pair.hearer))
    return Pair(*radios, pair.behind)


def pluto() -> Pair:
    """Two virtual Plutos in lock-step; `behind` is what only the air can know, `haste` the block being heard."""
    bench = Virtual(2, [Unit(), Unit(noise_var=1e-4)], RATE)
    hearer, sender = bench.radio(1), bench.radio(0)
    zeros = [bench.zero(0, sender), bench.zero(1, hearer)]
    return Pair(sender, hearer, zeros[0] - zeros[1], bench.block, bench.close)


def usrp() -> Pair:
    """Two boards of one stand-in of UHD, in lock-step: their indices are the same."""
    host = usrp_pair()
    sender, hearer = host.open()
    return Pair(sender, hearer, 0, 0, host.close)


def shared(sender: Unit, hearer: Unit, uncertainty: int) -> Pair:
    """Two units of an air behind a socket, of a thread of this process."""
    units = {0: hearer, 1: sender}
    air = Air(units.__getitem__, Fading(profile("tdl_a"), 50e-9, RATE), 2.4e9, RATE, seed=3)
    host = Host(air, len(units), uncertainty)
    hearing, sending = host.open(0), host.open(1)
    hearing.expect([1])
    sending.deliver()
    return Pair(sending, hearing, hearer.start - sender.start, end=host.close)


def gnuradio(sender: Unit, hearer: Unit) -> Pair:
    """Two units of a channel of GNU Radio's blocks; their counts begin together."""
    radios = two(sender, hearer)
    return Pair(radios[0], radios[1], 0, end=radios[2])


BACKENDS: dict[str, Callable[[], Pair]] = {
    "loopback": lambda: loopback(Unit(), Unit(noise_var=1e-4), 0),
    "loopback-early": lambda: loopback(
        Unit(start=100_000, offset_ppm=20.0, timing_offset=-19.4, timing_jitter=0.3),
        Unit(start=7000, offset_ppm=-20.0, noise_var=1e-4),
        20,
    ),
    "loopback-late": lambda: loopback(Unit(timing_offset=19.4), Unit(start=50, noise_var=1e-4), 20),
    "corrected-loopback": corrected_loopback,
    "shared": lambda: shared(Unit(), Unit(noise_var=1e-4), 0),
    "shared-early": lambda: shared(
        Unit(start=100_000, offset_ppm=20.0, timing_offset=-19.4, timing_jitter=0.3),
        Unit(start=7000, offset_ppm=-20.0, noise_var=1e-4),
        20,
    ),
    "pluto": pluto,
    "usrp": usrp,
    "gnuradio": lambda: gnuradio(Unit(), Unit(noise_var=1e-4)),
    "gnuradio-clocks": lambda: gnuradio(Unit(offset_ppm=20.0), Unit(offset_ppm=-20.0, noise_var=1e-4)),
}


@pytest.fixture(params=BACKENDS)
def pair(request):
    pair = BACKENDS[request.param]()
    pair.hearer.receive(1000, pair.hearer.now())
    yield pair
    pair.sender.close()
    pair.hearer.close()
    pair.end()


def burst(seed=0):
    """Noise in the middle half of the band, so that no radio's filter distorts it."""
    spectrum = np.exp(2j * np.pi * np.random.default_rng(seed).random(BURST))
    spectrum[BURST // 4 : -BURST // 4] = 0
    x = np.fft.ifft(spectrum)
    return (0.7 * x / np.abs(x).max()).astype(np.complex64)


def arrival(heard, sent):
    """Return at which sample of `heard` the burst begins, at whatever carrier, and its share of the energy there."""
    windows = np.lib.stride_tricks.sliding_window_view(heard, sent.size)
    match = np.abs(np.fft.fft(windows * sent.conj(), 4 * sent.size)).max(1) ** 2
    place = int(match.argmax())
    return place, match[place] / (np.abs(sent) ** 2).sum() / (np.abs(windows[place]) ** 2).sum()


def level(heard):
    return float(np.mean(np.abs(heard) ** 2))


def recording_of(radio: Radio, folder) -> Recording:
    start = radio.now() + 10
    data = radio.receive(2000, start).data
    path = folder / "heard"
    record(path, [Segment(start, data)], sample_rate=radio.sample_rate, frequency=None, description="d", datetime=None)
    return Recording(path)


@pytest.fixture(params=["radio", "recording"])
def receiver(request, pair, tmp_path):
    """A receiver, and an index from which on it holds 2,000 samples."""
    if request.param == "radio":
        return pair.hearer, pair.hearer.now() + 10
    recording = recording_of(pair.hearer, tmp_path)
    return recording, recording.segments[0].start


def test_a_receiver_returns_as_many_samples_as_asked_for_from_where_they_were_asked_for(receiver):
    hearer, begin = receiver
    for count, at in ((1, begin), (999, begin + 1), (1000, begin + 1000)):
        heard = hearer.receive(count, at)
        assert heard.data.dtype == np.complex64
        assert heard.data.shape == (count,)
        assert (heard.start, heard.lost) == (at, 0)


def test_a_receiver_knows_its_rate_and_needs_a_count(receiver):
    hearer, begin = receiver
    assert hearer.sample_rate > 0
    with pytest.raises(ValueError, match="got 0"):
        hearer.receive(0, begin)


def test_a_closed_receiver_hears_nothing_and_says_what_to_do(receiver):
    hearer, begin = receiver
    hearer.close()
    hearer.close()
    with pytest.raises(RadioError, match=r"is closed; open (a new one|it again)"):
        hearer.receive(10, begin)


def test_a_recording_is_heard_like_the_radio_it_was_made_with(pair, tmp_path):
    at = pair.ahead() + 100
    pair.sender.transmit(burst(), at)
    start = at + pair.behind - 200
    heard = pair.hearer.receive(1000, start)
    path = tmp_path / "heard"
    record(path, [Segment(start, heard.data)], sample_rate=RATE, frequency=2.4e9, description="d", datetime=None)
    again: Receiver = Recording(path)
    assert again.sample_rate == pair.hearer.sample_rate
    assert np.array_equal(again.receive(1000, start).data, heard.data)
    assert np.array_equal(again.receive(300, start + 400).data, heard.data[400:700])


def test_a_radio_states_what_it_promises(pair):
    for radio in (pair.sender, pair.hearer):
        assert isinstance(radio.timing_uncertainty, int)
        assert isinstance(radio.lead_time, int)
        assert radio.lead_time >= 0 <= radio.timing_uncertainty
        assert radio.timing_repeatability >= 0


def test_two_radios_have_two_serials_and_say_how_they_are_set(pair):
    assert pair.sender.serial != pair.hearer.serial
    for radio in (pair.sender, pair.hearer):
        assert radio.session == radio.session != ""
        assert radio.settings.sample_rate == radio.sample_rate
        assert radio.limits.tx_attenuation_db.holds(radio.settings.tx_attenuation_db)
        assert radio.limits.rx_gain_db.holds(radio.settings.rx_gain_db)
        assert radio.configure(Change()) == radio.settings


def test_a_setting_is_taken_to_its_nearest_value_and_read_back(pair):
    radio, limits = pair.sender, pair.sender.limits
    before = radio.settings
    attenuation = limits.tx_attenuation_db
    wanted = attenuation.low + 0.3 * (attenuation.high - attenuation.low) + 0.4 * attenuation.step
    after = radio.configure(Change(tx_attenuation_db=wanted))
    assert after == radio.settings == replace(before, tx_attenuation_db=after.tx_attenuation_db)
    assert abs(after.tx_attenuation_db - wanted) <= attenuation.step / 2 + 1e-9
    assert radio.configure(Change(tx_attenuation_db=before.tx_attenuation_db)) == before


def test_a_setting_beyond_the_limits_is_refused_and_nothing_changes(pair):
    radio, before = pair.sender, pair.sender.settings
    for change in (
        Change(tx_attenuation_db=radio.limits.tx_attenuation_db.high + 1, rx_gain_db=radio.limits.rx_gain_db.low),
        Change(rx_gain_db=radio.limits.rx_gain_db.high + 1),
        Change(clock_trim_ppm=radio.limits.clock_trim_ppm.high + 1),
    ):
        with pytest.raises(SettingError, match=r"must be between .* got "):
            radio.configure(change)
        assert radio.settings == before
    if not radio.limits.has_tracking:
        with pytest.raises(SettingError, match="leave the setting out"):
            radio.configure(Change(quadrature_tracking=True))


@pytest.mark.parametrize("turned", [False, True], ids=["one", "other"])
def test_samples_from_now_on_are_heard_as_the_radio_is_set_although_another_one_was_heard_meanwhile(pair, turned):
    """20 dB of signal over noise, amplified alike; in lock-step one of the two is always served first."""
    if turned:
        pair = replace(pair, sender=pair.hearer, hearer=pair.sender, behind=-pair.behind)
    hearer, before = pair.hearer, pair.hearer.settings.rx_gain_db
    if hearer.limits.rx_gain_db.low == hearer.limits.rx_gain_db.high:
        pytest.skip("how this radio hears cannot be set")
    at = pair.ahead()
    pair.sender.transmit(np.tile(burst(), 60), at)
    usual = level(pair.listen(at + 2 * BURST, 4 * BURST))
    pair.sender.receive(3 * BURST, pair.sender.now())
    lower = hearer.configure(Change(rx_gain_db=max(before - 12, hearer.limits.rx_gain_db.low))).rx_gain_db
    heard = hearer.receive(4 * BURST, hearer.now()).data
    for part in heard.reshape(4, BURST):
        assert 10 * np.log10(usual / level(part)) == pytest.approx(before - lower, abs=0.5)
    assert before - lower > 5


def test_attenuation_takes_from_what_arrives_as_much_as_it_says(pair):
    """20 dB of signal over noise: the noise adds 0.04 dB to the first and 0.17 dB to the second level."""
    margin, heard = pair.sender.timing_uncertainty + 20, []
    before = pair.sender.settings.tx_attenuation_db
    for more in (0.0, 6.0):
        pair.sender.configure(Change(tx_attenuation_db=before + more))
        at = pair.ahead()
        pair.sender.transmit(burst(), at)
        heard.append(level(pair.listen(at - margin, BURST + 2 * margin)))
    assert 10 * np.log10(heard[0] / heard[1]) == pytest.approx(6.0, abs=0.5)


def test_what_is_heard_from_now_on_after_a_setting_is_heard_with_it(pair):
    """Whoever is heard meanwhile lets the clock of the other one run on, and blocks of it may wait to be fetched."""
    for sender, hearer in ((pair.sender, pair.hearer), (pair.hearer, pair.sender)):
        limits, before = hearer.limits.rx_gain_db, hearer.settings.rx_gain_db
        sender.transmit(np.tile(burst(), 100), sender.now() + sender.lead_time + pair.haste)
        sender.receive(20_000, sender.now())
        hearer.configure(Change(rx_gain_db=limits.nearest(max(limits.low, before - 20))))
        heard = hearer.receive(20 * BURST, hearer.now()).data.reshape(20, BURST)
        assert np.ptp([10 * np.log10(level(part)) for part in heard]) < 1


def test_time_never_goes_back_and_what_was_heard_is_over(pair):
    instants = [pair.hearer.now()]
    for count in (1, 1000, 37, 4096):
        at = pair.hearer.now()
        pair.hearer.receive(count, at)
        instants.append(pair.hearer.now())
        assert instants[-1] >= at + count
    pair.hearer.receive(10, instants[-1] - 500)
    assert pair.hearer.now() >= instants[-1]
    assert instants == sorted(instants)


def test_a_burst_handed_over_in_time_arrives_within_the_timing_uncertainty(pair):
    """The taps of the link add at most a sample, and five standard deviations of the jitter are outside of it."""
    sent, uncertainty = burst(), pair.sender.timing_uncertainty
    margin, jitter = uncertainty + 20, 5 * pair.sender.timing_repeatability
    offsets = []
    for _ in range(3):
        at = pair.ahead()
        pair.sender.transmit(sent, at)
        place, share = arrival(pair.listen(at - margin, BURST + 2 * margin), sent)
        assert share > 0.5
        offsets.append(place - margin)
    assert np.abs(offsets).max() <= uncertainty + 1 + jitter
    assert np.ptp(offsets) <= 1 + 2 * jitter


def test_transmitting_queues_and_bursts_arrive_in_their_turn(pair):
    at = pair.ahead()
    pair.sender.transmit(burst(2), at + 3000)
    pair.sender.transmit(burst(1), at)
    margin = pair.sender.timing_uncertainty + 20
    for seed, begin in ((1, at), (2, at + 3000)):
        assert arrival(pair.listen(begin - margin, BURST + 2 * margin), burst(seed))[1] > 0.5


def test_samples_that_come_too_late_are_refused(pair):
    heard = pair.sender.now()
    pair.sender.receive(2000, heard)
    for at in (heard, pair.sender.now() - 1, pair.sender.now() + pair.sender.lead_time - 1):
        with pytest.raises(LateError, match=r"ahead|earlier"):
            pair.sender.transmit(burst(), at)
    assert level(pair.listen(heard + 2000 + 50)) < 1e-3


def test_samples_beyond_full_scale_or_not_finite_or_not_one_series_are_refused_and_not_sent(pair):
    at = pair.ahead()
    for wrong, error in (
        (1.5 * burst() / np.abs(burst()).max(), FullScaleError),
        (np.append(burst()[1:], np.nan), ValueError),
        (np.append(burst()[1:], np.inf), ValueError),
        (burst().reshape(2, -1), ValueError),
        (burst().real, ValueError),
    ):
        with pytest.raises(error):
            pair.sender.transmit(wrong, at)
    assert level(pair.listen(at)) < 1e-3


def test_full_scale_itself_may_be_sent(pair):
    at = pair.ahead()
    pair.sender.transmit(np.full(BURST, 1j, np.complex64), at)
    assert level(pair.listen(at)) > 1e-2


def test_a_burst_belongs_to_the_radio_once_it_is_handed_over(pair):
    at, samples = pair.ahead(), burst()
    pair.sender.transmit(samples, at)
    samples[:] = 0
    assert level(pair.listen(at)) > 1e-3


def test_a_muted_radio_sends_nothing_until_it_may_again(pair):
    at = pair.ahead()
    pair.sender.transmit(burst(), at)
    pair.sender.mute()
    pair.sender.transmit(burst(), at + 1000)
    assert level(pair.listen(at - 50, 2000)) < 1e-3
    pair.sender.unmute()
    assert level(pair.listen(at + 2000, 2000)) < 1e-3
    at = pair.ahead()
    pair.sender.transmit(burst(), at)
    assert level(pair.listen(at)) > 1e-3


@pytest.mark.parametrize("silence", ["mute", "close"])
def test_a_burst_under_way_ends_when_its_radio_is_muted_or_closed(pair, silence):
    at = pair.ahead()
    pair.sender.transmit(np.tile(burst(), 10), at)
    assert level(pair.listen(at + 30, 1000)) > 1e-3
    getattr(pair.sender, silence)()
    latest = pair.sender.now() + pair.haste
    assert level(pair.listen(latest + 1, 3000)) < 1e-3


def test_a_closed_radio_refuses_to_send_and_says_what_to_do(pair):
    at = pair.ahead() + 1000
    pair.sender.close()
    pair.sender.close()
    with pytest.raises(RadioError, match="is closed; open a new one"):
        pair.sender.transmit(burst(), at)
    pair.hearer.receive(10, pair.hearer.now())
