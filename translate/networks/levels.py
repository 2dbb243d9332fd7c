"""This project's own network: residual, convolutional, one level per resolution.

No normalisation layers (so a batch never mixes its images, and training and sampling mode are the
same function), and RGB input skips at every resolution: each level reads the picture at its own
size besides the features of the finer level. A finer level whose outputs start at zero can
therefore be added without changing the function (`translate.energy.EnergyModel.grow`).
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of every leaky ReLU, or of the line that a Swish is added to


def bent(x: Tensor, swish: float) -> Tensor:
    """The nonlinearity: SLOPE·x + (1 − SLOPE)·ReLU(x), or with x·σ(βx) for the ReLU.

    The slope of a ReLU jumps at zero. Where bfloat16, or noise of half a level, turns the sign of a
    few features, the gradient of the whole network turns by some per cent, and a walk of many
    moves ends elsewhere. Swish (Ramachandran, Zoph and Le 2017) has no such jump.

    Args:
        x: any shape.
        swish: β; 0 takes the ReLU.
    """
    if not swish:
        return F.leaky_relu(x, SLOPE)
    return cast("Tensor", _Swish.apply(x, swish))


class Downsample(nn.Module):
    """Halve height and width after a binomial blur (1, 3, 3, 1).

    Plain strided sampling aliases, and its gradient writes a grid into the picture; the blur's
    gradient is a smooth upsampling (Zhang 2019, "Making convolutional networks shift-invariant
    again").
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
        kernel = [[[row * column for column in taps] for row in taps]]
        kernel = torch.tensor([kernel] * channels)  # to count on `meta`, torch imports its compiler
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) -> (N,C,H/2,W/2)."""
        return cast("Tensor", _Halve.apply(x, self.kernel))


class _Context(Protocol):
    """What autograd keeps between a function's forward and backward pass."""

    saved_tensors: tuple[Tensor, ...]
    swish: float

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Halve(torch.autograd.Function):
    """The blurred halving, with `_Spread` as its gradient: the general one of a strided depthwise
    convolution takes half of a descent's time on a CPU."""

    @staticmethod
    def forward(ctx: _Context, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return F.conv2d(x, kernel.to(x.dtype), stride=2, padding=1, groups=len(kernel))

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, None]:
        (kernel,) = ctx.saved_tensors
        return cast("Tensor", _Spread.apply(gradients[0], kernel)), None


class _Spread(torch.autograd.Function):
    """Transpose of `_Halve`."""

    @staticmethod
    def forward(ctx: _Context, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return spread_in_parts(x) if x.is_cpu else spread_at_once(x)

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, None]:
        (kernel,) = ctx.saved_tensors
        return cast("Tensor", _Halve.apply(gradients[0], kernel)), None


def spread_at_once(x: Tensor) -> Tensor:
    """(N,C,H,W) -> (N,C,2H,2W): a quarter of the bilinear doubling, zero beyond the border."""
    small = F.pad(x / 4, (1, 1, 1, 1))
    return F.interpolate(small, scale_factor=2.0, mode="bilinear")[..., 2:-2, 2:-2]


