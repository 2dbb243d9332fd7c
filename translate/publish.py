"""Publish a domain: weights, card, a page made from the card, and a strip of sample pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from translate.domain import CARD_FILE, WEIGHTS_FILE
from translate.hub import open_domain
from translate.hub.page import STRIP_FILE, domain_page
from translate.hub.remote import README_FILE
from translate.hub.upload import target, upload
from translate.options import Options
from translate.translator import Translator

EXAMPLES = Path(__file__).parents[1] / "examples"  # in a checkout only
# A photo for each framing, and what its licence wants said.
PHOTOS = {
    "face": ("astronaut.jpg", "NASA, public domain"),
    "scene": ("temple.jpg", "danielbuechele, CC BY 2.0"),
    "crop": ("cat.jpg", "Stefan van der Walt, CC0"),
}
TILES = 6
TILE = 192  # pixels


def publish(
    name: str, repo: str, *, private: bool | None = None, revision: str | None = None
) -> tuple[str, bool]:
    """Put a domain on the Hub in one commit.

    Args:
        name: of a bundled domain, or its folder.
        repo: `org/repo[@branch]`, made if it is not there.
        private: of a new repository.
        revision: branch.

    Returns:
        The commit's address on the web, and whether it holds a strip of samples.

    Raises:
        DomainError: the domain is damaged, or the Hub does not take it.
    """
    address = target(repo, revision)
    domain, weights = open_domain(name)
    photo, credit = PHOTOS[domain.framing]
    files = {
        CARD_FILE: (weights.parent / CARD_FILE).read_bytes(),
        WEIGHTS_FILE: weights.read_bytes(),
    }
    words = ""
    if (EXAMPLES / photo).is_file():
        words = f"From the photo to strength {'auto' if domain.auto else 1} ({credit})"
        files[STRIP_FILE] = _jpeg(sample_strip(Translator.load(name), EXAMPLES / photo))
    if README_FILE in domain.sha256:  # the card vouches for the page it came with
        files[README_FILE] = (weights.parent / README_FILE).read_bytes()
    else:
        files[README_FILE] = domain_page(domain, address.repo, words).encode()
    commit = upload(address, files, private=private, message=f"Domain {domain.name}")
    return commit, STRIP_FILE in files


def sample_strip(translator: Translator, photo: Path) -> Image.Image:
    """A few states of one walk, as long as the domain's are, side by side.

    Returns:
        RGB, `TILES`×`TILE` by `TILE` pixels (fewer tiles for a shorter walk).
    """
    frames = list(translator.frames(photo, Options(crop_only=True)))
    last = len(frames) - 1
    chosen = sorted({round(last * i / (TILES - 1)) for i in range(TILES)})
    strip = Image.new("RGB", (TILE * len(chosen), TILE), "white")
    for column, index in enumerate(chosen):
        picture: Any = frames[index].image.convert("RGB")
        picture.thumbnail((TILE, TILE))
        strip.paste(picture, (TILE * column, (TILE - picture.height) // 2))
    return strip


def _jpeg(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=90)
    return data.getvalue()
