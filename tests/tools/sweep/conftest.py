"""What the tests of sweeps share: a small experiment, what it gives undisturbed, and workers as a lab has them."""

import logging

import dask
import pytest
from distributed import LocalCluster

from fl.data.base import load
from fl.experiment import run
from fl.run_folder import RunFolder
from tests.tools.small import small
from tools.sweep.crew import source
from tools.sweep.folder import SweepFolder
from tools.sweep.plan import Point, jobs
from tools.sweep.work import Order

EXPERIMENT = small(
    """
rounds = 15
[run]
checkpoint_every = 4
[agents]
count = 3
[model]
width = 4
[uplink]
kind = "symbol"
[evaluation]
every = 5
tasks = 4
""",
    without=[("run", "threads")],
)


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


@pytest.fixture
def order(planned, tmp_path, cache):
    """The first run, in the folder of a sweep."""
    folder = tmp_path / "sweep"
    return Order(planned[0], folder, cache, SweepFolder(folder).plan(planned), source(), "topic", "probe-of-the-client")


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
