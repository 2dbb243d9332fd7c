"""What the network of a domain's close-ups learns from: squares around eyes, as zips of pictures.

Its targets are the eyes of the domain's own target images, its starts are eyes of photos: as they
are before a walk, as a walk leaves them, and as a close-up sets out (`translate.closeups.grafted`).
Where a domain draws eyes in places of its own, targets beside the eye are starts, too: so a network
learns to tell where one is (`translate.drawn_places`).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import torch
from PIL import Image
from torch import Tensor

from translate.card_parts import Drawn
from translate.closeups import GRAFT, IRIS, grafted
from translate.errors import InputError, TrainingError
from translate.files import atomic_path
from translate.image_io import Photo, read_photo, to_array, to_tensor
from translate.imageset import Images, Reader, decoded, open_images
from translate.options import Options
from translate.squares import squares
from translate.training.drawn_eyes import SIZE, EyeTemplate, Pair, find_drawn_eyes
from translate.translator import Translator
from translate.view import Asked, View, gathered, look

PIXELS = 80  # of a square
ROOM = 1 / 0.96  # its side, in those of a close-up: what random crops of a run choose from
UNLIKE = 0.5  # targets whose likeness to others is below have no eye there: hair, or a profile,
UNLIKE_BOTH = 0.28  # but where both are in the mirror of each other: within this many pixels of
LEVEL, MIRRORED = 10, 28  # `SIZE`, down and across
DRAWN = 82.7  # the same that a close-up of a drawn eye of usual size shows
BESIDE = (0.2, 0.6)  # of that, how far starts beside the eye are
GOLDEN = math.pi * (3 - math.sqrt(5))  # so that no two of them are in one direction
BATCH = 8


class Count(NamedTuple):
    """Pictures of a set, and how many of the last are of held-out ones."""

    total: int
    held_out: int


class Targets(NamedTuple):
    """What was found in target images.

    Attributes:
        eyes: how many.
        template: of all.
        usual: see `translate.card_parts.Closeup.drawn`.
    """

    eyes: Count
    template: EyeTemplate
    usual: Drawn


def check_set(path: Path) -> None:
    """Raise `TrainingError` unless that is a folder or zip of images."""
    _open(path)


def write_targets(path: Path, out: Path, *, hold_out: int, beside: bool = False) -> Targets:
    """Eyes of target images, `eyes.zip`.

    Args:
        path: folder or zip of the domain's target images.
        out: folder.
        hold_out: how many of the last images are never trained on.
        beside: write squares beside the eyes of the others, too, `beside.zip`.

    Raises:
        TrainingError: there are no such images, or all are held out.
    """
    names, read = _open(path)
    try:
        pictures = list(decoded(path, names, read, SIZE))
    except InputError as error:
        raise TrainingError(str(error)) from None
    kept: list[Tensor] = []
    off_eye: list[Tensor] = []
    held_out = 0
    found, template = find_drawn_eyes(pictures)
    for index, eyes in enumerate(found):
        like = torch.tensor(_like(eyes))
        if not like.any():
            continue
        place = torch.tensor([[(e.x, e.y, ROOM * DRAWN * template.scale / e.scale) for e in eyes]])
        picture = to_tensor(pictures[index])
        kept.append(squares(picture, place, PIXELS)[like])
        if index >= len(names) - hold_out:
            held_out += int(like.sum())
            continue
        angle, far = index * GOLDEN, BESIDE[0] + (BESIDE[1] - BESIDE[0]) * (index % 5) / 4
        off = torch.tensor([math.cos(angle), math.sin(angle), 0.0]) * far
        off_eye.append(squares(picture, place + off * place[..., 2:], PIXELS)[like])
    if not kept:
        raise TrainingError(f"{path}: no eyes that are like each other; give squares around faces")
    if beside:
        if not off_eye:
            raise TrainingError(f"{path}: all eyes are held out; hold out fewer than {hold_out}")
        _write(out / "beside.zip", off_eye)
    usual = (template.x / SIZE, template.y / SIZE, DRAWN / SIZE)
    return Targets(Count(_write(out / "eyes.zip", kept), held_out), template, usual)


def _like(eyes: Pair) -> list[bool]:
    """Which of two are eyes."""
    left, right = eyes
    level, mirrored = abs(left.y - right.y), abs(left.x + right.x - SIZE)
    if level < LEVEL and mirrored < MIRRORED and min(left, right).likeness >= UNLIKE_BOTH:
        return [True, True]
    return [eye.likeness >= UNLIKE for eye in eyes]


def write_starts(
    translator: Translator,
    paths: Iterable[tuple[Path, int]],
    out: Path,
    *,
    side: float,
    drawn: EyeTemplate | None = None,
) -> Iterator[Count]:
    """Eyes of photos, `start.zip`, `walked.zip` and `graft.zip`, as many in each.

    Args:
        translator: of the domain, whose close-ups are left out.
        paths: folders or zips of photos, and how many of the last of each are never trained on.
        out: folder.
        side: of a close-up, in widths of the face.
        drawn: of the targets, where the domain draws eyes in places of its own; None where it draws
            them where photos have them.

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
            seen = _eyes_of(plain, [_photo(path, name, read) for name in some], side, drawn)
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
    translator: Translator, photos: list[Photo], side: float, drawn: EyeTemplate | None
) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    """Squares (2,3,PIXELS,PIXELS) around the eyes of those photos that show a face."""
    options = Options(crop_only=True)
    asked = Asked.by(translator.domain, options)
    asked = asked._replace(closeup=side * ROOM, rimless=drawn is not None)
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
    places = seen.eyes if drawn is None else _drawn_places(end.x, drawn)
    start, walked = squares(seen.start, seen.eyes, PIXELS), squares(end.x.cpu(), places, PIXELS)
    graft = grafted(walked, start, GRAFT if drawn is None else IRIS)
    pairs = (slice(2 * i, 2 * i + 2) for i in range(len(views)))
    return {i: (start[p], walked[p], graft[p]) for i, p in zip(views, pairs, strict=True)}


def _drawn_places(x: Tensor, drawn: EyeTemplate) -> Tensor:
    """Squares around the eyes of drawings, (N,3,h,h): (N,2,3)."""
    times = x.shape[-1] / SIZE
    side = ROOM * DRAWN * times
    pictures = cast("list[Images]", [cv2.resize(p, (SIZE, SIZE)) for p in to_array(x)])
    found = [drawn.find(picture) for picture in pictures]
    return torch.tensor([[(e.x * times, e.y * times, side) for e in pair] for pair in found])


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
