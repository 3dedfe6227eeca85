"""Every use that the adapter makes of UHD, in all that the tests here do with it, fits the module that is installed."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from radio.base import RadioError
from radio.settings import Change
from radio.usrp.sources import Sources
from tests.drivers import need_uhd
from tests.radio.usrp.bench import Board
from tests.radio.usrp.standin import Module
from tests.radio.usrp.values import TXMetadataEventCode
from tests.radio.usrp.virtual import Virtual

ADAPTER = Path(__file__).parents[3] / "radio" / "usrp"
CHECK = Path(__file__).with_name("signatures.py")


def problems(uses):
    """Return what the module of the system's Python has against uses of it."""
    done = subprocess.run(
        [need_uhd(), "-I", str(CHECK)], input=json.dumps(uses), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def noise(size):
    return (0.3 * np.exp(2j * np.pi * np.random.default_rng(0).random(size))).astype(np.complex64)


def exercised():
    """Return notes of all that the adapter can be made to do."""
    host = Virtual(2)
    sender, hearer = host.open(bandwidth=10e6, tx_antenna="TX/RX", rx_antenna="RX2")
    sender.transmit(noise(30_000), sender.now() + sender.lead_time)
    hearer.receive(4000, hearer.now())
    sender.mute()
    sender.unmute()
    sender.configure(Change(tx_attenuation_db=3.0, rx_gain_db=30.0, lo_offset_hz=1e5))
    at = sender.now() + sender.lead_time
    sender.transmit(noise(400), at)
    host.parts[0].tell(TXMetadataEventCode.time_error, host.origin + at)
    host.parts[0].tell(TXMetadataEventCode.burst_ack, host.origin + at)
    hearer.receive(3000, hearer.now())
    with pytest.raises(RadioError):
        sender.receive(1, sender.now() - 10)
    host.parts[1].overflow(500)
    with pytest.raises(RadioError):
        hearer.receive(3000, hearer.now())
    host.parts[1].break_off("broken_chain")
    with pytest.raises(RadioError):
        hearer.receive(3000, hearer.now())
    hearer.receive(100, hearer.now())
    host.close()
    single = Virtual([Board("S", "a")])
    single.uhd = type(host.uhd)(Module(single.world), "uhd", host.notes)
    single.open(manner=single.manner(Sources("internal", "internal")))
    single.close()
    with pytest.raises(RadioError):
        single.channels(("serial=none",))
    return host.notes


@pytest.fixture(scope="module")
def notes():
    return exercised()


def test_every_use_exists_in_the_installed_module_with_that_signature(notes):
    uses = list(notes.uses.values())
    assert len(uses) > 80
    assert problems(uses) == []


def test_the_notes_hold_every_name_of_uhd_in_the_adapters_source(notes):
    """What no test makes the adapter do would not have been compared."""
    used = {name for use in notes.uses.values() for name in use["path"].split(".")}
    source = "".join(path.read_text() for path in ADAPTER.glob("*.py"))
    patterns = (
        r"usrp\.((?:get|set|clear)_\w+)",
        r"uhd\.(?:types|usrp)\.(\w+)",
        r"(?<!_)codes\.(\w+)",
        r"_streamer\.(\w+)",
    )
    wanted = {name for pattern in patterns for name in re.findall(pattern, source)}
    assert len(wanted) > 60
    assert wanted - used == set()


def use(path, *args, kind="call", returns="NoneType", **kwargs):
    return {"path": path, "kind": kind, "args": list(args), "kwargs": kwargs, "returns": returns}


USRP = "uhd.usrp.MultiUSRP"


@pytest.mark.parametrize("wrong, said", [
    (use(f"{USRP}.set_rx_frequency", "uhd.types.TuneRequest", "int"), "no attribute 'set_rx_frequency'"),
    (use(f"{USRP}.set_rx_freq", "float", "int", returns="uhd.types.TuneResult"), "tune_request must be .*tune_request"),
    (use(f"{USRP}.set_rx_freq", "uhd.types.TuneRequest", "int", "int", returns="uhd.types.TuneResult"),
     "takes 2 arguments, 3 given"),
    (use(f"{USRP}.set_rx_freq", returns="uhd.types.TuneResult"), "needs tune_request"),
    (use(f"{USRP}.set_tx_gain", "float", "float"), "chan must be int, got float"),
    (use(f"{USRP}.set_tx_gain", "float", channel="int"), "takes no"),
    (use(f"{USRP}.get_time_last_pps", "int", returns="float"), "returns .*time_spec, the stand-in float"),
    (use(f"{USRP}", "str", "int"), "too many positional"),
    (use("uhd.types.TimeSpec", "str"), "incompatible constructor arguments"),
    (use("uhd.types.TimeSpec.from_ticks", "float", "float", returns="uhd.types.TimeSpec"), "must be int, got float"),
    (use("uhd.types.StreamMode.start", kind="get", returns="uhd.types.StreamMode"), "has no member start"),
    (use("uhd.types.TXAsyncMetadataEventCode.underflow", kind="get"), "no attribute 'TXAsyncMetadataEventCode'"),
    (use("uhd.types.TXMetadata.start", "bool", kind="set"), "no attribute 'start'"),
    (use("uhd.types.TXMetadata.time_spec", "float", kind="set"), "incompatible function arguments"),
    (use("uhd.types.RXMetadata.error_code", kind="get", returns="int"), "in the stand-in int"),
])  # fmt: skip
def test_a_wrong_name_count_or_type_is_found(wrong, said):
    (found,) = problems([wrong])
    assert re.search(said, found), found


def test_a_device_string_may_be_given_as_text(notes):
    """The signature of `find` names a C++ type; that text is taken for it, the module itself must say."""
    done = subprocess.run(
        [need_uhd(), "-Ic", "import uhd; print(uhd.find('type=none'))"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")
