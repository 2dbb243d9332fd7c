"""One state of a translation: its values, and the photo with it in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.card_parts import Drawn
from translate.cheeks import bare_cheeks
from translate.domain import Domain
from translate.framing import Pixels, Window, extract, inside
from translate.image_io import Photo, to_array, to_pil
from translate.inking import LARGEST, calmed, inked
from translate.masking import Mask, keep_outside
from translate.mouths import one_mouth
from translate.options import Options
from translate.pasting import paste_all, put_back
from translate.pgd import Step
from translate.skin import not_reddened, toned
from translate.throats import bare_throat
from translate.tones import toned_around

FADED = 0.05  # strengths below it fade to the photo


@dataclass(frozen=True, slots=True)
class Finish:
    """How faces go back into their photo.

    Attributes:
        skin_lock: how far they keep its tone of skin, and drawings its tones around the face: see
            `translate.skin` and `translate.tones`.
        bare: whether a drawing's throat stays bare where the photo's is, as `PGD.bare` wants, and
            its cheeks.
        eyes: see `Domain.drawn_eyes`.
        share: how much of what became of a face is seen, the rest is the photo's: a walk of next
            to no length leaves it next to as it is, though its lines are those of a drawing.
    """

    skin_lock: float = 0.0
    bare: bool = False
    eyes: Drawn | None = None
    share: float = 1.0

    @classmethod
    def of(cls, domain: Domain, options: Options) -> Finish:
        """Of a domain, and of what is asked of it."""
        how_far = options.strength if options.steps is None else None
        strength = 1.0 if how_far is None or how_far == "auto" else how_far
        return cls(
            skin_lock=options.skin(domain),
            bare=domain.pgd.bare > 0,
            eyes=domain.drawn_eyes,
            share=strength / FADED if 0 < strength < FADED else 1.0,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One state of a translation. Values and picture are computed when they are read.

    Attributes:
        step: state of the windows, (N,3,h,w) on the model's device.
        last: whether no other frame follows.
        photo: the whole photo.
        windows: where in the photo the N parts of the step belong; of faces the largest first.
        crop_only: see `Options`.
        mask: see `Translator.frames`.
        start: (N,) energies of the first state; None trusts every window.
        least_fall: of energy, per distance moved. A face whose energy fell less is none to the
            model, or already in the domain: it is left alone.
        free: (N,1,h,w) bool, what a walk could change in the windows; None is all of it.
        finish: of faces.
    """

    step: Step
    last: bool
    photo: Photo
    windows: tuple[Window, ...]
    crop_only: bool
    mask: Mask | None = None
    start: Tensor | None = None
    least_fall: float = 0.0
    free: Tensor | None = None
    finish: Finish = Finish()

    @property
    def index(self) -> int:
        """0 is the photo itself."""
        return self.step.index

    @property
    def energy(self) -> float:
        """How unlike the domain the windows are, on average."""
        return float(self.step.energy.mean())

    @property
    def distance(self) -> float:
        """L2 distance to the start, in [0,1] pixels of a window, on average."""
        return float(self.step.distance.mean())

    @property
    def stuck(self) -> tuple[bool, ...]:
        """For each window, whether it is a face whose energy hardly fell.

        A mask may be the reason for that, and whoever paints one knows what shall change.
        """
        if self.start is None or self.mask is not None:
            return (False,) * len(self.windows)
        short = self.start - self.step.energy < self.least_fall * self.step.distance
        return tuple(
            window.face is not None and bool(short[i]) for i, window in enumerate(self.windows)
        )

    @property
    def note(self) -> str | None:
        """What there is to say about the framing, and about faces left alone."""
        count = 0 if self.crop_only else sum(self.stuck)
        faces = "1 face" if count == 1 else f"{count} faces"
        left = f"{faces} left alone: the energy hardly fell." if count else None
        return " ".join(filter(None, (self.windows[0].note, left))) or None

    @property
    def image(self) -> Image.Image:
        """The photo with this state in it (or the first window alone), RGB or RGBA.

        A drawing alone is as large as its window, but from the network's size to `inking.LARGEST`
        times that; any other window alone has the network's size.
        """
        results, alpha = to_array(self.step.x), self.photo.alpha
        if self.crop_only:
            return self._alone(results[0])
        changed = () if self._unmoved else zip(self.windows, results, self.stuck, strict=True)
        parts = [
            (window, self._coloured(result, window))
            for window, result, stuck in changed
            if window.usable and not stuck
        ]
        if not parts:
            return to_pil(self.photo.rgb, alpha)  # the photo itself, not a resampled copy
        pasted = paste_all(self.photo.rgb, reversed(parts))  # the nearest face on top
        if self.free is not None:
            for window, free in zip(self.windows, self.free, strict=True):
                if window.face is not None:
                    put_back(pasted, self.photo.rgb, window, free[0].numpy())
        if self.mask is not None:
            pasted = keep_outside(self.photo.rgb, pasted, self.mask)
        return to_pil(pasted, alpha)

    @property
    def _unmoved(self) -> bool:
        return self.index == 0 and not bool(self.step.distance.any())

    def _alone(self, result: Pixels) -> Image.Image:
        """The first window without the rest of the photo, as far as that reaches."""
        window = self.windows[0]
        if not self._unmoved:
            result = self._coloured(result, window)
        if window.drawn:
            side = min(max(window.width, window.out_width), LARGEST * window.out_width)
            window = replace(window, out_width=side, out_height=side)
            photo = extract(self.photo.rgb, window)
            result = photo if self._unmoved else inked(result, (side, side))
            if self.free is not None:
                whole = replace(window, face=None, left=0, top=0, width=side, height=side)
                put_back(result, photo, whole, self.free[0, 0].numpy())
        alpha = self.photo.alpha
        if alpha is not None:
            alpha = extract(np.repeat(alpha[..., None], 3, axis=2), window)[..., 0]
            alpha = inside(alpha, self.photo.rgb, window)
        return to_pil(inside(result, self.photo.rgb, window), alpha)

    def _coloured(self, result: Pixels, window: Window) -> Pixels:
        """A result as it goes into the photo: finished, and of a face as much as `Finish` says."""
        share, finished = self.finish.share, self._finished(result, window)
        if share == 1 or window.face is None:
            return finished
        photo = extract(self.photo.rgb, window)
        return np.rint(photo + np.float32(share) * (finished - photo.astype(np.float32))).astype(
            np.uint8
        )

    def _finished(self, result: Pixels, window: Window) -> Pixels:
        """A result without what disturbs a drawing, if it is one, in the photo's tones."""
        rgb, face, lock = self.photo.rgb, window.seen_face, self.finish.skin_lock
        if window.drawn:
            result = calmed(result)
        if face is None:
            return result
        if window.drawn:
            result = one_mouth(result, face)
            if self.finish.bare and self.finish.eyes is None:  # others may lie where cheeks are
                result = bare_cheeks(result, face)
            if self.finish.bare:
                result = bare_throat(result, rgb, window)
            result = not_reddened(result, face)
        if lock == 0:
            return result
        result = toned(result, rgb, window, lock, self.finish.eyes)
        return toned_around(result, rgb, window, lock) if window.drawn else result


def joined(steps: Sequence[Step]) -> Step:
    """States of several batches as one."""
    index = max(step.index for step in steps)
    parts = [(s.x, s.energy, s.distance, s.active) for s in steps]
    return Step(index, *(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
