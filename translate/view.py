"""What the network sees of a photo, and which of it a walk may change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor

from translate.bareness import bare_skin
from translate.card_parts import Descent
from translate.darkness import stays_dark
from translate.domain import Domain
from translate.eyes import enlarged_eyes, find_eyes
from translate.faces import Face, find_faces
from translate.framing import Pixels, Window, extract
from translate.glasses import Floats, find_glasses, without_rims
from translate.ground import plain_ground
from translate.image_io import to_array, to_tensor
from translate.masking import Mask, window_mask
from translate.matting import head_matte
from translate.options import DEFAULTS, Options
from translate.relighting import brightening, lightening
from translate.sky import find_sky


class Asked(NamedTuple):
    """What a walk wants of a picture, and of a face in it.

    Attributes:
        relit: its skin in even light, and without rims of glasses, see `Domain.face_relit`.
        drawn: whether eyes are drawn elsewhere, see `Closeup.drawn`.
        rimless: without these in its own light, where its eyes are put into such a drawing.
        bare: where its skin, and what is behind it, are bare, see `PGD.bare`.
        eyes: how many times as large its eyes are, see `Domain.face_eyes`.
        sky: where there is sky around it, or in a scene, see `PGD.sky`.
        dark: where its hair is dark, and the line of its mouth, see `PGD.dark`.
        closeup: side of the squares around its eyes, in its widths, see `Closeup`; 0 asks none.
    """

    relit: bool = False
    bare: bool = False
    eyes: float = 1.0
    sky: bool = False
    dark: bool = False
    closeup: float = 0.0
    drawn: bool = False
    rimless: bool = False

    @classmethod
    def by(cls, domain: Domain, options: Options = DEFAULTS) -> Self:
        """What the walks of a domain ask."""
        eyes = options.eye_size(domain)
        asked = cls.of(domain.pgd, relit=domain.face_relit, eyes=eyes)
        if domain.closeup is None:
            return asked
        closeup = domain.closeup
        drawn = closeup.drawn is not None
        return asked._replace(closeup=closeup.side, drawn=drawn, rimless=drawn and closeup.graft)

    @classmethod
    def of(cls, descent: Descent, *, relit: bool, eyes: float) -> Self:
        """The same, of a recipe's descent too."""
        bare, sky, dark = descent.bare > 0, descent.sky > 0, descent.dark > 0
        return cls(relit=relit, bare=bare, eyes=eyes, sky=sky, dark=dark)

    @property
    def of_face(self) -> bool:
        """Whether any of it is."""
        return self.relit or self.bare or self.dark or self.eyes != 1 or self.closeup > 0


