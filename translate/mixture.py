"""Two domains at once: a translator whose energy is a weighted sum of both."""

from __future__ import annotations

import math
from functools import partial
from typing import Self

from torch import Tensor
from torch.nn import functional as F

from translate.errors import SettingsError
from translate.guide import blend
from translate.translator import Translator


class Mixture(Translator):
    """Walks towards a first domain, pulled to a second one by `share`.

    Energies of different domains differ in scale, so each is first measured in units of its own
    way from the median photo to the median target image, and the sum is put back into the first
    domain's units. Its card, its calibration and its `auto` keep their meaning: at `share` 0 it is
    the first domain exactly.
    """

    second: Translator
    share: float

    @classmethod
    def of(cls, first: Translator, second: Translator, share: float) -> Self:
        """Mix two loaded domains.

        Args:
            first: gives window, steps and calibration.
            second: is shown the same window at its own size.
            share: 0…1, weight of the second.

        Raises:
            SettingsError: the share is out of range, or the second cannot see the first's window.
        """
        if not 0 <= share <= 1:
            raise SettingsError(f"the second domain's share is {share}; use 0 to 1")
        if first.domain.framing == "scene" and second.domain.network.head == "aligned":
            raise SettingsError(
                f"{second.domain.title!r} sees squares only and {first.domain.title!r} whole "
                "photos; swap the two domains"
            )
        card = first.domain
        if share > 0:
            card = card.model_copy(update={"closeup": None})  # its eyes would be of the first alone
        mixture = cls(card, first.model, first.device, first.dtype)
        mixture.second, mixture.share = second, share
        return mixture

    def energy(self, x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        """(N,3,H,W) float32 in [0,1] -> (N,) float32, in the first domain's units."""
        first, second = self.domain.calibration, self.second.domain.calibration
        way = (first.source[10] - first.target) or 1.0
        ratio = way / ((second.source[10] - second.target) or 1.0)
        total = blend(
            (partial(super().energy, halvings=halvings, member=member), 1 - self.share),
            (partial(self._other, halvings=halvings, member=member), self.share * ratio),
        )(x)
        return total + self.share * (first.target - ratio * second.target)

    def _other(self, x: Tensor, halvings: int, member: int | None) -> Tensor:
        """The second domain's energy of the same window at its own size."""
        own, network = self.domain.network, self.second.domain.network
        height, width = x.shape[-2:]
        scale = network.size / own.size
        size = [max(1, round(n * scale / network.stride)) * network.stride for n in (height, width)]
        if network.head == "aligned":
            size = [network.size, network.size]
        if size != [height, width]:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True).clamp(0.0, 1.0)
        nearer = round(math.log2(own.size / network.size))  # the same distance in its own halvings
        member = None if member is None else member % network.members
        return self.second.energy(x, min(max(halvings - nearer, 0), network.furthest), member)
