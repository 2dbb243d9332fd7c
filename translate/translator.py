"""The facade: a photo in, the same photo in the target domain out, step by step or at once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.device import autocast, pick_device, pick_dtype
from translate.domain import TONE, Domain
from translate.energy import EnergyModel, load_energy_model
from translate.errors import SettingsError
from translate.framing import Framing, Window, extract, find_window, paste
from translate.hub import open_domain
from translate.image_io import (
    DEFAULT_MAX_PIXELS,
    Photo,
    Pixels,
    read_photo,
    to_array,
    to_pil,
    to_tensor,
)
from translate.masking import Mask, check_mask, keep_outside, window_mask
from translate.pgd import PGD, Step, descend, seen_from

SEED_RADIUS = 0.02  # radius of the start that a seed draws, as a share of √(3HW)
HARDLY = 0.1  # of the median way from source to data: a smaller fall of energy is worth a word

Source = str | os.PathLike[str] | Image.Image | Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How far and where to walk.

    Attributes:
        strength: 0…1 of the calibrated travel, or `auto`: until the energy reaches the median of
            real target images, and no further than 1.
        steps: PGD moves; None takes the domain's, scaled by the strength.
        step_size: L2 length of a move, in [0,1] pixels at the network's own size; None takes the
            domain's.
        eps: L2 radius around the photo that the result stays in, same unit; None is no bound.
        seed: None starts at the photo itself; a number at a random point near it, so that every
            number gives another variant.
        tone_lock: 0…1, how far broad light and colour (skin tone, hair) stay the photo's; None
            takes the domain's.
        colour_lock: the same for all colour: at 1 only brightness changes.
        framing: `face`, `scene`, `crop`, or `auto`: the domain's own.
        crop_only: give the window alone instead of pasting it back.
        max_pixels: largest photo taken.

    Raises:
        SettingsError: a value is out of range.
    """

    strength: float | Literal["auto"] = 1.0
    steps: int | None = None
    step_size: float | None = None
    eps: float | None = None
    seed: int | None = None
    tone_lock: float | None = None
    colour_lock: float | None = None
    framing: Framing = "auto"
    crop_only: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        if self.strength != "auto" and not 0 <= self.strength <= 1:
            raise SettingsError(f"strength is {self.strength}; use 0 to 1, or 'auto'")
        if self.max_pixels < 1:
            raise SettingsError(f"max_pixels is {self.max_pixels}; use 1 or more")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise SettingsError(f"seed is {self.seed}; use 0 or a positive whole number")
        PGD(  # checks the rest
            steps=0 if self.steps is None else self.steps,
            step_size=1.0 if self.step_size is None else self.step_size,
            eps=math.inf if self.eps is None else self.eps,
            tone_lock=0.0 if self.tone_lock is None else self.tone_lock,
            colour_lock=0.0 if self.colour_lock is None else self.colour_lock,
        )

    def pgd(self, domain: Domain, height: int, width: int) -> PGD:
        """The descent on a window of this size: lengths grow with √(3HW)."""
        own = domain.pgd
        share = 1.0 if self.strength == "auto" else self.strength
        ratio = math.sqrt(height * width) / domain.network.size
        steps, length = self.steps, own.step_size if self.step_size is None else self.step_size
        if steps is None:
            steps = math.ceil(own.steps * share - 1e-9)
            length *= own.steps * share / max(steps, 1)  # whole steps, the travel kept
        return PGD(
            steps=steps,
            step_size=max(length * ratio, 1e-9),
            eps=math.inf if self.eps is None else self.eps * ratio,
            decay=own.decay,
            smooth=own.smooth * ratio,
            tone_lock=own.tone_lock if self.tone_lock is None else self.tone_lock,
            colour_lock=own.colour_lock if self.colour_lock is None else self.colour_lock,
            tone_sigma=TONE * math.sqrt(height * width),
            random_start=0.0 if self.seed is None else SEED_RADIUS * math.sqrt(3 * height * width),
        )


