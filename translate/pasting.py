"""Results -> photo: each in its window's place, without a seam, at the photo's own size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.errors import InputError
from translate.faces import Face
from translate.framing import Pixels, Window, check_pixels, extract, inside, part
from translate.inking import inked
from translate.masking import Mask
from translate.matting import head_matte, seen
from translate.upsampling import carry_up

Floats = npt.NDArray[np.float32]

_FEATHER = 0.15  # width of the blended edge, as a fraction of the window's side
_SOFT = 0.8  # width of the edge of what a walk left alone, in the window's pixels
_STRIP = 256  # rows blended at a time, so that a large photo needs little memory

# A face fades into the photo between two superellipses |x|^p + |y|^p = r^p, one p above the middle
# and one below it: up to the first radius all is the result's, from the second one on all the
# photo's, in halves of the window's side. By eye on sixteen portraits.
_HEAD, _HEAD_ENDS = (2.5, 2.5), (0.5, 0.9)
_FAINT = np.float32(0.05)  # so little of a head is none: ink beside one is seen
# Of a drawing hair ends with the head; between the two heights shoulders begin.
_HAIR_ENDS, _SHOULDERS = (0.74, 0.98), (-0.1, 0.5)
# Dark hair has surely up to the first share of the face's light, lies beyond the second of these
# distances from its middle, and above the first of the heights. A drawing lightens it so far, of 1.
_DARK, _BESIDE, _HAIR, _LIGHTER = (0.5, 0.75), (0.45, 0.6), (0.2, 0.5), 0.16
_LOOKED_AT, _BROADLY = 64, 2  # pixels across a window, and sigma, of what light is compared with
_FACE = 0.3  # so far from the middle it is
_CUTTING = (
    0.9  # a border of the photo that is nearer to a face, in its widths, cuts through the head
)
# What has ears reaches beyond the head. There broad light and colour fade to the photo's earlier
# than drawn edges do: a wall that the model made white would else stand as a halo around the head.
_EARS, _EDGE_ENDS, _TONE_ENDS = (5.0, 2.5), (0.7, 1.0), (0.6, 0.95)
# Below the ears, from the first height to the second one, it ends so far beyond the head, in widths
# of the face: cheeks of a cat are as wide.
_BELOW_EARS, _CHEEKS = (-0.45, -0.1), 0.2
# Broad is what a guided filter (He, Sun and Tang 2013) of this radius, in widths of the window,
# finds along the result's own edges.
_BROAD = 1 / 16
_EDGE = np.float32(0.003 * 255**2)  # variance of brightness that is an edge


def paste(rgb: Pixels, window: Window, result: Pixels) -> Pixels:
    """`paste_all` of one result."""
    return paste_all(rgb, [(window, result)])


def paste_all(rgb: Pixels, results: Iterable[tuple[Window, Pixels]]) -> Pixels:
    """A copy of `rgb` with results, (out_height, out_width, 3) uint8, in their windows' places.

    Where windows overlap, the later one is on top. Pixels outside the windows stay as they are.
    Inside, a result fades in: from a window's edge or, where that lies around a face, along the
    head's outline; but not from borders of the photo that cut through it. The change of a scene
    is carried up instead. Raises `InputError` for a result of another size.
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
        elif window.face is None:
            _blend(pasted, window, result)
        elif window.corners:
            _blend_eared(pasted, rgb, window, window.face, result)
        else:
            _blend_head(pasted, rgb, window, window.face, result)
    return pasted


def put_back(pasted: Pixels, rgb: Pixels, window: Window, free: Mask) -> None:
    """Put `rgb`'s own pixels, as sharp as they are, where a walk could not change a window's.

    Args:
        pasted, rgb: (H,W,3) uint8; the former is changed in place.
        window: of both.
        free: (out_height,out_width) bool, False where pixels stay; their edge becomes soft.
    """
    soft = cv2.GaussianBlur((~free).astype(np.float32), (0, 0), _SOFT)
    soft = cv2.resize(soft, (window.width, window.height))
    own = ((soft - np.float32(0.25)) * 2).clip(0, 1)  # steeper, so that thin lines stay whole
    own = inside(own, rgb, window)
    _mix(part(pasted, window), part(rgb, window), lambda rows: own[rows])


def _blend(pasted: Pixels, window: Window, result: Pixels) -> None:
    """Put a result into `pasted`, in strips of rows."""
    height, width = pasted.shape[:2]
    across = _ramp(window.left, window.width, width)
    down = _ramp(window.top, window.height, height)
    new = _sized(result, window)
    _mix(part(pasted, window), new, lambda rows: down[rows, None] * across)


