"""Gradio inputs that hand over the upload as it is, and say one clear sentence when they cannot."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import gradio as gr
import numpy as np
from gradio.components.file import File as GradioFile
from gradio.components.image import Image as GradioImage
from gradio.components.image_editor import EditorData
from gradio.components.image_editor import ImageEditor as GradioEditor
from gradio.data_classes import FileData, ImageData, ListFiles
from PIL import Image as Pillow

from translate.errors import InputError, TranslateError
from translate.image_io import Photo, read_photo
from translate.masking import Mask
from translate.ui.limits import MAX_PHOTO_MB, MAX_PIXELS
from translate.ui.pictures import temp_folder

Update = Any  # what Gradio takes for an output
SKIP = cast("Update", gr.skip())  # leaves an output as it is

P = ParamSpec("P")
T = TypeVar("T")


def _with_preprocess(base: type[T], preprocess: Callable[..., object]) -> type[T]:
    """A component of Gradio's that takes payloads in another way.

    Made by `type.__new__`: Gradio's own metaclass writes a stub beside the source of every class.
    """
    # `is_template`: the page draws it as what it inherits from.
    members: dict[str, Any] = {"preprocess": preprocess, "is_template": True}
    members["__module__"] = __name__
    made: Any = type.__new__(type(cast("type[Any]", base)), base.__name__, (base,), members)
    return cast("type[T]", made)


def _photo(_: GradioImage, payload: ImageData | None) -> str | None:
    """Path of the upload, inside the app's temporary folder."""
    return None if payload is None else own_file(payload.path, payload.url)


def _files(_: GradioFile, payload: ListFiles | FileData | None) -> list[str]:
    """Paths of the uploads, inside the app's temporary folder."""
    if payload is None:
        return []
    files = payload.root if isinstance(payload, ListFiles) else [payload]
    return [own_file(file.path, file.url) for file in files]


def _region(editor: GradioEditor, payload: EditorData | None) -> Mask | None:
    """Where any layer has paint: (h,w) bool, or None when nothing is painted."""
    try:
        value = GradioEditor.preprocess(editor, payload)
    except Exception:  # whatever Pillow makes of a made-up layer
        raise gr.Error(
            "The painted region could not be read; paint it again.", print_exception=False
        ) from None
    layers = [np.asarray(layer) for layer in (value or {}).get("layers", [])]
    painted = [layer[..., 3] > 0 for layer in layers if layer.ndim == 3 and layer.shape[2] == 4]
    if not painted or not any(layer.any() for layer in painted):
        return None
    return np.logical_or.reduce(painted)


PhotoInput = _with_preprocess(GradioImage, _photo)
"""A photo by its path. Gradio's own opens the file itself and fails in its own words."""
FilesInput = _with_preprocess(GradioFile, _files)
"""Several uploads by their paths. Gradio's own leaves an empty file behind for each."""
MaskEditor = _with_preprocess(GradioEditor, _region)
"""A brush over a picture; gives what was painted."""


def own_file(path: str | None, url: str | None = None) -> str:
    """The path of an upload, checked.

    Raises:
        gr.Error: it is none of this app's own temporary files.
    """
    real = Path(path or "").resolve()
    if not path or (url or "").startswith("data:") or not real.is_relative_to(temp_folder()):
        raise gr.Error(
            "Upload the file first: only uploaded files are read, no paths and no addresses.",
            print_exception=False,
        )
    return str(real)


def open_photo(path: str) -> Photo:
    """Read an upload; the sentence of an error has the file's name only.

    Raises:
        InputError: it is no readable picture within the limits.
    """
    size = Path(path).stat().st_size / 1e6
    if size > MAX_PHOTO_MB:
        raise InputError(
            f"{Path(path).name} has {size:.0f} MB, at most {MAX_PHOTO_MB} MB are taken; "
            "save it smaller."
        )
    try:
        return read_photo(path, max_pixels=MAX_PIXELS)
    except InputError as error:
        words = str(error).replace(path, Path(path).name).replace(" or raise max_pixels", "")
        raise InputError(words) from None


def fit_mask(mask: Mask | None, photo: Photo) -> Mask | None:
    """A mask painted at any size, at the photo's size."""
    if mask is None:
        return None
    picture = Pillow.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize(photo.size, Pillow.Resampling.BILINEAR)) > 127


@contextmanager
def spoken() -> Generator[None]:
    """Mistakes become the one sentence on the page and in the API, without a stack trace."""
    try:
        yield
    except TranslateError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except MemoryError:
        raise gr.Error(
            "The server has too little memory for this picture; try a smaller one.",
            print_exception=False,
        ) from None


def speaking(function: Callable[P, T]) -> Callable[P, T]:
    """Put a whole function under `spoken`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with spoken():
            return function(*args, **kwargs)

    return call


def telling(
    tell: Callable[[str], T],
) -> Callable[[Callable[P, Iterator[T]]], Callable[P, Iterator[T]]]:
    """A generator's mistakes become its last outputs: they stay on the page, a toast does not."""

    def wrap(function: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            try:
                with spoken():
                    yield from function(*args, **kwargs)
            except gr.Error as error:
                yield tell(error.message)

        return call

    return wrap
