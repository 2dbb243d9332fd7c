"""The batch run, from files to files, against its own engine on windows that are ready.

Both walk the same windows in batches of the same size, in turns (A B A B), so that a busy machine
slows both: once from photos not much larger than the window, once from large ones; so many that
the first and the last batch, in which a pipeline fills and drains, hardly count, as in a run over
thousands. On a CPU, reading and writing a large photo takes from the same cores that the engine
uses: the CPU columns tell how much, whatever else the machine does. Then one long run over many
links to a few photos shows that memory stays flat. Nothing passes or fails.

    python benchmarks/batch.py
    python benchmarks/batch.py --domain anime --device cuda --images 2000 --long 10000
    python benchmarks/batch.py --domain a/tiny/domain --images 0 --long 10000 --small 64x64
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from translate.batch.engine import Engine
from translate.batch.jobs import Job
from translate.batch.journal import Journal, Record
from translate.batch.lanes import default_lanes
from translate.batch.pipeline import Pipeline
from translate.batch.session import Request, Session, open_session
from translate.batch.settings import Settings
from translate.batch.workshop import Workshop
from translate.card_parts import Calibration, Descent
from translate.device import pick_device, pick_dtype
from translate.domain import Domain
from translate.energy import EnergyModel
from translate.hub import bundled_domains
from translate.networks.config import NetworkConfig
from translate.process import keep_freed_memory
from translate.translator import Translator

PHOTOS = 24
"""Different photos; further ones are links to them."""


FACE = (152, 40, 312, 200)
"""Square around the face in the example: left, top, right, bottom."""


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """JPEG photos: a face before soft colours, with grain, about as large as real ones."""
    folder.mkdir()
    random = np.random.default_rng(0)
    width, height = size
    side = round(0.8 * min(size))
    with Image.open(Path(__file__).parents[1] / "examples" / "astronaut.jpg") as example:
        face = example.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=FACE)
    for index in range(count):
        path = folder / f"{index:06d}.jpg"
        if index >= PHOTOS:
            path.hardlink_to(folder / f"{index % PHOTOS:06d}.jpg")
            continue
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        soft = coarse.resize(size, Image.Resampling.BICUBIC)
        soft.paste(
            face, tuple(int(random.integers(0, free)) for free in (width - side, height - side))
        )
        grain = random.integers(-6, 7, (height, width, 1))
        grained = np.asarray(soft, dtype=np.int16) + grain
        Image.fromarray(grained.clip(0, 255).astype(np.uint8)).save(path, quality=92)


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
        lanes = default_lanes(translator.device) if options.lanes is None else options.lanes
        self.engine = Engine(translator, self.settings.options, options.batch_size, print, lanes)
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
    pairs: list[tuple[Cost, Cost]] = []
    for turn in range(repeat):
        bare = measure(lambda: bench.bare(jobs))
        out = work / f"{source.name}-out-{turn}"
        batch = measure(lambda out=out: check(bench.run(source, out)))
        pairs.append((bare, batch))
    ratios = [bare.wall_s / batch.wall_s for bare, batch in pairs]
    rates = [len(jobs) / statistics.median(pair[i].wall_s for pair in pairs) for i in (0, 1)]
    cpu_ms = [1000 / len(jobs) * min(pair[i].cpu_s for pair in pairs) for i in (0, 1)]
    faces = sum(job.windows[0].note is None for job in jobs)
    print(
        f"{source.name:>9}  {faces:>3}/{len(jobs)}  {rates[0]:>13.2f}  {rates[1]:>14.2f}  "
        f"{statistics.median(ratios):>5.2f}  {min(ratios):.2f} to {max(ratios):.2f}  "
        f"{cpu_ms[0]:>11.1f}  {cpu_ms[1]:>12.1f}",
        flush=True,
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds by the clock, and of this process on all cores."""

    wall_s: float
    cpu_s: float


def measure(work: Callable[[], object]) -> Cost:
    """Time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def check(records: Iterator[Record]) -> None:
    """Run to the end; every image must come out."""
    assert {record.status for record in records} == {"ok"}


def size_of(text: str) -> tuple[int, int]:
    """`1600x1200` -> width and height."""
    width, _, height = text.partition("x")
    return int(width), int(height)


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
    parser.add_argument("--lanes", type=int, help="walks side by side; default: torch's threads")
    parser.add_argument("--images", type=int, default=192, help="for the throughput")
    parser.add_argument("--small", default="256x256", help="size of small photos")
    parser.add_argument("--large", default="1600x1200", help="size of large photos")
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
        f"{torch.get_num_threads()} threads, batch size {bench.engine.size((side, side))}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.images:
            print(
                "   photos    faces  bare images/s  batch images/s  ratio  range         "
                "bare CPU ms  batch CPU ms"
            )
            for size in (options.small, options.large):
                make_photos(work / size, options.images, size_of(size))
                throughput(bench, work / size, work, options.repeat)
            print()
        if options.long:
            make_photos(work / "long", options.long, size_of(options.small))
            bench.engine.options = replace(bench.engine.options, steps=1)
            memory(bench, work / "long", work / "out", options.long)


if __name__ == "__main__":
    main()
