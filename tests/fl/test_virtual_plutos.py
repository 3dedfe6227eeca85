"""Virtual Plutos in a process of their own: they come, and go with whoever started them."""

import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fl.virtual_plutos import Emulator, Scene
from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.clock import LockStep

SCENE = Scene(2, {}, 0.0, 0.0, 0)
PARENT = """
import signal
import time
from tests.fl.test_virtual_plutos import SCENE
from fl.virtual_plutos import Emulator
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
print(Emulator(SCENE).uris[0], flush=True)
time.sleep(600)
"""


def answers(uri):
    try:
        socket.create_connection(("127.0.0.1", int(uri.rpartition(":")[2])), timeout=5).close()
    except ConnectionError:
        return False
    return True


def ends(uri, seconds=10.0):
    end = time.monotonic() + seconds
    while answers(uri):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_each_unit_is_reached_on_this_machine_until_the_emulator_is_closed():
    emulator = Emulator(SCENE)
    assert len(set(emulator.uris)) == 2
    assert all(uri.startswith("ip:127.0.0.1:") and answers(uri) for uri in emulator.uris)
    assert emulator.opened() == [None, None]
    emulator.close()
    assert not any(answers(uri) for uri in emulator.uris)


def test_the_units_of_a_run_are_no_others_to_a_calibration_table():
    """Neither those of another seed, nor those that `airmeta radio emulate` serves."""
    served, runs, others = Bench(2), SCENE.bench(LockStep()), replace(SCENE, seed=1).bench(LockStep())
    serials = [unit.serial for bench in (served, runs, others) for unit in bench.units]
    assert len(set(serials)) == len(serials)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_virtual_radio_is_left_behind_however_the_run_ends(end):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    uri = parent.stdout.readline().strip()
    assert answers(uri)
    parent.send_signal(end)
    parent.communicate()
    assert ends(uri)


def test_an_emulator_that_does_not_start_is_an_error_with_a_remedy(capfd):
    with pytest.raises(RadioError, match=r"must answer, got none.*lock-step"):
        Emulator(Scene(0, {}, 0.0, 0.0, 0))
    assert "at least 1 unit" in capfd.readouterr().err
