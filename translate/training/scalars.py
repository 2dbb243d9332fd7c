"""TensorBoard, where it is installed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator
from pathlib import Path

from translate.training.run import Scalars


@contextlib.contextmanager
def tensorboard(folder: Path) -> Generator[Scalars | None]:
    """A writer to `folder`/tensorboard, closed at the end; None without the package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TensorBoard's own imports
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield None
        return
    writer = SummaryWriter(str(folder / "tensorboard"))
    try:
        yield writer
    finally:
        writer.close()
