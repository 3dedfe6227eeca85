"""What the control plane adds to a round of eight agents at d = 112,005, over `airmeta testbed`: all in processes."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

AGENTS = 8
WIDTH = 64  # filters of the CNN: d = 112,005
WARM = 2  # rounds that do not count: in the first one agents register, and the first in which they learn is slow
LATEST = 540.0  # seconds
SETTINGS = (
    f"model.width={WIDTH}", "run.threads=1", "run.batch_agents=1", "evaluation.every=1000000", "evaluation.tasks=2",
)  # fmt: skip


def control_plane(config: Path, uplink: str, rounds: int, cache: Path) -> dict[str, Any]:
    """Return medians of the stages of a round, in s, and the share of the control plane.

    Args:
        config: file of the experiment.
        uplink: symbol, or waveform.
        rounds: how many; the first two do not count.
        cache: folder of the data caches.

    Raises:
        RuntimeError: the testbed did not finish.
    """
    words = [f"{key}" for item in (*SETTINGS, f"uplink.kind={uplink}", f"rounds={rounds}") for key in ("--set", item)]
    with tempfile.TemporaryDirectory(prefix="airmeta-bench-") as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "tools.cli", "testbed", str(config), *words, "--agents", str(AGENTS)]
        command += ["--out", str(run), "--quiet", "--cache", str(cache)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LATEST, check=False)
        if done.returncode:
            raise RuntimeError(f"the testbed ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        lines = [json.loads(line) for line in (run / "timing.jsonl").read_text(encoding="utf-8").splitlines()]
    return {"uplink": uplink, "rounds": rounds - WARM, **_medians(lines[WARM:])}


def _medians(lines: list[dict[str, float]]) -> dict[str, Any]:
    stages = [stage for stage in lines[0] if stage not in ("schema", "round", "total", "evaluation")]
    shares = [line["control"] / (line["total"] - line["evaluation"]) for line in lines]
    seconds = {stage: statistics.median(line[stage] for line in lines) for stage in stages}
    return {"seconds": seconds, "control_share": statistics.median(shares)}