def _blend_head(pasted: Pixels, rgb: Pixels, window: Window, face: Face, result: Pixels) -> None:
    """Put a result into `pasted` where `rgb` shows the head and its hair."""
    # No finer than either of both: what is enlarged is soft, what is reduced needs no more.
    size = min(window.width, window.out_width), min(window.height, window.out_height)
    radius = _from_middle(rgb, window, face, _HEAD, size)
    matte = head_matte(rgb, face, window.box, size)
    weights = ((matte - _FAINT) * np.float32(1 / (1 - _FAINT))).clip(0, 1)
    weights *= _hair_fading(radius) if window.drawn else _fading(radius, _HEAD_ENDS)
    if window.drawn:
        result = np.minimum(result, _most_light(rgb, window, face))
    _blend_scaled(pasted, window, _sized(result, window), weights)


def _most_light(rgb: Pixels, window: Window, face: Face) -> Pixels:
    """Most of each colour that a drawing has, (out_height,out_width,3): dark hair stays dark.

    Drawn caps of hair are smaller than people's hair: pale gaps would be left.
    """
    size = _LOOKED_AT, _LOOKED_AT
    photo = cv2.GaussianBlur(seen(rgb, window.box, _LOOKED_AT).astype(np.float32), (0, 0), _BROADLY)
    light = cast("Floats", cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    radius = _from_middle(rgb, window, face, _HEAD, size)
    share = light * np.float32(1 / max(1, float(np.median(light[radius < _FACE]))))
    hair = _between(radius, _BESIDE) * (1 - _between(share, _DARK)) * (1 - _rising(size[1], _HAIR))
    most = photo + 255 * (1 + _LIGHTER - hair)[..., None]
    whole = cv2.resize(most.clip(0, 255), (window.out_width, window.out_height))
    return cast("Pixels", whole.astype(np.uint8))


def _blend_eared(pasted: Pixels, rgb: Pixels, window: Window, face: Face, result: Pixels) -> None:
    """Put a result with ears into `pasted`: its lines further out than its light."""
    size = window.out_width, window.out_height
    radius = _from_middle(rgb, window, face, _EARS, size)
    near = _near_head(rgb, window, face, size)
    drawn, lit = _fading(radius, _EDGE_ENDS) * near, _fading(radius, _TONE_ENDS) * near
    # Two blends that make photo·(1 − drawn) + unlit·(drawn − lit) + result·lit.
    broad = _broad_light(_scaled(part(pasted, window), size), result)
    beside = 1 - (1 - drawn) / np.maximum(1 - lit, np.float32(1e-6))
    new = _sized(result, window)
    broad = cv2.resize(broad, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
    unlit = cast("Pixels", cv2.subtract(new, broad, dtype=cv2.CV_8U))
    _blend_scaled(pasted, window, unlit, cast("Floats", beside))
    _blend_scaled(pasted, window, new, lit)


def _near_head(rgb: Pixels, window: Window, face: Face, size: tuple[int, int]) -> Floats:
    """(h,w): 1 on and beside the head, 0 further away; but among the ears 1 everywhere."""
    unit = face[2] / window.width * size[0]
    reach = 2 * round(_CHEEKS * unit) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    larger = cv2.dilate(head_matte(rgb, face, window.box, size), disc)
    soft = cast("Floats", cv2.GaussianBlur(larger, (0, 0), _CHEEKS * unit / 2.5))
    low = _rising(size[1], _BELOW_EARS)
    return cast("Floats", 1 - low + low * soft)


def _blend_scaled(pasted: Pixels, window: Window, new: Pixels, weights: Floats) -> None:
    """Put what is new into `pasted`, at the window's size, with weights, (h,w) of any size."""
    size = (window.width, window.height)
    weights = inside(cast("Floats", cv2.resize(weights, size)), pasted, window)
    new = inside(new, pasted, window)
    _mix(part(pasted, window), new, lambda rows: weights[rows])


def _sized(result: Pixels, window: Window) -> Pixels:
    """A result at its window's size: lines and fur stay clear where that is no smaller."""
    size = (window.width, window.height)
    return inked(result, size) if window.drawn or window.corners else _scaled(result, size)


def _scaled(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """(h,w,3) at another width and height."""
    larger = size[0] >= rgb.shape[1] and size[1] >= rgb.shape[0]
    filtering = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
    return cast("Pixels", cv2.resize(rgb, size, interpolation=filtering))


def _mix(old: Pixels, new: Pixels, weights: Callable[[slice], Floats]) -> None:
    """Bring `new` into `old`, in place, by weights of rows; bit-equal where they are 0 or 1."""
    for top in range(0, len(old), _STRIP):
        rows = slice(top, top + _STRIP)
        first, second, weight = np.ascontiguousarray(new[rows]), old[rows], weights(rows)
        second[...] = cv2.blendLinear(first, np.ascontiguousarray(second), weight, 1 - weight)


def _broad_light(photo: Pixels, result: Pixels) -> Floats:
    """What the broad light and colour of a result differ by from the photo's, (h,w,3).

    That is the change's guided filter along the edges of the result. Channel by channel: whole
    planes go through the machine several times faster than broadcast triples do.
    """
    drawn = [plane.astype(np.float32) for plane in _planes(result)]
    guide = (drawn[0] + drawn[1] + drawn[2]) * np.float32(1 / 3)
    centre = _mean(guide)
    spread = _mean(guide * guide) - centre * centre + _EDGE
    broad: list[Floats] = []
    for plane, before in zip(drawn, _planes(photo), strict=True):
        change: Floats = plane - before
        level = _mean(change)
        slope = (_mean(guide * change) - centre * level) / spread
        broad.append(cast("Floats", _mean(slope) * guide + _mean(level - slope * centre)))
    return cast("Floats", cv2.merge(broad))


def _planes(rgb: Pixels) -> list[Pixels]:
    return cast("list[Pixels]", cv2.split(rgb))


def _mean(plane: npt.NDArray[np.floating]) -> Floats:
    """A plane, (h,w), under a square window as wide as what is broad."""
    side = 2 * max(1, round(_BROAD * min(plane.shape))) + 1
    return cast("Floats", cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE))


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


def _from_middle(
    rgb: Pixels,
    window: Window,
    face: Face,
    powers: tuple[float, float],
    size: tuple[int, int],
) -> Floats:
    """Distances at `size`, (h,w): 1 on the superellipses that fill the window.

    Towards the photo's own borders, where they cut through a head, no distance grows.
    """
    (x, y, unit), (height, width) = face, rgb.shape[:2]
    across = _offsets(window.left, window.width, size[0], width, x, unit)
    down = _offsets(window.top, window.height, size[1], height, y, unit)
    halves = zip(np.array_split(down, 2), powers, strict=True)
    return np.concatenate([_radius(half, across, power) for half, power in halves])


def _radius(down: Floats, across: Floats, power: float) -> Floats:
    """(h,), (w,) distances from the middle -> (h,w), 1 on the superellipse that fills a window."""
    p = np.float32(power)
    return cast("Floats", (down[:, None] ** p + across**p) ** np.float32(1 / power))


def _offsets(start: int, length: int, count: int, total: int, middle: float, unit: float) -> Floats:
    """|x| at `count` places along one axis: 0 in the middle, 1 at each end that may fade."""
    fades_first = start > 0 or middle > _CUTTING * unit
    fades_last = start + length < total or total - middle > _CUTTING * unit
    x = (np.arange(count, dtype=np.float32) + 0.5) * 2 / count - 1
    return np.abs(x.clip(-1 if fades_first else 0, 1 if fades_last else 0))


def _hair_fading(radius: Floats) -> Floats:
    """As `_fading`, above later than below."""
    low = _rising(len(radius), _SHOULDERS)
    full, none = (a + (b - a) * low for a, b in zip(_HAIR_ENDS, _HEAD_ENDS, strict=True))
    return _fading(radius, (full, none))


def _rising(count: int, heights: tuple[float, float]) -> Floats:
    """(count,1) from 0 to 1 between two heights, in halves of the side below its middle."""
    down = (np.arange(count, dtype=np.float32) + 0.5) * 2 / count - 1
    return np.interp(down, heights, (0, 1)).astype(np.float32)[:, None]


def _between(x: Floats, ends: tuple[float, float]) -> Floats:
    """0 up to the first end, 1 from the second one on."""
    return ((x - np.float32(ends[0])) / np.float32(ends[1] - ends[0])).clip(0, 1)


def _fading(radius: Floats, ends: tuple[float, float] | tuple[Floats, Floats]) -> Floats:
    """1 up to the first radius, falling to 0 at the second one."""
    full, none = ends
    return ((none - radius) / (none - full)).clip(0, 1)
