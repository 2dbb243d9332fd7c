"""CUDA graphs: the kernels that a function launches one by one, launched again all at once.

A move of a walk is some hundreds of small kernels. Where a processor takes ten milliseconds to
launch them, a current GPU is through with one photo's in one.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

Results = tuple[Tensor | None, ...]
R = TypeVar("R", bound=Results)

FIRST = 8  # calls before a graph is recorded, which takes as long as three: one walk needs none
MOST = 48  # graphs kept, the least recently used goes first: scenes come in many shapes


@dataclass(slots=True)
class _Graph:
    """A recorded call, and where it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: Results


@dataclass(slots=True)
class _Known:
    """What is known of a function on tensors of one kind."""

    calls: int = 0
    graph: _Graph | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A function with its first arguments given: equal if both are, which a `partial` is not."""

    function: Callable[..., R]
    arguments: tuple[Hashable, ...]

    def __call__(self, *tensors: Tensor) -> R:
        """Call it with the other arguments."""
        return self.function(*self.arguments, *tensors)


class Replay:
    """Calls functions of tensors: on a CUDA device as graphs once they are known, else directly.

    A function must be hashable, equal to another only where both launch the same kernels, and read
    nothing else that moves in memory: weights may change in place. It must not wait for the device.
    What cannot be recorded, for lack of memory say, is called directly for good. Threads may share
    a `Replay`.

    Args:
        device: that the tensors are on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        # A stream to record on, and the memory of all graphs: only one of them runs at a time.
        self._place = cache(lambda: (torch.cuda.Stream(device), torch.cuda.graph_pool_handle()))

    def __reduce__(self) -> tuple[Callable[[torch.device], Replay], tuple[torch.device]]:
        """A copy, in another process too, has recorded nothing."""
        return Replay, (self.device,)

    @property
    def graphs(self) -> int:
        """How many calls are recorded."""
        return sum(known.graph is not None for known in self._known.values())

    def __call__(self, function: Callable[..., R], *tensors: Tensor) -> R:
        """What `function(*tensors)` returns: a tuple of tensors, and of None where it gives none.

        Args:
            function: see above.
            tensors: on the device.
        """
        if self.device.type != "cuda":
            return function(*tensors)
        key = (function, *((t.shape, t.stride(), t.dtype) for t in tensors))
        with self._lock, torch.cuda.device(self.device):
            known = self._known.setdefault(key, _Known())
            self._known.move_to_end(key)
            if known.calls == FIRST:
                known.graph = self._record(function, tensors)
            if known.calls in (0, FIRST):
                self._forget()
            known.calls += 1
            if known.graph is not None:
                return cast("R", _replayed(known.graph, tensors))
        return function(*tensors)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _record(self, function: Callable[..., Results], tensors: Sequence[Tensor]) -> _Graph | None:
        try:
            stream, pool = self._place()
            inputs = tuple(torch.empty_like(t).copy_(t) for t in tensors)
            graph = torch.cuda.CUDAGraph()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                function(*inputs)  # libraries choose algorithms and make handles, one per thread
                torch.cuda.synchronize(self.device)
                torch.cuda.empty_cache()
                graph.capture_begin(pool=pool, capture_error_mode="thread_local")
                try:
                    outputs = function(*inputs)
                except BaseException:
                    with contextlib.suppress(RuntimeError):
                        graph.capture_end()
                    raise
                graph.capture_end()
        except RuntimeError:
            return None
        return _Graph(graph, inputs, outputs)

    def _forget(self) -> None:
        recorded = [key for key, known in self._known.items() if known.graph is not None]
        for key in recorded[:-MOST]:
            del self._known[key]
        while len(self._known) > 10 * MOST:
            self._known.popitem(last=False)


@torch.no_grad()
def _replayed(recorded: _Graph, tensors: Sequence[Tensor]) -> Results:
    for place, tensor in zip(recorded.inputs, tensors, strict=True):
        place.copy_(tensor)
    recorded.graph.replay()
    return tuple(None if out is None else out.clone() for out in recorded.outputs)
