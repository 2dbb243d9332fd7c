"""Photo <-> model window: where the model looks in a photo, and pasting its result back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from translate.errors import InputError, SettingsError
from translate.upsampling import carry_up

Framing = Literal["auto", "face", "scene", "crop"]
"""`face`: a square around the largest face. `scene`: the whole photo. `crop`: the centre square.
`auto`: what the domain card says; the caller puts that in its place before asking for a window."""

Pixels = npt.NDArray[np.uint8]
Face = tuple[float, float, float]  # centre x, centre y and width of a detected box, in pixels

# Measured on every 20th of 3200 selfies, the photos the face domain starts from: the upright pass
# of `_passes` finds 118 of 160 faces. Median box: 0.73 of the image's width (quartiles 0.67 and
# 0.78), centred at (0.50, 0.45).
FACE_MARGIN = 1.5
"""Side of the square in widths of the detector's face box. This is the looser quartile of the
selfies, 1 / 0.67, so that hair, chin and some neck are inside."""
FACE_CENTRE = (0.5, 0.45)
"""Where the centre of the face box lies in the square: fraction from the left and from the top."""

_SNAP = 0.85  # a square this near to the largest possible one becomes that
_MAX_ASPECT = 4  # a scene's long side is at most this many times `size`: memory has an end
_FEATHER = 0.15  # width of the blended edge, as a fraction of the window's side
_STRIP = 256  # rows blended at a time, so that a large photo needs little memory
_DETECT_SIDE = 640  # long side of the image that is searched for faces
_MIN_FACE = 32  # smallest face looked for in that image
_LARGE_FIRST = (0.4, 0.15)  # smallest faces of quicker searches, of the image's short side
_ROOM = 1.5  # a box so many times the smallest one is what a search for all sizes finds, too
_SURE_FACE = 0.2  # in the less certain passes, as a fraction of the image's short side
_TILT = 25.0  # degrees; heads tilted further than about 15 are missed upright


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of a photo and the size the model sees it at, all in pixels.

    `left`, `top`, `width`, `height` lie inside the photo. `note` is a sentence for the user when
    the window is not what was asked for, else None. With `scene`, which is the whole photo, what
    the model changed is carried up to the photo's own pixels (`upsampling.carry_up`); else its
    result is enlarged.
    """

    left: int
    top: int
    width: int
    height: int
    out_width: int
    out_height: int
    note: str | None = None
    scene: bool = False


def find_window(
    rgb: Pixels,
    *,
    framing: Framing,
    size: int,
    stride: int = 1,
    margin: float = FACE_MARGIN,
) -> Window:
    """Choose the part of `rgb`, (H, W, 3) uint8, that the model translates.

    `face` and `crop` give a square seen at `size`; `scene` gives the whole photo with its short
    side at `size`, or less for a panorama beyond 4:1. Sides of the seen image are multiples of
    `stride`. `margin` is the side of a face's square in face widths; a face without room around
    it gets the largest square there is. Raises `SettingsError` for `auto`, an unknown framing or
    numbers out of range, `InputError` for another kind of array.
    """
    height, width = _check(rgb)
    if framing == "auto" or framing not in get_args(Framing):
        raise SettingsError(f"framing is {framing!r}; use face, scene or crop.")
    if size < 1 or stride < 1 or not 1 <= margin <= 10:
        raise SettingsError(
            f"size {size}, stride {stride}, margin {margin}: "
            "use a size and stride of 1 or more and a margin from 1 to 10."
        )
    if framing == "scene":
        out_width, out_height = _scene_size(width, height, size, stride)
        return Window(
            left=0,
            top=0,
            width=width,
            height=height,
            out_width=out_width,
            out_height=out_height,
            scene=True,
        )
    note = None
    left, top, side = _centre_square(width, height)
    if framing == "face":
        face = _find_face(rgb)
        if face is None:
            note = "No face was found, so the centre of the photo was used."
        else:
            left, top, side = _face_square(face, width, height, margin)
    out = _multiple(size, stride)
    return Window(
        left=left, top=top, width=side, height=side, out_width=out, out_height=out, note=note
    )


def extract(rgb: Pixels, window: Window) -> Pixels:
    """What the model sees: a new (out_height, out_width, 3) uint8 image, Lanczos-filtered."""
    part = _part(rgb, window)
    return _resize(part, window.out_width, window.out_height)


