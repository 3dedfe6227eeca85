"""Files that a configuration names, so that they are found from any folder in which a worker happens to be."""

from tools.sweep.plan import Job


def anchored(job: Job) -> Job:
    """Return a run whose configuration names its files by absolute paths; its hash is the same, for it counts none."""
    config = job.config
    changed: dict[str, object] = {}
    if config.data_root is not None:
        changed["data_root"] = config.data_root.expanduser().resolve()
    if config.calibration.table is not None:
        table = config.calibration.table.expanduser().resolve()
        changed["calibration"] = config.calibration.model_copy(update={"table": table})
    return Job(job.point, job.seed, config.model_copy(update=changed), job.key)