def spread_in_parts(x: Tensor) -> Tensor:
    """The same out of sums of whole maps, which a CPU adds several times faster in bfloat16."""
    count, channels, height, width = x.shape
    small = F.pad(x / 64, (1, 1, 1, 1)).contiguous(memory_format=torch.channels_last)
    large = x.new_empty(count, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
    for row, above in enumerate((small[:, :, :-2], small[:, :, 2:])):
        mixed = above.add(small[:, :, 1:-1], alpha=3)
        for column, beside in enumerate((mixed[..., :-2], mixed[..., 2:])):
            large[:, :, row::2, column::2] = beside.add(mixed[..., 1:-1], alpha=3)
    return large


class _Pointwise(torch.autograd.Function):
    """A convolution of single pixels for weights that learn on a CPU.

    The second derivative of torch's own is one whose kernel is as large as the map, so oneDNN takes
    it for a product of matrices; where that is of 24 rows and 16·64·64 columns in bfloat16, as
    with the batches of 16 of many recipes, oneDNN 3.12 ends the process on a CPU with AMX (SIGFPE).
    """

    @staticmethod
    def forward(ctx: _Context, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight)

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (x, weight), (gradient,) = ctx.saved_tensors, gradients
        spread = cast("Tensor", _Pointwise.apply(gradient, weight.transpose(0, 1)))
        return spread, cast("Tensor", _PointwiseWeight.apply(x, gradient))


class _PointwiseWeight(torch.autograd.Function):
    """Slopes on the weights of `_Pointwise`, from its pictures and those on its results."""

    @staticmethod
    def forward(ctx: _Context, x: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        shape = gradient.new_empty(gradient.shape[1], x.shape[1], 1, 1)
        settings = ([0], [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        only_weights = [False, True, False]
        slopes = torch.ops.aten.convolution_backward(gradient, x, shape, *settings, only_weights)
        return cast("Tensor", slopes[1])

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (x, gradient), (slope,) = ctx.saved_tensors, gradients
        by_x = cast("Tensor", _Pointwise.apply(gradient, slope.transpose(0, 1)))
        return by_x, cast("Tensor", _Pointwise.apply(x, slope))


class _Swish(torch.autograd.Function):
    """SLOPE·x + (1 − SLOPE)·x·σ(βx) in few passes over memory: out of single operations, every
    intermediate of forward and backward pass is a new map of megabytes."""

    @staticmethod
    def forward(ctx: _Context, x: Tensor, swish: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.swish = swish
        if swish == 1:
            return F.silu(x).lerp_(x, SLOPE)
        return F.silu(x * swish, inplace=True).div_(swish).lerp_(x, SLOPE)

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        scaled = x if ctx.swish == 1 else x * ctx.swish
        if torch.is_grad_enabled():  # R1 differentiates once more
            gate = torch.sigmoid(scaled)
            slope = gate * (1 + scaled * (1 - gate))
            return gradient * (SLOPE + (1 - SLOPE) * slope), None
        bend = cast("Tensor", torch.ops.aten.silu_backward(gradient, scaled))
        return bend.lerp_(gradient, SLOPE), None


class Level(nn.Module):
    """One resolution: RGB skip and finer features in, residual blocks, coarser features out."""

    def __init__(self, channels: int, out_channels: int, blocks: int, swish: float = 0.0) -> None:
        super().__init__()
        self.swish = swish
        self.from_rgb = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(blocks)
        )
        self.down = Downsample(channels)
        self.conv = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(channels, out_channels, 1, bias=False)

    def forward(self, rgb: Tensor, finer: Tensor | None) -> Tensor:
        """(N,3,H,W) normalised picture, (N,C,H,W) finer features -> (N,C',H/2,W/2)."""
        x = self.from_rgb(rgb)
        if finer is not None:
            x += finer
        for block in self.blocks:
            x = block(bent(x, self.swish)).add_(x)  # in place: one new map less
        x = self.down(x)
        return self.conv(bent(x, self.swish)).add_(self._skipped(x))

    def _skipped(self, x: Tensor) -> Tensor:
        if x.is_cpu and torch.is_grad_enabled() and self.skip.weight.requires_grad:
            return cast("Tensor", _Pointwise.apply(x, self.skip.weight.to(x.dtype)))
        return self.skip(x)

    def absorb_swish(self) -> None:
        """See `EnergyModel.frozen`; features come in and go out β times as large."""
        convolutions = cast("list[nn.Conv2d]", [self.conv, *self.blocks])
        _absorb(self.swish, self.from_rgb, convolutions)
        self.swish = 1.0

    def silence(self) -> None:
        """Make the level's output zero until training moves it."""
        for parameter in (*self.conv.parameters(), *self.skip.parameters()):
            nn.init.zeros_(parameter)


class Head(nn.Module):
    """Coarsest features -> logit. `aligned` keeps positions, `pooled` takes any shape."""

    def __init__(self, channels: int, extent: int, *, aligned: bool, swish: float = 0.0) -> None:
        super().__init__()
        self.swish = swish
        self.from_rgb = nn.Conv2d(3, channels, 3, padding=1)
        self.aligned = aligned
        self.conv = nn.Conv2d(
            channels, channels, extent if aligned else 3, padding=0 if aligned else 1
        )
        self.linear = nn.Linear(channels, 1)

    def forward(self, rgb: Tensor, finer: Tensor | None) -> Tensor:
        """(N,3,H,W), (N,C,H,W) -> (N,) float32."""
        x = self.from_rgb(rgb)
        if finer is not None:
            x += finer
        x = bent(x, self.swish)
        x = self._whole(x) if self.aligned else self.conv(x)
        features = bent(x, self.swish).mean(dim=(2, 3)).float()
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the logit
            return self.linear(features).squeeze(1)

    def _whole(self, x: Tensor) -> Tensor:
        """The convolution of a map of its own extent: as a matrix product several times faster."""
        picture, weight = (part.permute(0, 2, 3, 1).flatten(1) for part in (x, self.conv.weight))
        return F.linear(picture, weight, self.conv.bias)[..., None, None]

    def absorb_swish(self) -> None:
        """See `EnergyModel.frozen`; features come in β times as large."""
        _absorb(self.swish, self.from_rgb, [self.conv])
        with torch.no_grad():
            self.linear.weight /= self.swish
        self.swish = 1.0


@torch.no_grad()
def _absorb(swish: float, from_rgb: nn.Conv2d, convolutions: list[nn.Conv2d]) -> None:
    """Scale what adds to the features; what is linear in them scales by itself."""
    from_rgb.weight *= swish
    for convolution in (from_rgb, *convolutions):
        assert convolution.bias is not None
        convolution.bias *= swish
