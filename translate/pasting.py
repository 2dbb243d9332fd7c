"""Results -> photo: each in its window's place, without a seam, at the photo's own size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.errors import InputError
from translate.framing import Pixels, Window, check_pixels, extract, part
from translate.upsampling import carry_up

Floats = npt.NDArray[np.float32]

_FEATHER = 0.15  # width of the blended edge, as a fraction of the window's side
_STRIP = 256  # rows blended at a time, so that a large photo needs little memory
# Broad is what a guided filter (He, Sun and Tang 2013) of this radius, in widths of the window,
# finds along the result's own edges.
_BROAD = 1 / 16
_EDGE = 0.003  # variance of brightness, in [0,1], that is an edge


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a face fades into the photo: a superellipse |x|^p + |y|^p.

    Up to the first radius all is the result's, from the second one on all the photo's, in halves of
    the window's side. Broad light and colour fade to the photo's earlier than drawn edges do: a
    wall that the model made white would else stand as a halo around the hair.

    Attributes:
        power: p.
        edges, tones: both radii of either.
    """

    power: float
    edges: tuple[float, float]
    tones: tuple[float, float]


# By eye on sixteen portraits: a square's corners hold background, which the model paints in its own
# way; but where ears reach into them they are wanted.
_OVAL = _Shape(2.5, (0.56, 0.9), (0.4, 0.78))
_SQUARE = _Shape(5.0, (0.75, 1.0), (0.65, 0.97))


def paste(rgb: Pixels, window: Window, result: Pixels) -> Pixels:
    """`paste_all` of one result."""
    return paste_all(rgb, [(window, result)])


def paste_all(rgb: Pixels, results: Iterable[tuple[Window, Pixels]]) -> Pixels:
    """A copy of `rgb` with results, (out_height, out_width, 3) uint8, in their windows' places.

    Where windows overlap, the later one is on top. Pixels outside the windows stay as they are.
    Inside, a result fades in: from a window's edge, or all around a face; but not from the photo's
    own borders. The change of a scene is carried up instead. Raises `InputError` for a result of
    another size.
    """
    check_pixels(rgb)
    pasted = rgb.copy()
    for window, result in results:
        if result.shape != (window.out_height, window.out_width, 3) or result.dtype != np.uint8:
            raise InputError(
                f"The result is {result.shape} {result.dtype}; "
                f"give ({window.out_height}, {window.out_width}, 3) uint8."
            )
        if window.scene:
            pasted = carry_up(rgb, extract(rgb, window), result)
        elif window.face:
            _blend_face(pasted, window, result)
        else:
            _blend(pasted, window, result)
    return pasted


def _blend(pasted: Pixels, window: Window, result: Pixels) -> None:
    """Put a result into `pasted`, in strips of rows."""
    height, width = pasted.shape[:2]
    across = _ramp(window.left, window.width, width)
    down = _ramp(window.top, window.height, height)
    inside, new = part(pasted, window), _fitted(result, window)
    for top in range(0, window.height, _STRIP):
        rows = slice(top, top + _STRIP)
        _mix(inside[rows], new[rows], down[rows, None] * across)


def _blend_face(pasted: Pixels, window: Window, result: Pixels) -> None:
    """Put a face into `pasted`: its lines further out than its light."""
    shape, (height, width) = _SQUARE if window.corners else _OVAL, pasted.shape[:2]
    power = np.float32(shape.power)
    across = _offsets(window.left, window.width, window.out_width, width) ** power
    down = _offsets(window.top, window.height, window.out_height, height) ** power
    radius = cast("Floats", (down[:, None] + across) ** np.float32(1 / shape.power))
    drawn, lit = _fading(radius, shape.edges), _fading(radius, shape.tones)
    # Two blends that make photo·(1 − drawn) + unlit·(drawn − lit) + result·lit.
    unlit = _in_photos_light(extract(pasted, window), result)
    layers = (unlit, 1 - (1 - drawn) / np.maximum(1 - lit, 1e-6)), (result, lit)
    inside, size = part(pasted, window), (window.width, window.height)
    for layer, weights in layers:
        new, weights = _fitted(layer, window), cast("Floats", cv2.resize(weights, size))
        for top in range(0, window.height, _STRIP):
            rows = slice(top, top + _STRIP)
            _mix(inside[rows], new[rows], weights[rows])


def _fitted(result: Pixels, window: Window) -> Pixels:
    """A result at the size of its window, nearly always larger than what the model saw."""
    larger = window.width >= window.out_width and window.height >= window.out_height
    filtering = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
    fitted = cv2.resize(result, (window.width, window.height), interpolation=filtering)
    return cast("Pixels", fitted)


def _mix(old: Pixels, new: Pixels, weights: Floats) -> None:
    """Bring `new` into `old`, in place; bit-equal where weights, (H,W), are 0 or 1."""
    old[...] = cv2.blendLinear(new, np.ascontiguousarray(old), weights, 1 - weights)


def _in_photos_light(seen: Pixels, result: Pixels) -> Pixels:
    """The lines of the result in `seen`'s broad light and colour."""
    drawn = np.multiply(result, np.float32(1 / 255), dtype=np.float32)
    change = drawn - np.multiply(seen, np.float32(1 / 255), dtype=np.float32)
    kept = drawn - _along(drawn.mean(axis=2, dtype=np.float32), change)
    return np.rint(kept * 255).clip(0, 255).astype(np.uint8)


def _along(guide: Floats, x: Floats) -> Floats:
    """`x`, (h,w,3), smoothed within the edges of `guide`, (h,w): its guided filter."""
    side = 2 * max(1, round(_BROAD * min(guide.shape))) + 1

    def mean(values: npt.NDArray[np.floating]) -> Floats:
        return cast("Floats", cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE))

    centre, wide = mean(guide), guide[..., None]
    spread = (mean(guide * guide) - centre * centre)[..., None]
    slope = (mean(wide * x) - centre[..., None] * mean(x)) / (spread + np.float32(_EDGE))
    offset = mean(x) - slope * centre[..., None]
    return mean(slope) * wide + mean(offset)


def _ramp(start: int, length: int, total: int) -> Floats:
    """Blending weights along one axis: from near 0 to 1 at each end that is not a photo border."""
    weights = np.ones(length, dtype=np.float32)
    count = min(round(_FEATHER * length), length // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 1) / (count + 1))
    if start > 0:
        weights[:count] = rise
    if start + length < total:
        weights[length - count :] = rise[::-1]
    return weights


def _offsets(start: int, length: int, count: int, total: int) -> Floats:
    """|x| at `count` places along one axis: 0 in the middle, 1 at each end inside the photo."""
    x = (np.arange(count, dtype=np.float32) + 0.5) * 2 / count - 1
    x = x.clip(-1 if start > 0 else 0, 1 if start + length < total else 0)
    return np.abs(x)


def _fading(radius: Floats, ends: tuple[float, float]) -> Floats:
    """1 up to the first radius, falling to 0 at the second one."""
    full, none = ends
    return ((none - radius) / (none - full)).clip(0, 1)
