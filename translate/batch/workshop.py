"""One photo's way: from the file to windows, and from end states to the result's file."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from translate.batch.animation import Movie, read_movie, write_movie
from translate.batch.engine import End
from translate.batch.jobs import (
    Done,
    FullError,
    Job,
    choose_output,
    hash_file,
    reason_of,
    scaled_down,
)
from translate.batch.journal import Record, Results
from translate.batch.plan import Item, source_of
from translate.batch.settings import Settings
from translate.errors import InputError
from translate.frame import Finish, Frame, joined
from translate.framing import Window, extract
from translate.image_io import Photo, read_photo, to_tensor, write_image
from translate.pgd import Step
from translate.score import least_fall
from translate.translator import Translator
from translate.view import Asked, gathered, look, steady

_BLANK = Photo(rgb=np.zeros((16, 16, 3), dtype=np.uint8))
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class Workshop:
    """Decodes and encodes in any thread; keeps no state.

    Args:
        translator: of the domain.
        settings: how results are made.
        results: what earlier runs made, and where.
        overwrite: make finished results anew.

    Raises:
        SettingsError: the domain cannot do the settings' framing.
    """

    def __init__(
        self, translator: Translator, settings: Settings, results: Results, *, overwrite: bool
    ) -> None:
        translator.windows(_BLANK, settings.options)  # a framing it cannot do is an error at once
        self.translator = translator
        self.settings = settings
        self.digest = settings.digest(translator)
        self.results = results
        self.overwrite = overwrite

    def finished(self, item: Item) -> Done | None:
        """The item with its record if an earlier run finished it. Raises `OSError`."""
        if self.overwrite or not any(name in self.results.made for name in item.outputs.values()):
            return None
        sha256 = hash_file(item.path)
        record = self.results.finished(item.outputs.values(), self.digest, sha256)
        return None if record is None else Done(item, record)

    def prepare(self, item: Item, *, again: bool = False) -> Job | Done | Record:
        """Decode, unless it is finished and not wanted `again`; a failure is a record."""
        started = time.perf_counter()
        try:
            return (None if again else self.finished(item)) or self.decode(item)
        except Exception as error:  # one bad image, whatever it does, never ends the run
            seconds = time.perf_counter() - started
            return self.failure(item, reason_of(error, item.path), seconds=seconds)

    def decode(self, item: Item) -> Job:
        """Raises `InputError` and whatever decoders raise."""
        started = time.perf_counter()
        options = self.settings.options
        if not item.path.is_file():
            read_photo(item.path)  # says what is wrong; a pipe would block below
        sha256 = hash_file(item.path)
        movie = read_movie(item.path, max_pixels=options.max_pixels)
        if movie is None:
            movie = Movie([read_photo(item.path, max_pixels=options.max_pixels)], [0.0], None)
        limit = self.settings.max_size
        photos = [p if limit is None else scaled_down(p, limit) for p in movie.photos]
        movie = replace(movie, photos=photos)
        output = choose_output(item.outputs, movie)
        windows = self.translator.windows(photos[0], options)
        usable = [window for window in windows if window.usable]
        domain = self.translator.domain
        keep, asked = options.keeps_glasses(domain), Asked.by(domain, options)
        views = [
            look(photo.rgb, w, keep_glasses=keep, asked=asked) for photo in photos for w in usable
        ]
        if len(photos) > 1 and not movie.paged:
            views = steady(views, len(usable))
        seconds = time.perf_counter() - started
        return Job(item, sha256, movie, windows, views, output, seconds)

    def finish(self, job: Job, ends: Sequence[End | str]) -> Record:
        """Paste and write; a failure is a record.

        Raises:
            FullError: the disk is full; holds the record.
        """
        started = time.perf_counter()
        whole = [end for end in ends if isinstance(end, End)]
        if len(whole) < len(ends):
            reason = next(end for end in ends if isinstance(end, str))
            return self.failure(job.item, f"Cannot translate {job.item.path}: {reason}", job=job)
        try:
            note = self._write(job, whole)
            output_bytes = (self.results.out / job.output).stat().st_size
        except Exception as error:
            record = self.failure(job.item, reason_of(error, job.item.path), job=job)
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _FULL:
                raise FullError(record, cause) from error
            return record
        seconds = job.seconds + sum(e.seconds for e in whole) + time.perf_counter() - started
        return Record(
            input=job.item.relative,
            source=source_of(job.item),
            status="ok",
            output=job.output,
            note=" ".join(filter(None, (job.movie.note, note))) or None,
            seconds=round(seconds, 4),
            energy_before=_mean([e.before for e in whole]),
            energy_after=_mean([float(e.step.energy[0]) for e in whole]),
            travel=_mean([float(e.step.distance[0]) for e in whole]),
            frames=len(job.movie.photos),
            faces=len(whole) // len(job.movie.photos),
            window=(job.windows[0].out_width, job.windows[0].out_height),
            pixels=job.pixels,
            output_bytes=output_bytes,
            settings=self.digest,
            source_sha256=job.sha256,
            time=time.time(),
        )

    def failure(
        self, item: Item, reason: str, *, job: Job | None = None, seconds: float = 0.0
    ) -> Record:
        """The record of an input that came to nothing."""
        return Record(
            input=item.relative,
            source=source_of(item),
            status="failed",
            error=reason,
            seconds=round(job.seconds if job else seconds, 4),
            settings=self.digest,
            source_sha256=job.sha256 if job else "",
            time=time.time(),
        )

    def _write(self, job: Job, ends: Sequence[End]) -> str | None:
        """Returns what there is to say about it."""
        frames = list(self._frames(job, ends))
        images = [frame.image for frame in frames]
        exif = job.movie.photos[0].exif if self.settings.keep_metadata else None
        try:
            self._encode(images, job, exif)
        except InputError as error:
            if exif is None or isinstance(error.__cause__, OSError):
                raise
            self._encode(images, job, None)
            return "The photo's EXIF does not fit into the result's format and was left out."
        return frames[0].note

    def _frames(self, job: Job, ends: Sequence[End]) -> Iterator[Frame]:
        """End states of a photo, or of each frame of a moving picture."""
        photos, options = job.movie.photos, self.settings.options
        each = len(ends) // len(photos)
        domain = self.translator.domain
        least, finish = least_fall(domain, job.windows[0]), Finish.of(domain, options)
        for i, photo in enumerate(photos):
            of_photo = slice(i * each, (i + 1) * each)
            own, views = ends[of_photo], job.views[of_photo]
            step = joined([end.step for end in own]) if own else _still(photo, job.windows[0])
            start = torch.tensor([end.before for end in own]) if own else None
            yield Frame(
                step,
                True,
                photo,
                job.windows,
                options.crop_only,
                start=start,
                least_fall=least,
                free=gathered(views).mask if views else None,
                finish=finish,
            )

    def _encode(self, images: Sequence[Image.Image], job: Job, exif: bytes | None) -> None:
        path, quality = self.results.out / job.output, self.settings.quality
        if len(images) > 1:
            write_movie(images, job.movie, path, quality=quality, exif=exif)
        else:
            write_image(images[0], path, overwrite=True, exif=exif, quality=quality)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _still(photo: Photo, window: Window) -> Step:
    """The state of a window that is left alone."""
    nothing = torch.zeros(1)
    return Step(0, to_tensor(extract(photo.rgb, window)), nothing, nothing, nothing > 0)
