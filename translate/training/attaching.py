"""Make one domain the close-ups of another: its network and its walk (`translate.closeups`)."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from pydantic import ValidationError
from safetensors.torch import load_file, save  # pyright: ignore[reportUnknownVariableType]

from translate.card_parts import Closeup, Drawn
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, card_format, describe
from translate.energy import load_energy_model
from translate.errors import TrainingError
from translate.hub import open_domain
from translate.hub.remote import README_FILE
from translate.training.card import model_card

_TOLD = {"recipe", "updates", "images", "hours", "k", "hardware"}  # by export, of a training
_PREFIX = "closeup."  # of the names of its weights, see `EnergyModel.closeup`


def attach(
    name: str, folder: Path, *, side: float, drawn: Drawn | None = None, graft: bool = True
) -> Domain:
    """Write a domain anew, with close-ups; those it had are gone.

    All is written and read again beside it before the first of its files is replaced.

    Args:
        name: of the domain that draws eyes.
        folder: of the domain that gets them.
        side, drawn, graft: see `translate.card_parts.Closeup`.

    Raises:
        DomainError: either is no domain, or damaged.
        TrainingError: they do not go together.
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
    card = _card(own, eyes, weights, side=side, drawn=drawn, graft=graft)
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary)
        (new / WEIGHTS_FILE).write_bytes(weights)
        (new / README_FILE).write_text(model_card(card), encoding="utf-8")
        (new / CARD_FILE).write_text(text + "\n", encoding="utf-8")
        load_energy_model(open_domain(temporary)[0].network, new / WEIGHTS_FILE)
        for file in (WEIGHTS_FILE, README_FILE, CARD_FILE):
            (new / file).replace(folder / file)
    return card


def _card(
    own: Domain,
    eyes: Domain,
    weights: bytes,
    *,
    side: float,
    drawn: Drawn | None,
    graft: bool,
) -> Domain:
    network = own.network.model_copy(update={"closeup": eyes.network})
    try:
        closeup = Closeup(
            side=side,
            drawn=drawn,
            graft=graft,
            pgd=eyes.pgd,
            p_data=eyes.p_data,
            p_0=eyes.p_0,
            training=eyes.training,
            metrics=eyes.metrics,
        )
    except ValidationError as error:
        raise TrainingError(f"close-ups cannot be so: {describe(error)}") from None
    stated = {name: digest for name, digest in own.sha256.items() if name != README_FILE}
    changes = {
        "format": card_format(network, own.pgd, closeup),
        "network": network,
        "closeup": closeup,
        "sha256": stated | {WEIGHTS_FILE: hashlib.sha256(weights).hexdigest()},
    }
    try:
        return Domain.model_validate(own.model_copy(update=changes).model_dump())
    except ValidationError as error:
        raise TrainingError(f"close-ups do not fit: {describe(error)}") from None
