"""The facade: a photo in, the same photo in the target domain out, step by step or at once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.closeups import CloseUp, Closeups
from translate.device import autocast, pick_device, pick_dtype
from translate.domain import Domain
from translate.energy import EnergyModel, load_energy_model
from translate.errors import SettingsError
from translate.faces import prepare_faces
from translate.frame import Finish, Frame, joined
from translate.framing import FaceSquare, Window, find_windows
from translate.glasses import prepare_glasses
from translate.guide import seen_from
from translate.hub import open_domain
from translate.image_io import (
    Photo,
    Pixels,
    read_photo,
)
from translate.masking import Mask, check_mask
from translate.matting import prepare_matting
from translate.options import DEFAULTS, Options
from translate.pgd import Step, descend
from translate.pgd_settings import PGD
from translate.replay import Replay
from translate.score import Score, least_fall
from translate.view import Asked, View, gathered, look

PIECE = 8  # windows of one photo on the device at a time

Source = str | os.PathLike[str] | Image.Image | Pixels


class Translator:
    """A domain's energy model on a device. It keeps no state between calls: threads may share it.

    Args:
        domain: card.
        model: its network; a copy of it is kept.
        device: where to compute.
        dtype: of the convolutions; images stay float32.
    """

    def __init__(
        self, domain: Domain, model: EnergyModel, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.domain = domain
        self.model = model.frozen(device, dtype)
        self.device = device
        self.dtype = dtype
        self._replay = Replay(device)

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
        """Load a domain by name, by folder, or from the Hub, and what its first photo will need.

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
        translator = cls(card, load_energy_model(card.network, weights), place, precision)
        if card.framing == "face":
            prepare_faces()
            prepare_matting()
        if card.face_glasses or card.face_relit or Asked.by(card).rimless:
            prepare_glasses()
        return translator

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
        *_, frame = self.frames(photo, options, measured=False)
        return np.asarray(frame.image) if isinstance(photo, np.ndarray) else frame.image

    def frames(
        self,
        photo: Source | Photo,
        options: Options = DEFAULTS,
        mask: Mask | None = None,
        *,
        measured: bool = True,
    ) -> Iterator[Frame]:
        """Translate one photo step by step; see `__call__`. Closing the iterator stops it.

        Args:
            photo: see `__call__`.
            options: how far and where.
            mask: (H,W) bool of the upright photo; where it is False, pixels stay bit-equal.
            measured: whether energies between the first and the last frame are wanted, and
                close-ups in them: a third of the time.

        Yields:
            Frames from the start to the result, at least one.
        """
        if not isinstance(photo, Photo):
            photo = read_photo(photo, max_pixels=options.max_pixels)
        windows = self.windows(photo, options)
        if not windows[0].usable:  # the photo itself, and its energy
            options = replace(options, strength=0.0, steps=0, seed=None)
        if mask is not None:
            check_mask(mask, photo.rgb)
        keep = options.keeps_glasses(self.domain)
        asked = Asked.by(self.domain, options)
        seen = gathered(
            [look(photo.rgb, w, keep_glasses=keep, asked=asked, mask=mask) for w in windows]
        )
        start, finish = None, Finish.of(self.domain, options)
        for step, last in self._descend_pieces(seen, options, measured):
            start = step.energy if start is None else start
            yield Frame(
                step,
                last,
                photo,
                windows,
                options.crop_only,
                mask,
                start=start,
                least_fall=least_fall(self.domain, windows[0]),
                free=seen.mask,
                finish=finish,
            )

    def _descend_pieces(
        self, seen: View, options: Options, measured: bool
    ) -> Iterator[tuple[Step, bool]]:
        """`descend` of any number of windows in little memory: a few at a time, step by step."""
        walks = [
            self.descend(seen[i : i + PIECE], options, measured=measured)
            for i in range(0, len(seen.x), PIECE)
        ]
        states = [next(walk) for walk in walks]
        while True:
            last = all(ended for _, ended in states)
            yield joined([step for step, _ in states]), last
            if last:
                return
            states = [
                state if state[1] else next(walk) for walk, state in zip(walks, states, strict=True)
            ]

    def descend(
        self,
        seen: View,
        options: Options = DEFAULTS,
        *,
        measured: bool = True,
    ) -> Iterator[tuple[Step, bool]]:
        """Walk a batch of windows downhill.

        Args:
            seen: on any device; of a walk shorter than the first move, less of its shift.
            options: how far.
            measured: see `translate.pgd.descend`.

        Yields:
            States and whether no other follows; with close-ups in those that are measured, and in
            the last. Energies and distances are of the walk alone.
        """
        height, width = seen.x.shape[-2:]
        self.domain.network.check_shape(height, width)
        pgd = options.pgd(self.domain, height, width)
        generator = None
        if options.seed is not None:
            generator = torch.Generator().manual_seed(options.seed)
        early = options.how_far(self.domain) == "auto"
        stop = self.domain.calibration.target if early else None
        seen = seen.to(self.device)
        x = seen.x.contiguous()  # a CPU bends gradients faster colour by colour
        own, members = self.domain.pgd, self.domain.network.members
        guide = seen_from(
            self.energy, own.halvings, members, mirrored=own.mirrored, together=own.together
        )
        shift = None
        if seen.shift is not None:
            shift = seen.shift * min(1.0, options.share(self.domain) * own.steps)
        close_up = self._close_up(seen, shift, pgd, options)
        active: list[Tensor] = []  # of the states before, where walks end early
        for step in descend(
            self.energy,
            x,
            pgd,
            guide=guide,
            mask=seen.mask,
            shift=shift,
            bare=seen.bare,
            sky=seen.sky,
            dark=seen.dark,
            stop=stop,
            generator=generator,
            measured=measured,
            run=self._replay,
        ):
            last = step.index == pgd.steps or (stop is not None and not step.active.any())
            if close_up is not None and (measured or last):
                step = close_up(step, active)
            yield step, last
            if last:
                return
            if stop is not None:
                active.append(step.active)

    def _close_up(
        self, seen: View, shift: Tensor | None, pgd: PGD, options: Options
    ) -> CloseUp | None:
        """What draws the eyes of states of these windows, if anything does."""
        closeups = self.closeups(options)
        if closeups is None or seen.eyes is None:
            return None
        height, width = seen.x.shape[-2:]
        return CloseUp(
            closeups=closeups,
            source=seen.x,
            start=seen.x if shift is None else (seen.x + shift).clamp(0.0, 1.0),
            eyes=seen.eyes,
            mask=seen.mask,
            pgd=pgd,
            travel=self.domain.pgd.travel * math.sqrt(height * width) / self.domain.network.size,
        )

    def windows(self, photo: Photo, options: Options = DEFAULTS) -> tuple[Window, ...]:
        """Where in the photo the network looks: one place, or every face, the largest first.

        Raises:
            SettingsError: scene framing on a network that takes one size only.
        """
        network = self.domain.network
        framing = self.domain.framing if options.framing == "auto" else options.framing
        if framing == "scene" and network.head == "aligned":
            raise SettingsError(
                f"domain {self.domain.name!r} takes square windows; use framing face or crop"
            )
        return find_windows(
            photo.rgb,
            framing=framing,
            size=network.size,
            stride=network.stride,
            square=FaceSquare.of(self.domain),
            faces="largest" if options.crop_only else options.faces,
        )

    def closeups(self, options: Options = DEFAULTS) -> Closeups | None:
        """What draws eyes after a walk, if anything does."""
        closeup, network = self.domain.closeup, self.domain.network.closeup
        if closeup is None or network is None:
            return None
        return Closeups(
            energy=self._closeup_energy,
            size=network.size,
            card=closeup,
            bends=options.bends(),
            run=self._replay,
        )

    def score(self, photo: Source | Photo, options: Options = DEFAULTS) -> Score:
        """How in-domain a photo is, without changing it."""
        frame = next(self.frames(photo, replace(options, strength=0.0, steps=None, seed=None)))
        return Score.of(frame.energy, self.domain.calibration)

    def energy(self, x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        """(N,3,H,W) float32 in [0,1] on the translator's device -> (N,) float32."""
        with autocast(self.device, self.dtype):
            return self.model.energy(x, halvings, member)

    def _closeup_energy(self, x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        """The same of close-ups."""
        assert self.model.closeup is not None
        with autocast(self.device, self.dtype):
            return self.model.closeup.energy(x, halvings, member)
