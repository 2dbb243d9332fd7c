"""Walks kept after they end, so that any state can be shown and saved without computing again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.cropping import Box, overlap
from translate.domain import Domain
from translate.frame import Finish, Frame
from translate.framing import Window
from translate.image_io import Photo, Pixels, to_array, to_tensor
from translate.masking import Mask
from translate.matting import surroundings
from translate.options import Options
from translate.pgd import Step
from translate.ui.limits import SHELF_MB, SHOWN_SIDE

CLOSE, WHOLE, SQUARE = "Close up", "Whole photo", "Square only"
"""What of a walk is to be seen: the windows with a little around them, the whole photo, or the
first window alone. A file holds the whole photo or that."""
CLOSE_SHARE = 0.4  # a window below this share of the photo is first shown close up
CLOSE_ROOM = 0.12  # shown around the window, in its own sides


@dataclass(slots=True, kw_only=True, eq=False)
class Walk:
    """Every state of one translation, as the windows' pixels in 8 bits: what a file would hold.

    Attributes:
        name: of the photo, without suffix.
        domain: card.
        options: of the walk.
        total: steps it has if nothing ends it before.
        second, share: what was blended in.
        photo, windows, mask, least_fall, free: see `translate.frame.Frame`.
        states: (N,h,w,3) uint8 each, the start first.
        values: energies and distances of the states' windows, (N,) each.
        energies: of the states.
        stopped: whether the user ended it.
        whole, near: for the page: the whole photo, and the windows with a little around them.
        view: what is to be seen, `CLOSE`, `WHOLE` or `SQUARE`.
        at: state that is shown.
    """

    name: str
    domain: Domain
    options: Options
    total: int
    second: str | None = None
    share: float = 0.0
    photo: Photo | None = None
    windows: tuple[Window, ...] = ()
    mask: Mask | None = None
    least_fall: float = 0.0
    free: Tensor | None = None
    states: list[Pixels] = field(default_factory=list[Pixels])
    values: list[tuple[Tensor, Tensor]] = field(default_factory=list[tuple[Tensor, Tensor]])
    energies: list[float] = field(default_factory=list[float])
    stopped: bool = False
    whole: View | None = None
    near: View | None = None
    view: str = WHOLE
    at: int = 0

    def add(self, frame: Frame) -> None:
        """Keep the next state."""
        if not self.states:
            self.photo, self.windows, self.mask = frame.photo, frame.windows, frame.mask
            self.least_fall, self.free = frame.least_fall, frame.free
            self.whole, self.near = _whole(frame), _close(frame)
            self.view = CLOSE if _is_small(frame) else WHOLE
            if self.options.crop_only:
                self.view = SQUARE
        self.states.append(to_array(frame.step.x))
        self.values.append((frame.step.energy.cpu(), frame.step.distance.cpu()))
        self.energies.append(frame.energy)
        self.at = self.last

    @property
    def last(self) -> int:
        """Index of the final state."""
        return len(self.states) - 1

    @property
    def reach(self) -> float:
        """Strength of the final state: the share of the calibrated walk."""
        return self.strength(self.last)

    def strength(self, index: int) -> float:
        """Strength that a state stands for, 0…1."""
        return self.options.share(self.domain) * index / max(self.total, 1)

    def index(self, strength: float) -> int:
        """The state nearest to a strength; the final one for more than was walked."""
        full = self.options.share(self.domain)
        return min(self.last, round(strength / full * self.total)) if full > 0 else self.last

    def picture(self, index: int) -> Image.Image:
        """A state in the whole photo, at the photo's own size, or the first window alone."""
        assert self.photo is not None
        return self._frame(index, self.photo, self.windows, self.mask).image

    def note(self, index: int) -> str | None:
        """What there is to say about the framing, and about faces left alone."""
        assert self.photo is not None
        return self._frame(index, self.photo, self.windows, self.mask).note

    def shown(self, index: int) -> Image.Image:
        """A state for the page, as it is to be seen and small enough."""
        if self.view == SQUARE:
            return self.picture(index)
        view = self.near if self.view == CLOSE else self.whole
        assert view is not None
        return self._frame(index, view.photo, view.windows, view.mask).image

    @property
    def partial(self) -> bool:
        """Whether there is less to be seen than the whole photo: of a face its square, at least."""
        assert self.photo is not None
        window = self.windows[0]
        whole = overlap(window.box, self.photo.size) == (0, 0, *self.photo.size)
        return window.face is not None or not whole

    def until(self, index: int) -> Walk:
        """A copy that ends at a state; pictures are shared, not copied."""
        part = replace(self, stopped=False)
        part.states = self.states[: index + 1]
        part.energies = self.energies[: index + 1]
        part.values = self.values[: index + 1]
        part.at = index
        return part

    def _frame(
        self, index: int, photo: Photo, windows: tuple[Window, ...], mask: Mask | None
    ) -> Frame:
        energy, distance = self.values[index]
        x = torch.cat([to_tensor(state) for state in self.states[index]])
        step = Step(index, x, energy, distance, torch.ones_like(energy, dtype=torch.bool))
        last, crop_only = index == self.last, self.view == SQUARE
        return Frame(
            *(step, last, photo, windows, crop_only, mask),
            start=self.values[0][0],
            least_fall=self.least_fall,
            free=self.free,
            finish=Finish.of(self.domain, self.options),
        )

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        assert self.photo is not None
        arrays = [*self.states, self.photo.rgb, self.photo.alpha, self.mask]
        for view in (self.whole, self.near):
            if view is not None:
                arrays += [view.photo.rgb, view.photo.alpha, view.mask]
        return sum(array.nbytes for array in arrays if array is not None)


