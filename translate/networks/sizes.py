"""How many numbers the weights of a network hold, without building it. No torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

RESNET50_BLOCKS = (3, 4, 6, 3)  # per resolution
EXPANSION = 4  # a bottleneck's output channels per inner channel
NORM = 4  # numbers per channel of a batch normalisation: weight, bias, running mean and variance


def stargan_v2_parameters(channels: Sequence[int], coarsest: int) -> int:
    """Of `translate.networks.stargan_v2.StarGANv2`; the arguments are the same."""
    total = channels[0] * (27 + 1)
    for c, following in itertools.pairwise(channels):
        total += c * (9 * c + 1) + following * (9 * c + 1)
        total += following * c if c != following else 0
    last = channels[-1]
    return total + last * (last * coarsest**2 + 1) + last + 1


def resnet50_parameters(channels: Sequence[int]) -> int:
    """Of `translate.networks.resnet50.ResNet50`; the argument is the same."""
    before = channels[0]
    total = before * (27 + NORM)
    for width, blocks in zip(channels, RESNET50_BLOCKS, strict=True):
        out = EXPANSION * width
        total += out * (before + NORM)  # the first block's shortcut
        for _ in range(blocks):
            total += width * (before + NORM) + width * (9 * width + NORM) + out * (width + NORM)
            before = out
    return total + before + 1
