"""A name becomes a folder; a folder becomes a checked card and checked weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, read_domain
from translate.errors import DomainError
from translate.hub.address import parse_address

# An installed package carries the bundled domains inside; a checkout has them at its top level.
_INSIDE, _BESIDE = Path(__file__).parents[1] / "weights", Path(__file__).parents[2] / "weights"
BUNDLED = _INSIDE if _INSIDE.is_dir() else _BESIDE


def bundled_domains() -> list[str]:
    """Names of the domains that come with the program, sorted."""
    return sorted(file.parent.name for file in BUNDLED.glob(f"*/{CARD_FILE}"))


def find_domain(
    name: str, *, revision: str | None = None, offline: bool = False, progress: bool = False
) -> Path:
    """Folder of a bundled domain, else a local folder, else one from the Hub.

    Args:
        name: bundled name, path of a folder, or `org/repo[@revision]`.
        revision: branch, tag or commit of a domain from the Hub.
        offline: use the Hub's cache only and open no connection.
        progress: show a bar while downloading.

    Raises:
        DomainError: there is none of them, or the Hub does not give it.
    """
    local = BUNDLED / name if name in bundled_domains() else Path(name)
    if local.is_dir():
        if revision is not None:
            raise DomainError(
                f"{name}: revision {revision!r} is asked for, but only domains from the Hub have "
                "revisions; leave it out"
            )
        return local
    address = parse_address(name, revision)
    if address is not None:
        from translate.hub.remote import fetch

        return fetch(address, offline=offline, progress=progress)
    raise DomainError(
        f"domain {name!r} is unknown; name one of {', '.join(bundled_domains()) or 'none bundled'}"
        f", a folder that holds {CARD_FILE} and {WEIGHTS_FILE}, or org/repo on the Hub"
    )


def open_domain(
    name: str, *, revision: str | None = None, offline: bool = False
) -> tuple[Domain, Path]:
    """The card of a domain and the file of its weights, both checked; see `find_domain`.

    Raises:
        DomainError: unknown, incomplete, damaged, or a file is not the one the card states.
    """
    folder = find_domain(name, revision=revision, offline=offline)
    domain = read_domain(folder)
    weights = folder / WEIGHTS_FILE
    try:
        size = weights.stat().st_size
        limit = domain.network.weights_limit
        if size > limit:
            raise DomainError(
                f"{weights}: {size:,} bytes, at most {limit:,} fit the network on its card"
            )
        for file in (weights, *(folder / n for n in domain.sha256 if n != WEIGHTS_FILE)):
            if file == weights or file.is_file():
                _check_hash(file, domain.sha256[file.name])
    except FileNotFoundError:
        raise DomainError(f"{folder}: not a whole domain, {WEIGHTS_FILE} is missing") from None
    except OSError as error:
        raise DomainError(f"{weights}: not readable ({error.strerror})") from None
    return domain, weights


def _check_hash(file: Path, stated: str) -> None:
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if digest != stated:
        raise DomainError(
            f"{file}: sha256 {digest[:12]}…, but its card says {stated[:12]}…; the file is "
            "damaged, get the domain again (after `translate domains remove` if it is the Hub's)"
        )
