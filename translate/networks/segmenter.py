"""A small network that marks pixels: which of a picture belong to one kind of thing."""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTHS = (16, 24, 32, 48)  # features at a half, a quarter, … of the picture's size
STRIDE = 2 ** len(WIDTHS)  # heights and widths are multiples of it


class Segmenter(nn.Module):
    """A U-Net (Ronneberger et al. 2015) from half the size down, with sub-pixel output (Shi et al.
    2016): 85 million multiplications for 128×192 pixels.

    Args:
        normalised: with batch normalisation, as it is trained; `folded` takes it out again.
    """

    def __init__(self, *, normalised: bool = False) -> None:
        super().__init__()

        def block(given: int, made: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            convolution = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=not normalised)
            if not normalised:
                return nn.Sequential(convolution)
            return nn.Sequential(convolution, nn.BatchNorm2d(made))

        pairs = list(itertools.pairwise(WIDTHS))
        self.stem = block(3, WIDTHS[0], kernel=5, stride=2)
        self.near = block(WIDTHS[0], WIDTHS[0])
        self.down = nn.ModuleList(block(fine, coarse, stride=2) for fine, coarse in pairs)
        self.deep = nn.ModuleList(block(WIDTHS[-1], WIDTHS[-1]) for _ in range(2))
        self.up = nn.ModuleList(block(coarse + fine, fine) for fine, coarse in reversed(pairs))
        self.out = nn.Conv2d(WIDTHS[0], 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pixel.

        Args:
            x: (N,3,H,W) float, levels of 0 to 255; H and W multiples of `STRIDE`.

        Returns:
            (N,H,W) float.
        """
        y = F.silu(self.stem(x / 128 - 1))
        y = y + F.silu(self.near(y))
        seen: list[Tensor] = []
        for down in self.down:
            seen.append(y)
            y = F.silu(down(y))
        for deep in self.deep:
            y = y + F.silu(deep(y))
        y = y + y.mean(dim=(2, 3), keepdim=True)
        for up in self.up:
            y = F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = F.silu(up(torch.cat([y, seen.pop()], dim=1)))
        return F.pixel_shuffle(self.out(y), 2)[:, 0]

    def folded(self) -> Segmenter:
        """The function of evaluation as convolutions alone."""
        plain = Segmenter()
        for own, other in zip(_blocks(self), _blocks(plain), strict=True):
            convolution, norm = cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(own.eval()))
            fused = fuse_conv_bn_eval(convolution, norm)
            other[0].load_state_dict(fused.state_dict())
        plain.out.load_state_dict(self.out.state_dict())
        return plain


def _blocks(model: Segmenter) -> list[nn.Sequential]:
    return [part for part in model.modules() if isinstance(part, nn.Sequential)]
