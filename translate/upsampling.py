"""A small change carried up to a large photo, along the photo's own edges.

The model sees a scene at a few hundred pixels. What it changed is written as a colour transform
that varies slowly over the picture (change ≈ A·colour + b around every place, as the guided filter
of He, Sun and Tang 2013 fits it), and that transform is applied to the photo at full size: edges
and texture are the photo's own. What no such transform explains, as a lamp that is new, is added
as a soft light. Blue skies that turn black stay smooth: the rounding to 8 bits is dithered.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.errors import InputError

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_NEAR = 3  # radius of the local fit, in the model's pixels
_TIGHT = 2e-3  # variance of colour below which the local fit follows the whole picture's
_LIGHT = (0.06, 0.14)  # unexplained change from which it is added, and from which in full
_RIM = 3  # outermost pixels of the model's, whose changes are its own borders' and not used
_STRIP = 128  # rows of the photo at a time: memory stays small whatever the photo's size


def carry_up(rgb: Pixels, seen: Pixels, result: Pixels) -> Pixels:
    """Apply to `rgb` the change from `seen` to `result`.

    Args:
        rgb: (H,W,3) uint8, the photo.
        seen: (h,w,3) uint8, the photo as the model saw it.
        result: (h,w,3) uint8, what the model made of it.

    Returns:
        (H,W,3) uint8; `rgb` itself, bit by bit, where nothing changed around a pixel, and `result`
        where the photo is not larger than that.

    Raises:
        InputError: `seen` and `result` differ in size, or an array is of another kind.
    """
    for array in (rgb, seen, result):
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
            raise InputError(f"A picture must be (H, W, 3) uint8, not {array.shape} {array.dtype}.")
    if seen.shape != result.shape:
        raise InputError(f"The model saw {seen.shape}, but its result is {result.shape}.")
    if rgb.shape == result.shape:
        return result.copy()
    small = _unit(seen)
    change = _unit(result) - small
    transform = _fit(small, change)
    light = _light(change - _applied(transform, small))
    return _apply(rgb, _rimless(transform), _rimless(light))


def _unit(pixels: Pixels) -> Floats:
    return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)


def _fit(colour: Floats, change: Floats) -> Floats:
    """(h,w,12): A row by row, then b, of change ≈ A·colour + b around each pixel.

    A ridge draws the local fit towards that of the whole picture, so that a flat sky, whose colours
    say nothing about a slope, keeps its grain in proportion.
    """
    flat, wanted = colour.reshape(-1, 3), change.reshape(-1, 3)
    mean, mean_change = flat.mean(0), wanted.mean(0)
    ridge = cast("Floats", _TIGHT * np.eye(3, dtype=np.float32))
    spread = (flat - mean).T @ (flat - mean) / len(flat) + ridge
    overall = _solved(spread, (flat - mean).T @ (wanted - mean_change) / len(flat)).T
    rest = change - cast("Floats", colour @ overall.T)

    near_colour, near_rest = _around(colour), _around(rest)
    square = colour[..., :, None] * colour[..., None, :]
    spread = _around(square.reshape(*colour.shape[:2], 9)).reshape(square.shape)
    spread -= near_colour[..., :, None] * near_colour[..., None, :]
    product = cast("Floats", colour[..., :, None] * rest[..., None, :])
    common = _around(product.reshape(*colour.shape[:2], 9)).reshape(product.shape)
    common -= near_colour[..., :, None] * near_rest[..., None, :]
    slope = _solved(spread + ridge, common).swapaxes(-1, -2)
    offset = near_rest - np.einsum("hwij,hwj->hwi", slope, near_colour)
    slope = _around(slope.reshape(*colour.shape[:2], 9)) + overall.reshape(9)
    return np.concatenate([slope, _around(offset)], axis=2)


def _solved(a: Floats, b: Floats) -> Floats:
    return cast("Floats", np.linalg.solve(a, b))


def _around(x: Floats) -> Floats:
    """Mean over the neighbourhood of the local fit, channel by channel."""
    size = (2 * _NEAR + 1, 2 * _NEAR + 1)
    planes = [
        cv2.blur(np.ascontiguousarray(x[..., i]), size, borderType=cv2.BORDER_REPLICATE)
        for i in range(x.shape[2])
    ]
    return np.stack(planes, axis=2).astype(np.float32)


def _applied(transform: Floats, colour: Floats) -> Floats:
    change = transform[..., 9:12].copy()
    for channel in range(3):
        for other in range(3):
            change[..., channel] += transform[..., 3 * channel + other] * colour[..., other]
    return change


def _light(rest: Floats) -> Floats:
    """What the transform leaves unexplained, where that is more than grain."""
    low, high = _LIGHT
    size = np.abs(cv2.GaussianBlur(rest, (0, 0), 0.8)).max(axis=2, keepdims=True)
    return rest * np.clip((size - low) / (high - low), 0, 1)


def _rimless(x: Floats) -> Floats:
    """(h,w,c) with the outermost pixels replaced by the next ones."""
    rim = min(_RIM, (min(x.shape[:2]) - 1) // 4)
    inner = x[rim : x.shape[0] - rim, rim : x.shape[1] - rim]
    return np.pad(inner, ((rim, rim), (rim, rim), (0, 0)), mode="edge")


def _apply(rgb: Pixels, transform: Floats, light: Floats) -> Pixels:
    """The transform and the light, spread over the photo strip by strip, and applied."""
    height, width = rgb.shape[:2]
    small = [
        np.dstack([transform[..., 3 * c : 3 * c + 3], transform[..., 9 + c] + light[..., c]])
        for c in range(3)
    ]
    out = np.empty_like(rgb)
    dither = np.random.default_rng(0)
    for top in range(0, height, _STRIP):
        rows = rgb[top : top + _STRIP]
        colour = rows.astype(np.float32)
        # Noise below half a step moves no value that is whole already.
        noise = 0.998 * (dither.random(rows.shape[:2], dtype=np.float32) - np.float32(0.5))
        for channel in range(3):
            wide = _spread(small[channel], top, len(rows), height, width)
            change = np.einsum("hwc,hwc->hw", wide[..., :3], colour) + 255 * wide[..., 3]
            value = colour[..., channel] + change + noise
            out[top : top + _STRIP, :, channel] = np.rint(value).clip(0, 255)
    return out


def _spread(small: Floats, top: int, count: int, height: int, width: int) -> Floats:
    """Rows `top` to `top` + `count` of `small`, (h,w,4), enlarged to (height,width) smoothly."""
    scale_y, scale_x = small.shape[0] / height, small.shape[1] / width
    affine = np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, (top + 0.5) * scale_y - 0.5]])
    wide = cv2.warpAffine(
        small,
        affine,
        (width, count),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cast("Floats", wide)
