"""What the network sees of a photo, and which of it a walk may change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor

from translate.bareness import bare_skin
from translate.domain import Domain
from translate.faces import Face, find_faces
from translate.framing import Pixels, Window, extract
from translate.glasses import Floats, find_glasses, without_rims
from translate.image_io import to_tensor
from translate.masking import Mask, window_mask
from translate.relighting import brightening, lightening


class Asked(NamedTuple):
    """What a walk wants to know of the skin of a face.

    Attributes:
        relit: how to light it evenly, see `Domain.face_relit`.
        bare: where it is bare, see `PGD.bare`.
    """

    relit: bool = False
    bare: bool = False

    @classmethod
    def by(cls, domain: Domain) -> Self:
        """What the walks of a domain ask."""
        return cls(relit=domain.face_relit, bare=domain.pgd.bare > 0)


NOTHING = Asked()


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """N windows of one size: one, unless they are `gathered`.

    Attributes:
        x: (N,3,h,w) float32 in [0,1].
        mask: (N,1,h,w) bool, False where pixels stay as they are; None where all may change.
        lightening: (N,1,h,w) float32 of 0 or more, how much lighter than x, in all its colours, the
            picture is that a walk sets out from (`translate.relighting`); None where it is x.
        bare: (N,1,h,w) float32 in [0,1], 1 where a face shows bare skin (`translate.bareness`);
            None where no walk asks.
    """

    x: Tensor
    mask: Tensor | None = None
    lightening: Tensor | None = None
    bare: Tensor | None = None

    def __getitem__(self, span: slice) -> View:
        """Some of the windows."""
        return self._each(lambda tensor: tensor[span])

    @property
    def lit(self) -> Tensor:
        """(N,3,h,w) float32 in [0,1]: what a walk sets out from."""
        return self.x if self.lightening is None else (self.x + self.lightening).clamp(0, 1)

    def to(self, device: torch.device) -> View:
        """The same on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> View:
        own = (cast("Tensor | None", getattr(self, field.name)) for field in fields(self)[1:])
        return View(change(self.x), *(each if each is None else change(each) for each in own))


def look(
    rgb: Pixels,
    window: Window,
    *,
    keep_glasses: bool,
    asked: Asked = NOTHING,
    mask: Mask | None = None,
) -> View:
    """A window of a photo.

    Args:
        rgb: (H,W,3) uint8.
        window: of it.
        keep_glasses: leave glasses before the window's face as they are; else a walk that wants
            skin in even light gets it without rims.
        asked: of the skin of its face.
        mask: (H,W) bool; where it is False, pixels stay as they are, too.
    """
    seen, face = extract(rgb, window), window.seen_face
    free = None
    if mask is not None:
        free = window_mask(mask, window.box, window.out_width, window.out_height)
    worn = None
    if face is not None and (keep_glasses or asked.relit):
        worn = find_glasses(seen, face)
    if keep_glasses and worn is not None:
        free = ~worn if free is None else free & ~worn
    around = around_face(seen, face, asked, None if keep_glasses else worn)
    if free is None:
        return around
    return replace(around, mask=torch.from_numpy(free)[None, None])


def around_face(rgb: Pixels, face: Face | None, asked: Asked, worn: Mask | None = None) -> View:
    """A picture, (h,w,3), with what a walk asks of the skin of a face in it; see `look`.

    `worn`: (h,w) bool, glasses that it is to dissolve.
    """
    lighter = _lighter(rgb, face, worn) if asked.relit and face is not None else None
    bare = bare_skin(rgb, face) if asked.bare and face is not None else None
    maps = (
        None if each is None else torch.from_numpy(each)[None, None] for each in (lighter, bare)
    )
    return View(to_tensor(rgb), None, *maps)


def _lighter(rgb: Pixels, face: Face, worn: Mask | None) -> Floats | None:
    factors = brightening(rgb, face)
    if factors is None:
        return None
    lighter = lightening(rgb, factors)
    return lighter if worn is None else without_rims(rgb, face, worn, lighter)


def steady(views: Sequence[View], windows: int) -> list[View]:
    """Frames of a moving picture, where glasses stay in all of them or in none: none blinks.

    Args:
        views: frame by frame, of as many windows each.
        windows: how many.
    """
    worn = [all(view.mask is not None for view in views[i::windows]) for i in range(windows)]
    return [
        view if worn[index % windows] else replace(view, mask=None)
        for index, view in enumerate(views)
    ]


def gathered(views: Sequence[View]) -> View:
    """Windows of one size as a batch."""
    x = torch.cat([view.x for view in views])
    return View(
        x,
        _together([view.mask for view in views], torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)),
        _together([view.lightening for view in views], torch.zeros(1, 1, *x.shape[2:])),
        _together([view.bare for view in views], torch.zeros(1, 1, *x.shape[2:])),
    )


def _together(maps: Sequence[Tensor | None], neutral: Tensor) -> Tensor | None:
    """(N,1,h,w) of N maps or Nones; None if there is none."""
    if all(each is None for each in maps):
        return None
    return torch.cat([neutral if each is None else each for each in maps])


def looked_for(pictures: Iterable[Pixels], asked: Asked) -> View:
    """Pictures that were cut out before, with the largest face in each; see `look`.

    Args:
        pictures: N times (h,w,3) uint8, of one size.
        asked: of the skin of those faces.
    """
    views: list[View] = []
    for rgb in pictures:
        faces = find_faces(rgb, every=False) if any(asked) else []
        views.append(around_face(rgb, faces[0] if faces else None, asked))
    return gathered(views)
