"""What befalls a process of these tests besides being killed; each is done to the process that calls it."""

import time

from fl.learning import Learning
from fl.testbed import hosting


def jumping_clock(hours):
    """Let the time of day, as Python tells it, jump by hours to and fro with every look at it."""
    true, looks = time.time, []

    def jumping():
        looks.append(1)
        return true() + 3600 * hours * (-1) ** len(looks)

    time.time = jumping


def other_version(text):
    """Be another version of airmeta."""
    hosting.version = lambda: text


def no_data(_):
    """Have no image for the task."""
    Learning.weight = lambda self, agent: 0.0
