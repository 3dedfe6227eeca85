"""How many processes have begun a run and were not heard of again: what the folder of a sweep remembers of each.

A process that is killed cannot say so, so each notes that it begins, and takes that back at its end. Only those in vain
count: the last checkpoint was after the same round as before. So a long run on workers that live shortly comes to its
end; what is in the history only is done again by the next one, and does not count.
"""

from dataclasses import dataclass
from pathlib import Path

from fl import checkpoint
from radio.files import write_text


@dataclass(frozen=True)
class Attempts:
    """At one run; whoever holds its lock notes them.

    Args:
        note: file of "how many, and at which round the last one began".
        run: folder of the run.
    """

    note: Path
    run: Path

    def begin(self) -> int:
        """Note that a process starts on the run, and return how many have done so in vain before it."""
        rounds, written = checkpoint.rounds_done(self.run), self.noted().split()
        counted, reached = [*map(int, written), 0, 0][:2] if written else (0, 0)
        before = counted if rounds <= reached else 0
        write_text(self.note, f"{before + 1} {rounds}")
        return before

    def noted(self) -> str:
        """Return what `begin` has noted, which is another text after each; empty: nothing, or `end` came after it."""
        return self.note.read_text(encoding="ascii") if self.note.exists() else ""

    def end(self) -> None:
        """Note that the process that worked on the run is alive."""
        self.note.unlink(missing_ok=True)
