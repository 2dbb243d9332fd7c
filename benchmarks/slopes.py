"""How much of a walk is the network's, and how much is rounding, with and without a kink.

The same weights with a leaky ReLU (0) and with Swish of several β in its place. In a few moves'
distance from a photo: by how much the gradient turns when it is computed in bfloat16, and when the
picture carries noise of half a level of 255, each in per cent of its length. Then the distance of
the two results of a whole walk, bfloat16 and float32, mean over pixels in levels. On a processor
without native bfloat16 the same, slowly. Nothing passes or fails.

    python benchmarks/slopes.py
    python benchmarks/slopes.py --domain cat --photo examples/hopper.jpg --swish 0 4 10
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from translate import Options, Translator
from translate.device import autocast
from translate.energy import EnergyModel
from translate.image_io import to_tensor
from translate.pgd import value_and_gradient

CPU = torch.device("cpu")
MOVES = 8
HALF_A_LEVEL = 0.5 / 255


def with_swish(domain: str, dtype: str, swish: float) -> Translator:
    """The domain's translator with another nonlinearity and the same weights."""
    usual = Translator.load(domain, device="cpu", dtype=dtype)
    model = EnergyModel(usual.domain.network.model_copy(update={"swish": swish}))
    model.load_state_dict(EnergyModel.from_pretrained(domain).state_dict())
    return Translator(usual.domain, model, CPU, usual.dtype)


def turned(model: EnergyModel, x: Tensor) -> tuple[float, float]:
    """Relative change of the gradient by bfloat16 and by noise."""

    def slope(x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        def energy(x: Tensor) -> Tensor:
            with autocast(CPU, dtype):
                return model.energy(x)

        return value_and_gradient(energy, x)[1]

    exact = slope(x)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * HALF_A_LEVEL
    others = slope(x, torch.bfloat16), slope(x + noise)
    low, noisy = (float((other - exact).norm() / exact.norm()) for other in others)
    return low, noisy


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    example = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
    parser.add_argument("--domain", default="anime")
    parser.add_argument("--photo", type=Path, default=example)
    parser.add_argument("--swish", type=float, nargs="+", default=(0, 128, 64, 32, 16, 10, 4))
    options = parser.parse_args()
    print("swish  bfloat16 turns  noise turns  results differ")
    for swish in options.swish:
        exact, fast = (with_swish(options.domain, d, swish) for d in ("float32", "bfloat16"))
        few = exact(options.photo, Options(crop_only=True, steps=MOVES))
        low, noisy = turned(exact.model, to_tensor(np.asarray(few)))
        ends = [np.asarray(t(options.photo, Options(crop_only=True)), float) for t in (exact, fast)]
        difference = np.abs(ends[0] - ends[1]).mean()
        print(f"{swish:>5g}  {low:>14.1%}  {noisy:>11.1%}  {difference:>14.2f}", flush=True)


if __name__ == "__main__":
    main()
