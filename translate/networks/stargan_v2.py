"""The discriminator of StarGAN v2 (Choi et al., CVPR 2020, appendix) with one output.

The parameters have the names of published checkpoints, so that a state dict fits as it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of every leaky ReLU


class Block(nn.Module):
    """Pre-activation residual block that halves height and width and keeps the variance."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.conv1x1 = (
            nn.Identity()
            if channels == out_channels
            else nn.Conv2d(channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) -> (N,C',H/2,W/2)."""
        residual = F.avg_pool2d(self.conv1(F.leaky_relu(x, SLOPE)), 2)
        residual = self.conv2(F.leaky_relu(residual, SLOPE))
        shortcut = self.conv1x1(F.avg_pool2d(x, 2))  # the order of the two does not matter
        return (shortcut + residual) * math.sqrt(0.5)


class StarGANv2(nn.Module):
    """Normalised picture -> logit, at one size only.

    Args:
        channels: features per resolution, finest first.
        coarsest: height and width of the coarsest resolution.
    """

    def __init__(self, channels: Sequence[int], coarsest: int) -> None:
        super().__init__()
        last = channels[-1]
        self.main = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, padding=1),
            *(Block(c, following) for c, following in itertools.pairwise(channels)),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(last, last, coarsest),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(last, 1, 1),
        )

    def forward(self, rgb: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,) float32."""
        *body, last = self.main
        for layer in body:
            rgb = layer(rgb)
        with torch.autocast(rgb.device.type, enabled=False):  # bfloat16 would round the logit
            return last(rgb.float()).flatten()
