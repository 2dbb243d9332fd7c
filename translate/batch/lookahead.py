"""Work done ahead in threads, handed out in order, never more than allowed at a time."""

from __future__ import annotations

import threading
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
    *,
    workers: int,
    weight: Callable[[R], int] = lambda _: 0,
    most: int = 1,
) -> Iterator[R]:
    """`map`, with few results begun or waiting at a time.

    Args:
        pool: of `workers` threads.
        function: what to do with an item.
        items: taken one by one, in any of the threads.
        limit: results begun or waiting, at most; asked again whenever one is ready or handed out.
        workers: items in work at a time.
        weight: of a result; nothing is begun while those that wait weigh `most` or more, unless
            none waits.
        most: see `weight`.
    """
    source, lock = iter(items), threading.Lock()
    pending: deque[Future[R]] = deque()
    at_work = held = 0

    def work(item: T) -> R:
        nonlocal at_work, held
        try:
            result = function(item)
            with lock:
                held += weight(result)
            return result
        finally:
            with lock:
                at_work -= 1
                feed()

    def feed() -> None:
        nonlocal at_work
        while at_work < workers and len(pending) < max(1, limit()):
            if held >= most and pending:
                return
            for item in source:
                at_work += 1
                pending.append(pool.submit(work, item))
                break
            else:
                return

    try:
        while True:
            with lock:
                feed()
                if not pending:
                    return
                first = pending.popleft()
            result = first.result()
            with lock:
                held -= weight(result)
                feed()
            yield result
    finally:
        with lock:
            source = iter(())
        for future in pending:
            future.cancel()
