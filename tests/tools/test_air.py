"""`airmeta radio air` as a user meets it."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from radio.shared_air.radio import state_of
from tools.cli import main

CONFIG = "experiments/quickstart.toml"
ARGUMENTS = (CONFIG, "--set", "uplink.kind=waveform", "--listen", "tcp://127.0.0.1:0", "--json")


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tools.cli", "radio", "air", *ARGUMENTS, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, "parent"])
def test_it_says_where_it_listens_answers_and_ends_cleanly(end):
    with started(*(["--with-parent"] if end == "parent" else [])) as process:
        about = json.loads(process.stdout.readline())
        assert about["uri"] == f"air:{about['endpoint']}"
        assert state_of(about["endpoint"]).units == about["units"] == 11
        if end != "parent":
            process.send_signal(end)
        rest, complaints = process.communicate(timeout=30)  # closes its standard input, too
    assert (rest, complaints, process.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which experiment?"),
        ([CONFIG], "set uplink.kind = waveform"),
        ([CONFIG, "--set", "uplink.kind=waveform", "--listen", "tcp://0.0.0.0:0"], "--plaintext"),
        ([CONFIG, "--set", "uplink.kind=waveform", "--listen", "5555"], "tcp://127.0.0.1:PORT"),
        (["--status", "tcp://127.0.0.1:1"], "start airmeta radio air"),
        (["--status", "here"], "air:tcp://127.0.0.1:PORT"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(arguments, message):
    result = CliRunner().invoke(main, ["radio", "air", *arguments])
    assert result.exit_code != 0
    assert message in result.output
