"""Contact with a Pluto over a client library that is missing, finds nothing, or answers."""

import errno
import sys
from types import ModuleType, SimpleNamespace

import pytest

from radio.base import RadioError
from radio.pluto.attributes import ContactError
from radio.pluto.contact import connect


@pytest.fixture
def adi(monkeypatch):
    """pyadi-iio with a Pluto at every URI; what it was asked is in `asked`."""
    library = ModuleType("adi")
    library.asked = {}

    def pluto(uri):
        library.asked["uri"] = uri
        return SimpleNamespace(ctx=SimpleNamespace(set_timeout=lambda found: library.asked.update(timeout=found)))

    library.Pluto = pluto
    monkeypatch.setitem(sys.modules, "adi", library)
    return library


@pytest.mark.parametrize("seconds, milliseconds", [(5.0, 5000), (0.25, 250), (0.0016, 2)])
def test_a_radio_is_asked_at_its_uri_with_a_timeout_in_milliseconds(adi, seconds, milliseconds):
    sdr, attributes = connect("ip:192.168.2.1", seconds)
    assert adi.asked == {"uri": "ip:192.168.2.1", "timeout": milliseconds}
    assert attributes.context is sdr.ctx
    assert attributes.label == "ip:192.168.2.1"


def test_without_the_client_library_the_error_says_how_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "adi", None)
    with pytest.raises(RadioError, match=r"radio ip:a: needs pyadi-iio and libiio.*apt-get install libiio0.*\[sdr\]"):
        connect("ip:a", 1.0)


@pytest.mark.parametrize(
    "error", [OSError(errno.ECONNREFUSED, "refused"), Exception("No device found"), TypeError("x")]
)
def test_a_uri_at_which_nothing_answers_is_named_with_what_to_check(adi, error):
    def pluto(uri):
        raise error

    adi.Pluto = pluto
    with pytest.raises(
        ContactError, match=r"radio ip:a: no PlutoSDR answers there \(.*check radio\.pluto\.uris, ca"
    ) as found:
        connect("ip:a", 1.0)
    assert str(error) in str(found.value)
    assert found.value.__cause__ is error


def test_a_radio_that_goes_while_it_is_contacted_is_gone(adi):
    def broken(_):
        raise OSError(errno.EPIPE, "Broken pipe")

    adi.Pluto = lambda uri: SimpleNamespace(ctx=SimpleNamespace(set_timeout=broken))
    with pytest.raises(ContactError, match=r"no answer when asked for a timeout \(Broken pipe\)"):
        connect("ip:a", 1.0)
