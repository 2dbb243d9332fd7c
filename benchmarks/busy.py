"""Walks beside a busy program: with threads that leave a core soon, and as OpenMP has them.

Both walk the same photo, in turns (A B A B), each in a process of its own because OpenMP reads its
settings once, without those of the environment. Ratios only: nothing passes or fails.

    python benchmarks/busy.py
    python benchmarks/busy.py --busy 0   # what it costs where nothing else runs
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
WALKS = """
import sys, time
from PIL import Image
from translate.process import keep_freed_memory, wait_briefly
keep_freed_memory()
if sys.argv[1] == "briefly":
    wait_briefly()
from translate import Translator
translator, photo, seconds = Translator.load("anime"), Image.open(sys.argv[2]), []
for _ in range(int(sys.argv[3]) + 1):
    start = time.perf_counter()
    translator(photo)
    seconds.append(time.perf_counter() - start)
print(sorted(seconds[1:])[len(seconds[1:]) // 2])
"""
BUSY = "while True: pass"


def seconds(wait: str, walks: int) -> float:
    """Median of some walks in a process of their own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", WALKS, wait, str(EXAMPLE), str(walks)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", type=int, default=1, help="other programs, one thread each")
    parser.add_argument("--walks", type=int, default=5, help="in each process")
    parser.add_argument("--repeat", type=int, default=3, help="pairs of processes")
    options = parser.parse_args()
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(options.busy)]
    try:
        pairs = [
            (seconds("as it is", options.walks), seconds("briefly", options.walks))
            for _ in range(options.repeat)
        ]
    finally:
        for other in others:
            other.kill()
            other.wait()
    ratios = [usual / brief for usual, brief in pairs]
    usual, brief = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{os.cpu_count()} cores, {options.busy} busy; seconds a photo, medians")
    print(f"as OpenMP waits {usual:.2f}, briefly {brief:.2f}")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
