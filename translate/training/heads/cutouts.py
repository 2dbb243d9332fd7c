"""Photo -> head, cut out by its colours: which photos allow that, and where to trust it.

GrabCut (Rother, Kolmogorov, Blake 2004) tells by colours what belongs to what is surely head and
what to surely background. Where it does so alike from several beginnings, the background is another
one than the head; the rest of the photos is left out, until a network can tell it where to begin.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.cropping import uncovered
from translate.faces import find_faces
from translate.matting import ACROSS, SEEN, along_edges, around, grown, seen, told

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FINER = 2  # cut-outs are kept at so many times the size that a head is looked at with
LARGE = FINER * SEEN

# Lengths are in widths of the face's box, places are seen from its middle; down is positive.
_AXIS = ((np.arange(SEEN) + 0.5) / SEEN - 0.5) * ACROSS
_X, _Y = np.meshgrid(_AXIS, _AXIS)
_BEGINNINGS = (  # half width, half height and middle of what is probably the head; rounds; colours
    ((0.62, 0.78, 0.03), 4, False),
    ((0.62, 0.78, 0.03), 1, False),
    ((0.55, 0.70, 0.00), 3, False),
    ((0.70, 0.85, 0.00), 3, False),
    ((0.62, 0.78, 0.03), 3, True),  # in Lab
)
_SURE = 0.38, 0.62, 0.0  # from the hairline to the chin
_WHOLE = 0.42, 0.65, 0.0  # what no good cut lacks
_FAR, _HIGH, _SHOULDERS = 1.0, -1.05, 0.35  # background lies so far out, above the shoulders
_NECK, _CHEST = 0.6, 0.8  # below them there are clothes, which cuts need not agree on
_ALIKE, _ALIKE_TOLD = 0.93, 0.89  # least intersection over union of cuts
# Least shares: of ground, of it on either side, of photo, of a face's cut; more where none tells
_LEAST, _LEAST_TOLD = (0.2, 0.02, 0.45, 0.97), (0.12, 0.005, 0.3, 0.95)
_UNSURE, _TOLD = 0.32, (0.05, 0.95)  # most of what a network is unsure of; what it tells
_BRIM, _EDGE = 11, np.float32(0.002)  # window of the guided filter, and variance that is an edge


class Cutout(NamedTuple):
    """A head cut out of its photo.

    Attributes:
        picture: (256,256,3) uint8.
        head, person: (256,256) float32 in [0,1], how much of each pixel they cover.
    """

    picture: Pixels
    head: Floats
    person: Floats


def looked_at(rgb: Pixels) -> Pixels | None:
    """A photo's largest face, or None.

    Returns:
        (256,256,4) uint8: its colours, and 255 where the photo shows them.
    """
    boxes = find_faces(rgb, every=False)
    if not boxes:
        return None
    box, shown = around(boxes[0]), np.zeros((LARGE, LARGE, 1), np.uint8)
    uncovered(shown, box, (rgb.shape[1], rgb.shape[0]))[:] = 255
    return np.concatenate([seen(rgb, box, LARGE), shown], axis=2)


def reduced(face: Pixels) -> Pixels:
    """As a network looks at it: (256,256,…) -> (128,128,…) uint8."""
    return cast("Pixels", cv2.resize(face, (SEEN, SEEN), interpolation=cv2.INTER_AREA))


def cut_by_colour(face: Pixels) -> Cutout | None:
    """The head of what was `looked_at`, where all beginnings end alike; else None."""
    small = reduced(face)
    above, cut = _shown(small) & (_Y < _CHEST), _begun(small, *_BEGINNINGS[0])
    if not _is_whole(small, cut, _LEAST):
        return None
    others = [_begun(small, *beginning) for beginning in _BEGINNINGS[1:]]
    if min(intersection_over_union(cut & above, other & above) for other in others) < _ALIKE:
        return None
    mean = np.stack([cut, *others]).astype(np.float32).mean(axis=0)
    return _cutout(face, cast("Floats", mean))


def cut_as_told(face: Pixels, likely: Floats) -> Cutout | None:
    """The head of what was `looked_at`, where colours agree with a network; else None.

    Args:
        face: (256,256,4) uint8.
        likely: (128,128) in [0,1], what the network marks.
    """
    small = reduced(face)
    cut, shown = _grown(small, told(likely, *_TOLD), 2), _shown(small)
    above = shown & (_Y < _CHEST)
    unsure = (likely > 0.1) & (likely < 0.9) & shown
    if (
        unsure.sum() > _UNSURE * shown.sum()
        or intersection_over_union(cut & above, (likely > 0.5) & above) < _ALIKE_TOLD
        or not _is_whole(small, cut, _LEAST_TOLD)
    ):
        return None
    return _cutout(face, (likely + cut.astype(np.float32)) * np.float32(0.5))


def by_colour_alone(picture: Pixels) -> Mask:
    """What GrabCut takes for the head in (128,128,3) uint8, whatever it is worth."""
    return _begun(np.dstack([picture, np.full((SEEN, SEEN), np.uint8(255))]), *_BEGINNINGS[0])


def intersection_over_union(a: Mask, b: Mask) -> float:
    """How alike two masks are, in [0,1]."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def _shown(small: Pixels) -> Mask:
    return small[..., 3] > 127


