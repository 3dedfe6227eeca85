"""A process that kills itself (SIGKILL) at a point of a round: just before its machine is told of an event.

What the event says has been done by then (`Done(learn)`: the update is computed; `Written(offer)`: it is on disk), and
nothing that follows from it has. `Commit(checkpoint)` is between the two halves of a commit: the history has the line,
the checkpoint does not know it yet.
"""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from fl import checkpoint
from fl.control.events import Begin, Done, Said, Written
from fl.testbed.driver import Driver


@dataclass(frozen=True)
class KillPoint:
    """Before this event of a round, or of the first one after it in which it happens.

    Args:
        event: `Begin`, `Said`, `Done`, `Written`, `Commit`.
        what: message, task or file, in lower case.
        round: index.
    """

    event: str
    what: str
    round: int

    def __str__(self):
        return f"{self.event}({self.what})"


def arm(point, log):
    """Let this process kill itself at a point; what it does last is to note in `log` which round that was.

    Args:
        point: where; None: nowhere.
        log: file of one JSON line a kill.
    """
    if point is None:
        return

    def kill_if(event, what, index):
        if (event, what) == (point.event, point.what) and index >= point.round:
            note(log, point, index)
            os.kill(os.getpid(), signal.SIGKILL)

    feed, save = Driver.feed, checkpoint.save

    def fatal_feed(self, event):
        kill_if(type(event).__name__, *_about(event))
        feed(self, event)

    def fatal_save(folder, saved):
        kill_if("Commit", "checkpoint", saved.rounds - 1)
        save(folder, saved)

    Driver.feed, checkpoint.save = fatal_feed, fatal_save


def note(log: Path, point, index):
    """Append a line that outlives the process."""
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"point": str(point), "round": index}) + "\n")


def _about(event):
    """Return what an event is about, and of which round."""
    match event:
        case Begin():
            return "", event.round
        case Said():
            return event.kind.__name__.lower(), event.attempt.round
        case Done():
            return str(event.task), event.attempt.round
        case Written():
            return str(event.write), event.attempt.round
        case _:
            return "", -1
