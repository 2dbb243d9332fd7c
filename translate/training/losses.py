"""The training objective: binary classification of data against attacked images, and R1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def binary_loss(data: Tensor, attacked: Tensor) -> Tensor:
    """Mean of softplus(−f(x)) + softplus(f(z)) (Yin, Li, Rohde 2022, eq. 5).

    Args:
        data: (N,) logits of p_data images.
        attacked: (M,) logits of attacked p_0 images.

    Returns:
        () float32.
    """
    return F.softplus(-data).mean() + F.softplus(attacked).mean()


def r1_penalty(logit: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """½·E‖∇f(x)‖² (Mescheder, Geiger, Nowozin 2018).

    Args:
        logit: (N,3,H,W) -> (N,).
        x: (N,3,H,W) p_data images.

    Returns:
        () float32, differentiable in the network's parameters.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(logit(x).sum(), x, create_graph=True)
    return 0.5 * gradient.float().square().sum(dim=(1, 2, 3)).mean()


def auc(data: Tensor, attacked: Tensor) -> Tensor:
    """P(a data logit is above an attacked one), ties half: the area under the ROC curve.

    Args:
        data: (N,) logits.
        attacked: (M,) logits.

    Returns:
        () float32 in [0,1].
    """
    difference = data[:, None] - attacked[None, :]
    return (difference > 0).float().mean() + 0.5 * (difference == 0).float().mean()
