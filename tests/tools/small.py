"""A small experiment over the waveform, as the file that a user would write."""

import tomllib

import tomli_w

BASE = """
rounds = 2
[run]
threads = 1
[agents]
count = 2
[task]
ways = 3
shots = 1
queries = 2
[model]
kind = "cnn"
width = 8
[algorithm]
order = "first"
inner_lr = 0.1
[uplink]
kind = "waveform"
[evaluation]
every = 2
tasks = 2
queries = 2
steps = 1
"""


def small(more, without=()):
    """Return the experiment with other keys, or more of them, and without some, as TOML."""
    content = tomllib.loads(BASE)
    for key, value in tomllib.loads(more).items():
        content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
    for table, key in without:
        del content[table][key]
    return tomli_w.dumps(content)
