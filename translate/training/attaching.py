"""Make one domain the close-ups of another: its network and its walk (`translate.closeups`)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors.torch import load_file, save  # pyright: ignore[reportUnknownVariableType]

from translate.domain import (
    CARD_FILE,
    WEIGHTS_FILE,
    Closeup,
    Domain,
    card_format,
    read_domain,
)
from translate.energy import load_energy_model
from translate.errors import TrainingError
from translate.files import atomic_path
from translate.hub import open_domain
from translate.training.card import model_card

_PREFIX = "closeup."  # of the names of its weights, see `EnergyModel.closeup`


def attach(name: str, folder: Path, *, side: float) -> Domain:
    """Write a domain anew, with close-ups; those it had are gone.

    Args:
        name: of the domain that draws eyes.
        folder: of the domain that gets them.
        side: of a close-up, in widths of the face.

    Raises:
        DomainError: either is no domain, or damaged.
        TrainingError: they do not go together.
    """
    eyes, eyes_file = open_domain(name)
    own, own_file = open_domain(str(folder))
    if own.framing != "face" or eyes.network.head != "aligned" or eyes.network.members > 1:
        raise TrainingError(
            f"{name} cannot be the close-ups of {folder}: they need one network with an aligned "
            "head, and a domain with face framing"
        )
    load_energy_model(eyes.network, eyes_file)  # whole, and fitting
    load_energy_model(own.network, own_file)
    kept = {k: v for k, v in load_file(own_file).items() if not k.startswith(_PREFIX)}
    added = {_PREFIX + k: v for k, v in load_file(eyes_file).items()}
    weights = save(kept | added, {"format": "pt"})
    network = own.network.model_copy(update={"closeup": eyes.network})
    closeup = Closeup(
        side=side,
        pgd=eyes.pgd,
        p_data=eyes.p_data,
        p_0=eyes.p_0,
        training=eyes.training,
        metrics=eyes.metrics,
    )
    stated = own.sha256 | {WEIGHTS_FILE: hashlib.sha256(weights).hexdigest()}
    card = own.model_copy(
        update={
            "format": card_format(network, own.pgd),
            "network": network,
            "closeup": closeup,
            "sha256": stated,
        }
    )
    texts = {"README.md": model_card(card), CARD_FILE: _as_json(card)}
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(weights)
    for file, text in texts.items():
        with atomic_path(folder / file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    load_energy_model(read_domain(folder).network, folder / WEIGHTS_FILE)  # what was written, reads
    return card


def _as_json(card: Domain) -> str:
    return json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
