"""Faces in a photo: where they are, and which of them had better be left alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.cropping import Box

Pixels = npt.NDArray[np.uint8]
Face = tuple[float, float, float]  # centre x, centre y and width of a detected box, in pixels
Flaw = Literal["small", "blurred"]

SMALLEST = 32
"""Width in pixels below which a face is left alone: its result would have under 48 pixels. No face
of 77 found in selfies (256 pixels) or 46 in portraits (512 pixels) is as small."""
SHARPEST_BLUR = 20.0
"""Variance of the Laplacian, of a face's box at `_LOOK` pixels, below which it is left alone.

98 selfies start at 124, 69 portraits at 647. The median of 38 selfies blurred by 2, 4, 6 % of the
face's width is 72, 19 and 10. Of 13 boxes in natural photos that hold no face, 2 lie below."""

_LOOK = 64
_DETECT_SIDE = 640  # long side of the image that is searched for the largest face
_EVERY_SIDE = 1280  # and for every face: a row of ten people is found in it
_MIN_FACE = 24  # smallest face looked for in them: below `SMALLEST`, so that it can be told
_BAND = 0.85  # sizes that a quicker search takes at once: down to so many times the largest one
_ALIKE = 0.2  # how windows are grouped by `detectMultiScale`, which takes all sizes at once
_ROOM = 1.5  # a box so many times the smallest one is what a search for all sizes finds, too
_LARGE = 0.2  # of the image's short side: what the less certain passes look for
_DOUBTED = 0.4  # of it: what is smaller is searched again, its surroundings alone
# There it must be found so many times. In every fourth selfie, 9 of 9 small faces are, and 5 of 23
# chins, lenses and cheeks; so are all but 1 of 139 portraits, down to faces of 26 pixels. Of 750
# natural photos, half of whose 95 boxes held no face, 67 still have one.
_AGREE = 15
_AGAIN = 60  # width of the box in that search
_TILT = 25.0  # degrees; heads tilted further than about 15 are missed upright


def find_faces(rgb: Pixels, *, every: bool) -> list[Face]:
    """Find faces in (H, W, 3) uint8, the largest first: centre x, centre y, box width, in pixels.

    A box reaches from the brows to the chin and ear to ear. Of real selfies about 1 in 20 is
    missed (in 1 of 160 the box holds less than a face), of half-body portraits 1 in 70. Without
    `every` the search is quicker and sure of the largest face only. Threads may share it.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, (_EVERY_SIDE if every else _DETECT_SIDE) / max(height, width))
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(small_size) < _MIN_FACE:
        return []
    whole = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    grey = cast(Pixels, cv2.resize(whole, small_size, interpolation=cv2.INTER_AREA))
    across, down = width / small_size[0], height / small_size[1]
    for faces in _passes(grey, every=every):
        if faces:
            return _distinct([(x * across, y * down, w / scale) for x, y, w in faces])
    return []


def prepare_faces() -> None:
    """Load what the first search would have to."""
    with _detectors.one():
        pass


def flaw(rgb: Pixels, face: Face) -> Flaw | None:
    """Why a face had better be left alone, or None.

    Also what is no face is often smooth or tiny.
    """
    x, y, width = face
    if width < SMALLEST:
        return "small"
    left, top = max(0, round(x - width / 2)), max(0, round(y - width / 2))
    box = np.ascontiguousarray(rgb[top : round(y + width / 2), left : round(x + width / 2)])
    filtering = cv2.INTER_AREA if width > _LOOK else cv2.INTER_CUBIC
    seen = cv2.resize(box, (_LOOK, _LOOK), interpolation=filtering)
    edges = cv2.Laplacian(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    return "blurred" if float(np.var(edges)) < SHARPEST_BLUR else None


def _distinct(faces: list[Face]) -> list[Face]:
    """The largest first, without those whose centre lies in a larger one's box."""
    kept: list[Face] = []
    for x, y, width in sorted(faces, key=lambda face: (face[2], face), reverse=True):
        if all(max(abs(x - a), abs(y - b)) > size / 2 for a, b, size in kept):
            kept.append((x, y, width))
    return kept


def _passes(grey: Pixels, *, every: bool) -> Iterator[list[Face]]:
    """Faces found upright, then with the head tilted either way, then by a finer upright search.

    The first pass with a face decides, because each one errs more than the one before; the later
    ones look for large faces only. For every face, the first two are one.
    """
    upright = _detect_upright(grey, quick=not every)
    if not every:
        yield upright
    large = max(_MIN_FACE, round(_LARGE * min(grey.shape)))
    yield upright + _detect_turned(grey, _TILT, large) + _detect_turned(grey, -_TILT, large)
    even = cast(Pixels, cv2.equalizeHist(grey))
    yield _sure(even, _detect(even, neighbours=3, scale=1.05, smallest=large))