def _begun(small: Pixels, head: tuple[float, float, float], rounds: int, lab: bool) -> Mask:
    labels = np.full((SEEN, SEEN), cv2.GC_PR_BGD, np.uint8)
    labels[_oval(*head)], labels[_oval(*_SURE)] = cv2.GC_PR_FGD, cv2.GC_FGD
    labels[((np.abs(_X) > _FAR) & (_Y < _SHOULDERS)) | (_Y < _HIGH)] = cv2.GC_BGD
    if lab:
        colours = cast("Pixels", cv2.cvtColor(small[..., :3], cv2.COLOR_RGB2LAB))
        small = np.concatenate([colours, small[..., 3:]], axis=2)
    return _grown(small, labels, rounds)


def _grown(small: Pixels, labels: Pixels, rounds: int) -> Mask:
    """What GrabCut takes for foreground, of what the photo shows; beyond that its edge goes on."""
    inside = _shown(small)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    shown = np.ascontiguousarray(labels[top:bottom, left:right])
    cut = grown(np.ascontiguousarray(small[top:bottom, left:right, :3]), shown, rounds)
    cut = shown & 1 if cut is None else cut
    return np.pad(cut, ((top, SEEN - bottom), (left, SEEN - right)), mode="edge") == 1


def _is_whole(small: Pixels, cut: Mask, least: tuple[float, float, float, float]) -> bool:
    """Whether a face lies in the cut, and enough ground beside it on either side."""
    (of_ground, on_sides, of_photo, of_face), inside = least, _shown(small)
    shown, oval = inside & (_Y < _NECK), _oval(*_WHOLE) & inside
    ground = ~cut & shown
    beside = min((ground & (side * _X > 0.5)).mean() for side in (-1, 1))
    return bool(
        inside.mean() > of_photo
        and ground.sum() > of_ground * shown.sum()
        and beside > on_sides
        and (cut & oval).sum() > of_face * oval.sum()
    )


def _cutout(face: Pixels, cut: Floats) -> Cutout:
    picture = np.ascontiguousarray(face[..., :3])
    head = _along_edges(picture, cut)
    body = _along_edges(picture, _with_body(reduced(face), cut > 0.5).astype(np.float32))
    return Cutout(picture, head, np.maximum(head, body))


def _with_body(small: Pixels, head: Mask) -> Mask:
    """A head and what it sits on: what is cast before another background."""
    labels = np.full((SEEN, SEEN), cv2.GC_PR_BGD, np.uint8)
    labels[(np.abs(_X) < 0.45 + 0.8 * (_Y - _NECK)) & (_Y > _NECK)] = cv2.GC_PR_FGD
    labels[(np.abs(_X) < 0.4) & (_Y > 1.0)] = cv2.GC_FGD
    labels[(~head & (_Y < 0.3)) | ((np.abs(_X) > _FAR) & (_Y < 0.5))] = cv2.GC_BGD
    labels[head] = cv2.GC_FGD
    return _grown(small, labels, 3)


def _along_edges(large: Pixels, cut: Floats) -> Floats:
    """A cut, (128,128), along the edges of its picture, (256,256): guided filter."""
    guide = cast("Pixels", cv2.cvtColor(large, cv2.COLOR_RGB2GRAY)) * np.float32(1 / 255)
    plane = cast("Floats", cv2.resize(cut, (LARGE, LARGE)))
    slope, level = along_edges(guide, plane, _BRIM, _EDGE)
    soft = slope * guide + level
    return ((soft - np.float32(0.5)) * np.float32(1.6) + np.float32(0.5)).clip(0, 1)


def _oval(wide: float, high: float, middle: float) -> Mask:
    return np.abs(_X / wide) ** 2.5 + np.abs((_Y - middle) / high) ** 2.5 < 1
