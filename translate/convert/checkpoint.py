"""A PyTorch checkpoint -> its state dict. No code in it runs, and nothing large is allocated."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from translate.errors import InputError

MAX_BYTES = 4_000_000_000  # the largest network as float32, with its optimiser's state and average
MAX_STRUCTURE_BYTES = 20_000_000  # names and shapes, without the numbers
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "model.")  # of data-parallel training and of wrapping classes


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, as views into the file.

    A state dict, or a dict that holds one under one of `WRAPPERS`. A prefix of `PREFIXES` that all
    names have is left out.

    Args:
        path: written by `torch.save` of PyTorch 1.6 or newer.

    Raises:
        InputError: the file is missing, too large, damaged, or holds anything but tensors.
    """
    _check_file(path)
    try:
        table: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever bad bytes lead it to
        if type(error).__name__ == "UnpicklingError":
            raise InputError(
                f"{path}: holds more than tensors, which could be code and was not loaded; "
                "save its state_dict() alone, where you trust the file"
            ) from None
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable PyTorch checkpoint ({reason})") from None
    return _without_prefix(_find_state(table, path))


def _check_file(path: Path) -> None:
    """Refuse what is no whole, uncompressed zip of a bounded size, before torch opens it."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: {size:,} bytes, at most {MAX_BYTES:,} are read")
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                structure = entry.filename.endswith(".pkl")
                packed = entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size
                if packed or (structure and entry.file_size > MAX_STRUCTURE_BYTES):
                    raise InputError(f"{path}: {entry.filename!r} in it is packed or too large")
            damaged = archive.testzip()
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError):
        raise InputError(
            f"{path}: not a whole checkpoint of PyTorch 1.6 or newer; "
            "get the file again, or save an older one again with a newer PyTorch"
        ) from None
    if damaged is not None:
        raise InputError(f"{path}: {damaged!r} in it is damaged; get the file again")


def _find_state(table: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(table, Mapping):
        raise InputError(f"{path}: holds a {type(table).__name__}, not a dict of parameters")
    found = cast("Mapping[object, object]", table)
    wrapped = [key for key in WRAPPERS if isinstance(found.get(key), Mapping)]
    if len(wrapped) > 1:
        raise InputError(
            f"{path}: parameters under {' and '.join(wrapped)}; save one of them alone"
        )
    if wrapped:
        found = cast("Mapping[object, object]", found[wrapped[0]])
    state: dict[str, Tensor] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InputError(
                f"{path}: {str(name)[:80]!r} in it is no tensor; save a state_dict() alone"
            )
        state[name] = value.detach()
    if not state:
        raise InputError(f"{path}: no parameters in it")
    return state


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in (*PREFIXES, *PREFIXES):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