def _is_small(frame: Frame) -> bool:
    """Whether the windows lie in so small a part of the photo that a change is hard to see."""
    width, height = frame.photo.size
    left, top, right, bottom = _around([window.box for window in frame.windows])
    return (right - left) * (bottom - top) < CLOSE_SHARE * width * height


def _around(boxes: Sequence[Box]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the smallest rectangle that holds all of them."""
    return (
        min(left for left, _, _, _ in boxes),
        min(top for _, top, _, _ in boxes),
        max(left + width for left, _, width, _ in boxes),
        max(top + height for _, top, _, height in boxes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A photo for the page, with the windows and the mask that belong to it.

    Attributes:
        photo: at most `SHOWN_SIDE` pixels long.
        windows: in it.
        mask: of its size.
    """

    photo: Photo
    windows: tuple[Window, ...]
    mask: Mask | None


def _whole(frame: Frame) -> View:
    """The whole photo."""
    width, height = frame.photo.size
    return _view(frame, 0, 0, width, height)


def _close(frame: Frame) -> View:
    """The windows with a little around them, and all that heads are cut out of."""
    width, height = frame.photo.size
    left, top, right, bottom = _around([window.box for window in frame.windows])
    room = round(CLOSE_ROOM * max(right - left, bottom - top))
    shown = (left - room, top - room, right - left + 2 * room, bottom - top + 2 * room)
    heads = [
        surroundings(frame.photo.rgb, window.face, window.box)
        for window in frame.windows
        if window.face is not None
    ]
    left, top, right, bottom = _around([shown, *heads])
    left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
    return _view(frame, left, top, right - left, bottom - top)


def _view(frame: Frame, left: int, top: int, width: int, height: int) -> View:
    """A part of the photo at the size of the page."""
    photo, mask = frame.photo, frame.mask
    scale = min(1.0, SHOWN_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def part(pixels: Pixels) -> Pixels:
        cut = pixels[top : top + height, left : left + width]
        if scale == 1:
            return np.ascontiguousarray(cut)
        return np.asarray(Image.fromarray(cut).resize(size, Image.Resampling.LANCZOS))

    def box(window: Window) -> Window:
        x, y = round((window.left - left) * scale), round((window.top - top) * scale)
        across, down = max(1, round(window.width * scale)), max(1, round(window.height * scale))
        face = window.face
        if face is None:
            x, y = min(x, size[0] - 1), min(y, size[1] - 1)
            x, y, across, down = overlap((x, y, across, down), size)
        else:
            face = ((face[0] - left) * scale, (face[1] - top) * scale, face[2] * scale)
        return replace(window, face=face, left=x, top=y, width=across, height=down)

    alpha = None if photo.alpha is None else part(photo.alpha)
    seen = None if mask is None else part(mask.astype(np.uint8) * 255) > 127
    return View(Photo(rgb=part(photo.rgb), alpha=alpha), tuple(map(box, frame.windows)), seen)


class Shelf:
    """The latest walk of each page, bounded in memory: the longest untouched goes first.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int = SHELF_MB * 1_000_000) -> None:
        self.limit = limit
        self._walks: OrderedDict[str, Walk] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: str, walk: Walk) -> None:
        """Keep this one instead of the key's former one."""
        with self._lock:
            self._walks[key] = walk
            self._walks.move_to_end(key)
            total = sum(each.nbytes for each in self._walks.values())
            while total > self.limit and len(self._walks) > 1:
                total -= self._walks.popitem(last=False)[1].nbytes

    def get(self, key: str) -> Walk | None:
        """The key's walk, or None when there is none any more."""
        with self._lock:
            walk = self._walks.get(key)
            if walk is not None:
                self._walks.move_to_end(key)
            return walk

    def drop(self, key: str) -> None:
        """Forget."""
        with self._lock:
            self._walks.pop(key, None)

    def __len__(self) -> int:
        return len(self._walks)


class Stops:
    """Wishes to stop, by page: set at any time, asked for after every step."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def begin(self, key: str) -> None:
        """A run was asked for; earlier wishes do not concern it."""
        with self._lock:
            self._events[key] = threading.Event()

    def event(self, key: str) -> threading.Event:
        """Set when the run of this page shall stop."""
        with self._lock:
            return self._events.setdefault(key, threading.Event())

    def stop(self, key: str) -> None:
        """Stop the run of this page, begun or still in the queue."""
        with self._lock:
            if key in self._events:
                self._events[key].set()

    def end(self, key: str) -> None:
        """The run is over."""
        with self._lock:
            self._events.pop(key, None)

    def __len__(self) -> int:
        return len(self._events)


def stem(path: str) -> str:
    """Name of an upload without folder and suffix, for results."""
    return Path(path).stem[:80] or "photo"
