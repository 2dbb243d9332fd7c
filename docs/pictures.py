"""Make the pictures of README.md, docs/turns.jpg, relit.jpg, eyes.jpg, bare.jpg, dark.jpg,
closeups.jpg, drawn-eyes.jpg, sky.jpg, glasses.jpg and the thumbnails anew, with what is bundled
now.

    python docs/pictures.py

docs/web.png is made by `python -m tests.picture`; docs/shaping.png, translated.jpg, slopes.jpg,
mirror.jpg, ripples.jpg, rounds.jpg, flattened.jpg, border.jpg, second-cartoon.jpg, second-cat.jpg,
burnt.jpg, specks.jpg, mouths.jpg, ground.jpg and tones.jpg show networks, walks or squares of the
past, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from translate import Options, Translator
from translate.energy import EnergyModel
from translate.generate import generate
from translate.grid import image_grid
from translate.hub import bundled_domains
from translate.image_io import Photo, to_array, write_image
from translate.publish import sample_strip
from translate.sky import find_sky
from translate.view import Asked, look

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
GAP = 4
THUMBNAILS = {"anime": "astronaut", "cartoon": "astronaut", "cat": "hopper", "night": "temple"}


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures of one size, a white gap between them."""
    width, height = rows[0][0].size
    across = len(rows[0]) * (width + GAP) - GAP
    whole = Image.new("RGB", (across, len(rows) * (height + GAP) - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            whole.paste(picture, (x * (width + GAP), y * (height + GAP)))
    return whole


def square(picture: Image.Image, side: int) -> Image.Image:
    """The largest square at the top, in the middle."""
    short = min(picture.size)
    left = (picture.width - short) // 2
    box = (left, 0, left + short, short)
    return picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS, box=box)


def translated(translator: Translator, name: str, *, crop_only: bool = False) -> Image.Image:
    """An example in the translator's domain."""
    options = Options(crop_only=crop_only)
    return cast("Image.Image", translator(EXAMPLES / f"{name}.jpg", options))


def alone(translator: Translator) -> list[Translator]:
    """Each network of a domain as a translator of its own."""
    card, device, dtype = translator.domain, translator.device, translator.dtype
    models = [network.alone() for network in EnergyModel.from_pretrained(card.name).networks]
    return [
        Translator(card.model_copy(update={"network": model.config}), model, device, dtype)
        for model in models
    ]


def in_turn(translator: Translator) -> Translator:
    """A domain whose networks lead every move together, as it walked when they took turns."""
    before = {"together": False, "steps": 14, "step_size": 42.436307, "flatten": 0.05}
    return walking(
        translator, **before, colour_lock=0.7, despeckle=0.0, shade=0.0, bare=0.0, dark=0.0
    )


def walking(translator: Translator, **changes: object) -> Translator:
    """A domain with another descent."""
    return carded(translator, pgd=translator.domain.pgd.model_copy(update=changes))


def carded(translator: Translator, **changes: object) -> Translator:
    """A domain with another card."""
    card = translator.domain.model_copy(update=changes)
    return Translator(card, translator.model, translator.device, translator.dtype)


def from_start(name: str, least: float, before: Translator, after: Translator) -> list[Image.Image]:
    """A portrait, `shaded`; what a walk of `after` sets out from; and what comes of it in both."""
    with Image.open(EXAMPLES / f"{name}.jpg") as source:
        given = shaded(source.convert("RGB"), least)
    rgb = np.asarray(given)
    window = after.windows(Photo(rgb=rgb))[0]
    seen = look(rgb, window, keep_glasses=True, asked=Asked.by(after.domain))
    drawn = (one(given, Options(crop_only=True)) for one in (before, after))
    both = (Image.fromarray(to_array(x)[0]) for x in (seen.x, seen.start))
    pictures = [*both, *(cast("Image.Image", picture) for picture in drawn)]
    return [square(picture, 256) for picture in pictures]


def side_by_side(walks: Sequence[Translator]) -> Image.Image:
    """Two portraits, what the network sees of each, and what comes of it."""
    rows: list[list[Image.Image]] = []
    for name in ("astronaut", "hopper"):
        still = walks[0](EXAMPLES / f"{name}.jpg", Options(crop_only=True, strength=0.0))
        drawn = [translated(one, name, crop_only=True) for one in walks]
        rows.append([square(cast("Image.Image", picture), 256) for picture in (still, *drawn)])
    return sheet(rows)


def shaded(picture: Image.Image, least: float) -> Image.Image:
    """With light from the left: on the right of a face in the middle only that share of it."""
    across = (np.arange(picture.width) / picture.width - 0.44) / 0.05
    light = 1 - (1 - least) / (1 + np.exp(-across))
    return Image.fromarray(np.rint(np.asarray(picture) * light[None, :, None]).astype(np.uint8))


def main() -> None:
    """Everything, from the fastest on."""
    domains = {name: Translator.load(name) for name in bundled_domains()}
    for name, example in THUMBNAILS.items():
        picture = square(translated(domains[name], example, crop_only=True), 112)
        picture.save(ROOT / "weights" / name / "thumbnail.webp", quality=90)

    anime = domains["anime"]
    sample_strip(anime, EXAMPLES / "astronaut.jpg").save(ROOT / "docs" / "anime.png")

    rows: list[list[Image.Image]] = []
    for name in ("astronaut", "hopper"):
        with Image.open(EXAMPLES / f"{name}.jpg") as source:
            row = [source.convert("RGB")]
        row += [translated(domains[world], name) for world in ("anime", "cat", "cartoon")]
        rows.append([square(picture, 256) for picture in row])
    sheet(rows).save(ROOT / "docs" / "worlds.jpg", quality=92)

    walked = carded(anime, closeup=None)
    side_by_side((walked, anime)).save(ROOT / "docs" / "closeups.jpg", quality=92)
    elsewhere = [domains[name] for name in ("cat", "cartoon")]
    walks = [each for one in elsewhere for each in (carded(one, closeup=None), one)]
    side_by_side(walks).save(ROOT / "docs" / "drawn-eyes.jpg", quality=92)
    walks = (*alone(anime), in_turn(walked), walked)
    side_by_side(walks).save(ROOT / "docs" / "turns.jpg", quality=92)
    side_by_side((walking(anime, dark=0.0), anime)).save(ROOT / "docs" / "dark.jpg", quality=92)
    walks = (walking(anime, shade=0.0, bare=0.0), walking(anime, bare=0.0), anime)
    side_by_side(walks).save(ROOT / "docs" / "bare.jpg", quality=92)

    plain = walking(anime, bare=0.0, dark=0.0)
    unlit, lit = (carded(plain, face_eyes=1.0, face_relit=relit) for relit in (False, True))
    rows = [
        from_start(name, least, unlit, lit) for name, least in (("astronaut", 0.3), ("hopper", 1.0))
    ]
    sheet(rows).save(ROOT / "docs" / "relit.jpg", quality=92)
    small = carded(walked, face_eyes=1.0)
    rows = [from_start(name, 1.0, small, walked) for name in ("astronaut", "hopper")]
    sheet(rows).save(ROOT / "docs" / "eyes.jpg", quality=92)

    box = (90, 60, 430, 400)  # a face with glasses
    shown = [anime(EXAMPLES / "hopper.jpg", Options(keep_glasses=keep)) for keep in (False, True)]
    with Image.open(EXAMPLES / "hopper.jpg") as source:
        pictures = [source.convert("RGB"), *(cast("Image.Image", picture) for picture in shown)]
    sheet([[picture.crop(box) for picture in pictures]]).save(
        ROOT / "docs" / "glasses.jpg", quality=92
    )

    with Image.open(EXAMPLES / "astronaut.jpg") as source:  # as large as a phone's photo
        large = source.convert("RGB").resize((2048, 2048), Image.Resampling.LANCZOS)
    soft = carded(anime, face_drawn=False)
    both = [cast("Image.Image", one(large)) for one in (soft, anime)]
    box = (600, 60, 1280, 740)
    sheet([[picture.crop(box) for picture in both]]).save(ROOT / "docs" / "inked.jpg", quality=90)

    night = translated(domains["night"], "temple")
    with Image.open(EXAMPLES / "temple.jpg") as day:
        scene = day.convert("RGB")
    sheet([[scene, night]]).save(ROOT / "docs" / "night.jpg", quality=92)
    found = Image.fromarray((find_sky(np.asarray(scene)) * 255).astype(np.uint8)).convert("RGB")
    glowing = translated(walking(domains["night"], sky=0.0), "temple")
    row = [picture.resize((384, 256)) for picture in (scene, found, glowing, night)]
    sheet([row]).save(ROOT / "docs" / "sky.jpg", quality=92)

    faces = image_grid(generate(anime, 16, seed=3), columns=4)
    write_image(faces, ROOT / "docs" / "generated.jpg", overwrite=True, quality=90)


if __name__ == "__main__":
    main()
