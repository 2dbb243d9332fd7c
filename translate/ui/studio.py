"""What the handlers share: domains, walks on the shelf, wishes to stop, and the walking itself."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from translate.errors import SettingsError
from translate.masking import Mask
from translate.options import Options
from translate.ui.catalog import Catalog
from translate.ui.limits import MAX_STEPS
from translate.ui.parts import fit_mask, open_photo
from translate.ui.pictures import temp_folder
from translate.ui.walks import Shelf, Stops, Walk, stem

EXAMPLES = Path(__file__).parents[2] / "examples"
# What a domain of this framing does well with; one of another framing is offered all.
SUITING = {"face": ("astronaut", "hopper"), "scene": ("temple", "rocket", "coffee")}
REMEMBERED = 24  # walks of example photos


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for.

    Attributes:
        photo: path of the upload.
        domain: name.
        options: how far and where.
        second, share: a domain to blend in.
        mask: (h,w) bool of any size, or None for everything.
    """

    photo: str
    domain: str
    options: Options
    second: str | None = None
    share: float = 0.0
    mask: Mask | None = None


@dataclass(slots=True)
class Studio:
    """State of the app. Everything per user is keyed by the page's session.

    Attributes:
        catalog: domains.
        shelf: latest walks.
        stops: wishes to stop.
    """

    catalog: Catalog
    shelf: Shelf = field(default_factory=Shelf)
    stops: Stops = field(default_factory=Stops)
    _known: frozenset[str] = frozenset()
    _memory: OrderedDict[str, Walk] = field(default_factory=OrderedDict[str, Walk])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._known = frozenset(map(_digest, self.examples))

    @property
    def examples(self) -> Sequence[Path]:
        """Photos that come with the program."""
        return sorted(EXAMPLES.glob("*.jpg"))

    def offered(self) -> dict[str, list[Path]]:
        """By domain, the examples that suit its framing.

        They are copies in the app's own folder: files are taken from nowhere else.
        """
        folder = temp_folder() / "examples"
        folder.mkdir(parents=True, exist_ok=True)
        copies = [Path(shutil.copyfile(file, folder / file.name)) for file in self.examples]
        names = [copy.stem for copy in copies]
        return {
            entry.card.name: [
                copy for copy in copies if copy.stem in SUITING.get(entry.card.framing, names)
            ]
            for entry in self.catalog
        }

    def walk(self, wish: Wish, stop: threading.Event | None = None) -> Iterator[Walk]:
        """Walk, and give the growing walk after every state.

        A walk of an example photo with the same settings is kept and given again, state by state.

        Raises:
            InputError: the photo cannot be read.
            SettingsError: an option is out of range.
            DomainError: there is no such domain.
        """
        key = self._key(wish)
        known = self._memory.get(key) if key else None
        if known is not None:
            yield from _again(known, stop)
            return
        walk = None
        for walk in self._steps(wish, stop):
            yield walk
        if key and walk is not None and not walk.stopped:
            with self._lock:
                self._memory[key] = walk.until(walk.last)  # pages change the view of theirs
                while len(self._memory) > REMEMBERED:
                    self._memory.popitem(last=False)

    def _steps(self, wish: Wish, stop: threading.Event | None) -> Iterator[Walk]:
        if (wish.options.steps or 0) > MAX_STEPS:
            raise SettingsError(f"steps is {wish.options.steps}; use {MAX_STEPS} at most")
        photo = open_photo(wish.photo)
        translator = self.catalog.translator(wish.domain, wish.second, wish.share)
        network = translator.domain.network
        walk = Walk(
            name=stem(wish.photo),
            domain=translator.domain,
            options=wish.options,
            total=wish.options.pgd(translator.domain, network.size, network.size).steps,
            second=wish.second if wish.share > 0 and wish.second != wish.domain else None,
            share=wish.share,
        )
        for frame in translator.frames(photo, wish.options, fit_mask(wish.mask, photo)):
            walk.add(frame)
            walk.stopped = stop is not None and stop.is_set() and not frame.last
            yield walk
            if walk.stopped:
                return

    def _key(self, wish: Wish) -> str | None:
        """Same for the same walk of an example photo; None for everything else."""
        if wish.mask is not None or not Path(wish.photo).is_file():
            return None
        digest = _digest(Path(wish.photo))
        if digest not in self._known:
            return None
        card = self.catalog.entry(wish.domain).card
        parts = (digest, card.sha256, wish.options, wish.second, wish.share)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _again(walk: Walk, stop: threading.Event | None) -> Iterator[Walk]:
    """A kept walk, state by state."""
    for index in range(len(walk.states)):
        part = walk.until(index)
        part.stopped = stop is not None and stop.is_set() and index < walk.last
        yield part
        if part.stopped:
            return


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
