"""Which device and dtype to compute on. Only `auto` falls back; a named one must be there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch

from translate.errors import DeviceError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str = "auto") -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` -> device.

    Raises:
        DeviceError: the named device is unknown or not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(
            f"device {name!r} is unknown; use auto, cpu, cuda, cuda:N or mps"
        ) from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(
                f"device {name!r} asked for, but {count} CUDA devices found; use auto"
            )
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' asked for, but this machine has none; use auto")
    if device.type not in ("cpu", "mps"):
        raise DeviceError(f"device {name!r} is not supported; use auto, cpu, cuda, cuda:N or mps")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto`, `float32` or `bfloat16` -> the dtype convolutions run in.

    `auto` takes bfloat16 only where the hardware multiplies it natively; emulated it is many
    times slower than float32.

    Raises:
        DeviceError: the name is unknown.
    """
    if name == "auto":
        return torch.bfloat16 if has_native_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise DeviceError(f"dtype {name!r} is unknown; use auto, {' or '.join(DTYPES)}")
    return DTYPES[name]


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # The only questions torch answers about this; their names are not promised to stay.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        checks: list[Callable[[], bool]] = [
            getattr(torch.cpu, name) for name in names if hasattr(torch.cpu, name)
        ]
        return any(check() for check in checks)
    return False


def memory_format(device: torch.device) -> torch.memory_format:
    """The order of pixels and channels that a device's convolutions are fastest in.

    On MPS, channels_last was slow up to torch 2.13, and gradients in it were wrong without a word
    more than once (pytorch issues 140902, 142344 and 180984).
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def placed(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(N,C,H,W) on a device, in the order that suits it."""
    return x.to(device).contiguous(memory_format=memory_format(device))


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Mixed precision for one forward pass; nothing at all in float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)
