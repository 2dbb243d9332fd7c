"""Windows of one shape into batches, by a rule that knows only their order, shapes and costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from translate.batch.engine import Shape

MAX_PIXELS = 150_000_000
"""Photo pixels that wait for their batch to fill up, at most."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[T]):
    """Something with a window that waits for its batch.

    Attributes:
        shape: of the window.
        pixels: of the photo kept in memory with it.
        content: what is to be done.
    """

    shape: Shape
    pixels: int
    content: T


class Buckets(Generic[T]):
    """Collects by shape, gives a batch when it is full or when too many pixels wait.

    The same sequence gives the same batches. So a run that goes on after a kill computes what is
    left in the company it would have had, and its results are the same to the last bit.

    Args:
        size: of a batch of a given shape.
        max_pixels: see `MAX_PIXELS`.
    """

    def __init__(self, size: Callable[[Shape], int], max_pixels: int = MAX_PIXELS) -> None:
        self.size = size
        self.max_pixels = max_pixels
        self._waiting: dict[Shape, list[Waiting[T]]] = {}  # the oldest bucket first
        self._pixels = 0

    def add(self, waiting: Waiting[T]) -> Iterator[list[T]]:
        """Take one in; batches that are ready."""
        bucket = self._waiting.setdefault(waiting.shape, [])
        bucket.append(waiting)
        self._pixels += waiting.pixels
        if len(bucket) >= self.size(waiting.shape):
            yield self._empty(waiting.shape)
        while self._pixels > self.max_pixels:
            yield self._empty(next(iter(self._waiting)))

    def rest(self) -> Iterator[list[T]]:
        """What never filled a batch."""
        while self._waiting:
            yield self._empty(next(iter(self._waiting)))

    def _empty(self, shape: Shape) -> list[T]:
        bucket = self._waiting.pop(shape)
        self._pixels -= sum(w.pixels for w in bucket)
        return [w.content for w in bucket]
