"""The domains on offer: cards at once, models when they are first asked for, one of each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from translate.domain import Domain, read_domain
from translate.errors import DomainError
from translate.hub import bundled_domains, find_domain

if TYPE_CHECKING:
    from translate.translator import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A domain on offer.

    Attributes:
        card: its data.
        place: name or folder to load it from.
        thumbnail: a small picture of it, or None.
    """

    card: Domain
    place: str
    thumbnail: Path | None


class Catalog:
    """Domains by name. Threads share it.

    Args:
        places: bundled names or folders; the first is preselected. The bundled ones follow.
        device, dtype: see `Translator.load`.

    Raises:
        DomainError: a place holds no domain, or there is none at all.
    """

    def __init__(
        self, places: Sequence[str] = (), *, device: str = "auto", dtype: str = "auto"
    ) -> None:
        self.device, self.dtype = device, dtype
        self.entries: dict[str, Entry] = {}
        for place in (*places, *bundled_domains()):
            folder = find_domain(place)
            card = read_domain(folder)
            thumbnail = next(iter(sorted(folder.glob("thumbnail.*"))), None)
            self.entries.setdefault(card.name, Entry(card=card, place=place, thumbnail=thumbnail))
        if not self.entries:
            raise DomainError("no domain is bundled; name a folder with --domain")
        self._loaded: dict[str, Translator] = {}
        self._loading = threading.Lock()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    @property
    def default(self) -> str:
        """Name of the preselected domain."""
        return next(iter(self.entries))

    def entry(self, name: str) -> Entry:
        """By name.

        Raises:
            DomainError: not on offer.
        """
        if name not in self.entries:
            raise DomainError(f"domain {name!r} is not here; use one of {', '.join(self.entries)}")
        return self.entries[name]

    def translator(self, name: str, second: str | None = None, share: float = 0.0) -> Translator:
        """The model of a domain, or a mixture with a second one.

        Raises:
            DomainError: not on offer, incomplete or damaged.
            SettingsError: the two cannot be mixed.
        """
        first = self._load(name)
        if second is None or second == name or share == 0:
            return first
        from translate.ui.turns import MixtureInTurns

        return MixtureInTurns.of(first, self._load(second), share)

    def _load(self, name: str) -> Translator:
        from translate.ui.turns import TranslatorInTurns

        entry = self.entry(name)
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = TranslatorInTurns.load(
                    entry.place, device=self.device, dtype=self.dtype
                )
            return self._loaded[name]
