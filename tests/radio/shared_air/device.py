"""A unit in a process of its own, which does what it is told, a line at a time: [method, arguments] in JSON."""

import hashlib
import json
import sys

import numpy as np

from radio.base import RadioError, Samples
from radio.shared_air.radio import SharedAirRadio


def burst(seed, size=2000):
    """Return noise below full scale."""
    parts = np.random.default_rng(seed).uniform(-0.5, 0.5, (size, 2))
    return parts.astype(np.float32).view(np.complex64).ravel()


def do(radio, method, *arguments):
    """Return what a call gives, short enough for a line."""
    if method == "transmit":
        arguments = (burst(arguments[0]), *arguments[1:])
    found = getattr(radio, method)(*arguments)
    if isinstance(found, Samples):
        return [found.start, hashlib.sha256(found.data.tobytes()).hexdigest()]
    return list(found) if isinstance(found, tuple) else found


def main(uri, unit, about):
    """Open the unit, and serve lines until there are no more."""
    try:
        radio = SharedAirRadio(uri, int(unit), json.loads(about))
    except (RadioError, ValueError) as error:
        sys.stdout.write(json.dumps(["error", type(error).__name__, str(error)]) + "\n")
        return
    sys.stdout.write('"open"\n')
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            answer = do(radio, *json.loads(line))
        except (RadioError, ValueError) as error:
            answer = ["error", type(error).__name__, str(error)]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
