"""`airmeta radio emulate` as a user meets it."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.tools.cli import refused


def emulate(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tools.cli", "radio", "emulate", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_a_uri_for_each_unit_serves_them_and_ends_cleanly(stop):
    noisy = ("--set", "radio.loopback.offset_ppm=20", "--seed", "5", "--real-time")
    with emulate("--units", "2", *noisy) as process:
        uris = [process.stdout.readline().strip() for _ in range(2)]
        for uri in uris:
            _, host, port = uri.split(":")
            with socket.create_connection((host, int(port)), 10) as connection:
                connection.sendall(b"VERSION\r\n")
                assert connection.recv(100).startswith(b"0.24.")
        process.send_signal(stop)
        rest, complaints = process.communicate(timeout=30)
    assert len(set(uris)) == 2
    assert (rest, complaints, process.returncode) == ("", "", 0)


def test_it_says_when_others_can_reach_the_radios():
    with emulate("--units", "1", "--host", "0.0.0.0") as process:
        assert process.stdout.readline().startswith("ip:0.0.0.0:")
        process.send_signal(signal.SIGINT)
        assert "other machines" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--units", "0"], 2, "0 is not in the range"),
        (["--units", "3", "--port", "65534"], 2, "lower --port"),
        (["--addresses", "--host", "0.0.0.0"], 2, "leave out --host"),
        (["--set", "radio.loopback.offset_pm=3"], 1, "did you mean radio.loopback.offset_ppm?"),
        (["--host", "192.0.2.1", "--units", "1"], 1, "choose another port or address"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(arguments, code, message):
    refused("radio", "emulate", *arguments, says=message, code=code)
