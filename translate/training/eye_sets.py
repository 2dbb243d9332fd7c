"""What the network of a domain's close-ups learns from: squares around eyes, as zips of pictures.

Its targets are the eyes of the domain's own target images, its starts are eyes of photos: as they
are before a walk, as a walk leaves them, and as a close-up sets out (`translate.closeups.grafted`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from translate.closeups import grafted, squares
from translate.errors import InputError, TrainingError
from translate.files import atomic_path
from translate.image_io import Photo, read_photo, to_array, to_tensor
from translate.imageset import Reader, decoded, open_images
from translate.options import Options
from translate.training.drawn_eyes import SIZE, find_drawn_eyes
from translate.translator import Translator
from translate.view import Asked, View, gathered, look

PIXELS = 80  # of a square
ROOM = 1 / 0.96  # its side, in those of a close-up: what random crops of a run choose from
UNLIKE = 0.62  # targets whose likeness to others is below have no eye there: hair, or a profile
DRAWN = 82.7  # pixels of `SIZE` that a close-up of a drawn eye of usual size shows
BATCH = 8


class Count(NamedTuple):
    """Pictures of a set, and how many of the last are of held-out ones."""

    total: int
    held_out: int


def check_set(path: Path) -> None:
    """Raise `TrainingError` unless that is a folder or zip of images."""
    _open(path)


def write_targets(path: Path, out: Path, *, hold_out: int) -> Count:
    """Eyes of target images, `eyes.zip`.

    Args:
        path: folder or zip of the domain's target images.
        out: folder.
        hold_out: how many of the last images are never trained on.

    Raises:
        TrainingError: there are no such images.
    """
    names, read = _open(path)
    try:
        pictures = list(decoded(path, names, read, SIZE))
    except InputError as error:
        raise TrainingError(str(error)) from None
    kept: list[Tensor] = []
    held_out = 0
    for index, eyes in enumerate(find_drawn_eyes(pictures)):
        side = [ROOM * DRAWN / eye.scale for eye in eyes]
        place = torch.tensor([[(e.x, e.y, s) for e, s in zip(eyes, side, strict=True)]])
        seen = squares(to_tensor(pictures[index]), place, PIXELS)
        like = [eye.likeness >= UNLIKE for eye in eyes]
        if any(like):
            kept.append(seen[torch.tensor(like)])
        held_out += sum(like) if index >= len(names) - hold_out else 0
    if not kept:
        raise TrainingError(f"{path}: no eyes that are like each other; give squares around faces")
    return Count(_write(out / "eyes.zip", kept), held_out)


def write_starts(
    translator: Translator, paths: Iterable[tuple[Path, int]], out: Path, *, side: float
) -> Iterator[Count]:
    """Eyes of photos, `start.zip`, `walked.zip` and `graft.zip`, as many in each.

    Args:
        translator: of the domain, whose close-ups are left out.
        paths: folders or zips of photos, and how many of the last of each are never trained on.
        out: folder.
        side: of a close-up, in widths of the face.

    Yields:
        How many there are so far; at last all.

    Raises:
        TrainingError: a set holds no photos, or none with a face.
    """
    card = translator.domain.model_copy(update={"closeup": None})
    plain = Translator(card, translator.model, translator.device, translator.dtype)
    kept: dict[str, tuple[list[Tensor], list[Tensor]]] = {
        name: ([], []) for name in ("start", "walked", "graft")
    }
    for path, hold_out in paths:
        names, read = _open(path)
        for first in range(0, len(names), BATCH):
            some = names[first : first + BATCH]
            seen = _eyes_of(plain, [_photo(path, name, read) for name in some], side)
            for index, eyes in seen.items():
                held_out = first + index >= len(names) - hold_out
                for name, square in zip(kept, eyes, strict=True):
                    kept[name][held_out].append(square)
            trained, held = kept["graft"]
            yield Count(2 * (len(trained) + len(held)), 2 * len(held))
    if not kept["graft"][0]:
        raise TrainingError("no photo that is not held out shows a face; give more photos of faces")
    for name, (trained, held) in kept.items():
        _write(out / f"{name}.zip", [*trained, *held])


def _eyes_of(
    translator: Translator, photos: list[Photo], side: float
) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    """Squares (2,3,PIXELS,PIXELS) around the eyes of those photos that show a face."""
    options = Options(crop_only=True)
    asked = Asked.by(translator.domain, options)._replace(closeup=side * ROOM)
    views: dict[int, View] = {}
    for index, photo in enumerate(photos):
        window = translator.windows(photo, options)[0]
        if window.face is not None and window.usable:
            views[index] = look(photo.rgb, window, keep_glasses=False, asked=asked)
    if not views:
        return {}
    seen = gathered(list(views.values()))
    assert seen.eyes is not None
    *_, (end, _) = translator.descend(seen, options, measured=False)
    start, walked = (squares(x.cpu(), seen.eyes, PIXELS) for x in (seen.start, end.x))
    graft = grafted(walked, start)
    pairs = (slice(2 * i, 2 * i + 2) for i in range(len(views)))
    return {i: (start[p], walked[p], graft[p]) for i, p in zip(views, pairs, strict=True)}


def _photo(path: Path, name: str, read: Reader) -> Photo:
    try:
        with Image.open(io.BytesIO(read(name))) as image:
            return read_photo(image)
    except Exception as error:  # decoders raise all kinds
        raise TrainingError(f"{path}: {name}: not a readable photo ({error}); remove it") from None


def _open(path: Path) -> tuple[list[str], Reader]:
    try:
        return open_images(path)
    except InputError as error:
        raise TrainingError(str(error)) from None


def _write(file: Path, parts: Iterable[Tensor]) -> int:
    """(n,3,PIXELS,PIXELS) each, as one zip of PNG files; how many."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{file.parent}: no folder can be made there ({error})") from None
    total = 0
    with atomic_path(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for pixels in (pixels for part in parts for pixels in to_array(part)):
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "png")
            archive.writestr(f"{total:06d}.png", encoded.getvalue())
            total += 1
    return total
