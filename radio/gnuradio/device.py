"""What the flowgraphs of devices, `radio/flowgraphs/pluto.py` and `usrp.py`, are told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[1] / "flowgraphs"


def pluto(uris: Sequence[str]) -> dict[str, Any]:
    """Return what carries samples of PlutoSDRs that somebody else sets."""
    return {"uris": [*uris]}


def usrp(devices: Sequence[str], tuning: Mapping[str, Any], clock_source: str, time_source: str) -> dict[str, Any]:
    """Return how USRPs are set, as `radio.usrp` would.

    Args:
        devices: UHD device arguments, one of each unit.
        tuning: of all of them: the fields of `radio.usrp.tuning.Tuning`.
        clock_source: of their 10 MHz.
        time_source: of their pulse per second.
    """
    return {"devices": [*devices], "clock_source": clock_source, "time_source": time_source} | dict(tuning)
