"""A recipe to start from: what a bundled domain was trained with, for other pictures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
from PIL import Image

from translate.card_parts import NAME
from translate.errors import TrainingError
from translate.faces import find_faces
from translate.imageset import Images, Reader, decoded, open_images
from translate.training.config import Recipe, read_recipe

Kind = Literal["face", "drawing", "scene"]
"""What the targets are: faces in photographs, of people or animals; drawn faces; whole scenes."""

FEWEST = 100  # targets and photos; with a few hundred a network learns them by heart
HELD_OUT = 200  # at most, and a tenth at most: what calibration and figures are measured on
LOOKED_AT = 60  # targets, and photos, that are looked at before a recipe is written
ALIGNED = 0.6  # share of these with a face from which on all targets are cut around theirs
DARK = 0.6  # scenes of less of the photos' mean light are dark: a night's have 0.42 of a day's

# Side of the square in face widths, and where the face's middle lies in it, where the detector does
# not know the targets' faces: about those of the bundled `cat` and `anime`.
SQUARES: dict[Kind, tuple[float, float]] = {
    "face": (1.9, 0.5),
    "drawing": (1.7, 0.45),
    "scene": (1.9, 0.45),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A new recipe and what was seen on the way.

    Attributes:
        text: the TOML file, comments included.
        recipe: the same, checked.
        targets, photos: how many pictures there are.
        faces: share of the targets looked at in which a face was found; NaN for scenes.
        light: mean light of the scenes looked at, targets and first photos; NaN for faces.
    """

    text: str
    recipe: Recipe
    targets: int
    photos: int
    faces: float
    light: tuple[float, float]

    @property
    def dark(self) -> bool:
        """Whether targets are so dark that walks set out from less light than photos have."""
        return self.recipe.sample_exposure < 1

    @property
    def aligned(self) -> bool:
        """Whether targets are cut around their faces, as photos are."""
        return self.recipe.data.p_data[0].framing == "face"


def start(
    kind: Kind, *, name: str, title: str, target: Path, photos: Sequence[Path], mirror: bool = True
) -> Start:
    """Write a recipe for one's own pictures.

    Args:
        kind: which settings.
        name: of the domain, as in `Recipe.name`.
        title: the same for people.
        target: folder or zip of p_data.
        photos: folders or zips of p_0; the first has those that people will translate.
        mirror: whether a mirrored target is one, too.

    Raises:
        TrainingError: the name is none, or there are too few pictures.
        InputError: a folder or zip is missing, empty, or holds what is no picture.
    """
    if re.match(NAME, name) is None:
        raise TrainingError(f"{name!r} names no domain; use small letters, digits, - and _")
    names, read = open_images(target)
    sets = [open_images(path) for path in photos]
    counts = [len(each) for each, _ in sets]
    for path, count in ((target, len(names)), (photos[0], counts[0])):
        if count < FEWEST:
            raise TrainingError(
                f"{path}: {count} pictures; learning takes {FEWEST} at least, better some thousands"
            )
    faces, light = math.nan, (math.nan, math.nan)
    if kind == "scene":
        light = _mean_light(target, names, read), _mean_light(photos[0], *sets[0])
    else:
        faces = _share_with_faces(target, names, read)
    aligned = faces >= ALIGNED
    margin, centre = (1.9, 0.45) if aligned else SQUARES[kind]
    framing = "crop" if kind == "scene" else "face"
    p_data = [_source(target, len(names), "face" if aligned else "crop")]
    p_0 = [
        _source(path, count, framing, weight=1 if index else 3)
        for index, (path, count) in enumerate(zip(photos, counts, strict=True))
    ]
    template = Path(__file__).parent / "starters" / f"{kind}.toml"
    text = Template(template.read_text(encoding="utf-8")).substitute(
        name=_toml(name),
        title=_toml(title),
        margin=margin,
        centre=centre,
        flip=0.5 if mirror else 0.0,
        mirrored="true" if mirror else "false",
        dark="" if light[0] < DARK * light[1] else "# ",
        p_data="\n".join(p_data),
        p_0="\n".join(p_0),
    )
    recipe = read_recipe(text, "the new recipe")
    return Start(
        text=text, recipe=recipe, targets=len(names), photos=sum(counts), faces=faces, light=light
    )


def _share_with_faces(path: Path, names: Sequence[str], read: Reader) -> float:
    """In how many of the pictures looked at a face is found: 0 to 1."""

    def found(image: Image.Image, size: int) -> Images:
        return np.array([len(find_faces(np.asarray(image), every=False)) > 0], np.uint8)

    return float(np.mean(list(decoded(path, _some(names), read, 0, fitted=found))))


def _mean_light(path: Path, names: Sequence[str], read: Reader) -> float:
    """Of the pictures looked at, in [0,1]."""

    def seen(image: Image.Image, size: int) -> Images:
        return np.array([np.rint(np.asarray(image.convert("L")).mean())], np.uint8)

    return float(np.mean(list(decoded(path, _some(names), read, 0, fitted=seen)))) / 255


def _some(names: Sequence[str]) -> Sequence[str]:
    return names[:: max(1, len(names) // LOOKED_AT)]


def _source(path: Path, count: int, framing: str, weight: int = 1) -> str:
    """A line of a recipe: where pictures are, and how many of them are held out."""
    held_out = min(HELD_OUT, count // 10)
    return (
        f"    {{ path = {_toml(path.as_posix())}, weight = {weight}, hold_out = {held_out}, "
        f'framing = "{framing}", terms = "" }},'
    )


def _toml(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
