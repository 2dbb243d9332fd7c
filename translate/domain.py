"""The domain card: `config.json` as data, checked before anything is allocated. No torch here."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from translate.errors import DomainError
from translate.networks.config import NetworkConfig

CARD_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# Raised when an older program could no longer read the card rightly: 2 brought other `arch`, and
# `coarse` and `smooth` of the descent; 3 its `tone_lock` and `colour_lock`; 4 its
# `headroom` and `total_variation`, and `blocks` per level of the network; 5 its `footroom` and
# `exposure`; 6 `swish` of the network; 7 its `members`; 8 `mirrored` of the descent; 10 its
# `flatten` (9: at some moves only); 11 its `together`; 12 its `despeckle`; 13 its
# `shade` and `bare`; 14 its `burning`; 15 its `sky` and `dark`; 16 close-ups.
# A card keeps the lowest format that is enough for it.
CARD_FORMAT = 16
MAX_CARD_BYTES = 1_000_000
LARGEST_EYES = 4.0  # times as tall: `Domain.face_eyes`
TONE = 3 / 32  # of a picture's side: `PGD.tone_sigma`

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # of a domain
Name = Annotated[str, Field(pattern=NAME)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Descent(BaseModel):
    """The domain's own PGD defaults: what strength 1.0 is.

    Attributes:
        steps: how many moves.
        step_size: L2 length of one move, in [0,1] pixels at the network's size.
        decay: see `pgd_settings.PGD`.
        coarse: shares of the moves that follow the energy as seen from one, two, … halvings away
            (`EnergyModel.logit`); they take turns with those at full size, the furthest first.
        mirrored: whether moves follow the energies of the picture and of its mirror image in turn
            (`translate.guide.seen_from`): for targets that are the same in a mirror.
        together: whether each move follows the mean energy of all members; else they take turns.
        smooth: sigma of the blur that the walk sets out from, in pixels at the network's size.
        exposure, burning: see `pgd_settings.PGD`.
        tone_lock, colour_lock, shade, headroom, footroom, total_variation: see `pgd_settings.PGD`;
            what is slow there is wider than `TONE` of the picture.
        flatten: see `pgd_settings.PGD`.
        despeckle: see `pgd_settings.PGD`; in pixels at the network's size.
        bare: see `pgd_settings.PGD`; around faces only.
        sky: see `pgd_settings.PGD`.
        dark: see `pgd_settings.PGD`; around faces only.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    steps: int = Field(ge=1, le=10_000)
    step_size: float = Field(gt=0, allow_inf_nan=False)
    decay: float = Field(default=0.0, ge=0, le=1)
    coarse: tuple[Unit, ...] = Field(default=(), max_length=7)
    mirrored: bool = False
    together: bool = False
    smooth: float = Field(default=0.0, ge=0, le=64)
    exposure: float = Field(default=1.0, gt=0, le=1)
    burning: Unit = 0.0
    tone_lock: Unit = 0.0
    colour_lock: Unit = 0.0
    shade: Unit = 0.0
    headroom: Unit = 0.0
    footroom: Unit = 0.0
    total_variation: float = Field(default=0.0, ge=0, lt=1)
    flatten: Unit = 0.0
    despeckle: float = Field(default=0.0, ge=0, le=64)
    bare: Unit = 0.0
    sky: Unit = 0.0
    dark: Unit = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(self.coarse) > 1:
            raise ValueError(f"coarse is {list(self.coarse)}; its shares may not exceed 1 together")
        return self

    def halvings(self, index: int) -> int:
        """How many halvings away move `index` (0 is the first) looks from.

        In every part of the walk each distance has its share: half a walk is half of everything.
        """
        shares = (1 - sum(self.coarse), *self.coarse)
        due, chosen = [0.0] * len(shares), 0
        for _ in range(index + 1):
            due = [d + s for d, s in zip(due, shares, strict=True)]
            chosen = max(range(len(due)), key=lambda k: (round(due[k], 6), k))
            due[chosen] -= 1
        return chosen

    @property
    def in_words(self) -> str:
        """How many moves of which length, for people."""
        last = self.step_size * (1 - self.decay * (self.steps - 1) / self.steps)
        slower = f", the last of {last:.3g}" if self.decay else ""
        return f"{self.steps} steps of {self.step_size:.3g}{slower}"

    @property
    def travel(self) -> float:
        """Summed length of all moves, in [0,1] pixels."""
        return self.step_size * self.steps * (1 - self.decay * (self.steps - 1) / (2 * self.steps))


class Calibration(BaseModel):
    """Energies of held-out images, as 21 quantiles from 0 to 1 in steps of 0.05.

    Attributes:
        data: of p_data images.
        source: of the photos that PGD is meant to start from.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    data: tuple[FiniteFloat, ...] = Field(min_length=21, max_length=21)
    source: tuple[FiniteFloat, ...] = Field(min_length=21, max_length=21)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, values in (("data", self.data), ("source", self.source)):
            if any(b < a for a, b in itertools.pairwise(values)):
                raise ValueError(f"{name} quantiles must not fall")
        return self

    @property
    def target(self) -> float:
        """Median energy of p_data images: where `auto` stops."""
        return self.data[10]

    def percentile(self, energy: float) -> float:
        """Share of p_data images, in percent, whose energy is above `energy`.

        50 is a typical image of the domain, 0 one less in-domain than all held-out ones.
        """
        values = self.data
        if energy <= values[0]:
            return 100.0
        for index, (low, high) in enumerate(itertools.pairwise(values)):
            if energy < high:
                return 100.0 - 5.0 * (index + (energy - low) / (high - low))
        return 0.0


class Images(BaseModel):
    """Where images came from and what may be done with them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    terms: str = ""
    count: int = Field(default=0, ge=0)


class Closeup(BaseModel):
    """What a domain's close-ups are (`translate.closeups`): squares around a face's eyes, which the
    network `NetworkConfig.closeup` sees, the right one in the mirror.

    Attributes:
        side: of a square, in widths of the face.
        pgd: their walk at strength 1.0.
        p_data, p_0, training, metrics: as of a `Domain`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    side: float = Field(gt=0, le=2)
    pgd: Descent
    p_data: tuple[Images, ...] = ()
    p_0: tuple[Images, ...] = ()
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}

    @property
    def moves(self) -> dict[str, Any]:
        """What decides what they draw, as plain data."""
        return self.model_dump(mode="json", include={"side", "pgd"})


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
        if self.format < card_format(self.network, self.pgd):
            raise ValueError(
                "arch, pgd.coarse and pgd.smooth need card format 2, pgd.tone_lock "
                "and pgd.colour_lock need 3, pgd.headroom, pgd.total_variation and blocks per "
                "level need 4, pgd.footroom and pgd.exposure need 5, swish needs 6, members need "
                "7, pgd.mirrored needs 8, pgd.flatten needs 10, pgd.together needs 11, "
                "pgd.despeckle needs 12, pgd.shade and pgd.bare need 13, pgd.burning needs 14, "
                "pgd.sky and pgd.dark need 15, close-ups need 16"
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
        return self

    @model_serializer(mode="wrap")
    def _leave_out_closeup(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older formats do not know it, so a card without one does not say so."""
        return {k: v for k, v in fields(self).items() if k != "closeup" or v is not None}


def card_format(network: NetworkConfig, pgd: Descent) -> int:
    """The lowest format whose programs read a card with these settings rightly."""
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