NOTHING = Asked()


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """N windows of one size: one, unless they are `gathered`.

    Attributes:
        x: (N,3,h,w) float32 in [0,1].
        mask: (N,1,h,w) bool, False where pixels stay as they are; None where all may change.
        shift: (N,3,h,w) float32, or (N,1,h,w) for all colours, what is added to x to get the
            picture that a walk sets out from: in even light (`translate.relighting`), with large
            eyes (`translate.eyes`); None where that is x.
        bare: (N,1,h,w) float32 in [0,1], 1 where a face shows bare skin (`translate.bareness`) or
            what is behind it is to be seen (`translate.ground`); None where no walk asks.
        sky: (N,1,h,w) float32 in [0,1], 1 where there is sky (`translate.sky`); None where no walk
            asks.
        dark: (N,1,h,w) float32 in [0,1], 1 where a face stays dark (`translate.darkness`); None
            where no walk asks.
        eyes: (N,2,3) float32, of a face's left and right eye x, y and the side of the square around
            it, in pixels (`translate.closeups`); 0 where there is no face, None where no walk asks.
    """

    x: Tensor
    mask: Tensor | None = None
    shift: Tensor | None = None
    bare: Tensor | None = None
    sky: Tensor | None = None
    dark: Tensor | None = None
    eyes: Tensor | None = None

    def __getitem__(self, span: slice) -> View:
        """Some of the windows."""
        return self._each(lambda tensor: tensor[span])

    @property
    def start(self) -> Tensor:
        """(N,3,h,w) float32 in [0,1]: what a walk sets out from."""
        return self.x if self.shift is None else (self.x + self.shift).clamp(0, 1)

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
        asked: of it and of its face.
        mask: (H,W) bool; where it is False, pixels stay as they are, too.
    """
    seen, face = extract(rgb, window), window.seen_face
    free = None
    if mask is not None:
        free = window_mask(mask, window.box, window.out_width, window.out_height)
    worn = None
    if face is not None and (keep_glasses or asked.relit or asked.rimless):
        worn = find_glasses(seen, face)
    if keep_glasses and worn is not None:
        free = ~worn if free is None else free & ~worn
    head = None
    if face is not None and window.face is not None and asked.bare:  # as it will be pasted
        size = (window.out_width, window.out_height)
        head = head_matte(rgb, window.face, window.box, size)
    around = _as_asked(seen, face, asked, None if keep_glasses else worn, head)
    if free is None:
        return around
    eyes = around.eyes
    if eyes is not None and not asked.drawn:
        eyes = _seen_eyes(eyes, free)
    return replace(around, mask=torch.from_numpy(free)[None, None], eyes=eyes)


def _seen_eyes(eyes: Tensor, free: Mask) -> Tensor:
    """Eyes, (1,2,3), without those whose middle stays as it is, as behind dark lenses."""
    height, width = free.shape
    places = cast("list[list[float]]", eyes[0].tolist())
    kept = [
        free[min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)] for x, y, _ in places
    ]
    return eyes * torch.tensor(kept)[None, :, None]


def _as_asked(
    rgb: Pixels,
    face: Face | None,
    asked: Asked,
    worn: Mask | None = None,
    head: Floats | None = None,
) -> View:
    """A picture, (h,w,3), with what a walk asks of it and of a face in it; see `look`.

    `worn`: (h,w) bool, glasses that it is to dissolve. `head`: (h,w) in [0,1], the face's, where
    more is known than the picture shows.
    """
    view = View(to_tensor(rgb), sky=_as_map(find_sky(rgb) if asked.sky else None))
    if face is None:
        return view
    lighter = _lighter(rgb, face, worn) if asked.relit else None
    if lighter is None and asked.rimless and worn is not None:
        lighter = without_rims(rgb, face, worn, np.zeros(rgb.shape[:2], np.float32))
    bare = _bare(rgb, face, head) if asked.bare else None
    view = replace(view, shift=_as_map(lighter), bare=_as_map(bare))
    if not asked.dark and asked.eyes == 1 and asked.closeup == 0:
        return view
    start = view.start[0].permute(1, 2, 0).numpy()
    if asked.dark:
        view = replace(view, dark=_as_map(stays_dark(start, face)))
    if asked.eyes == 1 and asked.closeup == 0:
        return view
    eyes = find_eyes(start, face)
    if asked.closeup > 0:
        x, y, width = face
        places = [
            (x + across * width, y + down * width, asked.closeup * width) for across, down in eyes
        ]
        view = replace(view, eyes=torch.tensor([places], dtype=torch.float32))
    if asked.eyes == 1:
        return view
    larger = torch.from_numpy(enlarged_eyes(start, face, asked.eyes, eyes))
    return replace(view, shift=larger.permute(2, 0, 1)[None] - view.x)


def _as_map(values: Floats | None) -> Tensor | None:
    """(h,w) as (1,1,h,w)."""
    return None if values is None else torch.from_numpy(values)[None, None]


def _bare(rgb: Pixels, face: Face, head: Floats | None) -> Floats:
    if head is None:
        height, width = rgb.shape[:2]
        head = head_matte(rgb, face, (0, 0, width, height), (width, height))
    skin, ground = bare_skin(rgb, face), plain_ground(rgb, face, head)
    return ground if skin is None else np.maximum(skin, ground)


def _lighter(rgb: Pixels, face: Face, worn: Mask | None) -> Floats | None:
    factors = brightening(rgb, face)
    if factors is None:
        return None
    lighter = lightening(rgb, factors)
    return lighter if worn is None else without_rims(rgb, face, worn, lighter)


def steady(views: Sequence[View], windows: int) -> list[View]:
    """Frames of a moving picture, where glasses stay in all of them or in none, and skies are held
    in all or in none, and each eye is drawn close up in all or in none: none blinks.

    Args:
        views: frame by frame, of as many windows each.
        windows: how many.
    """
    frames = [views[i::windows] for i in range(windows)]
    worn = [all(view.mask is not None for view in each) for each in frames]
    seen = [all(view.sky is not None and view.sky.any() for view in each) for each in frames]
    drawn = [_in_all([view.eyes for view in each]) for each in frames]
    return [
        replace(
            view,
            mask=view.mask if worn[index % windows] else None,
            sky=view.sky if seen[index % windows] else None,
            eyes=None if view.eyes is None else view.eyes * drawn[index % windows],
        )
        for index, view in enumerate(views)
    ]


def _in_all(eyes: Sequence[Tensor | None]) -> Tensor:
    """Which eye of (1,2,3) each is one in all of them: (1,2,1) of 0 and 1."""
    sides = [torch.zeros(1, 2, 1) if each is None else each[..., 2:] for each in eyes]
    return (torch.cat(sides) > 0).all(dim=0, keepdim=True).float()


def gathered(views: Sequence[View]) -> View:
    """Windows of one size as a batch."""
    x = torch.cat([view.x for view in views])
    return View(
        x,
        _together([view.mask for view in views], torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)),
        _together([view.shift for view in views], torch.zeros(1, 1, *x.shape[2:])),
        _together([view.bare for view in views], torch.zeros(1, 1, *x.shape[2:])),
        _together([view.sky for view in views], torch.zeros(1, 1, *x.shape[2:])),
        _together([view.dark for view in views], torch.zeros(1, 1, *x.shape[2:])),
        _together([view.eyes for view in views], torch.zeros(1, 2, 3)),
    )


def _together(maps: Sequence[Tensor | None], neutral: Tensor) -> Tensor | None:
    """N maps or Nones as one, as many colours each as the most have; None if there is none."""
    if all(each is None for each in maps):
        return None
    each = [neutral if map_ is None else map_ for map_ in maps]
    colours = max(map_.shape[1] for map_ in each)
    return torch.cat([map_.expand(-1, colours, *map_.shape[2:]) for map_ in each])


def looked_for(pictures: Iterable[Pixels], asked: Asked) -> View:
    """Pictures that were cut out before, and the largest face in each, if it matters; see `look`.

    Args:
        pictures: N times (h,w,3) uint8, of one size.
        asked: of them and of those faces.
    """
    views: list[View] = []
    for rgb in pictures:
        faces = find_faces(rgb, every=False) if asked.of_face else []
        views.append(_as_asked(rgb, faces[0] if faces else None, asked))
    return gathered(views)


def look_at(x: Tensor, asked: Asked) -> View:
    """The same of a batch: (N,3,h,w) float32 in [0,1], which stays as and where it is."""
    if asked == NOTHING:
        return View(x)
    return replace(looked_for(to_array(x), asked), x=x).to(x.device)
