"""The batch run, from files to files, against its own engine on windows that are ready.

Both walk the same windows in batches of the same size, in turns (A B A B), so that a busy machine
slows both. Then one long run over many links to a few photos shows that memory stays flat. Nothing
passes or fails.

    python benchmarks/batch.py
    python benchmarks/batch.py --domain anime --device cuda --images 2000 --long 10000
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from translate.allocator import keep_freed_memory
from translate.batch.engine import Engine
from translate.batch.jobs import Job
from translate.batch.journal import Journal, Record
from translate.batch.pipeline import Pipeline
from translate.batch.session import Request, Session, open_session
from translate.batch.settings import Settings
from translate.batch.workshop import Workshop
from translate.device import pick_device, pick_dtype
from translate.domain import Calibration, Descent, Domain, NetworkConfig
from translate.energy import EnergyModel
from translate.hub import bundled_domains
from translate.translator import Translator

PHOTOS = 24
"""Different photos; further ones are links to them."""


def make_photos(folder: Path, count: int, width: int, height: int) -> None:
    """JPEG photos of soft colours with grain, about as large as real ones of this size."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(count):
        path = folder / f"{index:06d}.jpg"
        if index >= PHOTOS:
            path.hardlink_to(folder / f"{index % PHOTOS:06d}.jpg")
            continue
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
        grain = random.integers(-12, 13, (height, width, 1))
        Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(path, quality=92)


def load(options: argparse.Namespace) -> Translator:
    """The bundled domain, or a network of the same shape with random weights."""
    if options.domain in bundled_domains() or Path(options.domain).is_dir():
        return Translator.load(options.domain, device=options.device, dtype=options.dtype)
    network = NetworkConfig(size=128, channels=(16, 24, 48, 96, 192, 192))
    torch.manual_seed(0)
    card = Domain(
        name="random",
        title="Random weights",
        framing="crop",
        network=network,
        pgd=Descent(steps=18, step_size=3.3),
        calibration=Calibration(data=(0.0,) * 21, source=(1.0,) * 21),
        sha256={"model.safetensors": "0" * 64},
    )
    device = pick_device(options.device)
    return Translator(card, EnergyModel(network), device, pick_dtype(options.dtype, device))


class Bench:
    """One set-up of translator, settings and engine."""

    def __init__(self, translator: Translator, options: argparse.Namespace) -> None:
        self.settings = Settings(file_format="jpg")
        if options.steps is not None:
            self.settings = replace(
                self.settings, options=replace(self.settings.options, steps=options.steps)
            )
        self.translator = translator
        self.engine = Engine(translator, self.settings.options, options.batch_size, print)
        self.workers: int | None = options.workers

    def session(self, source: Path, out: Path) -> tuple[Session, Workshop]:
        """A plan and what it needs."""
        session = open_session(Request(sources=(str(source),), out=out, file_format="jpg"))
        return session, Workshop(self.translator, self.settings, session.results, overwrite=False)

    def run(self, source: Path, out: Path) -> Iterator[Record]:
        """The batch run, files to files."""
        session, workshop = self.session(source, out)
        with closing(Journal(session.request.journal)) as journal:
            pipeline = Pipeline(workshop, self.engine, journal, workers=self.workers)
            yield from pipeline.run(session.items)

    def bare(self, jobs: list[Job]) -> None:
        """The engine alone on windows that are decoded already."""
        self.engine.run([view for job in jobs for view in job.views])


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def throughput(bench: Bench, source: Path, work: Path, repeat: int) -> None:
    """Images per second of both, and their ratio."""
    session, workshop = bench.session(source, work / "none")
    jobs = [workshop.decode(item) for item in session.items]
    bench.bare(jobs[: bench.engine.size(jobs[0].shape)])  # first calls choose algorithms
    pairs: list[tuple[float, float]] = []
    for turn in range(repeat):
        bare_s = bench.bare(jobs)
        started = time.perf_counter()
        statuses = {record.status for record in bench.run(source, work / f"out-{turn}")}
        pairs.append((bare_s, time.perf_counter() - started))
        assert statuses == {"ok"}
    ratios = [a / b for a, b in pairs]
    bare, batch = (len(jobs) / statistics.median(p[i] for p in pairs) for i in (0, 1))
    print("bare images/s  batch images/s  ratio  range")
    print(
        f"{bare:>13.2f}  {batch:>14.2f}  {statistics.median(ratios):>5.2f}  "
        f"{min(ratios):.2f} to {max(ratios):.2f}\n"
    )


def memory(bench: Bench, source: Path, out: Path, count: int) -> None:
    """Resident memory along a long run."""
    print("images  resident MB")
    marks = {max(1, count * k // 10) for k in range(1, 11)}
    for done, _ in enumerate(bench.run(source, out), start=1):
        if done in marks:
            print(f"{done:>6}  {memory_mb():>11.1f}", flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", default="anime", help="name or folder, else random weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--steps", type=int, help="default: the domain's")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--images", type=int, default=64, help="for the throughput")
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--height", type=int, default=1200)
    parser.add_argument("--repeat", type=int, default=3, help="pairs of measurements")
    parser.add_argument("--long", type=int, default=1000, help="images for the memory")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = parse()
    keep_freed_memory()
    bench = Bench(load(options), options)
    side = bench.translator.domain.network.size
    print(
        f"{bench.translator.domain.name}, {side} px, {bench.translator.device}, "
        f"{str(bench.translator.dtype).removeprefix('torch.')}, "
        f"{torch.get_num_threads()} threads, batch size {bench.engine.size((side, side))}, "
        f"photos of {options.width}x{options.height}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.images:
            make_photos(work / "in", options.images, options.width, options.height)
            throughput(bench, work / "in", work, options.repeat)
        if options.long:
            make_photos(work / "long", options.long, 320, 240)
            bench.engine.options = replace(bench.engine.options, steps=1)
            memory(bench, work / "long", work / "out", options.long)


if __name__ == "__main__":
    main()
