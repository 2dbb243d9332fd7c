"""Photo -> model window: where the model looks in a photo, and what it sees there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from translate.cropping import Box, Size, cropped, overlap, uncovered
from translate.errors import InputError, SettingsError
from translate.faces import Face, Flaw, find_faces, flaw

Framing = Literal["auto", "face", "scene", "crop"]
"""`face`: a square around the largest face. `scene`: the whole photo. `crop`: the centre square.
`auto`: what the domain card says; the caller puts that in its place before asking for a window."""

Faces = Literal["all", "largest"]
"""Which faces of a photo `face` takes."""

Pixels = npt.NDArray[np.uint8]
_Plane = TypeVar("_Plane", bound=npt.NDArray[np.generic])

_SNAP = 0.85  # a square with corners this near to the largest possible one becomes that
_BEYOND = 2  # the largest square, in shorter sides of the photo: memory has an end
_MAX_ASPECT = 4  # a scene's long side is at most this many times `size`, as well


class _Card(Protocol):
    """What says how faces are framed: a domain card or a recipe."""

    @property
    def face_margin(self) -> float: ...
    @property
    def face_centre(self) -> float: ...
    @property
    def face_corners(self) -> bool: ...
    @property
    def face_drawn(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FaceSquare:
    """The square around a face; a domain card says which suits its targets.

    Measured on every 20th of 3200 selfies, the photos that `anime` starts from: the upright pass of
    `find_faces` finds 118 of 160 faces. Median box: 0.73 of the image's width (quartiles 0.67 and
    0.78), centred at (0.50, 0.45).

    Attributes:
        margin: its side, in widths of the detector's face box. The looser quartile of the selfies
            would be 1 / 0.67 = 1.5. A wider square holds all of the hair; but faces are drawn best
            at the size that the network set out from (docs/training.md, "Anime as close as the
            selfies").
        centre: where the middle of the box lies in it: fraction from the top.
        corners: what the targets show reaches into the upper corners, as the ears of a cat do, so
            the upper half of results is pasted as a square, beyond the head's outline; what is
            enlarged is so along its lines (`translate.inking`): fur.
        drawn: the targets are drawings, so results are enlarged with clear lines
            (`translate.inking`), those of squares without a face, too.
    """

    margin: float = 1.9
    centre: float = 0.45
    corners: bool = False
    drawn: bool = False

    @classmethod
    def of(cls, card: _Card) -> Self:
        """What a card or a recipe says."""
        return cls(card.face_margin, card.face_centre, card.face_corners, card.face_drawn)


DEFAULT_SQUARE = FaceSquare()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of a photo and the size the model sees it at, all in pixels.

    `left`, `top`, `width`, `height` lie inside the photo, but for a face near its border: beyond
    that the model sees the edge repeated. `note` is a sentence for the user when
    the window is not what was asked for, else None. `face`: the one it lies around, and `corners`:
    what is made of it reaches into the upper corners, and is enlarged along its lines. `usable`:
    the result belongs into the photo; a face too small or too blurred had better be left alone.
    `drawn`: the result is a drawing, and enlarged as such (`inking.inked`), its hair up to the
    head's outline.
    `scene`: it is the whole photo, and what the model changed is carried up to the photo's own
    pixels (`upsampling.carry_up`); else the result is enlarged.
    """

    left: int
    top: int
    width: int
    height: int
    out_width: int
    out_height: int
    note: str | None = None
    face: Face | None = None
    corners: bool = False
    drawn: bool = False
    usable: bool = True
    scene: bool = False

    @property
    def box(self) -> Box:
        """Left, top, width and height."""
        return self.left, self.top, self.width, self.height

    @property
    def seen_face(self) -> Face | None:
        """The face, in pixels of what the model sees."""
        if self.face is None:
            return None
        (x, y, width), scale = self.face, self.out_width / self.width
        return (x - self.left) * scale, (y - self.top) * scale, width * scale


def find_window(
    rgb: Pixels,
    *,
    framing: Framing,
    size: int,
    stride: int = 1,
    square: FaceSquare = DEFAULT_SQUARE,
) -> Window:
    """The first of `find_windows`, with the largest face."""
    return find_windows(rgb, framing=framing, size=size, stride=stride, square=square)[0]


def find_windows(
    rgb: Pixels,
    *,
    framing: Framing,
    size: int,
    stride: int = 1,
    square: FaceSquare = DEFAULT_SQUARE,
    faces: Faces = "largest",
) -> tuple[Window, ...]:
    """Choose the parts of `rgb`, (H, W, 3) uint8, that the model translates: one, or `faces`.

    They are seen at one size, the largest face first. If all faces had better be left alone, the
    largest is given as not `usable`. `face` and `crop` give squares seen at `size`; `scene` gives
    the whole photo with its short side at `size`, or less for a panorama beyond 4:1. Sides of the
    seen image are multiples of `stride`. `square` says what a face's looks like, however near to
    the photo's border it is: a network knows eyes at one height and size only. Where its corners
    count, as ears do, it is moved into the photo instead, and becomes the largest there is where
    there is little room. Raises `SettingsError` for `auto`, an unknown framing or numbers out of
    range, `InputError` for another kind of array.
    """
    height, width = check_pixels(rgb)
    if framing == "auto" or framing not in get_args(Framing):
        raise SettingsError(f"framing is {framing!r}; use face, scene or crop.")
    if faces not in get_args(Faces):
        raise SettingsError(f"faces is {faces!r}; use all or largest.")
    if size < 1 or stride < 1 or not 1 <= square.margin <= 10:
        raise SettingsError(
            f"size {size}, stride {stride}, margin {square.margin}: "
            "use a size and stride of 1 or more and a margin from 1 to 10."
        )
    if framing == "scene":
        out_width, out_height = _scene_size(width, height, size, stride)
        return (
            Window(
                left=0,
                top=0,
                width=width,
                height=height,
                out_width=out_width,
                out_height=out_height,
                scene=True,
            ),
        )
    out = _multiple(size, stride)
    found = find_faces(rgb, every=faces == "all") if framing == "face" else []
    if not found:
        note = "No face was found, so the centre of the photo was used."
        centre = _square(_centre_square(width, height), out)
        note = note if framing == "face" else None
        return (replace(centre, note=note, drawn=square.drawn),)
    flaws: list[Flaw | None] = [flaw(rgb, face) for face in found]
    good = [face for face, bad in zip(found, flaws, strict=True) if bad is None]
    chosen = good if faces == "all" else good[:1]
    first, *others = [
        replace(
            _square(_face_square(face, width, height, square), out),
            face=face,
            corners=square.corners,
            drawn=square.drawn,
            usable=bool(good),
        )
        for face in chosen or found[:1]
    ]
    return (replace(first, note=_about(flaws, len(chosen))), *others)


def extract(rgb: Pixels, window: Window) -> Pixels:
    """What the model sees: a new (out_height, out_width, 3) uint8 image, Lanczos-filtered."""
    _check_inside(rgb, window)
    return cropped(rgb, window.box, (window.out_width, window.out_height), _resized)


def _window(place: tuple[int, int], size: tuple[int, int], out: tuple[int, int]) -> Window:
    (left, top), (width, height), (out_width, out_height) = place, size, out
    return Window(
        left=left, top=top, width=width, height=height, out_width=out_width, out_height=out_height
    )


def _square(square: tuple[int, int, int], out: int) -> Window:
    left, top, side = square
    return _window((left, top), (side, side), (out, out))


def _about(flaws: Sequence[Flaw | None], chosen: int) -> str | None:
    """What there is to say about the faces that were not chosen."""
    counts = Counter(filter(None, flaws))
    good = len(flaws) - counts.total()
    if good > chosen:
        return "Several faces were found and the largest was taken; choose all faces to take each."
    left = ", ".join(f"{count} too {kind}" for kind, count in sorted(counts.items()))
    return f"Faces left alone: {left}." if left else None


def check_pixels(rgb: Pixels) -> tuple[int, int]:
    """Height and width of a photo. Raises `InputError` for another kind of array."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise InputError(f"A photo must be (H, W, 3) uint8, not {rgb.shape} {rgb.dtype}.")
    return rgb.shape[0], rgb.shape[1]


def part(rgb: Pixels, window: Window) -> Pixels:
    """The photo's pixels in a window, as a view. Raises `InputError` for another photo's window."""
    width, height = _check_inside(rgb, window)
    left, top, across, down = overlap(window.box, (width, height))
    return rgb[top : top + down, left : left + across]


def inside(seen: _Plane, rgb: Pixels, window: Window) -> _Plane:
    """What of a window's pixels, (h,w,…) at any size, the photo has: as a view."""
    return uncovered(seen, window.box, (rgb.shape[1], rgb.shape[0]))


def _check_inside(rgb: Pixels, window: Window) -> tuple[int, int]:
    """Width and height of a window's photo; `InputError` if it cannot be that one."""
    height, width = check_pixels(rgb)
    if window.face is None:
        fits = overlap(window.box, (width, height)) == window.box
    else:
        fits = min(overlap(window.box, (width, height))[2:]) > 0
    if not fits:
        raise InputError(f"{window} is not inside a {width}x{height} photo; use its own photo.")
    return width, height


def _resized(rgb: Pixels, size: Size) -> Pixels:
    """Antialiased Lanczos, up or down; a large reduction is prepared by a box filter."""
    image = Image.fromarray(np.ascontiguousarray(rgb))
    return np.array(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


def _multiple(length: float, stride: int) -> int:
    return max(1, round(length / stride)) * stride


def _scene_size(width: int, height: int, size: int, stride: int) -> tuple[int, int]:
    scale = min(size / min(width, height), _MAX_ASPECT * size / max(width, height))
    return _multiple(width * scale, stride), _multiple(height * scale, stride)


def _centre_square(width: int, height: int) -> tuple[int, int, int]:
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def _face_square(face: Face, width: int, height: int, square: FaceSquare) -> tuple[int, int, int]:
    """Left, top and side of the square around a face."""
    x, y, face_width = face
    largest = min(width, height)
    side = max(1, min(round(face_width * square.margin), _BEYOND * largest))
    if square.corners and side >= _SNAP * largest:
        side = largest
    left, top = round(x - 0.5 * side), round(y - square.centre * side)
    if square.corners:
        left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return left, top, side
