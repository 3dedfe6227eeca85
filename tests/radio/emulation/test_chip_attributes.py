"""Every attribute of the chip obeys what it says is available, keeps what is written, and tells what it changes."""

import errno
import re
from itertools import pairwise

import pytest

from radio.emulation.chip_attributes import attributes
from radio.emulation.layout import PHY
from radio.emulation.protocol import Address, RefusedError
from radio.emulation.transceiver import TRACKING, Effect, Transceiver

TAPS = "RX 3 GAIN -6 DEC 4\nTX 3 GAIN 0 INT 4\n" + 16 * "1,1\n"
RX, TX = ("INPUT", "voltage0"), ("OUTPUT", "voltage0")
RXS, TXS = (RX, ("INPUT", "voltage2")), (TX, ("OUTPUT", "voltage2"), ("OUTPUT", "voltage3"))
RX_LO, TX_LO = ("OUTPUT", "altvoltage0"), ("OUTPUT", "altvoltage1")


class Chip:
    """A chip by its attributes, and what was told of each change: its effect, with what is read ahead and behind."""

    def __init__(self):
        self.watched, self.told = None, []
        self.chip = Transceiver(lambda: self._note("before"), self._note)
        self.all = attributes(self.chip)

    def _note(self, about):
        if self.watched is not None:
            self.told.append((about, self.read(*self.watched)))

    def at(self, scope, channel, name):
        return self.all[Address(PHY, scope, channel, name)]

    def read(self, scope, channel, name):
        return self.at(scope, channel, name).read()

    def write(self, scope, channel, name, text):
        self.at(scope, channel, name).write(text)

    def is_refused(self, where, text):
        """Return whether EINVAL answers a value that changes nothing."""
        before = self.read(*where)
        with pytest.raises(RefusedError) as caught:
            self.write(*where, text)
        return caught.value.errno == errno.EINVAL and self.read(*where) == before


@pytest.fixture
def chip():
    return Chip()


def number(text):
    return float(text.split()[0])


@pytest.mark.parametrize("where", [(*RX, "gain_control_mode"), (*RX, "rf_port_select"), (*TX, "rf_port_select"),
                                   ("", "", "ensm_mode")])  # fmt: skip
def test_every_word_that_is_available_can_be_chosen_and_no_other(chip, where):
    scope, channel, name = where
    words = chip.read(scope, channel, f"{name}_available").split()
    assert len(words) >= 2
    for word in words:
        chip.write(*where, word)
        assert chip.read(*where) == word
    assert chip.is_refused(where, "none-of-them")


@pytest.mark.parametrize("where, below, above", [
    ((*RX, "hardwaregain"), 0, 0), ((*TX, "hardwaregain"), 0, 0), ((*RX_LO, "frequency"), 3.4, 2.4),
    ((*TX_LO, "frequency"), 3.4, 2.4), ((*RX, "sampling_frequency"), 0, 0), ((*TX, "sampling_frequency"), 0, 0),
    (("", "", "xo_correction"), 0, 0),
])  # fmt: skip
def test_a_range_is_available_up_to_both_its_ends_and_not_a_step_further(chip, where, below, above):
    """The synthesizer takes the nearest of steps of at most 4.8 Hz, in whole Hz, rounded down."""
    scope, channel, name = where
    chip.write(*RX, "gain_control_mode", "manual")
    low, step, high = (float(word) for word in chip.read(scope, channel, f"{name}_available").strip("[]").split())
    for wish in (low, low + step, high - step, high):
        chip.write(*where, f"{wish:.12g}")
        assert wish - below <= number(chip.read(*where)) <= wish + above
    assert chip.is_refused(where, f"{low - step:.12g}")
    assert chip.is_refused(where, f"{high + step:.12g}")


@pytest.mark.parametrize("where", [(*RX, "rf_bandwidth"), (*TX, "rf_bandwidth")])
def test_a_bandwidth_beyond_what_is_available_becomes_the_nearest_that_is(chip, where):
    scope, channel, name = where
    low, _, high = (int(word) for word in chip.read(scope, channel, f"{name}_available").strip("[]").split())
    for wish, expected in ((low - 1, low), (high + 1, high), (3_600_000, 3_600_000)):
        chip.write(*where, str(wish))
        assert int(chip.read(*where)) == expected


def test_the_two_bandwidths_and_the_two_mixers_are_each_their_own(chip):
    for one, other, name, text in ((RX, TX, "rf_bandwidth", "5000000"), (RX_LO, TX_LO, "frequency", "1000000000"),
                                   (TX_LO, RX_LO, "powerdown", "1"), (TX, RX, "rf_port_select", "B")):  # fmt: skip
        before = chip.read(*other, name)
        chip.write(*one, name, text)
        assert chip.read(*one, name) == text
        assert chip.read(*other, name) == before != text


def test_what_the_driver_shares_between_channels_has_one_value(chip):
    for name, text, places in (
        ("sampling_frequency", "5000000", (*RXS, *TXS)),
        ("quadrature_tracking_en", "0", RXS),
        ("rf_bandwidth", "6000000", RXS),
        ("rf_bandwidth", "7000000", TXS),
    ):  # fmt: skip
        chip.write(*places[-1], name, text)
        assert [chip.read(*place, name) for place in places] == [text] * len(places)


@pytest.mark.parametrize("switched", TRACKING)
def test_each_tracking_is_switched_alone(chip, switched):
    chip.write(*RX, switched, "0")
    assert {name: chip.read(*RX, name) for name in TRACKING} == {name: str(int(name != switched)) for name in TRACKING}


