"""Thirty kills at random moments: every rerun ends as an undisturbed run, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

# Its children start warm: everything is imported and no thread runs yet when it forks.
NURSERY = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import translate.batch.report, translate.batch.score, translate.batch.session
import translate.batch.workshop, translate.batch.pipeline
from PIL import Image
from translate import Translator, cli

source, root, domain, kills = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
Image.init()
translator = Translator.load(domain, device="cpu", dtype="float32")
Translator.load = lambda *_, **__: translator
chance = random.Random(5)

def start(out):
    child = os.fork()
    if child:
        return child
    sys.stdout = sys.stderr = open(os.devnull, "w")
    sys.argv = ["translate-batch", str(source), str(out), "--batch-size", "3", "--workers", "2"]
    sys.argv += ["--steps", "2"]
    try:
        cli.batch_main()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    os._exit(0)

def finish(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def contents(out):
    files = (f for f in out.rglob("*") if f.is_file() and f.suffix not in (".jsonl", ".tmp"))
    return {str(f.relative_to(out)): f.read_bytes() for f in files}

def check_whole(out):
    assert contents(out) == expected
    assert not list(out.rglob("*.tmp")), list(out.rglob("*.tmp"))

began = time.monotonic()
assert finish(start(root / "undisturbed")) == 1  # one of the inputs is broken
whole_s = time.monotonic() - began
expected = contents(root / "undisturbed")
killed = finished = leftovers = 0
while killed < kills:
    out = root / "out"
    child = start(out)
    moment = chance.uniform(0, whole_s)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    if finish(child) == -signal.SIGKILL:
        killed += 1
        leftovers += len(list(out.rglob("*.tmp")))
        found = contents(out)
        assert all(expected[name] == content for name, content in found.items())
        if killed % 5:
            continue
    else:  # it took less: the first one may have been slow
        whole_s = min(whole_s, moment)
    assert finish(start(out)) == 1
    check_whole(out)
    finished += 1
    shutil.rmtree(out)
print(f"{killed} kills, {finished} runs to the end, {leftovers} leftovers, {whole_s:.2f} s each")
"""


def test_kills_at_random_moments(tiny_scene: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    random = np.random.default_rng(0)
    sizes = [(48, 48), (64, 40), (48, 48), (40, 64)] * 3
    for index, (width, height) in enumerate(sizes):
        noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        suffix = ("png", "jpg", "webp")[index % 3]
        Image.fromarray(noise).save(source / ("sub" if index % 2 else "") / f"{index}.{suffix}")
    frames = [Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(4)]
    frames[0].save(source / "moving.gif", save_all=True, append_images=frames[1:], duration=80)
    (source / "broken.jpg").write_bytes(b"no image")
    command = [sys.executable, "-c", NURSERY, source, tmp_path, tiny_scene, "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("30 kills, ")
