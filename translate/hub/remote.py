"""Domains from the Hub: fetch into the Hub's own cache, search.

The cache is `huggingface_hub`'s, in its layout, so its tools and environment variables apply.
"""

# pyright: reportUnknownVariableType=false, reportMissingTypeArgument=false
# The client leaves parts of its own signatures open.
from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from translate.domain import CARD_FILE, MAX_CARD_BYTES, WEIGHTS_FILE, read_domain
from translate.errors import DomainError
from translate.hub.address import Address, is_commit
from translate.hub.cache import cached, point
from translate.hub.failures import ready, told
from translate.hub.transfer import ask, place

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

README_FILE = "README.md"
TAG = "translate-ebm"  # that published domains carry, and a search asks for
_log = logging.getLogger(__name__)


def fetch(address: Address, *, offline: bool = False, progress: bool = False) -> Path:
    """Folder in the cache with the domain's card, weights and page.

    A commit that is in the cache is used without asking; a branch or tag is asked for first, and
    taken from the cache, with a word on the log, where the Hub cannot be reached.

    Args:
        address: repository and revision.
        offline: open no connection; so does HF_HUB_OFFLINE.
        progress: show a bar on standard error.

    Raises:
        DomainError: see `translate.hub.failures`; or the files are not what the card states.
    """
    ready(ask=False)
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # pyright: ignore

    folder = cached(address)
    if folder is not None and (offline or address.pinned or constants.HF_HUB_OFFLINE):
        return folder
    if offline or constants.HF_HUB_OFFLINE:
        raise DomainError(
            f"{address}: no folder here and not in the cache {constants.HF_HUB_CACHE}, and "
            f"offline; `translate domains download {address}` fetches it when there is a network"
        )
    ready(ask=True)
    with told(address, CARD_FILE):
        try:
            card = ask(address, CARD_FILE)
        except HfHubHTTPError as error:
            if folder is None or error.response.status_code < 500:
                raise
            return _stale(address, folder)
        except HTTPError:
            if folder is None:
                raise
            return _stale(address, folder)
        return _download(address, card, progress)


def _stale(address: Address, folder: Path) -> Path:
    _log.warning("%s: the Hub cannot be reached; using commit %s", address, folder.name[:12])
    return folder


def _download(address: Address, card: HfFileMetadata, progress: bool) -> Path:
    """All files of the commit that `card` was found in."""
    from huggingface_hub.errors import EntryNotFoundError

    commit = card.commit_hash or ""
    if not is_commit(commit):
        raise DomainError(f"{address}: the Hub names no commit; check HF_ENDPOINT and the proxy")
    pinned = Address(address.repo, commit)
    folder = place(pinned, CARD_FILE, card, MAX_CARD_BYTES, None, progress)
    domain = read_domain(folder)
    with told(address, WEIGHTS_FILE):
        weights = ask(pinned, WEIGHTS_FILE)
    limit, stated = domain.network.weights_limit, domain.sha256
    with told(address, WEIGHTS_FILE):
        place(pinned, WEIGHTS_FILE, weights, limit, stated[WEIGHTS_FILE], progress)
    try:
        page = ask(pinned, README_FILE)
        place(pinned, README_FILE, page, MAX_CARD_BYTES, stated.get(README_FILE), False)
    except EntryNotFoundError:
        pass  # a domain works without its page
    if not address.pinned:
        point(address, commit, folder)
    return folder


def search(query: str) -> Iterator[tuple[str, str]]:
    """Published domains on the Hub that fit a query: name, and a few words.

    Raises:
        DomainError: the Hub cannot be asked.
    """
    ready(ask=True)
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise DomainError("HF_HUB_OFFLINE is set; unset it to search the Hub")
    with told(None):
        for model in HfApi().list_models(search=query, filter=TAG, limit=50):
            changed = "" if model.last_modified is None else f"{model.last_modified:%Y-%m-%d}"
            yield model.id, f"{model.downloads or 0:>8} downloads  {changed}"