DEFAULTS = Options()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One state of a translation. Values and picture are computed when they are read.

    Attributes:
        step: state of the window, (1,3,h,w) on the model's device.
        last: whether no other frame follows.
        photo: the whole photo.
        window: where in the photo the step belongs.
        crop_only: see `Options`.
        mask: see `Translator.frames`.
    """

    step: Step
    last: bool
    photo: Photo
    window: Window
    crop_only: bool
    mask: Mask | None = None

    @property
    def index(self) -> int:
        """0 is the photo itself."""
        return self.step.index

    @property
    def energy(self) -> float:
        """How unlike the domain the window is."""
        return float(self.step.energy[0])

    @property
    def distance(self) -> float:
        """L2 distance to the start, in [0,1] pixels of the window."""
        return float(self.step.distance[0])

    @property
    def note(self) -> str | None:
        """What there is to say about the framing."""
        return self.window.note

    @property
    def image(self) -> Image.Image:
        """The photo with this state in it (or the window alone), RGB or RGBA."""
        pixels = to_array(self.step.x)[0]
        alpha = self.photo.alpha
        if not self.crop_only:
            if self.index == 0 and not self.step.distance.any():
                return to_pil(self.photo.rgb, alpha)  # the photo itself, not a resampled copy
            pasted = paste(self.photo.rgb, self.window, pixels)
            if self.mask is not None:
                pasted = keep_outside(self.photo.rgb, pasted, self.mask)
            return to_pil(pasted, alpha)
        if alpha is not None:
            alpha = extract(np.repeat(alpha[..., None], 3, axis=2), self.window)[..., 0]
        return to_pil(pixels, alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How in-domain an image is.

    Attributes:
        energy: low for images like p_data.
        probability: sigmoid(−energy), P(image from p_data) against attacked images.
        percentile: share of held-out p_data images, in percent, with a higher energy.
    """

    energy: float
    probability: float
    percentile: float


