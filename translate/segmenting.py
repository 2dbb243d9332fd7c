"""Bundled networks that mark pixels: each loaded once, run beside whatever else torch does."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from translate.hub import BUNDLED
from translate.networks.segmenter import Segmenter

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_THREADS = 4


def segmented(name: str, picture: Pixels) -> Floats:
    """How likely each pixel belongs to what a network marks. Threads may share it.

    Args:
        name: of the network, a folder of `weights/`.
        picture: (h,w,3) uint8, multiples of the `STRIDE` of `Segmenter`.

    Returns:
        (h,w) float32 in [0,1].
    """
    return _workers().submit(_judge, name, picture).result()


@torch.inference_mode()
def _judge(name: str, picture: Pixels) -> Floats:
    x = torch.from_numpy(picture).permute(2, 0, 1)[None]  # channels last, as the network is
    return cast("Floats", _network(name)(x.float())[0].sigmoid().numpy())


@cache
def _network(name: str) -> Segmenter:
    network = Segmenter()
    network.load_state_dict(load_file(BUNDLED / name / "model.safetensors"))
    return network.to(memory_format=torch.channels_last).requires_grad_(False)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]


_LOCK = threading.Lock()


def _workers() -> Executor:
    """Threads in which torch uses no others: one picture is as quick, and no walk waits."""
    with _LOCK:
        return _started_workers()


@cache
def _started_workers() -> Executor:
    count, threads = min(_THREADS, os.cpu_count() or 1), torch.get_num_threads()
    together = threading.Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # else a thread's first operation sets it to what is global
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, "segmenting")
    for _ in range(count):
        pool.submit(begin)
    together.wait()
    torch.set_num_threads(threads)  # what threads yet to come begin with is global
    return pool
