"""Which images a recipe trains on, and how they are changed; `translate.training.config` has the
rest of it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """A part of a recipe: immutable, and no setting in it is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Settings):
    """Images from one folder or zip.

    Attributes:
        path: relative to the data folder given on the command line.
        weight: share of this source among the sources of its list, relative.
        hold_out: how many of the last names are never trained on.
        framing: `crop` takes the centre square; `face` the square around the largest face, as the
            program frames photos later (the centre square where it finds none); `relit` the same
            in even light, without glasses' rims and with eyes of `face_eyes`, as `face_relit` lets
            a walk set out.
        terms: origin and licence, copied to the model card.
    """

    path: str
    weight: float = Field(default=1.0, gt=0)
    hold_out: int = Field(default=0, ge=0)
    framing: Literal["crop", "face", "relit"] = "crop"
    terms: str = ""

    @property
    def unlit(self) -> Self:
        """The same as photos, for walks that light them themselves."""
        return self.model_copy(update={"framing": "face"}) if self.framing == "relit" else self


class Augment(Settings):
    """Random changes to training images.

    Attributes:
        flip: probability of mirroring.
        crop: probability of a random crop, resized back.
        crop_scale: range of the crop's share of the area.
        crop_ratio: range of the crop's width / height.
        brightness: range of a factor on all pixels.
        blur: probability of a Gaussian blur with a sigma of 1/64 of the picture's side: a start
            without skin texture, as `Descent.smooth` makes it.
        burning: probability that bright parts sink, before `brightness`, to a light drawn from
            `data.BURNT`: a start as `Descent.exposure` and `Descent.burning` make it.
    """

    flip: float = Field(default=0.5, ge=0, le=1)
    crop: float = Field(default=0.5, ge=0, le=1)
    crop_scale: tuple[float, float] = (0.8, 1.0)
    crop_ratio: tuple[float, float] = (0.9, 1.1)
    brightness: tuple[float, float] = (1.0, 1.0)
    blur: float = Field(default=0.0, ge=0, le=1)
    burning: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ranges = {"crop_scale": 1.0, "crop_ratio": 10.0, "brightness": 10.0}
        for name, limit in ranges.items():
            low, high = getattr(self, name)
            if not 0 < low <= high <= limit:
                raise ValueError(f"{name} is [{low}, {high}]; use 0 < low ≤ high ≤ {limit}")
        return self


class Data(Settings):
    """What the model learns to tell apart: p_data and the images that the attack starts from."""

    p_data: tuple[Source, ...] = Field(min_length=1)
    p_0: tuple[Source, ...] = Field(min_length=1)
    augment_p_data: Augment = Augment()
    augment_p_0: Augment = Augment()
