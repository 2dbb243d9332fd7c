"""What an update minimises, with its slopes on the weights, in a form that a GPU can replay."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from translate.energy import EnergyModel
from translate.replay import Call, Replay, Results
from translate.training.losses import binary_loss, r1_penalty


class Objectives:
    """The binary loss and the penalties of a model; each adds its slopes to those on the weights.

    Args:
        model: whose weights learn; of several members each for itself, so that what one gets wrong
            remains its own.
        logit: (N,3,H,W) pictures, a number of halvings and a member -> (N,), in the precision of
            training.
        replay: of the model's device.
    """

    def __init__(
        self, model: EnergyModel, logit: Callable[[Tensor, int, int], Tensor], replay: Replay
    ) -> None:
        self._weights = list(model.parameters())
        self._members = range(model.config.members)
        self._logit = logit
        self._replay = replay

    def binary(self, halvings: int, data: Tensor, attacked: Tensor) -> tuple[Tensor, ...]:
        """The loss, (), and the logits of data and of attacked images, (N,) each, detached."""
        return self._learn(Call(self._binary, (halvings,)), data, attacked)

    def steepness(self, halvings: int, weight: float, x: Tensor) -> Tensor:
        """The penalty on (N,3,H,W) pictures, (), detached; its slopes count `weight` times."""
        return self._learn(Call(self._steepness, (halvings, weight)), x)[0]

    def _learn(self, objective: Call[Results], *pictures: Tensor) -> tuple[Tensor, ...]:
        results = self._replay(objective, *pictures)
        said, slopes = results[: -len(self._weights)], results[-len(self._weights) :]
        for weight, slope in zip(self._weights, slopes, strict=True):
            if slope is not None:  # levels that look away have none
                weight.grad = slope if weight.grad is None else weight.grad.add_(slope)
        return tuple(value for value in said if value is not None)

    @torch.enable_grad()
    def _binary(self, halvings: int, data: Tensor, attacked: Tensor) -> Results:
        def judged(x: Tensor) -> Tensor:  # (members,N)
            return torch.stack([self._logit(x, halvings, member) for member in self._members])

        logits = judged(data), judged(attacked)
        loss = binary_loss(*logits)
        said = [logit.detach().mean(dim=0) for logit in logits]
        return (loss.detach(), *said, *self._slopes(loss))

    @torch.enable_grad()
    def _steepness(self, halvings: int, weight: float, x: Tensor) -> Results:
        penalties = [
            r1_penalty(lambda x, member=member: self._logit(x, halvings, member), x)
            for member in self._members
        ]
        penalty = torch.stack(penalties).mean()
        return (penalty.detach(), *self._slopes(weight * penalty))

    def _slopes(self, loss: Tensor) -> Results:
        with torch.autograd.set_multithreading_enabled(False):  # as in `value_and_gradient`
            return torch.autograd.grad(loss, self._weights, allow_unused=True)
