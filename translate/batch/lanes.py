"""Several walks side by side on a CPU, each with threads of its own.

Two threads inside one convolution wait for the slower one after every operation, so whatever else
the machine does (here: decoding and encoding photos) stops both. Two walks with a thread each do
not wait for each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

LEAST = 4  # images in a lane: fewer are slower, each on its own


def default_lanes(device: torch.device) -> int:
    """As many as torch has threads on a CPU; one on a device with a queue of its own."""
    return torch.get_num_threads() if device.type == "cpu" else 1


class Lanes:
    """Runs a function on parts of a list, side by side.

    Args:
        count: of lanes at most; the threads of torch are divided among them.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
        """The results of all parts in order.

        Raises:
            Whatever the function raises in the first part that fails; by then all have ended.
        """
        lanes = min(self.count, len(items) // LEAST)
        if lanes < 2:
            return function(items)
        share, threads = math.ceil(len(items) / lanes), torch.get_num_threads()
        self._pool = self._pool or ThreadPoolExecutor(self.count, "lane")

        def run(start: int) -> list[R]:
            torch.set_num_threads(max(1, threads // lanes))  # of this thread
            return function(items[start : start + share])

        parts = [self._pool.submit(run, start) for start in range(0, len(items), share)]
        failures = [part.exception() for part in parts]
        torch.set_num_threads(threads)  # what threads yet to come begin with is global
        for failure in filter(None, failures):
            raise failure
        return [result for part in parts for result in part.result()]
