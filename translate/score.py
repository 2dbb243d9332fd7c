"""What energies say: how in-domain an image is, and whether a walk has moved it at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from translate.card_parts import Calibration
from translate.domain import Domain
from translate.frame import Frame
from translate.framing import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How in-domain an image is.

    Attributes:
        energy: low for images like p_data.
        probability: sigmoid(−energy), P(image from p_data) against attacked images.
        percentile: share of held-out p_data images, in percent, with a higher energy.
    """

    energy: float
    probability: float
    percentile: float

    @classmethod
    def of(cls, energy: float, calibration: Calibration) -> Score:
        """What an energy says to a domain with this calibration."""
        return cls(
            energy=energy,
            probability=1 / (1 + math.exp(min(energy, 700.0))),
            percentile=calibration.percentile(energy),
        )


def least_fall(domain: Domain, window: Window) -> float:
    """See `Frame`: the least fall that is one, over the calibrated travel."""
    ratio = math.sqrt(window.out_width * window.out_height) / domain.network.size
    return domain.calibration.hardly / max(domain.pgd.travel * ratio, 1e-9)


def remark(domain: Domain, first: Frame, last: Frame) -> str | None:
    """One plain sentence when the result needs one: already in the domain, or hardly moved."""
    calibration = domain.calibration
    if first.energy <= calibration.target:
        return f"This photo already is in the domain {domain.title!r}."
    if last.index > 0 and first.energy - last.energy < calibration.hardly:
        return "The energy hardly moved; try a higher strength or another framing."
    return None
