"""Settings of projected gradient steps: how many moves, how long, and what bends them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from translate.errors import SettingsError

DIMMING = 4  # moves in which a picture sinks to `PGD.exposure`


@dataclass(frozen=True, slots=True, kw_only=True)
class PGD:
    """Settings of the descent.

    Attributes:
        steps: how many moves, ≥ 0.
        step_size: length of one move in the chosen norm, pixels in [0,1].
        eps: radius of the ball around the source that the result stays in, same norm.
        norm: `l2` moves along the normalised gradient, `linf` along its sign.
        decay: in [0,1]; move k has length step_size · (1 − decay · k/steps).
        random_start: L2 or Linf radius of the noise added to the source before the first move;
            needs a generator.
        smooth: sigma in pixels of the Gaussian blur that the first move sets out from, ≥ 0; the
            blur takes away what the walk would have to, as skin texture on the way to a drawing.
        exposure: in (0,1]; mean light that a brighter picture is brought down to, all its values by
            one factor (but see `burning`), in the course of the first `DIMMING` moves, beside those
            moves: day for night. A dark walk sets out from there, and no white sky has to lose its
            light first.
        burning: in [0,1]; how far that factor follows the light around each place instead of the
            picture's mean, along the edges, as printers burn in a bright sky
            (`translate.shaping.dimming`): no night sky is brighter than its streets. In dark
            pictures, too; where `exposure` is 1 it does nothing.
        tone_lock: in [0,1]; share of the gradient's slow part that every move leaves out, so that
            broad light and colour stay the source's and the whole length of a move goes into
            structure. The slow part is positive semidefinite, so the move still leads downhill.
        colour_lock: the same for the gradient's colour part, its difference to grey: at 1 only
            brightness changes.
        shade: in [0,1]; how far what the colour lock leaves darkens by one factor for all three
            colours, not by one amount, so that dark strokes on skin are ink and not red. Of a
            gradient it is the part along the pixel's own colour, so the move still leads downhill.
        tone_sigma: in pixels; changes much wider than that are slow.
        headroom: in [0,1]; how much slower a value moves near black and white than in the middle of
            the range (affine scaling, as interior-point methods have it for a box), so that
            faces are not blown out. At 1 a value there does not move at all.
        footroom: in [0,1]; how much slower a value moves the darker it is. At 1 its speed is
            proportional to its light, as exposure changes it (exponentiated gradient), so that
            shadows keep what is in them while the bright parts of a day turn into night.
        total_variation: in [0,1); weight of the direction that flattens the picture beside the
            energy's own, of weight 1: flat areas with clear edges instead of grain.
        flatten: in [0,1]; every move sets out from a picture whose fine differences, those below
            this one, are flattened and whose edges are kept (`translate.smooth.flattened`), as in
            proximal gradient descent (Combettes and Wajs 2005): first the photo's texture goes,
            then the ripples that each move leaves.
        despeckle: in pixels, ≥ 0; every move sets out from a picture whose dark spots shorter than
            that are filled (`translate.specks`): a move that cannot decide where a mouth or a
            strand belongs leaves dots, and the next ones would keep them.
        bare: in [0,1]; every move sets out from a picture that has lost this share of its dark
            strokes where a map given to the descent says that there is bare skin
            (`translate.bareness`) or the ground behind a head (`translate.ground`): no strands of
            hair over foreheads that have none, or on a wall.
        sky: in [0,1]; where a map given to the descent says that there is sky (`translate.sky`),
            this share of the gradient is its mean over all the sky, for each colour, and nothing
            where that leads lighter: skies fall dark as one, and no lamp stands in them.
        dark: in [0,1]; where a map given to the descent says that something stays dark, hair or the
            line of a mouth (`translate.darkness`), a move leaves out this share of what leads
            lighter. By themselves this and `sky` still lead downhill.

    Raises:
        SettingsError: a value is out of range.
    """

    steps: int
    step_size: float
    eps: float = math.inf
    norm: Literal["l2", "linf"] = "l2"
    decay: float = 0.0
    random_start: float = 0.0
    smooth: float = 0.0
    exposure: float = 1.0
    burning: float = 0.0
    tone_lock: float = 0.0
    colour_lock: float = 0.0
    shade: float = 0.0
    tone_sigma: float = 12.0
    headroom: float = 0.0
    footroom: float = 0.0
    total_variation: float = 0.0
    flatten: float = 0.0
    despeckle: float = 0.0
    bare: float = 0.0
    sky: float = 0.0
    dark: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise SettingsError(f"steps is {self.steps}; use 0 or more")
        if not (0 < self.step_size < math.inf):
            raise SettingsError(f"step_size is {self.step_size}; use a positive number")
        if not self.eps > 0:
            raise SettingsError(f"eps is {self.eps}; use a positive number")
        if self.norm not in ("l2", "linf"):
            raise SettingsError(f"norm is {self.norm!r}; use 'l2' or 'linf'")
        if not 0 <= self.decay <= 1:
            raise SettingsError(f"decay is {self.decay}; use a number from 0 to 1")
        if not 0 <= self.random_start < math.inf:
            raise SettingsError(f"random_start is {self.random_start}; use 0 or more")
        if not 0 <= self.smooth < math.inf:
            raise SettingsError(f"smooth is {self.smooth}; use 0 or more")
        if not 0 < self.exposure <= 1:
            raise SettingsError(f"exposure is {self.exposure}; use a number above 0, 1 at most")
        if not 0 <= self.burning <= 1:
            raise SettingsError(f"burning is {self.burning}; use a number from 0 to 1")
        if not 0 <= self.tone_lock <= 1:
            raise SettingsError(f"tone_lock is {self.tone_lock}; use a number from 0 to 1")
        if not 0 <= self.colour_lock <= 1:
            raise SettingsError(f"colour_lock is {self.colour_lock}; use a number from 0 to 1")
        if not 0 <= self.shade <= 1:
            raise SettingsError(f"shade is {self.shade}; use a number from 0 to 1")
        if not 0 < self.tone_sigma < math.inf:
            raise SettingsError(f"tone_sigma is {self.tone_sigma}; use a positive number")
        if not 0 <= self.headroom <= 1:
            raise SettingsError(f"headroom is {self.headroom}; use a number from 0 to 1")
        if not 0 <= self.footroom <= 1:
            raise SettingsError(f"footroom is {self.footroom}; use a number from 0 to 1")
        if not 0 <= self.total_variation < 1:
            raise SettingsError(
                f"total_variation is {self.total_variation}; use a number from 0 to below 1"
            )
        if not 0 <= self.flatten <= 1:
            raise SettingsError(f"flatten is {self.flatten}; use a number from 0 to 1")
        if not 0 <= self.despeckle < math.inf:
            raise SettingsError(f"despeckle is {self.despeckle}; use 0 or more")
        if not 0 <= self.bare <= 1:
            raise SettingsError(f"bare is {self.bare}; use a number from 0 to 1")
        if not 0 <= self.sky <= 1:
            raise SettingsError(f"sky is {self.sky}; use a number from 0 to 1")
        if not 0 <= self.dark <= 1:
            raise SettingsError(f"dark is {self.dark}; use a number from 0 to 1")

    def length(self, index: int) -> float:
        """Length of move `index` (0 is the first)."""
        return self.step_size * (1 - self.decay * index / max(self.steps, 1))

    @property
    def travel(self) -> float:
        """Summed length of all moves."""
        return sum(map(self.length, range(self.steps)))

    def at(self, index: int) -> PGD:
        """What of these settings move `index` (0 is the first) needs beside its length: equal for
        equal moves."""
        return replace(
            self,
            steps=1,
            step_size=1.0,
            decay=0.0,
            random_start=0.0,
            smooth=self.smooth if index == 0 else 0.0,
            exposure=self.exposure if index < DIMMING else 1.0,
            burning=self.burning if index < DIMMING else 0.0,
        )
