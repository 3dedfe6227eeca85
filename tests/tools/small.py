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


def plain(*more, without=()):
    """Return a small experiment with other keys, or more of them, and without some, as TOML."""
    content = tomllib.loads(PLAIN)
    for one in more:
        for key, value in tomllib.loads(one).items():
            content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
    for table, key in without:
        del content[table][key]
    return tomli_w.dumps(content)


def small(more, without=()):
    """Return one over the waveform."""
    return plain(WAVEFORM, more, without=without)
