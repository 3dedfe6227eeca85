"""A proxy that notes every use of a module: which name, with arguments of which types, and what came back."""

import enum
import threading

import numpy as np

from tests.radio.usrp.standin import PATHS, Namespace


class Notes:
    """What was used.

    Args:
        uses: each kind of use once, for the comparison with another module.
        calls: names of calls in their order, with those arguments that are numbers or text.
    """

    def __init__(self):
        self.uses, self.calls, self.lock = {}, [], threading.Lock()

    def add(self, path, kind, args=(), kwargs=None, returns=""):
        use = {"path": path, "kind": kind, "args": list(args), "kwargs": dict(kwargs or {}), "returns": returns}
        with self.lock:
            self.uses.setdefault(repr(use), use)

    def names(self):
        return [name for name, _ in self.calls]


class Spied:
    """Something whose use is noted."""

    def __init__(self, target, path, notes):
        object.__setattr__(self, "_spied", (target, path, notes))

    def __getattr__(self, name):
        target, path, notes = self._spied
        value, path = getattr(target, name), f"{path}.{name}"
        if isinstance(value, Namespace | type):
            return Spied(value, path, notes)
        if isinstance(value, enum.Enum):
            notes.add(path, "get", returns=type_of(value))
            return value
        if callable(value):
            return lambda *args, **kwargs: _called(value, path, notes, args, kwargs)
        notes.add(path, "get", returns=type_of(value))
        return _wrapped(value, notes)

    def __setattr__(self, name, value):
        target, path, notes = self._spied
        notes.add(f"{path}.{name}", "set", [type_of(value)])
        setattr(target, name, _bare(value))

    def __call__(self, *args, **kwargs):
        target, path, notes = self._spied
        return _called(target, path, notes, args, kwargs)


def _called(value, path, notes, args, kwargs):
    plain = tuple(arg for arg in args if isinstance(arg, int | float | str))
    notes.calls.append((path.rsplit(".", 1)[1], plain))
    result = value(*map(_bare, args), **{name: _bare(arg) for name, arg in kwargs.items()})
    named = {name: type_of(arg) for name, arg in kwargs.items()}
    notes.add(path, "call", map(type_of, args), named, type_of(result))
    return _wrapped(result, notes)


def _bare(value):
    return value._spied[0] if isinstance(value, Spied) else value


def _wrapped(value, notes):
    if isinstance(value, list):
        return [_wrapped(item, notes) for item in value]
    known = type(value) in PATHS and not isinstance(value, enum.Enum)
    return Spied(value, PATHS[type(value)], notes) if known else value


def type_of(value):
    """Return the name of a type, of the module or of Python; of lists with that of what is in them."""
    value = _bare(value)
    if isinstance(value, list):
        return f"list[{'|'.join(sorted({type_of(item) for item in value}))}]"
    if isinstance(value, np.ndarray):
        return "ndarray"
    return PATHS.get(type(value), type(value).__name__)
