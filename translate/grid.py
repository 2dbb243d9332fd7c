"""A batch of images as one picture."""

from __future__ import annotations

from PIL import Image
from torch import Tensor


def image_grid(x: Tensor, *, columns: int, padding: int = 2) -> Image.Image:
    """Tile images row by row.

    Args:
        x: (N,3,H,W) float in [0,1].
        columns: images per row.
        padding: pixels between and around images.

    Returns:
        An RGB picture.
    """
    from torchvision.utils import make_grid  # slow to import, and only grids need it

    grid = make_grid(x.detach().float().cpu(), nrow=columns, padding=padding, pad_value=1.0)
    pixels = grid.clamp(0.0, 1.0).mul(255.0).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels)
