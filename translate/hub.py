"""Domain name -> folder with the card and the weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, read_domain
from translate.errors import DomainError

# An installed package carries the bundled domains inside; a checkout has them at its top level.
_INSIDE, _BESIDE = Path(__file__).parent / "weights", Path(__file__).parents[1] / "weights"
BUNDLED = _INSIDE if _INSIDE.is_dir() else _BESIDE


def bundled_domains() -> list[str]:
    """Names of the domains that come with the program, sorted."""
    return sorted(file.parent.name for file in BUNDLED.glob(f"*/{CARD_FILE}"))


def find_domain(name: str) -> Path:
    """Folder of a bundled domain, or a local folder given by path.

    Raises:
        DomainError: there is neither.
    """
    if name in bundled_domains():
        return BUNDLED / name
    if Path(name).is_dir():
        return Path(name)
    raise DomainError(
        f"domain {name!r} is unknown; name one of {', '.join(bundled_domains()) or 'none bundled'} "
        f"or a folder that holds {CARD_FILE} and {WEIGHTS_FILE}"
    )


def open_domain(name: str) -> tuple[Domain, Path]:
    """The card of a domain and the file of its weights, both checked.

    Raises:
        DomainError: unknown, incomplete, damaged, or the weights are not those the card states.
    """
    folder = find_domain(name)
    domain = read_domain(folder)
    weights = folder / WEIGHTS_FILE
    try:
        size = weights.stat().st_size
        limit = 4 * domain.network.parameters + 1_000_000  # float32, and room for names
        if size > limit:
            raise DomainError(
                f"{weights}: {size:,} bytes, at most {limit:,} fit the network on its card"
            )
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DomainError(f"{folder}: not a whole domain, {WEIGHTS_FILE} is missing") from None
    except OSError as error:
        raise DomainError(f"{weights}: not readable ({error.strerror})") from None
    if digest != domain.sha256[WEIGHTS_FILE]:
        raise DomainError(
            f"{weights}: sha256 {digest[:12]}…, but its card says "
            f"{domain.sha256[WEIGHTS_FILE][:12]}…; the file is damaged, get the domain again"
        )
    return domain, weights
