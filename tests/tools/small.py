"""Small experiments, as files that a user would write."""

import tomllib

import tomli_w

PLAIN = """
rounds = 2
[run]
threads = 1
[agents]
count = 4
[task]
ways = 3
shots = 1
queries = 2
[model]
kind = "mlp"
[algorithm]
order = "first"
"""
WAVEFORM = """
[agents]
count = 2
[model]
kind = "cnn"
width = 8
[algorithm]
inner_lr = 0.1
[uplink]
kind = "waveform"
[evaluation]
every = 2
tasks = 2
queries = 2
steps = 1
"""


def plain(*more):
    """Return a small experiment with other keys, or more of them, as TOML."""
    content = tomllib.loads(PLAIN)
    for one in more:
        for key, value in tomllib.loads(one).items():
            content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
    return tomli_w.dumps(content)


def small(more):
    """Return one over the waveform."""
    return plain(WAVEFORM, more)
