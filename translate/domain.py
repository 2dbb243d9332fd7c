"""The domain card: `config.json` as data, checked before anything is allocated. No torch here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from translate.card_parts import Calibration, Closeup, Descent, Drawn, Images, Name, Unit
from translate.errors import DomainError
from translate.networks.config import NetworkConfig

CARD_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# Raised when an older program could no longer read the card rightly: 2 brought other `arch`, and
# `coarse` and `smooth` of the descent; 3 its `tone_lock` and `colour_lock`; 4 its
# `headroom` and `total_variation`, and `blocks` per level of the network; 5 its `footroom` and
# `exposure`; 6 `swish` of the network; 7 its `members`; 8 `mirrored` of the descent; 10 its
# `flatten` (9: at some moves only); 11 its `together`; 12 its `despeckle`; 13 its
# `shade` and `bare`; 14 its `burning`; 15 its `sky` and `dark`; 16 close-ups; 17
# their `drawn` and `graft`.
# A card keeps the lowest format that is enough for it.
CARD_FORMAT = 17
MAX_CARD_BYTES = 1_000_000
LARGEST_EYES = 4.0  # times as tall: `Domain.face_eyes`
TONE = 3 / 32  # of a picture's side: `PGD.tone_sigma`


class Domain(BaseModel):
    """A domain card. Fields that this program does not know are kept, here and in its parts.

    Only the network has none such: there a field would change what is computed.

    Attributes:
        format: version of the card.
        name, title, summary: for commands, for people, one line for people.
        framing: how photos are fitted to the network's window.
        face_margin, face_centre, face_corners, face_drawn: see `translate.framing.FaceSquare`.
        face_glasses: glasses stay as they are (`translate.glasses`): for targets whose
            eyes are where the person's are.
        face_relit: a walk sets out from skin in even light (`translate.relighting`): for targets
            without shadows on it.
        face_eyes: how many times as tall eyes are that a walk sets out from (`translate.eyes`): for
            targets with large ones.
        face_skin: how far skin stays in the photo's tone (`translate.skin`), and what is around a
            drawn face (`translate.tones`): for targets that know light skin only, or walks that end
            in white.
        auto: walks that are asked for no strength end at the target, see `Options.strength`: for
            photos that differ so much that what brings most of them there takes the others too far.
        network: shape of the energy model.
        pgd: what strength 1.0 is.
        calibration: energies of held-out images.
        closeup: what its close-ups are, if it has any.
        p_data, p_0: what the model was trained on.
        licence: terms of the weights.
        training: settings and duration of the run, free form.
        metrics: measured figures, free form.
        sha256: of each other file of the folder.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = Field(default=1, ge=1, strict=True)
    name: Name
    title: str
    summary: str = ""
    framing: Literal["face", "scene", "crop"]
    face_margin: float = Field(default=1.9, ge=1, le=10)
    face_centre: float = Field(default=0.45, ge=0, le=1)
    face_corners: bool = False
    face_drawn: bool = False
    face_glasses: bool = False
    face_relit: bool = False
    face_eyes: float = Field(default=1.0, ge=1, le=LARGEST_EYES)
    face_skin: Unit = 0.0
    auto: bool = False
    network: NetworkConfig
    pgd: Descent
    calibration: Calibration
    closeup: Closeup | None = None
    p_data: tuple[Images, ...] = ()
    p_0: tuple[Images, ...] = ()
    licence: str = ""
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    sha256: dict[str, str]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256.get(WEIGHTS_FILE, "")):
            raise ValueError(f"sha256 must state {WEIGHTS_FILE} in 64 hexadecimal digits")
        if self.format < card_format(self.network, self.pgd, self.closeup):
            raise ValueError(
                "arch, pgd.coarse and pgd.smooth need card format 2, pgd.tone_lock "
                "and pgd.colour_lock need 3, pgd.headroom, pgd.total_variation and blocks per "
                "level need 4, pgd.footroom and pgd.exposure need 5, swish needs 6, members need "
                "7, pgd.mirrored needs 8, pgd.flatten needs 10, pgd.together needs 11, "
                "pgd.despeckle needs 12, pgd.shade and pgd.bare need 13, pgd.burning needs 14, "
                "pgd.sky and pgd.dark need 15, close-ups need 16, closeup.drawn and closeup.graft "
                "need 17"
            )
        for name, digest in self.sha256.items():
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
                raise ValueError(f"sha256 names {name[:99]!r}, which is no plain file name")
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError(f"sha256 of {name} must be 64 hexadecimal digits")
        if self.framing == "scene" and self.network.head == "aligned":
            raise ValueError("scene framing needs a pooled head")
        if len(self.pgd.coarse) > self.network.furthest:
            raise ValueError(
                f"pgd.coarse looks {len(self.pgd.coarse)} halvings away, "
                f"the network at most {self.network.furthest}"
            )
        if (self.closeup is None) != (self.network.closeup is None):
            raise ValueError("closeup and network.closeup belong together")
        if self.closeup and self.network.closeup and self.framing == "scene":
            raise ValueError("close-ups are of faces; framing is scene")
        if self.closeup and self.network.closeup:
            looks, most = len(self.closeup.pgd.coarse), self.network.closeup.furthest
            if looks > most:
                raise ValueError(f"closeup.pgd.coarse looks {looks} halvings away, not {most}")
            if self.closeup.drawn and most < 1:
                raise ValueError("closeup.drawn needs a network that looks a halving away")
        return self

    @property
    def drawn_eyes(self) -> Drawn | None:
        """Where it draws eyes, if in places of its own, see `Closeup.drawn`."""
        return self.closeup.drawn if self.closeup else None

    @model_serializer(mode="wrap")
    def _leave_out_closeup(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older formats do not know it, so a card without one does not say so."""
        return {k: v for k, v in fields(self).items() if k != "closeup" or v is not None}


def card_format(network: NetworkConfig, pgd: Descent, closeup: Closeup | None = None) -> int:
    """The lowest format whose programs read a card with these settings rightly."""
    if closeup and (closeup.drawn or not closeup.graft):
        return 17
    if network.closeup:
        return 16
    if pgd.sky or pgd.dark:
        return 15
    if pgd.burning:
        return 14
    if pgd.shade or pgd.bare:
        return 13
    if pgd.despeckle:
        return 12
    if pgd.together:
        return 11
    if pgd.flatten:
        return 10
    if pgd.mirrored:
        return 8
    if network.members > 1:
        return 7
    if network.swish:
        return 6
    if pgd.footroom or pgd.exposure < 1:
        return 5
    if isinstance(network.blocks, tuple) or pgd.headroom or pgd.total_variation:
        return 4
    if pgd.tone_lock or pgd.colour_lock:
        return 3
    return 2 if network.arch != "levels" or pgd.coarse or pgd.smooth else 1


def read_domain(folder: Path) -> Domain:
    """Read and check the card of a domain folder.

    Raises:
        DomainError: the card is missing, damaged, newer than this program or out of limits.
    """
    file = folder / CARD_FILE
    try:
        if file.stat().st_size > MAX_CARD_BYTES:
            raise DomainError(f"{file}: larger than {MAX_CARD_BYTES:,} bytes, so no domain card")
        table: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DomainError(f"{folder}: not a domain, {CARD_FILE} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DomainError(f"{file}: not a readable domain card ({one_line(str(error))})") from None
    version = cast("dict[str, Any]", table).get("format") if isinstance(table, dict) else None
    if isinstance(version, int) and version > CARD_FORMAT:
        raise DomainError(
            f"{file}: card format {version}, this program knows {CARD_FORMAT}; update the program"
        )
    try:
        return Domain.model_validate(table)
    except ValidationError as error:
        raise DomainError(f"{file}: {describe(error)}") from None


def describe(error: ValidationError) -> str:
    """The problems of a validation in one line, at most five: where, and what."""
    return one_line(
        "; ".join(
            f"{'.'.join(str(part)[:99] for part in e['loc']) or 'top level'}: "
            f"{e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()[:5]
        )
    )


def one_line(text: str) -> str:
    """Text from a stranger's file, fit for a message: nothing in it breaks or paints the line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
