"""A brushed region: what the model may change in its window, and what stays in the photo."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from translate.cropping import Box, Size, cropped
from translate.errors import InputError

Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

_FEATHER = 0.02  # width of the soft edge inside the region, as a fraction of the photo's short side


def check_mask(mask: Mask, rgb: Pixels) -> None:
    """Raise `InputError` unless `mask` is (H, W) bool for an (H, W, 3) photo."""
    if mask.dtype != np.bool_ or mask.shape != rgb.shape[:2]:
        raise InputError(
            f"The mask is {mask.shape} {mask.dtype}; give {rgb.shape[:2]} bool, as the photo."
        )


def window_mask(mask: Mask, box: Box, out_width: int, out_height: int) -> Mask:
    """The part of a photo's mask that the model sees.

    Args:
        mask: (H, W) bool.
        box: of the window in the photo; where it reaches beyond, the mask's edge goes on.
        out_width, out_height: size the model sees it at.

    Returns:
        (out_height, out_width) bool; True wherever any of the photo's pixels below may change.
    """

    def any_below(part: Mask, size: Size) -> Mask:
        grey = Image.fromarray(part.astype(np.float32))
        return np.asarray(grey.resize(size, Image.Resampling.BOX)) > 0

    return cropped(mask, box, (out_width, out_height), any_below)


def keep_outside(rgb: Pixels, changed: Pixels, mask: Mask) -> Pixels:
    """`changed` where `mask` is True, with a soft edge inside it; bit-equal to `rgb` elsewhere.

    Args:
        rgb, changed: (H, W, 3) uint8.
        mask: (H, W) bool.
    """
    if mask.all():
        return changed
    reach = max(1.0, _FEATHER * min(mask.shape))
    away = cast(
        "npt.NDArray[np.float32]", cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    )
    weight = np.minimum(away / reach, 1.0)[..., None]
    mixed = np.rint(rgb + weight * (changed.astype(np.float32) - rgb)).clip(0, 255)
    return np.where(mask[..., None], mixed.astype(np.uint8), rgb)
