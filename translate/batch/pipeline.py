"""The run: decoding threads -> device batches -> encoding threads, every input into the journal."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import cv2

from translate.batch.buckets import MAX_PIXELS, Buckets, Waiting
from translate.batch.engine import Engine
from translate.batch.jobs import Done, FullError, Job
from translate.batch.journal import Record
from translate.batch.lookahead import ahead
from translate.batch.noting import Log, Noting
from translate.batch.plan import Item
from translate.batch.workshop import Workshop

Member = Job | Done


def default_workers() -> int:
    """Threads for decoding, and as many for encoding."""
    return min(8, os.cpu_count() or 1)


@contextlib.contextmanager
def _one_thread_each() -> Generator[None]:
    """Workers are as many as the cores: OpenCV's own threads would wait for each other's.

    On 16 cores beside a GPU a photo costs 21 ms of processor time with one and 40 with all.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class Pipeline(Noting):
    """One run over a plan. Results and journal lines come in the order in which they are finished.

    Args:
        workshop: decodes and encodes.
        engine: of the device.
        journal: open.
        workers: threads for decoding, and as many for encoding; None chooses.
        stop: set it to begin nothing more; what the device or an encoder has is finished.
        fail_fast: stop at the first failure.
    """

    def __init__(
        self,
        workshop: Workshop,
        engine: Engine,
        journal: Log,
        *,
        workers: int | None = None,
        stop: threading.Event | None = None,
        fail_fast: bool = False,
    ) -> None:
        super().__init__(journal, stop, fail_fast=fail_fast)
        self.workshop = workshop
        self.engine = engine
        self.workers = workers or default_workers()
        self._batch = self._photo = 1  # latest size of a batch, and pixels of a photo
        self._writing: deque[tuple[Future[Record], int]] = deque()  # and the pixels it holds

    def run(self, items: Iterable[Item], problems: Iterable[Record] = ()) -> Iterator[Record]:
        """Translate every item; one record for each that was finished, failed or skipped.

        Args:
            items: of the plan.
            problems: failures known beforehand.
        """
        yield from map(self.note, problems)
        with (
            _one_thread_each(),
            ThreadPoolExecutor(self.workers, "decode") as decoders,
            ThreadPoolExecutor(self.workers, "encode") as encoders,
        ):
            for batch in self._batches(items, decoders):
                if isinstance(batch, Record):
                    yield self.note(batch)
                else:
                    self._translate(batch, decoders, encoders)
                yield from self._written(at_most=self._limit())
            yield from self._written(at_most=0)

    def _batches(
        self, items: Iterable[Item], decoders: ThreadPoolExecutor
    ) -> Iterator[Record | list[Member]]:
        """Batches, and in between the records of what needs none."""
        buckets = Buckets[Member](self.engine.size)
        ready = ahead(
            decoders,
            self.workshop.prepare,
            items,
            self._limit,
            workers=self.workers,
            weight=lambda prepared: prepared.pixels if isinstance(prepared, Job) else 0,
            most=MAX_PIXELS,
        )
        for prepared in ready:
            if self.stop.is_set():
                return
            if isinstance(prepared, Record):
                yield prepared
                continue
            if isinstance(prepared, Done):
                yield replace(prepared.record, status="skipped", input=prepared.item.relative)
            waiting = self._waiting(prepared)
            if waiting is None:
                yield [prepared]
            else:
                yield from buckets.add(waiting)
        for batch in buckets.rest():
            if self.stop.is_set():
                return
            yield batch

    def _waiting(self, member: Member) -> Waiting[Member] | None:
        """None for a moving picture or several faces: they make batches of their own."""
        if isinstance(member, Job):
            views, shape, pixels = len(member.views), member.shape, member.pixels
        else:
            width, height = member.record.window
            views, shape = member.record.frames * member.record.faces, (height, width)
            pixels = member.record.pixels
        self._batch, self._photo = self.engine.size(shape), max(1, pixels)
        return Waiting(shape, pixels, member) if views == 1 else None

    def _translate(
        self, batch: Sequence[Member], decoders: ThreadPoolExecutor, encoders: ThreadPoolExecutor
    ) -> None:
        """On the device, then over to the encoders."""
        if all(isinstance(member, Done) for member in batch):
            return
        jobs = [job for job in decoders.map(self._in_company, batch) if job is not None]
        ends = self.engine.run([view for job in jobs for view in job.views])
        wanted = {id(member) for member in batch}
        for job in jobs:
            own, ends = ends[: len(job.views)], ends[len(job.views) :]
            if id(job) in wanted:
                written = encoders.submit(self.workshop.finish, job, own)
                self._writing.append((written, job.pixels))

    def _in_company(self, member: Member) -> Job | None:
        """Finished photos are computed again where others of their batch are not (`Buckets`)."""
        if isinstance(member, Job):
            return member
        prepared = self.workshop.prepare(member.item, again=True)
        return prepared if isinstance(prepared, Job) else None

    def _limit(self) -> int:
        """Photos that may be decoded and waiting, or wait to be encoded."""
        return max(self.workers, min(self._batch + 2 * self.workers, MAX_PIXELS // self._photo))

    def _written(self, *, at_most: int) -> Iterator[Record]:
        """Records of encoded photos, until so many are left, and not too many pixels."""
        while self._writing:
            first, _ = self._writing[0]
            held = sum(pixels for _, pixels in self._writing)
            if len(self._writing) <= at_most and held <= MAX_PIXELS and not first.done():
                return
            self._writing.popleft()
            try:
                record = first.result()
            except FullError as error:
                record = error.record
                self.end(f"the disk of OUT is {error.state}; then start the same run again")
            yield self.note(record)
