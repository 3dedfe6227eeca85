"""What a reader of a run needs to know about where it was made."""

import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from fl import config as configuration
from fl.calibrated import Used
from fl.config import Config
from fl.data.partition_file import AnyPartition


def manifest(config: Config, held: AnyPartition | None, used: Used | None = None) -> dict[str, Any]:
    """Return versions, machine, configuration, who holds which data, and what is used of a calibration table.

    Args:
        config: of the run.
        held: the partition; None: it is not written out.
        used: of the calibration table.
    """
    packages = "airmeta", "numpy", "scipy", "torch", "array-api-compat"
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "git": git_hash(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "threads": config.run.threads},
        "config_hash": configuration.digest(config),
        "partition": {"name": config.task.partition} | (_partition(held) if held is not None else {}),
        "calibration": None if used is None else _calibration(used, config),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _calibration(used: Used, config: Config) -> dict[str, Any]:
    return {"table": str(config.calibration.table), "digest": used.digest} | {
        "doubtful": used.doubtful,
        "renewed": used.renewed,
    }


def _partition(held: AnyPartition) -> dict[str, Any]:
    return {"digest": held.digest, "dataset_digest": held.dataset_digest, "recipe": dict(held.recipe)}


def version() -> str:
    """Return the version of airmeta; "unknown" where it runs without being installed."""
    return _version("airmeta") or "unknown"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git_hash() -> str | None:
    """Return the commit of the source tree, marked if it was changed; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
