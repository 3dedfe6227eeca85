"""Who may take part, of those that have taken part before: server and agent must remember the same run."""

import json

import numpy as np
import pytest

from fl import config as configuration
from fl.control.claims import Peer
from fl.control.events import Attempt
from fl.control.messages import Register
from fl.data.partition_file import save
from fl.data.shares import NOTHING, SamplePartition, Share
from fl.testbed.identity import Identity
from fl.testbed.registry import Progress, Registry, Terms
from tests.fl.testbed.bench import experiment

CONFIG = experiment(10, 3)
SHAPING = json.dumps(configuration.shaping(CONFIG))


def server():
    """The registry of a run's server in its second start."""
    return Registry(Terms(Identity("a", 2), "1", CONFIG), lambda: 0.0, 10.0)


def refusal(registry, newest, settled, progress, starts=2):
    """What is said to an agent whose newest attempt on disk is `newest`."""
    message = Register(
        run="a", round=newest.round, sequence=newest.sequence, agent=0, settled=settled, starts=starts,
        version="1", process="p", config=SHAPING, weight=1.0, radio=None,
    )  # fmt: skip
    return registry.register(message, Peer(b"route", ""), None, progress)


@pytest.mark.parametrize(
    ("newest", "settled", "last_heard"),
    [
        (Attempt(1, 5), False, None),  # killed with an update that nobody has counted
        (Attempt(1, 5), True, Attempt(1, 3)),  # it was told so after the server had come back, and is started again
        (Attempt(1, 4), False, Attempt(1, 4)),  # it was counted, and has not been told
        (Attempt(2, 5), False, Attempt(1, 4)),  # in the round that goes on
        (Attempt(0, -1), True, Attempt(1, 4)),  # a new disk
    ],
)
def test_an_agent_that_remembers_what_the_server_does_is_taken_in(newest, settled, last_heard):
    assert refusal(server(), newest, settled, Progress(5, last_heard)) is None


@pytest.mark.parametrize(
    ("newest", "settled", "starts"),
    [
        (Attempt(2, 5), True, 2),  # a round is settled only after the server has written it
        (Attempt(1, 6), True, 1),  # the first start had come further than this copy
        (Attempt(1, 6), False, 1),
        (Attempt(1, 4), True, 3),  # the server was started more often
    ],
)
def test_a_server_whose_folder_is_older_than_its_agents_says_so(newest, settled, starts):
    found = refusal(server(), newest, settled, Progress(5), starts)
    assert "this server's folder is older than its agents" in found.reason
    assert "put the newest copy of the folder back" in found.remedy
    assert not found.again


@pytest.mark.parametrize("settled", [True, False])
def test_an_agent_whose_disk_is_an_older_copy_would_send_twice_and_is_refused(settled):
    found = refusal(server(), Attempt(1, 2), settled, Progress(5, Attempt(1, 3)))
    assert "remembers nothing after round 3, and was heard in round 4" in found.reason
    assert "put the newest copy back" in found.remedy


def test_a_message_of_the_process_that_is_there_may_be_old():
    """What a process has on disk does not go back while it runs; what it said before may come late, or again."""
    registry = server()
    assert refusal(registry, Attempt(1, 3), True, Progress(4)) is None
    assert refusal(registry, Attempt(1, 3), True, Progress(5, Attempt(2, 4))) is None


def test_an_agent_with_another_partition_file_of_the_same_name_is_refused_with_the_remedy(tmp_path):
    """Both hosts say task.partition = p.json; what is in the files is compared, not where they lie."""

    def there(host, shift):
        """The configuration as a host reads it, whose agents hold samples from `shift` on."""
        shares = [Share(*(np.arange(4) + 4 * part + 12 * agent + shift for part in range(3))) for agent in range(3)]
        new = [Share(NOTHING, np.arange(2) + at, np.arange(2) + at + 2) for at in (80, 90)]
        (tmp_path / host).mkdir()
        save(SamplePartition("glyphs", "", tuple(shares), tuple(new)), tmp_path / host / "p.json")
        config = experiment(10, 3)
        task = config.task.model_copy(update={"partition": str(tmp_path / host / "p.json")})
        return config.model_copy(update={"task": task})

    def register(config):
        message = Register(
            run="a", round=-1, sequence=0, agent=0, settled=True, starts=0, version="1", process="p",
            config=json.dumps(configuration.shaping(config)), weight=1.0, radio=None,
        )  # fmt: skip
        return registry.register(message, Peer(b"route", ""), None, Progress(0))

    registry = Registry(Terms(Identity("a", 1), "1", there("server", 0)), lambda: 0.0, 10.0)
    found = register(there("other", 1))
    assert found.reason == "its configuration differs in 1 key(s)"
    assert found.details[0].startswith("task.partition: ")
    assert "the same partition file: config.toml and partition.json of the run's folder" in found.remedy
    assert register(there("same", 0)) is None
