"""What the tests of sweeps share: a small experiment, what it gives undisturbed, and workers as a lab has them."""

import logging

import dask
import pytest
from distributed import LocalCluster

from fl.data.base import load
from fl.experiment import run
from fl.run_folder import RunFolder
from tools.sweep.plan import Point, jobs

EXPERIMENT = """
rounds = 15
[run]
checkpoint_every = 4
[agents]
count = 3
[task]
ways = 3
shots = 1
queries = 2
[model]
kind = "cnn"
width = 4
[algorithm]
order = "first"
inner_lr = 0.1
[uplink]
kind = "symbol"
[evaluation]
every = 5
tasks = 4
queries = 2
steps = 1
"""


@pytest.fixture
def experiment(tmp_path):
    """The file of a small experiment."""
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def planned(experiment):
    """Four runs: two settings, two seeds."""
    return jobs(experiment, [Point("19 dB"), Point("30 dB", ("uplink.snr_db=30",))], [1, 2])


@pytest.fixture(scope="session", autouse=True)
def _glyphs(cache):
    """Draw them once, and not in every process at the same time."""
    load("glyphs", None, cache)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, cache):
    """Return the history of a run that nobody disturbs, as bytes, by job."""
    known = {}

    def history(job):
        if job.key not in known:
            folder = RunFolder(tmp_path_factory.mktemp("alone") / "run")
            run(job.config, folder, cache, resume=False, observe=lambda record, seconds: False)
            known[job.key] = folder.history.read_bytes()
        return known[job.key]

    return history


@pytest.fixture(scope="session")
def lab():
    """A scheduler with two workers, which are not those of any sweep."""
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster
