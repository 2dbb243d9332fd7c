"""The descent as translate runs it against the plain float32 loop one would write first.

Both walk the same pictures over the same network in one run, in turns (A B A B), so that a busy or
throttling machine slows both. One table, ratios only: nothing passes or fails.

    python benchmarks/engine.py
    python benchmarks/engine.py --swish 0  # what a network with kinked slopes makes of rounding
    python benchmarks/engine.py --device cuda --batch 1 16 64 --repeat 20
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.device import DTYPES, autocast, has_native_bfloat16, pick_device, pick_dtype
from translate.domain import WEIGHTS_FILE, read_domain
from translate.energy import EnergyModel, load_energy_model
from translate.networks.config import NetworkConfig
from translate.pgd import descend
from translate.pgd_settings import PGD
from translate.process import keep_freed_memory
from translate.replay import Replay

DOMAIN = Path(__file__).parents[1] / "weights" / "anime"
SIZE, CHANNELS = 128, (16, 24, 48, 96, 192, 192)  # where no bundled domain says otherwise
TRAVEL = 0.27  # summed length of the moves, as a share of √(3HW)

Walk = Callable[[Tensor], Tensor]


def plain_walk(model: EnergyModel, pgd: PGD) -> Walk:
    """A: float32, NCHW, trainable parameters, `backward()`, nothing known about the network."""

    def walk(source: Tensor) -> Tensor:
        x = source.clone()
        for _ in range(pgd.steps):
            x.requires_grad_(True)
            model.zero_grad()
            model.logit(x).sum().backward()
            with torch.no_grad():
                assert x.grad is not None
                norm = x.grad.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
                x = (x + pgd.step_size * x.grad / norm).clamp(0, 1)
        return x

    return walk


def translate_walk(model: EnergyModel, pgd: PGD, device: torch.device, dtype: torch.dtype) -> Walk:
    """B: `descend` as the facade calls it, every intermediate state included."""
    model, run = model.frozen(device, dtype), Replay(device)

    def energy(x: Tensor) -> Tensor:
        with autocast(device, dtype):
            return model.energy(x)

    def walk(source: Tensor) -> Tensor:
        x = source.contiguous(memory_format=torch.channels_last)
        for state in descend(energy, x, pgd, run=run):
            x = state.x
        return x

    return walk


def timed(walk: Walk, source: Tensor) -> tuple[float, Tensor]:
    """Seconds, and the final pictures."""
    wait_for(source.device)
    started = time.perf_counter()
    result = walk(source)
    wait_for(source.device)
    return time.perf_counter() - started, result


def wait_for(device: torch.device) -> None:
    """Let the device finish what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def load_model(options: argparse.Namespace) -> tuple[EnergyModel, str]:
    """The bundled domain's network, or random weights in a shape asked for; and which it is."""
    size, channels = options.size, options.channels
    changes = {} if options.swish is None else {"swish": options.swish}
    if size is None and channels is None and (DOMAIN / WEIGHTS_FILE).is_file():
        network = read_domain(DOMAIN).network.model_copy(update=changes)
        model = load_energy_model(network, DOMAIN / WEIGHTS_FILE)
        return model.alone(), f"weights of {DOMAIN.name}"  # of several the first
    torch.manual_seed(0)
    config = NetworkConfig(size=size or SIZE, channels=tuple(channels or CHANNELS), **changes)
    return EnergyModel(config), "random weights, seed 0"


def pictures(count: int, size: int) -> Tensor:
    """(N,3,size,size) float32 in [0,1]: smooth random colours with a little grain."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    smooth = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    grain = torch.randn(count, 3, size, size, generator=generator)
    return (smooth + 0.02 * grain).clamp(0, 1)


def row(plain: Walk, ours: Walk, source: Tensor, steps: int, repeat: int) -> str:
    """Measure one batch size and put it in words."""
    timed(plain, source), timed(ours, source)  # first calls choose algorithms and fill caches
    pairs = [(timed(plain, source), timed(ours, source)) for _ in range(repeat)]
    a, b = (statistics.median(pair[i][0] for pair in pairs) for i in (0, 1))
    ratios = [pair[0][0] / pair[1][0] for pair in pairs]
    difference = (pairs[0][0][1] - pairs[0][1][1]).abs().mean() * 255
    return (
        f"{len(source):>5}  {1000 * a / steps:>12.2f}  {1000 * b / steps:>16.2f}  "
        f"{statistics.median(ratios):>6.2f}  {min(ratios):>5.2f} to {max(ratios):<5.2f}  "
        f"{float(difference):>13.2g}"
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--dtype", default="auto", choices=["auto", *DTYPES], help="of translate")
    parser.add_argument("--size", type=int, help="pixels, with random weights")
    parser.add_argument("--channels", type=int, nargs="+", help="finest first")
    parser.add_argument("--swish", type=float, help="of the nonlinearity; 0: with a kink")
    parser.add_argument("--batch", type=int, nargs="+", default=(1, 8), help="pictures at once")
    parser.add_argument("--steps", type=int, default=18, help="of the descent")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of measurements")
    parser.add_argument(
        "--keep-freed-memory",
        action="store_true",
        help="the allocator setting of translate's programs; it acts on both sides",
    )
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = parse()
    kept = options.keep_freed_memory and keep_freed_memory()
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    model, weights = load_model(options)
    size = model.config.size
    length = TRAVEL * math.sqrt(3) * size / options.steps
    pgd = PGD(steps=options.steps, step_size=length)
    plain_model = copy.deepcopy(model).to(device).requires_grad_(True)
    plain, ours = plain_walk(plain_model, pgd), translate_walk(model, pgd, device, dtype)

    native = "native" if has_native_bfloat16(device) else "no native"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(
        f"{name}, {native} bfloat16, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    if device.type == "cuda":
        tf32 = "TF32" if torch.backends.cudnn.allow_tf32 else "full float32"
        print(f"float32 convolutions run in {tf32}")
    print(f"{size} px, {model.config.parameters:,} parameters ({weights})")
    print(
        f"{options.steps} steps, {options.repeat} pairs, freed memory {'kept' if kept else 'as is'}"
    )
    print("plain: float32, NCHW, trainable parameters, backward()")
    print(f"translate: {str(dtype).removeprefix('torch.')}, channels_last, frozen, descend()\n")
    print("batch  plain ms/step  translate ms/step  ratio  range           diff of 1/255")
    for count in options.batch:
        source = pictures(count, size).to(device)
        print(row(plain, ours, source, options.steps, options.repeat), flush=True)
    print("\nratio: plain / translate, median of the pairs; diff: mean |difference| of the results")


if __name__ == "__main__":
    main()