class Translator:
    """A domain's energy model on a device. It keeps no state between calls: threads may share it.

    Args:
        domain: card.
        model: its network, parameters frozen.
        device: where to compute.
        dtype: of the convolutions; images stay float32.
    """

    def __init__(
        self, domain: Domain, model: EnergyModel, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.domain = domain
        self.model = model.on(device).requires_grad_(False)
        self.device = device
        self.dtype = dtype

    @classmethod
    def load(
        cls,
        domain: str = "anime",
        *,
        device: str = "auto",
        dtype: str = "auto",
        revision: str | None = None,
        offline: bool = False,
    ) -> Self:
        """Load a domain by name, by folder, or from the Hub.

        Args:
            domain: bundled name, a folder with `config.json` and `model.safetensors`, or
                `org/repo[@revision]` on the Hub.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            dtype: `auto` (bfloat16 where it is native), `float32` or `bfloat16`.
            revision: branch, tag or commit of a domain from the Hub.
            offline: take it from the Hub's cache and open no connection.

        Raises:
            DomainError: the domain is unknown, incomplete or damaged, or the Hub does not give it.
            DeviceError: the device or dtype is not to be had here.
        """
        place = pick_device(device)
        precision = pick_dtype(dtype, place)
        card, weights = open_domain(domain, revision=revision, offline=offline)
        return cls(card, load_energy_model(card.network, weights), place, precision)

    def __call__(self, photo: Source, options: Options = DEFAULTS) -> Image.Image | Pixels:
        """Translate one photo.

        Args:
            photo: path, Pillow image, or (H,W,3|4) uint8 array.
            options: how far and where.

        Returns:
            The kind it was given; a Pillow image for a path. The photo's own size, upright, unless
            `crop_only`.

        Raises:
            InputError: the photo cannot be read.
            SettingsError: an option does not fit the domain.
        """
        *_, frame = self.frames(photo, options)
        return np.asarray(frame.image) if isinstance(photo, np.ndarray) else frame.image

    def frames(
        self, photo: Source | Photo, options: Options = DEFAULTS, mask: Mask | None = None
    ) -> Iterator[Frame]:
        """Translate one photo step by step; see `__call__`. Closing the iterator stops it.

        Args:
            photo: see `__call__`.
            options: how far and where.
            mask: (H,W) bool of the upright photo; where it is False, pixels stay bit-equal.

        Yields:
            Frames from the start to the result, at least one.
        """
        if not isinstance(photo, Photo):
            photo = read_photo(photo, max_pixels=options.max_pixels)
        window = self.window(photo, options)
        x = to_tensor(extract(photo.rgb, window))
        seen = None
        if mask is not None:
            check_mask(mask, photo.rgb)
            box = (window.left, window.top, window.width, window.height)
            seen = torch.from_numpy(window_mask(mask, box, window.out_width, window.out_height))
        for step, last in self.descend(x, options, seen):
            yield Frame(step, last, photo, window, options.crop_only, mask)

    def descend(
        self, x: Tensor, options: Options = DEFAULTS, mask: Tensor | None = None
    ) -> Iterator[tuple[Step, bool]]:
        """Walk a batch of windows downhill.

        Args:
            x: (N,3,H,W) float32 in [0,1], any device.
            options: how far.
            mask: bool, broadcastable to x; pixels where it is False stay bit-equal.

        Yields:
            States and whether no other follows.
        """
        height, width = x.shape[-2:]
        self.domain.network.check_shape(height, width)
        pgd = options.pgd(self.domain, height, width)
        generator = None
        if options.seed is not None:
            generator = torch.Generator().manual_seed(options.seed)
        stop = self.domain.calibration.target if options.strength == "auto" else None
        x = x.to(self.device).contiguous(memory_format=torch.channels_last)
        guide = seen_from(self.energy, self.domain.pgd.halvings)
        mask = None if mask is None else mask.to(self.device)
        for step in descend(
            self.energy, x, pgd, guide=guide, mask=mask, stop=stop, generator=generator
        ):
            last = step.index == pgd.steps or (stop is not None and not step.active.any())
            yield step, last
            if last:
                return

    def window(self, photo: Photo, options: Options = DEFAULTS) -> Window:
        """Where in the photo the network looks.

        Raises:
            SettingsError: scene framing on a network that takes one size only.
        """
        network = self.domain.network
        framing = self.domain.framing if options.framing == "auto" else options.framing
        if framing == "scene" and network.head == "aligned":
            raise SettingsError(
                f"domain {self.domain.name!r} takes square windows; use framing face or crop"
            )
        return find_window(photo.rgb, framing=framing, size=network.size, stride=network.stride)

    def score(self, photo: Source | Photo, options: Options = DEFAULTS) -> Score:
        """How in-domain a photo is, without changing it."""
        frame = next(self.frames(photo, replace(options, strength=0.0, steps=None, seed=None)))
        return self.grade(frame.energy)

    def grade(self, energy: float) -> Score:
        """What an energy says, see `Score`."""
        return Score(
            energy=energy,
            probability=1 / (1 + math.exp(min(energy, 700.0))),
            percentile=self.domain.calibration.percentile(energy),
        )

    def energy(self, x: Tensor, halvings: int = 0) -> Tensor:
        """(N,3,H,W) float32 in [0,1] on the translator's device -> (N,) float32."""
        with autocast(self.device, self.dtype):
            return self.model.energy(x, halvings)

    def remark(self, first: Frame, last: Frame) -> str | None:
        """One plain sentence when the result needs one: already in the domain, or hardly moved."""
        calibration = self.domain.calibration
        if first.energy <= calibration.target:
            return f"This photo already is in the domain {self.domain.title!r}."
        way = calibration.source[10] - calibration.target
        if last.index > 0 and first.energy - last.energy < HARDLY * way:
            return "The energy hardly moved; try a higher strength or another framing."
        return None
