"""`org/repo[@revision]`: where on the Hub a domain is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from translate.errors import DomainError

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_REPO = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(text: str) -> bool:
    """Whether a revision names one commit and can never mean another."""
    return _COMMIT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """A repository on the Hub, and which state of it.

    Attributes:
        repo: `org/repo`.
        revision: branch, tag or commit.
    """

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit."""
        return is_commit(self.revision)


def parse_address(name: str, revision: str | None = None) -> Address | None:
    """The address that a name spells, or None when it spells none.

    Raises:
        DomainError: a revision that cannot be one, or two different ones.
    """
    repo, mark, own = name.partition("@")
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        return None
    if mark and revision is not None and own != revision:
        raise DomainError(f"{name}: revision {revision!r} is asked for as well; name one of them")
    wanted = own if mark else revision
    if wanted is None:
        return Address(repo)
    if not _REVISION.fullmatch(wanted) or ".." in wanted or "//" in wanted:
        raise DomainError(
            f"{repo}: {wanted!r} cannot be a revision; give a branch, a tag or a full commit"
        )
    return Address(repo, wanted)
