"""What the processes of a testbed show on a terminal."""

import logging
from types import SimpleNamespace

from tools.terminal_log import logged_to_terminal
from tools.testbed_page import TerminalPage


def test_a_terminal_shows_what_is_wrong_and_what_belongs_to_no_round(capsys):
    log = logging.getLogger("airmeta")
    with logged_to_terminal():
        log.info("registered")
        log.info("heard", extra={"round": 3})
        log.warning("not written", extra={"round": 3})
    log.warning("afterwards", extra={"round": "-"})
    shown = capsys.readouterr().err.splitlines()
    assert shown[:2] == ["registered", "not written"]
    assert "heard" not in shown


def test_a_page_says_that_a_run_is_done():
    page = TerminalPage(SimpleNamespace(rounds=1))
    line = {"round": 0, "agents_heard": [], "train_loss": None, "outcome": "ok"}
    page._note({"event": "status", "phase": "payload", "agents": []})
    assert "phase payload" in page._head().columns[0]._cells[0].plain
    page._note(line)
    assert "phase done" in page._head().columns[0]._cells[0].plain
