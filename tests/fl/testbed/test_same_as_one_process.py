"""The experiment of `airmeta run`, done by processes: the same bytes, or the same θ where sums are in another order."""

import numpy as np
import pytest

from fl import checkpoint
from fl.config import ConfigError, check
from fl.experiment import run
from fl.run_folder import RunFolder
from fl.testbed.hosting import Endpoint, Host, serve, take_part
from tests.fl.testbed.supervisor import Supervisor, tiny

IMPAIRED = {"offset_ppm": 2.0, "linewidth_hz": 0.1}
SYMBOL = {"kind": "symbol", "sparsity": 0.1}
EVALUATED = {"evaluation": {"every": 2}}


def in_one_process(config, folder, cache):
    out = RunFolder(folder / "one")
    assert run(check(config), out, cache, resume=False, observe=lambda *_: False)
    return out


def in_processes(config, folder, cache):
    with Supervisor(config, folder, cache) as bench:
        radio = bench.open_air() if config["uplink"]["kind"] == "waveform" else None
        bench.serve(radio=radio)
        for agent in range(config["agents"]["count"]):
            bench.take_part(agent, radio=radio)
        assert bench.keep_going() == 0, bench.said()
    return RunFolder(folder / "run")


@pytest.mark.parametrize(
    "uplink, others",
    [
        ({"kind": "ideal", "ideal_top_k": False}, {}),
        ({"kind": "ideal"}, {}),
        (SYMBOL, {}),
        (SYMBOL | {"power_rule": "mmse"}, {}),
        ({"kind": "digital", "sparsity": 0.1}, {}),
        ({"kind": "one_bit"}, {"server": {"lr": 0.01}}),
        ({"kind": "airfl_mem", "fading": {"blocks": 8}, "min_gain": 0.5}, {}),
        (SYMBOL | {"sensing": "gaussian", "receiver": "amp"}, {}),
        ({"kind": "waveform"}, {"radio": {"loopback": IMPAIRED}, "rounds": 3}),
    ],
    ids=[
        "ideal",
        "ideal top-k",
        "symbol, inversion",
        "symbol, mmse",
        "digital",
        "one bit",
        "AirFL-Mem",
        "A-DSGD",
        "waveform",
    ],
)
def test_processes_write_the_history_of_one_process_to_the_byte(tmp_path, cache, uplink, others):
    config = tiny(uplink=uplink, **EVALUATED, **others)
    one, many = in_one_process(config, tmp_path, cache), in_processes(config, tmp_path, cache)
    assert many.history.read_text() == one.history.read_text()
    assert checkpoint.load(many.path).state.theta.equal(checkpoint.load(one.path).state.theta)


LEARNERS = {
    "personalized_fedavg": {"local_steps": 2, "reptile_from": 2, "reptile_steps": 3, "reptile_lr": 0.01},
    "pfedme": {"inner_lr": 0.1, "inner_steps": 2},
}


@pytest.mark.parametrize("kind", LEARNERS)
def test_so_they_do_with_every_server_rule_and_local_work(tmp_path, cache, kind):
    config = tiny(uplink=SYMBOL, **EVALUATED) | {"algorithm": {"kind": kind} | LEARNERS[kind]}
    one, many = in_one_process(config, tmp_path, cache), in_processes(config, tmp_path, cache)
    assert many.history.read_text() == one.history.read_text()
    assert checkpoint.load(many.path).state.theta.equal(checkpoint.load(one.path).state.theta)


def test_so_they_do_over_a_partition_by_sample(tmp_path, cache):
    config = tiny(uplink=SYMBOL, **EVALUATED)
    by_sample = {"partition": "dirichlet", "alpha": 1.0, "new_agents": 2, "shots": 4, "queries": 4}
    config |= {"task": config["task"] | by_sample, "algorithm": config["algorithm"] | {"weighting": "samples"}}
    one, many = in_one_process(config, tmp_path, cache), in_processes(config, tmp_path, cache)
    assert many.history.read_text() == one.history.read_text()


def test_agents_that_send_nothing_have_no_part_in_a_testbed(tmp_path, cache):
    config = check(tiny() | {"algorithm": {"kind": "local"}})
    host = Host(Endpoint("tcp://127.0.0.1:0", None), cache)
    with pytest.raises(ConfigError, match=r"algorithm\.kind: agents of local send nothing.* airmeta run"):
        serve(config, RunFolder(tmp_path / "run"), host, resume=False, observe=lambda *_: None)
    with pytest.raises(ConfigError, match=r"algorithm\.kind"):
        take_part(config, 0, tmp_path / "agent", host)


def test_sums_in_double_precision_have_no_part_in_a_testbed_either(tmp_path, cache):
    raw = tiny(uplink={"kind": "ideal", "ideal_top_k": False})
    config = check(raw | {"model": {"kind": "plain_cnn", "width": 4}, "algorithm": {"kind": "analytic"}})
    host = Host(Endpoint("tcp://127.0.0.1:0", None), cache)
    for start in (
        lambda: serve(config, RunFolder(tmp_path / "run"), host, resume=False, observe=lambda *_: None),
        lambda: take_part(config, 0, tmp_path / "agent", host),
    ):
        with pytest.raises(ConfigError, match=r"algorithm\.kind: analytic sends sums in double .* airmeta run"):
            start()


def test_a_sum_in_another_order_moves_theta_by_less_than_1e_5_in_the_first_round(tmp_path, cache):
    config = tiny(uplink=SYMBOL, rounds=1, run={"batch_agents": 3})
    one, many = in_one_process(config, tmp_path, cache), in_processes(config, tmp_path, cache)
    theirs, ours = (checkpoint.load(folder.path).state.theta.numpy() for folder in (one, many))
    assert np.linalg.norm(theirs) > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)
