"""Where this tool keeps what it makes, decided here and handed to the libraries."""

import time
from pathlib import Path

import platformdirs


def default_cache() -> Path:
    """Return the folder of the data caches of this user."""
    return platformdirs.user_cache_path("airmeta")


def default_table() -> Path:
    """Return the file of this user's calibration table."""
    return platformdirs.user_data_path("airmeta") / "calibration.json"


def default_key() -> Path:
    """Return the file of this user's secret key."""
    return platformdirs.user_data_path("airmeta") / "key"


def default_allow_list() -> Path:
    """Return the file of the keys that this user's servers let in."""
    return platformdirs.user_data_path("airmeta") / "allowed.json"


def default_run_folder(config: Path) -> Path:
    """Return a new folder name for a run of this configuration file: runs/NAME-DATE-TIME."""
    return Path("runs") / f"{config.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