def paste(rgb: Pixels, window: Window, result: Pixels, *, detail: float = 0.0) -> Pixels:
    """A copy of `rgb` with `result`, (out_height, out_width, 3) uint8, in the window's place.

    Pixels outside the window stay as they are. Inside, the result fades in over a cosine ramp,
    except along the photo's own borders. `detail` (0 to 1) is how much of the fine detail the
    model never saw (the photo minus what `extract` kept of it) is added back: at 1, an unchanged
    result gives the photo back exactly; scenes keep all of it anyway. Raises `InputError` for a
    result of another size, `SettingsError` for a `detail` out of range.
    """
    height, width = _check(rgb)
    if result.shape != (window.out_height, window.out_width, 3) or result.dtype != np.uint8:
        raise InputError(
            f"The result is {result.shape} {result.dtype}; "
            f"give ({window.out_height}, {window.out_width}, 3) uint8."
        )
    if not 0 <= detail <= 1:
        raise SettingsError(f"detail is {detail}; use a number from 0 to 1.")
    if window.scene:
        return carry_up(rgb, extract(rgb, window), result)
    across = _ramp(window.left, window.width, width)
    down = _ramp(window.top, window.height, height)
    new = _resize(result, window.width, window.height)
    seen = _resize(extract(rgb, window), window.width, window.height) if detail else None
    pasted = rgb.copy()
    inside = _part(pasted, window)
    if seen is None:
        solid = _solid(down), _solid(across)
        inside[solid] = new[solid]
    for rows, columns in _strips(down, across, edge_only=seen is None):
        old = inside[rows, columns].astype(np.float32)
        change = new[rows, columns] - old
        if seen is not None:
            change += detail * (old - seen[rows, columns])
        weight = down[rows, None, None] * across[None, columns, None]
        inside[rows, columns] = np.rint(old + weight * change).clip(0, 255).astype(np.uint8)
    return pasted


def _check(rgb: Pixels) -> tuple[int, int]:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise InputError(f"A photo must be (H, W, 3) uint8, not {rgb.shape} {rgb.dtype}.")
    return rgb.shape[0], rgb.shape[1]


def _part(rgb: Pixels, window: Window) -> Pixels:
    """The window's pixels as a view. Raises `InputError` if the window is not inside `rgb`."""
    height, width = _check(rgb)
    right, bottom = window.left + window.width, window.top + window.height
    if min(window.left, window.top) < 0 or right > width or bottom > height:
        raise InputError(f"{window} is not inside a {width}x{height} photo; use its own photo.")
    return rgb[window.top : bottom, window.left : right]