def _detect_upright(grey: Pixels, *, quick: bool) -> list[Face]:
    """All faces; or, quicker, those found on the way from large windows down to the largest face.

    The smaller windows are, the more of them there are. A box near the smallest size so far may
    stand for smaller windows, too: it decides nothing.
    """
    if not quick:
        return _sure(grey, _detect(grey, neighbours=3, scale=1.1, smallest=_MIN_FACE))
    windows: list[Box] = []
    largest = min(grey.shape)
    while largest >= _MIN_FACE:
        smallest = max(_MIN_FACE, round(_BAND * largest))
        windows += _windows(grey, scale=1.1, smallest=smallest, largest=largest)
        faces = _grouped(windows, neighbours=3)
        enough = _ROOM * smallest
        if max((width for _, _, width in faces), default=0) >= enough:
            faces = _sure(grey, faces)
            if max((width for _, _, width in faces), default=0) >= enough:
                return faces
        largest = smallest - 1
    return _sure(grey, _grouped(windows, neighbours=3))


def _sure(grey: Pixels, faces: list[Face]) -> list[Face]:
    """Those that are large, or found again by a second look."""
    sure = _DOUBTED * min(grey.shape)
    return [face for face in faces if face[2] >= sure or _confirmed(grey, face)]


def _confirmed(grey: Pixels, face: Face) -> bool:
    """Whether a finer search of a face's surroundings keeps finding it."""
    x, y, width = face
    left, top = max(0, round(x - width)), max(0, round(y - width))
    part = np.ascontiguousarray(grey[top : round(y + width), left : round(x + width)])
    scale = _AGAIN / width
    filtering = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    seen = cv2.resize(part, None, fx=scale, fy=scale, interpolation=filtering)
    smallest, largest = round(0.6 * _AGAIN), min(round(1.4 * _AGAIN), *seen.shape)
    windows = _windows(cast(Pixels, seen), scale=1.05, smallest=smallest, largest=largest)
    x, y = (x - left) * scale, (y - top) * scale
    near = [max(abs(a - x), abs(b - y)) < _AGAIN / 4 for a, b, _ in _grouped(windows, neighbours=0)]
    return sum(near) >= _AGREE


def _detect_turned(grey: Pixels, angle: float, smallest: int) -> list[Face]:
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    back = cast("npt.NDArray[np.float64]", cv2.invertAffineTransform(turn))
    faces: list[Face] = []
    found = _detect(cast(Pixels, turned), neighbours=4, scale=1.1, smallest=smallest)
    for x, y, face_width in _sure(cast(Pixels, turned), found):
        upright_x, upright_y = back @ np.array((x, y, 1.0))
        faces.append((float(upright_x), float(upright_y), face_width))
    return faces


def _detect(grey: Pixels, *, neighbours: int, scale: float, smallest: int) -> list[Face]:
    """Centre x, centre y and width of each box."""
    windows = _windows(grey, scale=scale, smallest=smallest, largest=min(grey.shape))
    return _grouped(windows, neighbours=neighbours)


def _windows(grey: Pixels, *, scale: float, smallest: int, largest: int) -> list[Box]:
    """Windows of these sizes that look like a face."""
    with _detectors.one() as detector:
        boxes = detector.detectMultiScale(
            grey,
            scaleFactor=scale,
            minNeighbors=0,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
        )
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h in boxes]


def _grouped(windows: list[Box], *, neighbours: int) -> list[Face]:
    """Centre x, centre y and width of what more than so many windows agree about."""
    boxes = cv2.groupRectangles(windows, neighbours, _ALIKE)[0] if neighbours else windows
    return [(float(x + w / 2), float(y + h / 2), float(w)) for x, y, w, h in boxes]


class _Detectors:
    """OpenCV's bundled frontal-face cascade, once per search under way: it writes into it."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[cv2.CascadeClassifier] = SimpleQueue()

    @contextmanager
    def one(self) -> Generator[cv2.CascadeClassifier]:
        try:
            detector = self._idle.get_nowait()
        except Empty:
            folder = Path(cv2.__file__).parent / "data"
            detector = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
        try:
            yield detector
        finally:
            self._idle.put(detector)


_detectors = _Detectors()
