"""The flowgraph of USRPs without a USRP: each of its calls exists in gr-uhd, and they come in the order that aligns.

It has never met hardware.
"""

import json
import subprocess
from pathlib import Path

import pytest

from radio.gnuradio.device import SCRIPTS
from tests.drivers import need_gnuradio

REHEARSAL = Path(__file__).parent / "usrp_rehearsal.py"


def rehearse(fault):
    command = need_gnuradio("gnuradio.uhd"), REHEARSAL, SCRIPTS, fault
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_all_devices_take_their_time_from_one_edge_tune_at_one_time_and_start_at_one_instant():
    found = json.loads(rehearse("none"))
    assert found["about"] == {"delay": 0, "held": 0, "real_time": True, "units": 2}
    calls = found["calls"]
    order = ["set_clock_source", "set_samp_rate", "set_time_next_pps", "set_command_time", "get_mboard_sensor",
             "set_start_time"]  # fmt: skip
    first = [min(i for i, call in enumerate(calls) if call.endswith(name)) for name in order]
    last = [max(i for i, call in enumerate(calls) if call.endswith(name)) for name in order]
    assert all(end < begin for end, begin in zip(last, first[1:], strict=False))
    for device in ("serial=1", "serial=2"):
        edges = [i for i, call in enumerate(calls) if call == f"{device} source get_time_last_pps"]
        assert edges[0] < first[2], "an edge is seen before the time of the next one is set"
        assert edges[-1] > last[2], "what came of it is looked at"
        assert f"{device} source set_start_time" in calls
        for kind in ("source", "sink"):
            tuned = calls.index(f"{device} {kind} set_command_time")
            assert calls[tuned + 1 : tuned + 3] == [
                f"{device} {kind} set_center_freq", f"{device} {kind} clear_command_time"
            ]  # fmt: skip


def test_a_transmitter_has_the_least_gain_until_all_are_tuned_and_again_at_the_end():
    calls = json.loads(rehearse("none"))["calls"]
    for device in ("serial=1", "serial=2"):
        gains = [call for call in calls if call.startswith(f"{device} sink set_gain")]
        assert [gain.split()[-1] for gain in gains] == ["0", "10", "0"]
        assert calls.index(gains[0]) < calls.index(f"{device} sink set_center_freq")
        assert calls.index(gains[1]) > max(i for i, call in enumerate(calls) if "sensor" in call)


def test_no_transmitter_keeps_its_gain_where_another_one_refuses_it():
    said = rehearse("stuck")
    assert said.startswith("serial=2: gain must read back 10, got 0")
    assert "('serial=1', 'sink'): 0.0" in said


def test_a_transmitter_that_runs_dry_or_is_late_ends_the_flowgraph_once_with_the_reason():
    found = json.loads(rehearse("none"))
    assert found["told"]["burst_ack"] == []
    for kind in ("underflow", "time_error"):
        (said,) = found["told"][kind]
        assert said.startswith(
            f"serial=1: the transmitter reports {kind}: what it sends from there on would leave late"
        )
    assert found["tells"], "the real sink has no such events"


def test_the_first_sample_of_a_transmission_and_no_other_is_timed():
    assert json.loads(rehearse("none"))["tags"] == {"tx_sob": [0, "#t"], "tx_time": [0, "{7 0.25}"]}


@pytest.mark.parametrize("fault, said", [
    ("no device", "serial=1: no USRP matches this device string, found none at all; check radio.usrp.devices, cable"),
    ("two devices", "serial=1: a device string must match one USRP, got 2: type=b200,serial=0; type=b200,serial=1;"),
    ("carrier", "serial=1: carrier must read back 2.45e+09 Hz, got 6e+09; choose another one"),
    ("no PPS", "serial=1: no PPS edge within 1.1 s; check the cable at its PPS input"),
    ("lo_locked", "serial=1: lo_locked is false; check the 10 MHz reference"),
    ("ref_locked", "serial=1: ref_locked is missing or false; check the 10 MHz reference"),
    ("no ref_locked", "serial=1: ref_locked is missing or false; check the 10 MHz reference"),
    ("gps_locked", "serial=1: gps_locked is missing or false"),
    ("old time", "serial=1, serial=2: all must have one time, got 0.000000000 s, 57.000000000 s at the last PPS; give"),
    ("one device", "every unit must be another device, got serials ['same', 'same']"),
    ("gain", "serial=1: radio.usrp.rx_gain_db must lie between 0 and 76 dB, got 90"),
    ("attenuation", "serial=1: radio.usrp.tx_attenuation_db must lie between 0 and 76 dB, got 80"),
    ("filter", "serial=1: bandwidth must read back 1e+06, got 2e+06"),
    ("antenna", "serial=1: radio.usrp.rx_antenna must be one of TX/RX, got RX2"),
    ("no reference", "serial=1: radio.usrp.clock_source must be one of internal, got external"),
])  # fmt: skip
def test_what_keeps_devices_from_being_aligned_is_an_error_with_its_remedy(fault, said):
    assert rehearse(fault).startswith(said)
