"""Make one domain the close-ups of another: its network and its walk (`translate.closeups`)."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from translate.domain import CARD_FILE, WEIGHTS_FILE, Closeup, Domain, card_format, describe
from translate.errors import TrainingError
from translate.framing import FaceSquare
from translate.hub import open_domain
from translate.hub.remote import README_FILE
from translate.training.card import model_card
from translate.training.config import Recipe
from translate.training.data import batches, first_images, load_images
from translate.training.data_settings import Source
from translate.training.export import BATCH, last_stage_of, metrics_of, walk_held_out
from translate.translator import Translator
from translate.view import Asked

_TOLD = {"recipe", "updates", "images", "hours", "k", "hardware"}  # by export, of a training
_PREFIX = "closeup."  # of the names of its weights, see `EnergyModel.closeup`


def attach(
    name: str,
    folder: Path,
    recipe: Recipe,
    *,
    side: float,
    after: float,
    data_root: Path,
    device: str,
    dtype: str,
) -> Domain:
    """Write a domain anew, with close-ups and figures of its walk with them; those it had are gone.

    Args:
        name: of the domain that draws eyes.
        folder: of the domain that gets them.
        recipe: of that, with the walk that it shall have and the images to measure it on.
        side: of a close-up, in widths of the face.
        after: see `Closeup`.
        data_root: folder that the recipe's paths are relative to.
        device, dtype: to measure with, see `Translator.load`.

    Raises:
        DomainError: either is no domain, or damaged.
        TrainingError: they do not go together, or the recipe's images are not there.
    """
    eyes, eyes_file = open_domain(name)
    own, own_file = open_domain(str(folder))
    if own_file.parent.resolve() != folder.resolve():
        raise TrainingError(f"{folder}: no such folder of a domain; close-ups become part of one")
    network, apart = eyes.network, eyes.closeup or eyes.pgd.mirrored or eyes.pgd.together
    if own.framing != "face" or network.head != "aligned" or network.members > 1 or apart:
        raise TrainingError(
            f"{name} cannot be the close-ups of {folder}: they need one network with an aligned "
            "head, of walks without a mirror, and a domain with face framing"
        )
    for card in (eyes, own):
        if not card.training.keys() >= _TOLD or "held_out_sources" not in card.metrics:
            raise TrainingError(f"{card.name} was not written by translate export; export it first")
    kept = {k: v for k, v in load_file(own_file).items() if not k.startswith(_PREFIX)}
    added = {_PREFIX + k: v for k, v in load_file(eyes_file).items()}
    weights = save(kept | added, {"format": "pt"})
    card = _card(own, eyes, recipe, weights, side=side, after=after)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary)
        (new / WEIGHTS_FILE).write_bytes(weights)
        _write(card, new)
        translator = Translator.load(str(new), device=device, dtype=dtype)
        metrics = card.metrics | _measured(translator, recipe, data_root, new / "cache")
        card = card.model_copy(update={"metrics": metrics})
        _write(card, new)
        (new / README_FILE).write_text(model_card(card), encoding="utf-8")
        for file in (WEIGHTS_FILE, README_FILE, CARD_FILE):
            (new / file).replace(folder / file)
    return card


def _card(
    own: Domain, eyes: Domain, recipe: Recipe, weights: bytes, *, side: float, after: float
) -> Domain:
    network = own.network.model_copy(update={"closeup": eyes.network})
    closeup = Closeup(
        side=side,
        after=after,
        pgd=eyes.pgd,
        p_data=eyes.p_data,
        p_0=eyes.p_0,
        training=eyes.training,
        metrics=eyes.metrics,
    )
    pgd = recipe.descent_at(last_stage_of(recipe, network.size))
    stated = {k: v for k, v in own.sha256.items() if k != README_FILE}
    resolved = recipe.model_dump(mode="json", exclude={"data"})
    changes = {
        "format": card_format(network, pgd),
        "network": network,
        "pgd": pgd,
        "closeup": closeup,
        "training": own.training | {"recipe": resolved},
        "sha256": stated | {WEIGHTS_FILE: hashlib.sha256(weights).hexdigest()},
    }
    try:
        return Domain.model_validate(own.model_copy(update=changes).model_dump())
    except ValidationError as error:
        raise TrainingError(f"close-ups do not fit: {describe(error)}") from None


def _write(card: Domain, folder: Path) -> None:
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def _measured(
    translator: Translator, recipe: Recipe, data_root: Path, cache: Path
) -> dict[str, object]:
    """Figures of walks with close-ups, on images that were never trained on."""
    domain = translator.domain
    closeups = translator.closeups()
    assert domain.closeup is not None
    assert closeups is not None

    def held_out(source: Source) -> Tensor:
        square, size = FaceSquare.of(recipe), domain.network.size
        images = load_images(source.unlit, data_root, size, cache, held_out=True, square=square)
        return first_images(images, len(images))

    data, source = held_out(recipe.data.p_data[0]), held_out(recipe.data.p_0[0])
    walked = walk_held_out(
        translator.energy,
        source,
        domain.pgd,
        domain.network.members,
        translator.device,
        Asked.by(domain),
        (domain.closeup.index(domain.pgd.steps), closeups),
    )
    each = [translator.energy(x.to(translator.device)).cpu() for x in batches(data, BATCH)]
    reached = (walked.energy <= domain.calibration.target).float().mean(dim=1)
    return metrics_of(walked, domain.pgd.steps, torch.cat(each), reached, len(source))
