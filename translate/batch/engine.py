"""One device batch: windows in, end states out; smaller batches when memory runs out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch

from translate.batch.lanes import Lanes
from translate.options import Options
from translate.pgd import Step
from translate.translator import Translator
from translate.view import View, gathered

Shape = tuple[int, int]
"""Height and width of a window."""

AUTO_PIXELS = {"cuda": 64 * 256 * 256, "mps": 8 * 256 * 256, "cpu": 16 * 256 * 256}
"""Window pixels per batch that `auto` begins with."""
AUTO_MOST = {"cuda": 256, "mps": 256, "cpu": 16}
"""And images: the whole photos wait in memory meanwhile, and on a CPU more gain nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """Where the descent of one window ended.

    Attributes:
        before: energy of the source.
        step: the end state, (1,3,h,w) on the CPU.
        seconds: share of the piece's time.
    """

    before: float
    step: Step
    seconds: float = 0.0


def descend_batch(translator: Translator, views: Sequence[View], options: Options) -> list[End]:
    """Walk windows of one shape downhill together.

    Args:
        translator: of the domain.
        views: on the CPU.
        options: how far.
    """
    before = last = None
    for step, _ in translator.descend(gathered(views), options, measured=False):
        before, last = step.energy if before is None else before, step
    assert before is not None
    assert last is not None
    first = cast("list[float]", before.tolist())
    tensors = [t.cpu() for t in (last.x, last.energy, last.distance, last.active)]
    return [
        End(first[i], Step(last.index, *(t[i : i + 1] for t in tensors))) for i in range(len(views))
    ]


class Engine:
    """Runs batches of any length in pieces that fit.

    Args:
        translator: of the domain.
        options: how far.
        batch_size: images per piece; None chooses by the device.
        say: takes a sentence when a piece did not fit.
        lanes: walks side by side that a piece is divided among.
    """

    def __init__(
        self,
        translator: Translator,
        options: Options,
        batch_size: int | None,
        say: Callable[[str], None],
        lanes: int = 1,
    ) -> None:
        self.translator = translator
        self.options = options
        self.batch_size = batch_size
        self.say = say
        self._lanes = Lanes(lanes)
        self._fitting: dict[Shape, int] = {}

    def size(self, shape: Shape) -> int:
        """Images of this shape per piece."""
        if shape in self._fitting:
            return self._fitting[shape]
        if self.batch_size is not None:
            return self.batch_size
        device = self.translator.device.type
        kind = device if device in AUTO_PIXELS else "cpu"
        return min(max(1, AUTO_PIXELS[kind] // (shape[0] * shape[1])), AUTO_MOST[kind])

    def run(self, views: Sequence[View]) -> list[End | str]:
        """An end state, or the reason why there is none, for each window."""
        ends: list[End | str] = []
        while len(ends) < len(views):
            shape = _shape(views[0])
            piece = views[len(ends) : len(ends) + self.size(shape)]
            done = self._try(piece)
            if not isinstance(done, str):
                ends += done
            elif len(piece) == 1:
                ends.append(done)
            else:
                self._shrink(shape, len(piece), done)
        return ends

    def _try(self, piece: Sequence[View]) -> list[End] | str:
        """End states, or the reason; the failed attempt's memory is free again by then."""
        try:
            started = time.perf_counter()
            ends = self._lanes.map(
                lambda views: descend_batch(self.translator, views, self.options), piece
            )
            share = (time.perf_counter() - started) / len(piece)
            return [replace(end, seconds=share) for end in ends]
        except (RuntimeError, MemoryError) as error:  # OutOfMemoryError is a RuntimeError
            reason = _reason(error, _shape(piece[0]))
        gc.collect()
        if self.translator.device.type == "cuda":
            torch.cuda.empty_cache()
        return reason

    def _shrink(self, shape: Shape, tried: int, reason: str) -> None:
        self._fitting[shape] = tried // 2
        own = f"--batch-size {self.batch_size}" if self.batch_size else f"A batch of {tried}"
        self.say(f"{own} failed: {reason} Going on with {tried // 2} for windows of this size.")


def _shape(view: View) -> Shape:
    return view.x.shape[2], view.x.shape[3]


def _reason(error: BaseException, shape: Shape) -> str:
    text = str(error).lower()
    full = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if full or "out of memory" in text or "can't allocate memory" in text:
        return f"Windows of {shape[1]}x{shape[0]} pixels do not fit into the device's memory."
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"The device failed on windows of {shape[1]}x{shape[0]} pixels ({line})."