def test_a_gain_that_a_carrier_does_not_have_becomes_the_nearest_that_it_has(chip):
    chip.write(*RX, "gain_control_mode", "manual")
    chip.write(*RX_LO, "frequency", "900000000")
    for gain, at_900, at_2400 in (("73", 73, 71), ("-1", -1, -1)):
        chip.write(*RX, "hardwaregain", gain)
        assert number(chip.read(*RX, "hardwaregain")) == at_900
        chip.write(*RX_LO, "frequency", "2400000000")
        assert number(chip.read(*RX, "hardwaregain")) == at_2400
        chip.write(*RX_LO, "frequency", "900000000")


def test_the_transmitters_carrier_leaves_the_gain_of_the_receiver_alone(chip):
    chip.write(*RX_LO, "frequency", "900000000")
    chip.write(*RX, "gain_control_mode", "manual")
    chip.write(*RX, "hardwaregain", "73")
    chip.write(*TX_LO, "frequency", "2400000000")
    assert number(chip.read(*RX, "hardwaregain")) == 73


def test_a_gain_is_not_set_by_hand_under_automatic_control(chip):
    with pytest.raises(RefusedError) as caught:
        chip.write(*RX, "hardwaregain", "30")
    assert caught.value.errno == errno.EOPNOTSUPP


@pytest.mark.parametrize("gain, level, rssi", [
    (40, -50.0, "90.00 dB"), (40, -60.0, "100.00 dB"), (30, -60.0, "90.00 dB"), (71, -100.0, "127.75 dB"),
    (0, 3.0, "0.00 dB"),
])  # fmt: skip
def test_signal_strength_is_the_level_below_the_gain_within_what_the_register_holds(chip, gain, level, rssi):
    chip.chip.gain_db, chip.chip.level_dbfs = gain, level
    assert chip.read(*RX, "rssi") == rssi


HEARD, SENT = Effect.HEARD, Effect.SENT


@pytest.mark.parametrize("where, text, effect", [
    ((*RX_LO, "frequency"), "1000000000", HEARD | Effect.HEAR_PHASE),
    ((*TX_LO, "frequency"), "1000000000", SENT | Effect.SEND_PHASE),
    ((*RX_LO, "powerdown"), "1", HEARD),
    ((*TX_LO, "powerdown"), "1", SENT),
    ((*TX, "hardwaregain"), "-20.000000 dB", SENT),
    ((*RX, "quadrature_tracking_en"), "0", HEARD),
    ((*RX, "sampling_frequency"), "5000000", Effect.RATE),
    (("", "", "ensm_mode"), "alert", SENT | HEARD),
    (("", "", "xo_correction"), "40000100", SENT | HEARD),
    (("DEBUG", "", "loopback"), "1", HEARD),
    ((*RX, "rf_port_select"), "A_N", Effect.NOTHING),
])  # fmt: skip
def test_the_air_is_brought_up_to_now_ahead_of_a_change_and_told_behind_it_what_changed(chip, where, text, effect):
    before = chip.read(*where)
    chip.watched = where
    chip.write(*where, text)
    assert chip.told[:2] == [("before", before), (effect, text)]
    assert before != text


@pytest.mark.parametrize("fir", [False, True])
@pytest.mark.parametrize("rate", [3_000_000, 20_000_000, 61_440_000])
def test_each_clock_of_a_path_is_a_small_multiple_of_the_next_and_the_last_is_the_sample_rate(chip, rate, fir):
    """The filter is four-fold; of the half-bands each halves or passes, and the PLL runs at 715 to 1,430 MHz."""
    if fir:
        chip.write("", "", "filter_fir_config", TAPS)
    chip.write(*RX, "sampling_frequency", str(rate))
    chip.write("INPUT", "out", "voltage_filter_fir_en", str(int(fir)))
    for name in ("rx_path_rates", "tx_path_rates"):
        clocks = [int(value) for value in re.findall(r":(\d+)", chip.read("", "", name))]
        assert len(clocks) == 6
        assert clocks[-1] == rate
        assert clocks[-2] == rate * (4 if fir else 1)
        assert {high / low for high, low in pairwise(clocks[1:-1])} <= {1, 2}
        assert clocks[0] % clocks[1] == 0
        assert 715e6 <= clocks[0] < 1430e6


def test_the_filter_is_loaded_before_it_is_used_and_lowers_the_least_sample_rate(chip):
    available = (*RX, "sampling_frequency_available")
    where = ("INPUT", "out", "voltage_filter_fir_en")
    assert chip.is_refused(where, "1")
    assert chip.is_refused(("", "", "filter_fir_config"), "no taps")
    chip.write("", "", "filter_fir_config", TAPS)
    assert chip.read("", "", "filter_fir_config") == "FIR Rx: 128,4 Tx: 128,4"
    low = int(chip.read(*available).strip("[").split()[0])
    chip.write(*where, "1")
    filtered = int(chip.read(*available).strip("[").split()[0])
    assert filtered == pytest.approx(low / 4, abs=1)
    chip.write(*RX, "sampling_frequency", str(filtered))
    assert chip.is_refused(where, "0")
    chip.write(*RX, "sampling_frequency", str(low))
    chip.write(*where, "0")
    assert chip.read(*where) == chip.read(*TX, "filter_fir_en") == "0"