def _resize(rgb: Pixels, width: int, height: int) -> Pixels:
    """Antialiased Lanczos, up or down; a large reduction is prepared by a box filter."""
    image = Image.fromarray(np.ascontiguousarray(rgb))
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _ramp(start: int, length: int, total: int) -> npt.NDArray[np.float32]:
    """Blending weights along one axis: from near 0 to 1 at each end that is not a photo border."""
    weights = np.ones(length, dtype=np.float32)
    count = min(round(_FEATHER * length), length // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 1) / (count + 1))
    if start > 0:
        weights[:count] = rise
    if start + length < total:
        weights[length - count :] = rise[::-1]
    return weights


def _solid(weights: npt.NDArray[np.float32]) -> slice:
    """The middle of a ramp, where all weights are 1."""
    ones = np.flatnonzero(weights == 1)
    return slice(int(ones[0]), int(ones[-1]) + 1) if ones.size else slice(0, 0)


def _strips(
    down: npt.NDArray[np.float32], across: npt.NDArray[np.float32], *, edge_only: bool
) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of rectangles that make up the window, or only its blended edge."""
    rows, columns, (height, width) = _solid(down), _solid(across), (len(down), len(across))
    parts = [((0, height), (0, width))]
    if edge_only:
        parts = [
            ((0, rows.start), (0, width)),
            ((rows.stop, height), (0, width)),
            ((rows.start, rows.stop), (0, columns.start)),
            ((rows.start, rows.stop), (columns.stop, width)),
        ]
    for (first, end), (left, right) in parts:
        for start in range(first, end if left < right else first, _STRIP):
            yield slice(start, min(start + _STRIP, end)), slice(left, right)


def _multiple(length: float, stride: int) -> int:
    return max(1, round(length / stride)) * stride


def _scene_size(width: int, height: int, size: int, stride: int) -> tuple[int, int]:
    scale = min(size / min(width, height), _MAX_ASPECT * size / max(width, height))
    return _multiple(width * scale, stride), _multiple(height * scale, stride)


def _centre_square(width: int, height: int) -> tuple[int, int, int]:
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def _face_square(face: Face, width: int, height: int, margin: float) -> tuple[int, int, int]:
    """Left, top and side of the square around a face, moved inside the photo."""
    x, y, face_width = face
    largest = min(width, height)
    side = max(1, round(face_width * margin))
    if side >= _SNAP * largest:
        side = largest
    left = round(x - FACE_CENTRE[0] * side)
    top = round(y - FACE_CENTRE[1] * side)
    return min(max(left, 0), width - side), min(max(top, 0), height - side), side


def _find_face(rgb: Pixels) -> Face | None:
    """Find the largest face in (H, W, 3) uint8: centre x, centre y and box width, in pixels.

    The box reaches from the brows to the chin and ear to ear. None if no face is found: of real
    selfies about 1 in 40 is missed, of half-body portraits 1 in 140. Threads may share it.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _DETECT_SIDE / max(height, width))
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(small_size) < _MIN_FACE:
        return None
    small = cv2.resize(np.ascontiguousarray(rgb), small_size, interpolation=cv2.INTER_AREA)
    grey = cast(Pixels, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    for faces in _passes(grey):
        if faces:
            x, y, face_width = max(faces, key=lambda face: (face[2], face))
            return x * width / small_size[0], y * height / small_size[1], face_width / scale
    return None


def _passes(grey: Pixels) -> Iterator[list[Face]]:
    """Faces found upright, then with the head tilted either way, then by a finer upright search.

    The first pass with a face decides, because each one errs more than the one before; the later
    ones look for large faces only.
    """
    large = max(_MIN_FACE, round(_SURE_FACE * min(grey.shape)))
    yield _detect_upright(grey)
    yield _detect_turned(grey, _TILT, large) + _detect_turned(grey, -_TILT, large)
    yield _detect(cast(Pixels, cv2.equalizeHist(grey)), neighbours=3, scale=1.05, smallest=large)


def _detect_upright(grey: Pixels) -> list[Face]:
    """A search's time grows with the square of the smallest face's share, so large ones first.

    A box near the smallest size may stand for windows on its far side only: it decides nothing.
    """
    for share in _LARGE_FIRST:
        smallest = max(_MIN_FACE, round(share * min(grey.shape)))
        faces = _detect(grey, neighbours=3, scale=1.1, smallest=smallest)
        if any(width >= _ROOM * smallest for _, _, width in faces):
            return faces
    return _detect(grey, neighbours=3, scale=1.1, smallest=_MIN_FACE)


def _detect_turned(grey: Pixels, angle: float, smallest: int) -> list[Face]:
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    back = cast("npt.NDArray[np.float64]", cv2.invertAffineTransform(turn))
    faces: list[Face] = []
    for x, y, face_width in _detect(
        cast(Pixels, turned), neighbours=4, scale=1.1, smallest=smallest
    ):
        upright_x, upright_y = back @ np.array((x, y, 1.0))
        faces.append((float(upright_x), float(upright_y), face_width))
    return faces


def _detect(grey: Pixels, *, neighbours: int, scale: float, smallest: int) -> list[Face]:
    """Centre x, centre y and width of each box."""
    boxes = _detector.get().detectMultiScale(
        grey, scaleFactor=scale, minNeighbors=neighbours, minSize=(smallest, smallest)
    )
    return [(float(x + w / 2), float(y + h / 2), float(w)) for x, y, w, h in boxes]


class _Detector(threading.local):
    """OpenCV's bundled frontal-face cascade, one per thread: detection writes into it."""

    loaded: cv2.CascadeClassifier | None = None

    def get(self) -> cv2.CascadeClassifier:
        if self.loaded is None:
            folder = Path(cv2.__file__).parent / "data"
            self.loaded = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
        return self.loaded


_detector = _Detector()
