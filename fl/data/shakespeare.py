"""Shakespeare by speaking role: what each role says, cut into windows of characters; the task is the next character.

The text is tinyshakespeare.txt (40,000 lines of the plays; Shakespeare's text is in the public domain), in which a
speech is a paragraph whose first line is the role's name and a colon. The file does not say where a play ends, so
roles of one name, such as First Citizen, are one role, whatever the play. Speeches of a role are joined in their
order.

A window has WINDOW + 1 characters, of which all but the last are inputs and all but the first are to be predicted;
windows of a role share no character, and what is left at the end of a role is dropped.
"""

from pathlib import Path

import numpy as np

from fl.data.base import WINDOW, Arrays
from fl.data.files import check_sha256, find

VERSION = 1
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
HOW = "get tinyshakespeare.txt (input.txt of karpathy/char-rnn, data/tinyshakespeare)"
VOCABULARY = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def build(root: Path) -> Arrays:
    """Return the windows of all roles: codes of characters, uint8, shape (windows, WINDOW + 1).

    Raises:
        DataError: the file is missing or another one.
    """
    path = find(root, ("tinyshakespeare.txt", "input.txt"), HOW)
    check_sha256(path, SHA256)
    return windows(path.read_text(encoding="ascii"))


def windows(text: str) -> Arrays:
    """Return the windows of the roles of a text, role by role in alphabetical order, in each in the order of speech."""
    spoken = {name: _cut(encode(said)) for name, said in sorted(speeches(text).items())}
    names = tuple(name for name, cut in spoken.items() if len(cut))
    samples = np.concatenate([spoken[name] for name in names])
    owners = np.repeat(np.arange(len(names)), [len(spoken[name]) for name in names])
    return Arrays(samples, np.zeros(len(samples), np.int64), 1, owners, names)


def speeches(text: str) -> dict[str, str]:
    """Return what each role says, its speeches one below the other."""
    said: dict[str, list[str]] = {}
    for paragraph in text.split("\n\n"):
        name, _, speech = paragraph.strip("\n").partition("\n")
        said.setdefault(name.removesuffix(":"), []).append(speech)
    return {name: "\n".join(parts) for name, parts in said.items()}


def encode(text: str) -> np.ndarray:
    """Return the place of each character in the vocabulary, uint8.

    Raises:
        ValueError: a character is not in it.
    """
    unknown = set(text) - set(VOCABULARY)
    if unknown:
        raise ValueError(f"the vocabulary has {len(VOCABULARY)} characters, {sorted(unknown)} are not among them")
    table = np.zeros(128, np.uint8)
    table[np.frombuffer(VOCABULARY.encode(), np.uint8)] = np.arange(len(VOCABULARY))
    return table[np.frombuffer(text.encode(), np.uint8)]


def decode(codes: np.ndarray) -> str:
    """Return the text of codes."""
    return "".join(VOCABULARY[code] for code in codes)


def _cut(codes: np.ndarray) -> np.ndarray:
    count = len(codes) // (WINDOW + 1)
    return codes[: count * (WINDOW + 1)].reshape(count, WINDOW + 1)
