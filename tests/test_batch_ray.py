"""The run on Ray Data with two actors on this machine against the plain run: the same files."""

from __future__ import annotations

import json
import subprocess
import sys
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


def test_two_actors_give_the_files_of_the_plain_run(tiny_domain: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(12):
        noise = random.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        suffix = ("png", "jpg", "webp")[index % 3]
        Image.fromarray(noise).save(source / ("sub" if index % 2 else "") / f"{index:02d}.{suffix}")
    (source / "zz.jpg").write_bytes(b"no image")
    plain, spread = tmp_path / "plain", tmp_path / "spread"
    scripts = {plain: "from translate.cli import batch_main; batch_main()", spread: ON_RAY}
    flags = ["-d", tiny_domain, "--batch-size", "1", "--workers", "1", "--device", "cpu"]
    for out, script in scripts.items():
        command = [sys.executable, "-c", script, source, out, *flags]
        more = ["--engine", "ray"] if out == spread else []
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "12 translated, 0 skipped (finished before), 1 failed" in done.stdout
    assert contents(spread) == contents(plain)
    assert lines(spread) == lines(plain)
