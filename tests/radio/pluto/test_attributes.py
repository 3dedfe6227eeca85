"""Settings of a Pluto over a client library that answers what a test wants: what is kept, and what each error says."""

import errno
import os

import pytest

from radio.base import RadioError
from radio.pluto.attributes import PHY, PLACES, TDD, Attributes, ContactError
from radio.settings import SettingError


class Value:
    """An attribute of libiio that keeps what is written, or raises, or reads back something else."""

    def __init__(self, text="", error=None, reads=None):
        self.text, self.error, self.reads = text, error, reads

    @property
    def value(self):
        if self.error is not None:
            raise self.error
        return self.text if self.reads is None else self.reads

    @value.setter
    def value(self, text):
        if self.error is not None:
            raise self.error
        self.text = text


class Holder:
    """A device or a channel."""

    def __init__(self):
        self.attrs, self.debug_attrs, self.channels = {}, {}, {}

    def find_channel(self, name, is_output):
        return self.channels.get((name, is_output))


class Context:
    """Devices, made so that every setting of a Pluto is somewhere."""

    def __init__(self):
        self.devices, self.of = {}, {}
        for setting, place in PLACES.items():
            device = self.devices.setdefault(place.device, Holder())
            holder = device
            if place.channel not in ("", "debug"):
                holder = device.channels.setdefault((place.channel, place.is_output), Holder())
            attributes = holder.debug_attrs if place.channel == "debug" else holder.attrs
            self.of[setting] = attributes.setdefault(place.name, Value())

    def find_device(self, name):
        return self.devices.get(name)


@pytest.fixture
def context():
    return Context()


@pytest.fixture
def radio(context):
    return Attributes(context, "ip:a")


def test_every_setting_is_kept_at_a_place_of_its_own(radio, context):
    assert len({id(value) for value in context.of.values()}) == len(PLACES)
    for number, setting in enumerate(PLACES):
        radio.write(setting, str(number))
    assert [radio.read(setting) for setting in PLACES] == [str(number) for number in range(len(PLACES))]
    assert [value.text for value in context.of.values()] == [str(number) for number in range(len(PLACES))]


@pytest.mark.parametrize("text, number", [("-30.250000 dB", -30.25), ("2400000000", 2.4e9), (" 71.000000 dB\n", 71.0)])
def test_a_number_is_read_without_its_unit(radio, context, text, number):
    context.of["tx_gain_db"].text = text
    assert radio.number("tx_gain_db") == number


@pytest.mark.parametrize("text", ["", "dB 30", "many"])
def test_what_is_no_number_is_named_with_the_remedy(radio, context, text):
    context.of["rx_lo"].text = text
    with pytest.raises(RadioError, match=rf"radio ip:a: rx_lo must read as a number, got '{text}'; update the firm"):
        radio.number("rx_lo")


@pytest.mark.parametrize("found", ["2400000016", "2399999984", "2400000000"])
def test_what_reads_back_within_its_tolerance_is_returned_as_it_reads(radio, context, found):
    context.of["rx_lo"].reads = found
    assert radio.put("rx_lo", 2.4e9, 16) == float(found)
    assert context.of["rx_lo"].text == "2400000000"


@pytest.mark.parametrize("found", ["2400000017", "2399999983"])
def test_what_reads_back_beyond_its_tolerance_is_not_set(radio, context, found):
    context.of["rx_lo"].reads = found
    with pytest.raises(SettingError, match=rf"ip:a: rx_lo must read back 2400000000 Hz within 16, got {found} Hz; see"):
        radio.put("rx_lo", 2.4e9, 16)


def test_a_number_is_written_with_all_the_digits_that_a_frequency_has(radio, context):
    radio.put("tx_lo", 3_799_999_999)
    assert context.of["tx_lo"].text == "3799999999"
    radio.put("tx_gain_db", -89.75)
    assert context.of["tx_gain_db"].text == "-89.75"


def test_a_word_that_reads_back_as_another_is_not_set(radio, context):
    radio.choose("gain_control_mode", "manual")
    context.of["gain_control_mode"].reads = "slow_attack"
    with pytest.raises(SettingError, match=r"ip:a: gain_control_mode must read back 'manual', got 'slow_attack'; see"):
        radio.choose("gain_control_mode", "manual")


def failing(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [
    errno.EPIPE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENODEV, errno.EIO, errno.EBADF, errno.ENOTCONN,
    errno.ECONNREFUSED, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH,
], ids=errno.errorcode.get)  # fmt: skip
def test_a_radio_that_is_gone_is_told_apart_from_one_that_refuses(radio, context, number):
    context.of["rx_lo"].error = failing(number)
    for asked in (lambda: radio.read("rx_lo"), lambda: radio.write("rx_lo", "1"), lambda: radio.put("rx_lo", 1.0)):
        with pytest.raises(ContactError, match=r"radio ip:a: no answer when asked for rx_lo .*check cable") as caught:
            asked()
        assert os.strerror(number) in str(caught.value)
        assert caught.value.__cause__ is context.of["rx_lo"].error


def test_a_radio_that_another_client_uses_is_neither_gone_nor_set_wrongly(radio, context):
    context.of["rx_lo"].error = failing(errno.EBUSY)
    with pytest.raises(RadioError, match="rx_lo is in use by another client; end the other program") as caught:
        radio.write("rx_lo", "1")
    assert not isinstance(caught.value, ContactError | SettingError)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.EOPNOTSUPP, errno.EPERM])
def test_a_value_that_is_refused_is_named_with_what_the_radio_said(radio, context, number):
    context.of["tx_gain_db"].error = failing(number)
    with pytest.raises(SettingError, match=rf"tx_gain_db = 3 was refused \({os.strerror(number)}\); choose a value"):
        radio.put("tx_gain_db", 3)
    with pytest.raises(SettingError, match="tx_gain_db = read was refused"):
        radio.read("tx_gain_db")


def test_an_error_without_words_is_told_by_its_number(radio, context):
    context.of["rx_lo"].error = OSError(errno.EINVAL, None)
    with pytest.raises(SettingError, match=rf"\(error {errno.EINVAL}\)"):
        radio.read("rx_lo")


@pytest.mark.parametrize("setting, where", [
    ("tdd_state", f"{TDD}/state"), ("rx_lo", f"{PHY}/altvoltage0/frequency"), ("loopback", f"{PHY}/debug/loopback"),
])  # fmt: skip
@pytest.mark.parametrize("lost", ["device", "channel", "attribute"])
def test_a_firmware_without_a_place_is_named_with_the_place_and_the_remedy(radio, context, setting, where, lost):
    device = context.devices[PLACES[setting].device]
    if lost == "device":
        context.devices.clear()
    elif lost == "channel" and device.channels and setting == "rx_lo":
        device.channels.clear()
    else:
        for holder in (device, *device.channels.values()):
            holder.attrs.clear()
            holder.debug_attrs.clear()
    with pytest.raises(RadioError, match=rf"ip:a: its firmware has no {where}, which {setting} needs; update the"):
        radio.read(setting)


def test_errors_that_are_not_of_the_radio_are_left_as_they_are(radio, context):
    context.of["rx_lo"].error = KeyError("ours")
    with pytest.raises(KeyError, match="ours"):
        radio.read("rx_lo")
