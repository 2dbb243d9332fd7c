"""A set of pictures to measure with: read whole, at one size, known by a checksum."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from translate.device import placed
from translate.errors import InputError, SettingsError
from translate.framing import DEFAULT_SQUARE, FaceSquare
from translate.imageset import Images, decoded, face_fit, fit, open_images

_SPEC = re.compile(r"(?P<path>.+?)(@(?P<part>-?\d*:-?\d*))?(@(?P<framing>face))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Pictures of a folder or zip.

    Attributes:
        label: name of the folder or zip without its suffix.
        path: folder or zip.
        part: which names were taken, as given; empty for all.
        framing: `crop` took the centre square, `face` the square around the largest face.
        names: of the pictures, in name order.
        pixels: (N,size,size,3) uint8.
        sha256: of `pixels`: two runs with the same one saw the same pictures.
    """

    label: str
    path: Path
    part: str
    framing: str
    names: tuple[str, ...]
    pixels: Images
    sha256: str

    def __len__(self) -> int:
        return len(self.names)

    def describe(self) -> dict[str, object]:
        """What a report says about the set; no folder of this machine is in it."""
        return {
            "label": self.label,
            "part": self.part,
            "framing": self.framing,
            "images": len(self),
            "size": self.pixels.shape[1],
            "sha256": self.sha256,
        }


def read_set(
    spec: str,
    size: int,
    *,
    count: int | None = None,
    seed: int = 0,
    square: FaceSquare = DEFAULT_SQUARE,
) -> ImageSet:
    """Read a folder or zip, or a part of it.

    Args:
        spec: path; `PATH@START:STOP` is a slice of its names in order: `@-200:` the last 200,
            `@:-200` all but those. `@face` at the end frames pictures around their largest face
            instead of taking the centre square.
        size: height and width in pixels, see `translate.imageset.RESIZE`.
        count: only so many of them, drawn by the seed; None takes all.
        seed: of the draw.
        square: what the squares around faces look like.

    Raises:
        InputError: no such set, nothing in the slice, or a picture that cannot be read.
        SettingsError: count is below 1.
    """
    if count is not None and count < 1:
        raise SettingsError(f"count is {count}; use 1 or more")
    path, part, framing = Path(spec), "", "crop"
    if not path.exists() and (match := _SPEC.fullmatch(spec)):
        path, part = Path(match["path"]), match["part"] or ""
        framing = match["framing"] or framing
    names, read = open_images(path)
    names = names[_slice(part)]
    if not names:
        raise InputError(f"{spec}: no image of the set is in this slice")
    if count is not None and count < len(names):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(len(names), generator=generator)[:count].sort().values
        names = [names[int(i)] for i in drawn]
    pixels = np.empty((len(names), size, size, 3), np.uint8)
    fitted = face_fit(square) if framing == "face" else fit
    for index, picture in enumerate(decoded(path, names, read, size, fitted=fitted)):
        pixels[index] = picture
    return ImageSet(
        label=path.resolve().stem,
        path=path,
        part=part,
        framing=framing,
        names=tuple(names),
        pixels=pixels,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
    )


def as_tensor(pixels: Images, device: torch.device) -> Tensor:
    """(N,H,W,3) uint8 -> (N,3,H,W) float32 in [0,1], as `placed`."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
    return placed(x.permute(0, 3, 1, 2).float().div_(255.0), device)


def spans(count: int, size: int) -> list[slice]:
    """Consecutive slices of at most `size` that cover `count`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _slice(part: str) -> slice:
    bounds = [int(text) if text not in ("", "-") else None for text in part.split(":")]
    return slice(*bounds) if part else slice(None)
