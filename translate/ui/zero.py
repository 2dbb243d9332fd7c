"""Spaces with ZeroGPU: the GPU is lent to a forked process, for the length of one call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def find_spaces() -> ModuleType | None:
    """The package `spaces` where it exists. Call it before torch is imported."""
    try:
        return importlib.import_module("spaces")
    except ImportError:
        return None


def on_gpu(function: Callable[P, T]) -> Callable[P, T]:
    """`@spaces.GPU` where that package exists, else the function as it is.

    With ZeroGPU, arguments and results are pickled on their way to the other process and back, and
    only models that were loaded before the app was launched are there.
    """
    spaces = find_spaces()
    return function if spaces is None else spaces.GPU(function)
