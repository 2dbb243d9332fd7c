"""ResNet-50 (He et al., CVPR 2016, table 1) for small pictures, with one output.

The stem is one 3×3 convolution at full size, without pooling, as the paper's own CIFAR networks
have it; a block halves in its 3×3 convolution. The parameters have the names of published CIFAR
checkpoints. Batch normalisation always uses the running statistics: a batch never mixes its images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.networks.sizes import EXPANSION, RESNET50_BLOCKS


class Norm(nn.Module):
    """Batch normalisation by the running statistics, in training and sampling alike."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) -> the same shape."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up, and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, *, first: bool) -> None:
        super().__init__()
        out = EXPANSION * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = Norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = Norm(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = Norm(out)
        self.shortcut = nn.Sequential()
        if first:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), Norm(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) -> (N,C',H/stride,W/stride)."""
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + self.shortcut(x))


class ResNet50(nn.Module):
    """Normalised picture -> logit; height and width are multiples of 8.

    Args:
        channels: inner width of the blocks at each of the four resolutions, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.bn1 = Norm(channels[0])
        layers: list[nn.Sequential] = []
        before = channels[0]
        for level, (width, blocks) in enumerate(zip(channels, RESNET50_BLOCKS, strict=True)):
            stack = nn.Sequential()
            for index in range(blocks):
                stride = 2 if level > 0 and index == 0 else 1
                stack.append(Bottleneck(before, width, stride, first=index == 0))
                before = EXPANSION * width
            layers.append(stack)
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.linear = nn.Linear(before, 1)

    def forward(self, rgb: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,) float32."""
        x = F.relu(self.bn1(self.conv1(rgb)))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        features = x.mean(dim=(2, 3)).float()
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the logit
            return self.linear(features).squeeze(1)
