"""The run on Ray Data with two actors on this machine against the plain run: the same files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# In a process of its own: Ray's threads, sockets and warnings stay out of the other tests.
ON_RAY = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # else a busy machine keeps the actors waiting
os.environ["RAY_raylet_start_wait_time_s"] = "600"
import ray
ray.init(
    num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False,
    object_store_memory=100 * 2**20,
)
from translate.cli import batch_main
batch_main()
"""


def lines(out: Path) -> dict[str, dict[str, Any]]:
    """Journal lines by input, without what time decides."""
    found = {}
    for line in (out / "run.jsonl").read_text().splitlines():
        record = json.loads(line)
        record["seconds"] = record["time"] = None
        assert record["input"] not in found
        found[record["input"]] = record
    return found


def contents(folder: Path) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != "run.jsonl")
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def photos(folder: Path, count: int) -> Path:
    (folder / "sub").mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(count):
        noise = random.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        suffix = ("png", "jpg", "webp")[index % 3]
        Image.fromarray(noise).save(folder / ("sub" if index % 2 else "") / f"{index:02d}.{suffix}")
    return folder


def start(source: Path, out: Path, domain: Path, *more: str) -> subprocess.Popen[str]:
    """A run in a process of its own; on Ray if `more` says so."""
    script = ON_RAY if "ray" in more else "from translate.cli import batch_main; batch_main()"
    flags = ["-d", domain, "--batch-size", "1", "--workers", "1", "--device", "cpu"]
    command = [sys.executable, "-c", script, source, out, *flags, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_actors_give_the_files_of_the_plain_run(tiny_domain: Path, tmp_path: Path) -> None:
    source = photos(tmp_path / "in", 12)
    (source / "zz.jpg").write_bytes(b"no image")
    plain, spread = tmp_path / "plain", tmp_path / "spread"
    for out, more in ((plain, ()), (spread, ("--engine", "ray"))):
        process = start(source, out, tiny_domain, *more)
        stdout, stderr = process.communicate()
        assert process.returncode == 1, stderr
        assert "12 translated, 0 skipped (finished before), 1 failed" in stdout
    assert contents(spread) == contents(plain)
    assert lines(spread) == lines(plain)


def test_a_stopped_run_goes_on_where_it_was(tiny_domain: Path, tmp_path: Path) -> None:
    source, out = photos(tmp_path / "in", 24), tmp_path / "out"
    slow = ("--steps", "300", "--dtype", "float32")
    process = start(source, out, tiny_domain, *slow, "--engine", "ray")
    journal = out / "run.jsonl"
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    done = lines(out)
    assert 3 <= len(done) < 24
    assert all((out / record["output"]).is_file() for record in done.values())
    assert not list(out.rglob("*.tmp"))

    process = start(source, out, tiny_domain, *slow, "--engine", "ray")
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert f"{24 - len(done)} translated, {len(done)} skipped (finished before)" in stdout
    plain = start(source, tmp_path / "plain", tiny_domain, *slow)
    plain.communicate()
    assert contents(out) == contents(tmp_path / "plain")


def test_fail_fast_stops_at_the_first_failure(tiny_domain: Path, tmp_path: Path) -> None:
    source, out = photos(tmp_path / "in", 24), tmp_path / "out"
    (source / "00.png").write_bytes(b"no image")
    process = start(source, out, tiny_domain, "--steps", "300", "--fail-fast", "--engine", "ray")
    stdout, stderr = process.communicate()
    assert process.returncode == 1, stderr
    assert "1 failed" in stdout
    assert len(lines(out)) < 24
    assert not list(out.rglob("*.tmp"))
