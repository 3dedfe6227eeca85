"""Functions in a process of their own: one that is aborted there, by a library in C, is one test that fails.

Such processes come from `multiprocessing`'s fork server: torch is imported once, not in every process of every test.
"""

import multiprocessing
import os
import signal
import traceback
from multiprocessing import connection

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.fl.testbed.roles"])


def apart(folder, function, *arguments, latest=120):
    """Return what a function returns in a process of its own.

    Args:
        folder: for what that process says on stderr.
        function: of a module, and what it returns can be pickled.
        arguments: of it.
        latest: seconds.

    Raises:
        AssertionError: it has raised something, the process was ended by a signal, or it goes on for too long.
    """
    said = folder / "stderr.txt"
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_answer, args=(theirs, said, function, arguments))
    process.start()
    theirs.close()
    try:
        assert connection.wait([ours], latest), f"{function.__name__} has not ended after {latest} s"
        how, answer = _received(ours)
        assert how != "raised", f"{function.__name__}, in a process of its own:\n{answer}"
        process.join(latest)
        assert process.exitcode == 0, f"{function.__name__}: its process {_ended(process)}; it said:\n{_tail(said)}"
        return answer
    finally:
        process.kill()
        process.join()
        ours.close()


def _received(pipe):
    try:
        return pipe.recv()
    except EOFError:  # it ended without an answer
        return "", None


def _answer(pipe, said, function, arguments):
    with open(said, "w", encoding="utf-8") as stderr:
        os.dup2(stderr.fileno(), 2)
    try:
        pipe.send(("returned", function(*arguments)))
    except BaseException:  # noqa: BLE001 - KeyboardInterrupt and the like too: whoever waits must hear of it
        pipe.send(("raised", traceback.format_exc()))


def _ended(process):
    if process.exitcode is None:
        return "has answered, and does not end"
    if process.exitcode < 0:
        return f"was ended by {signal.Signals(-process.exitcode).name}"
    return f"has exited with {process.exitcode}"


def _tail(said):
    return said.read_text(encoding="utf-8", errors="replace")[-4000:] if said.exists() else ""
