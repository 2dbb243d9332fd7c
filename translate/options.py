"""What a user may ask of a walk, and the settings of the descent that come of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from translate.card_parts import Descent
from translate.domain import LARGEST_EYES, TONE, Domain
from translate.errors import SettingsError
from translate.framing import Faces, Framing
from translate.image_io import DEFAULT_MAX_PIXELS
from translate.pgd_settings import PGD

SEED_RADIUS = 0.02  # radius of the start that a seed draws, as a share of √(3HW)
Strength = float | Literal["auto"]
BENDS = ("tone_lock", "colour_lock", "headroom", "footroom", "total_variation")


def own_pgd(descent: Descent, height: int, width: int) -> PGD:
    """A card's or recipe's descent on pictures of the network's own size.

    Args:
        descent: its lengths are in [0,1] pixels at that size.
        height, width: in pixels; what is slow is wider than `TONE` of them.
    """
    return PGD(
        steps=descent.steps,
        step_size=descent.step_size,
        decay=descent.decay,
        smooth=descent.smooth,
        exposure=descent.exposure,
        burning=descent.burning,
        tone_sigma=TONE * math.sqrt(height * width),
        tone_lock=descent.tone_lock,
        colour_lock=descent.colour_lock,
        shade=descent.shade,
        headroom=descent.headroom,
        footroom=descent.footroom,
        total_variation=descent.total_variation,
        flatten=descent.flatten,
        despeckle=descent.despeckle,
        bare=descent.bare,
        sky=descent.sky,
        dark=descent.dark,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How far and where to walk.

    Attributes:
        strength: 0…1 of the calibrated walk, its first moves; or `auto`: until the energy reaches
            the median of real target images, and no further than 1. None takes the domain's: 1 or
            `auto`, and 1 where steps are given.
        steps: PGD moves; None takes the domain's, scaled by the strength.
        step_size: L2 length of a move, in [0,1] pixels at the network's own size; None takes the
            domain's.
        eps: L2 radius around the photo that the result stays in, same unit; None is no bound.
        seed: None starts at the photo itself; a number at a random point near it, so that every
            number gives another variant.
        tone_lock: 0…1, how far broad light and colour (skin tone, hair) stay the photo's; None
            takes the domain's.
        colour_lock: the same for all colour: at 1 only brightness changes.
        headroom: 0…1, how much black and white are avoided; None takes the domain's.
        footroom: 0…1, how much shadows keep what is in them; None takes the domain's.
        total_variation: 0 to below 1, how flat areas become; None takes the domain's. At 0 what
            the domain flattens or fills on the way stays, too.
        framing: `face`, `scene`, `crop`, or `auto`: the domain's own.
        faces: with face framing, `all` that are found or the `largest`.
        keep_glasses: leave glasses as they are, or let them dissolve; None takes the
            domain's.
        eyes: 1…4, how many times as tall eyes are that the walk sets out from; None takes the
            domain's.
        skin_lock: 0…1, how far faces stay in the photo's tone of skin, drawn hair in its own, and
            clothes and ground around it nearly so; None takes the domain's.
        crop_only: give the window alone (`Frame.image`) instead of pasting it back; of several
            faces the largest.
        max_pixels: largest photo taken.

    Raises:
        SettingsError: a value is out of range.
    """

    strength: Strength | None = None
    steps: int | None = None
    step_size: float | None = None
    eps: float | None = None
    seed: int | None = None
    tone_lock: float | None = None
    colour_lock: float | None = None
    headroom: float | None = None
    footroom: float | None = None
    total_variation: float | None = None
    framing: Framing = "auto"
    faces: Faces = "largest"
    keep_glasses: bool | None = None
    eyes: float | None = None
    skin_lock: float | None = None
    crop_only: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        if self.strength not in ("auto", None) and not 0 <= self.strength <= 1:
            raise SettingsError(f"strength is {self.strength}; use 0 to 1, or 'auto'")
        if self.faces not in get_args(Faces):
            raise SettingsError(f"faces is {self.faces!r}; use all or largest")
        if self.skin_lock is not None and not 0 <= self.skin_lock <= 1:
            raise SettingsError(f"skin_lock is {self.skin_lock}; use a number from 0 to 1")
        if self.eyes is not None and not 1 <= self.eyes <= LARGEST_EYES:
            raise SettingsError(f"eyes is {self.eyes}; use a number from 1 to {LARGEST_EYES:g}")
        if self.max_pixels < 1:
            raise SettingsError(f"max_pixels is {self.max_pixels}; use 1 or more")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise SettingsError(f"seed is {self.seed}; use 0 or a positive whole number")
        checked = PGD(
            steps=0 if self.steps is None else self.steps,
            step_size=1.0 if self.step_size is None else self.step_size,
            eps=math.inf if self.eps is None else self.eps,
        )
        replace(checked, **self.bends())

    def pgd(self, domain: Domain, height: int, width: int) -> PGD:
        """The descent on a window of this size: lengths grow with √(3HW)."""
        own = domain.pgd
        share = self.share(domain)
        ratio = math.sqrt(height * width) / domain.network.size
        steps, length = self.steps, own.step_size if self.step_size is None else self.step_size
        decay = own.decay
        if steps is None:
            steps = math.ceil(own.steps * share - 1e-9)
            length *= own.steps * share / max(steps, 1)  # whole steps, the travel kept
            decay *= steps / own.steps  # the first moves of the whole walk
        shorter = min(1.0, length / own.step_size)
        # Many small filterings add up; one alone is as much less as it is shorter.
        filtered = shorter**0.5 if steps > 1 else shorter
        if self.total_variation == 0:
            filtered = 0.0
        sampled = own_pgd(own, height, width)
        return replace(
            sampled,
            steps=steps,
            step_size=max(length * ratio, 1e-9),
            decay=decay,
            eps=math.inf if self.eps is None else self.eps * ratio,
            smooth=own.smooth * ratio,
            flatten=own.flatten * filtered,
            despeckle=own.despeckle * ratio * filtered,
            bare=own.bare * filtered,
            random_start=0.0 if self.seed is None else SEED_RADIUS * math.sqrt(3 * height * width),
            **self.bends(),
        )

    def how_far(self, domain: Domain) -> Strength:
        """The strength that is asked for, or the domain's own."""
        if self.strength is not None:
            return self.strength
        return "auto" if domain.auto and self.steps is None else 1.0

    def share(self, domain: Domain) -> float:
        """0…1 of the calibrated walk, where it does not end early."""
        strength = self.how_far(domain)
        return 1.0 if strength == "auto" else strength

    def keeps_glasses(self, domain: Domain) -> bool:
        """Whether glasses stay as they are."""
        return domain.face_glasses if self.keep_glasses is None else self.keep_glasses

    def eye_size(self, domain: Domain) -> float:
        """How many times as tall eyes are that the walk sets out from."""
        return domain.face_eyes if self.eyes is None else self.eyes

    def skin(self, domain: Domain) -> float:
        """How far faces keep the photo's tone of skin."""
        return domain.face_skin if self.skin_lock is None else self.skin_lock

    def bends(self) -> dict[str, float]:
        """What is asked of the shape of moves (`translate.shaping`) against the domain's own."""
        asked = {name: cast("float | None", getattr(self, name)) for name in BENDS}
        return {name: value for name, value in asked.items() if value is not None}


DEFAULTS = Options()
