"""Work done ahead in threads, handed out in order, never more than allowed at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[T], R],
    items: Iterable[T],
    limit: Callable[[], int],
) -> Iterator[R]:
    """`map` with at most `limit()` results begun or waiting; asked again before each result."""
    pending: deque[Future[R]] = deque()
    source = iter(items)
    try:
        while True:
            while len(pending) < max(1, limit()):
                for item in source:
                    pending.append(pool.submit(function, item))
                    break
                else:
                    break
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
