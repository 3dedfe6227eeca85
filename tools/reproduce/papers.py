"""The papers, by key."""

from importlib import import_module

from tools.reproduce.paper import Paper

PAPERS = {key: f"tools.reproduce.{key}" for key in ("p1", "p2", "p3", "p4")}


def paper(key: str) -> Paper:
    """Return one paper; its module has it under the name PAPER."""
    found: Paper = import_module(PAPERS[key]).PAPER
    return found
