"""A run survives what a machine does to it, and its history is a function of its configuration."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fl import checkpoint
from fl.config import ConfigError, dump
from fl.experiment import run
from fl.history import read
from fl.run_folder import RunError, RunFolder

ROOT = Path(__file__).parent.parent.parent


def go_on(record, seconds):
    return False


def completed(config, folder, cache, **options):
    folder = RunFolder(folder)
    assert run(config, folder, cache, **({"resume": False, "observe": go_on} | options))
    return folder.history.read_bytes()


def test_the_same_configuration_gives_the_same_bytes_and_another_seed_others(small, cache, tmp_path):
    first = completed(small(), tmp_path / "a", cache)
    assert first == completed(small(), tmp_path / "b", cache)
    other = small().model_copy(update={"seed": 2})
    lines = zip(first.splitlines(), completed(other, tmp_path / "c", cache).splitlines(), strict=True)
    assert all(one != two for one, two in lines)


@pytest.mark.parametrize("kind", ["symbol", "waveform"])
def test_a_run_stopped_after_any_round_goes_on_to_the_same_bytes(kind, small, cache, tmp_path):
    loopback = {"offset_ppm": 20.0, "linewidth_hz": 0.01, "frequency_walk": 0.17, "timing_offset": 8.0}
    config = small(("uplink", "kind", kind), ("radio", "loopback", loopback))
    whole = completed(config, tmp_path / "whole", cache)
    for stop in range(3):
        folder = RunFolder(tmp_path / str(stop))
        stopped = run(config, folder, cache, resume=False, observe=lambda record, _, s=stop: record["round"] == s)
        assert not stopped
        assert completed(config, folder.path, cache, resume=True) == whole


def test_a_run_killed_without_warning_goes_on_to_the_same_bytes(small, cache, tmp_path):
    config = small().model_copy(update={"rounds": 60})
    whole = completed(config, tmp_path / "whole", cache)
    (tmp_path / "c.toml").write_text(dump(config))
    command = [sys.executable, "-m", "tools.cli", "run", str(tmp_path / "c.toml"), "--quiet", "--cache", str(cache)]
    folder = RunFolder(tmp_path / "killed")
    command += ["--out", str(folder.path), "--resume"]
    kills = 0
    for threshold in (7, 21, 33):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if folder.history.exists() and folder.history.read_bytes().count(b"\n") > threshold:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        process.wait(60)
    assert kills == 3
    assert completed(config, folder.path, cache, resume=True) == whole


def test_a_folder_that_holds_a_run_is_not_overwritten(small, cache, tmp_path):
    completed(small(), tmp_path / "a", cache)
    with pytest.raises(RunError, match="--resume"):
        completed(small(), tmp_path / "a", cache)


def test_a_folder_that_holds_something_else_is_not_touched(small, cache, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        completed(small(), tmp_path / "a", cache)


def test_a_run_of_another_configuration_is_not_resumed_and_the_keys_are_named(small, cache, tmp_path):
    completed(small(), tmp_path / "a", cache)
    with pytest.raises(ConfigError, match=r"uplink.snr_db: 3.0 here, 19.0 there"):
        completed(small(("uplink", "snr_db", 3.0)), tmp_path / "a", cache, resume=True)


def test_the_first_rounds_are_all_evaluated_and_nothing_else_changes(small, cache, tmp_path):
    def lines(dense):
        config = small(("evaluation", "every", 3), ("evaluation", "dense_rounds", dense))
        config = config.model_copy(update={"rounds": 7})
        text = completed(config, tmp_path / str(dense), cache).splitlines()
        return [json.loads(line) for line in text]

    usual, dense = lines(0), lines(4)
    done = [[line["round"] + 1 for line in all_lines if "accuracy_by_step" in line] for all_lines in (usual, dense)]
    assert done == [[3, 6, 7], [1, 2, 3, 4, 6, 7]]
    assert all(one.items() <= two.items() for one, two in zip(usual, dense, strict=True))


def test_evaluation_tasks_do_not_depend_on_the_seed_of_the_run(small, cache, tmp_path):
    samples = []
    for seed in (1, 2):
        config = small().model_copy(update={"seed": seed})
        completed(config, tmp_path / str(seed), cache)
        samples.append(np.load(RunFolder(tmp_path / str(seed)).samples)["support"])
    assert np.array_equal(*samples)


def test_a_disk_that_is_full_says_so_and_the_last_checkpoint_survives(small, cache, tmp_path):
    """A process whose files may not grow beyond 300 kB cannot write the second checkpoint."""
    config, folder = small(), RunFolder(tmp_path / "a")
    run(config, folder, cache, resume=False, observe=lambda record, _: record["round"] == 1)
    before = (folder.path / checkpoint.NAME).read_bytes()
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); "
    limited += "from tools.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", limited, "run", str(folder.config), "--out", str(folder.path), "--resume"]
    result = subprocess.run([*command, "--cache", str(cache)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "File too large; the last checkpoint is whole" in result.stderr
    assert "Traceback" not in result.stderr
    assert (folder.path / checkpoint.NAME).read_bytes() == before
    assert completed(config, folder.path, cache, resume=True) == completed(config, tmp_path / "b", cache)


def test_the_history_has_the_promised_keys(small, cache, tmp_path):
    completed(small(), tmp_path / "a", cache)
    records = read(tmp_path / "a" / "history.jsonl")
    always = "schema round outcome train_loss agents_scheduled agents_heard excluded channel_uses channel_uses_total "
    always += "common_scale receive_snr_db predicted_nmse_db oracle_nmse_db oracle_symbol_nmse_db union_support"
    scores = "new_agent_accuracy new_agent_interval new_agent_loss train_agent_accuracy train_agent_loss "
    scores += "accuracy_by_step"
    for record in records:
        assert set(always.split()) <= set(record)
    assert [set(scores.split()) <= set(record) for record in records] == [False, True, False, True]


def test_the_manifest_names_versions_and_configuration(small, cache, tmp_path):
    completed(small(), tmp_path / "a", cache)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert {"python", "numpy", "torch"} <= set(manifest["versions"])
    assert len(manifest["config_hash"]) == 64
