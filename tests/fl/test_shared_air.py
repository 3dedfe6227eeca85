"""The air of an experiment, served: the samples of `airmeta run`, to the bit."""

import threading

import numpy as np
import pytest

from fl.config import ConfigError, check
from fl.setup import open_radios
from fl.shared_air import open_unit, shape, shared_air
from radio.base import RadioError
from radio.shared_air.desk import Desk
from radio.shared_air.server import AirServer

FAULTS = {"offset_ppm": 5.0, "timing_offset": 3.0, "iq_gain_db": 0.3, "linewidth_hz": 0.1, "doppler_hz": 0.3}


def experiment(**changed):
    return check({"uplink": {"kind": "waveform"}, "radio": {"loopback": FAULTS}, "agents": {"count": 3}} | changed)


@pytest.fixture
def served():
    server = AirServer(Desk(shared_air(experiment())), "tcp://127.0.0.1:0")
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield f"air:{server.endpoint}"
    server.stop()
    thread.join()
    server.close()


def test_a_unit_is_the_radio_that_a_run_would_have_to_the_bit(served):
    _, bench = open_radios(experiment())
    own = [bench.server, bench.radio_of(0), bench.radio_of(2)]
    radios = [open_unit(experiment(), served, unit) for unit in (0, 1, 3)]
    heard = []
    for server, first, last in (own, radios):
        wave = np.exp(1j * np.arange(4000) / 7).astype(np.complex64) / 4
        last.transmit(wave, 2200)
        first.transmit(wave, 2000)
        heard.append(server.receive(6000, 1500))
    assert np.array_equal(heard[0].data, heard[1].data)
    for radio, other in zip(own, radios, strict=True):
        for name in ("serial", "session", "settings", "limits", "lead_time", "timing_uncertainty", "sample_rate"):
            assert getattr(radio, name) == getattr(other, name)
        assert radio.now() == other.now()
        other.close()


def test_another_experiment_is_refused_with_the_keys_that_differ(served):
    other = experiment(seed=7, radio={"loopback": FAULTS | {"offset_ppm": 6.0}})
    with pytest.raises(RadioError, match=r"(?s)radio.loopback.offset_ppm: 5.0 at the air, 6.0.*seed: 1 at the air, 7"):
        open_unit(other, served, 1)


def test_patience_may_differ_and_learning_too():
    patient = experiment(radio={"loopback": FAULTS | {"step_timeout_s": 90.0}}, algorithm={"inner_lr": 0.1})
    assert shape(patient) == shape(experiment())


def test_only_a_simulated_air_can_be_shared():
    with pytest.raises(ConfigError, match=r"set uplink\.kind = waveform"):
        shared_air(check({}))
