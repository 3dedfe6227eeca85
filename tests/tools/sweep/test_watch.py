"""What a sweep shows while it works."""

import io

import pytest
from rich.console import Console

from tools.sweep.watch import Lines, Page, clock
from tools.sweep.work import Done


@pytest.fixture
def terminal():
    """A terminal whose screen can be read."""
    return Console(file=io.StringIO(), force_terminal=True, width=100, no_color=True)


def seen(page, terminal):
    """What the page shows now."""
    with terminal.capture() as captured:
        terminal.print(page.page())
    return captured.get()


def test_the_page_follows_every_run_and_forgets_what_is_over(terminal, planned):
    with Page(terminal) as page:
        page.begin(planned, 2)
        page.round({"run": planned[0].key, "round": 5, "accuracy": 0.25})
        page.round({"run": planned[2].key, "round": 6, "accuracy": None})
        page.round({"run": planned[0].key, "round": 7, "accuracy": None})
        text = seen(page, terminal)
        assert "0 of 4 runs, 2 workers" in text
        assert "7 of 15" in text
        assert "25.0 %" in text  # of round 5
        assert "30 dB" in text
        page.end(planned[0], Done(planned[0].key, "finished"))
        page.end(planned[2], Done(planned[2].key, "failed", "RadioError: gone"))
        page.round({"run": planned[0].key, "round": 15, "accuracy": None})  # overtaken by the end
        page.round({"run": "of another sweep", "round": 1, "accuracy": None})
        text = seen(page, terminal)
    assert "2 of 4 runs, 1 failed" in text
    assert "dB" not in text
    assert "30 dB, seed 1 failed: RadioError: gone" in terminal.file.getvalue()


def test_without_a_terminal_there_is_a_line_for_every_run(planned):
    said = []
    lines = Lines(said.append)
    lines.begin(planned, 1)
    lines.lost(planned[0], 8)
    lines.end(planned[0], Done(planned[0].key, "finished", seconds=1.25))
    lines.end(planned[1], Done(planned[1].key, "failed", "ValueError: too loud"))
    assert said == [
        "4 runs on 1 worker",
        "a worker was lost; 19 dB, seed 1 goes on elsewhere from round 9",
        "1 of 4: 19 dB, seed 1: finished after 1.2 s",
        "2 of 4: 19 dB, seed 2: failed: ValueError: too loud",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")])
def test_times_are_written_as_clocks_do(seconds, text):
    assert clock(seconds) == text
