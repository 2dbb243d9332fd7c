"""Domains from the Hub: fetch into the Hub's own cache, list, search, remove.

The cache is `huggingface_hub`'s, in its layout, so its tools and environment variables apply. The
bytes are fetched here and not by `hf_hub_download`, because that one (2.x) begins anew after a
killed download and reads a body of any length; it then finds the finished file and files it.
"""

# pyright: reportUnknownVariableType=false, reportMissingTypeArgument=false
# The client leaves parts of its own signatures open.
from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from translate.domain import CARD_FILE, MAX_CARD_BYTES, WEIGHTS_FILE, Domain, read_domain
from translate.errors import DomainError
from translate.hub.address import Address, is_commit
from translate.hub.failures import told

if TYPE_CHECKING:
    from io import FileIO

    from huggingface_hub.file_download import HfFileMetadata

README_FILE = "README.md"
TAG = "translate-ebm"  # that published domains carry, and a search asks for
BUSY = (408, 429, 500, 502, 503, 504)  # statuses that pass
TRIES = 6  # without a byte between them
_ETAG = re.compile(r"[0-9A-Za-z]{1,128}")
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
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # pyright: ignore

    folder = cached(address)
    if folder is not None and (offline or address.pinned or constants.HF_HUB_OFFLINE):
        return folder
    if offline or constants.HF_HUB_OFFLINE:
        raise DomainError(
            f"{address}: not in the cache {constants.HF_HUB_CACHE}, and offline; "
            f"`translate domains download {address}` fetches it when there is a network"
        )
    with told(address, CARD_FILE):
        try:
            card = _ask(address, CARD_FILE)
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


def cached(address: Address) -> Path | None:
    """Folder in the cache, if the card and the weights are there."""
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(address.repo, name, revision=address.revision)
        for name in (CARD_FILE, WEIGHTS_FILE)
    ]
    return Path(found[0]).parent if all(isinstance(f, str) for f in found) else None  # pyright: ignore[reportArgumentType]


def _download(address: Address, card: HfFileMetadata, progress: bool) -> Path:
    """All files of the commit that `card` was found in."""
    from huggingface_hub.errors import EntryNotFoundError

    commit = card.commit_hash or ""
    if not is_commit(commit):
        raise DomainError(f"{address}: the Hub names no commit; check HF_ENDPOINT and the proxy")
    pinned = Address(address.repo, commit)
    folder = _place(pinned, CARD_FILE, card, MAX_CARD_BYTES, None, progress)
    domain = read_domain(folder)
    with told(address, WEIGHTS_FILE):
        weights = _ask(pinned, WEIGHTS_FILE)
    limit, stated = domain.network.weights_limit, domain.sha256
    with told(address, WEIGHTS_FILE):
        _place(pinned, WEIGHTS_FILE, weights, limit, stated[WEIGHTS_FILE], progress)
    try:
        page = _ask(pinned, README_FILE)
        _place(pinned, README_FILE, page, MAX_CARD_BYTES, stated.get(README_FILE), False)
    except EntryNotFoundError:
        pass  # a domain works without its page
    if not address.pinned:
        _point(address, commit, folder)
    return folder


def _ask(address: Address, name: str) -> HfFileMetadata:
    """Commit, etag and size of a file. Patient where the Hub says it is busy."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    url = hf_hub_url(address.repo, name, revision=address.revision)
    try:
        return get_hf_file_metadata(url)
    except HfHubHTTPError as error:
        if error.response.status_code not in BUSY:
            raise
        return get_hf_file_metadata(url, retry_on_errors=True)


def _place(
    address: Address,
    name: str,
    meta: HfFileMetadata,
    limit: int,
    stated: str | None,
    progress: bool,
) -> Path:
    """Fetch one file into the cache unless it is there; returns the commit's folder."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.utils import WeakFileLock

    etag = meta.etag or ""
    if not _ETAG.fullmatch(etag):
        raise DomainError(f"{address}: the Hub gives no usable ETag for {name}; check HF_ENDPOINT")
    if meta.size is None or meta.size > limit:
        size = "no stated size" if meta.size is None else f"{meta.size:,} bytes"
        raise DomainError(f"{address}: {name} has {size}, at most {limit:,} are allowed")
    folder = f"models--{address.repo.replace('/', '--')}"
    cache = Path(constants.HF_HUB_CACHE)
    blob, lock = cache / folder / "blobs" / etag, cache / ".locks" / folder / f"{etag}.lock"
    blob.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if not blob.exists():
            _receive(address, name, meta.size, blob, stated, progress)
    return Path(hf_hub_download(address.repo, name, revision=address.revision)).parent


def _receive(
    address: Address, name: str, size: int, blob: Path, stated: str | None, progress: bool
) -> None:
    """Bytes of one file, from where an earlier try stopped; kept only if they are the stated ones.

    The caller holds the lock.
    """
    part = blob.with_name(f"{blob.name}.incomplete")
    resumed = part.exists() and 0 < part.stat().st_size <= size
    if not resumed:
        part.unlink(missing_ok=True)
    with part.open("ab", buffering=0) as file:
        _stream(address, name, size, file, progress)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if stated is not None and digest != stated:
        part.unlink()
        if resumed:  # the part may have been of something else
            _receive(address, name, size, blob, stated, progress)
            return
        raise DomainError(
            f"{address}: {name} has sha256 {digest[:12]}…, but the card says {stated[:12]}…; it "
            "is not used; try again, or ask whoever published it"
        )
    part.replace(blob)


def _stream(address: Address, name: str, size: int, file: FileIO, progress: bool) -> None:
    """Append what the file lacks; a broken connection is made again, also a busy Hub asked again.

    `http_get` of the client would do, but hands on a file in pieces of ten megabytes: the whole of
    most domains, so that nothing of an interrupted download would be left.
    """
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # pyright: ignore
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
    from tqdm import tqdm

    url = hf_hub_url(address.repo, name, revision=address.revision)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    tries = 0
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=name, disable=not progress)
    with bar:
        while (start := file.tell()) < size:
            tries += 1
            bar.update(start - bar.n)
            headers["Range"] = f"bytes={start}-"
            try:
                with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
                    hf_raise_for_status(response)
                    if response.status_code != 206:
                        file.truncate(0)  # the whole file comes; the position follows the end
                        file.seek(0)
                    for data in response.iter_bytes():
                        if file.tell() + len(data) > size:
                            raise OSError("more bytes than announced")
                        file.write(data)
                        bar.update(len(data))
                if file.tell() <= start:
                    raise OSError("fewer bytes than announced")
            except HTTPError as error:
                busy = isinstance(error, HfHubHTTPError)
                if busy and error.response.status_code not in BUSY:  # pyright: ignore
                    raise
                tries = 1 if file.tell() > start else tries
                if tries >= TRIES:
                    raise
                time.sleep(tries)


def _point(address: Address, commit: str, folder: Path) -> None:
    """Note in the cache which commit a branch or tag is, for use without a network."""
    from translate.files import atomic_path

    with atomic_path(folder.parents[1] / "refs" / address.revision) as temporary:
        temporary.write_text(commit, encoding="utf-8")


def cached_domains() -> Iterator[tuple[Address, Domain]]:
    """Domains in the cache, newest state of each repository's main branch or its commits."""
    from huggingface_hub import constants

    for file in sorted(Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/*/{CARD_FILE}")):
        repository = file.parents[2]
        repo = repository.name.removeprefix("models--").replace("--", "/", 1)
        commit, main = file.parent.name, repository / "refs" / "main"
        try:
            newest = main.is_file() and main.read_text(encoding="utf-8").strip() == commit
            domain = read_domain(file.parent)
        except (DomainError, OSError, ValueError):
            continue  # some other model
        if (file.parent / WEIGHTS_FILE).exists():
            yield Address(repo) if newest else Address(repo, commit), domain


def search(query: str) -> Iterator[tuple[str, str]]:
    """Published domains on the Hub that fit a query: name, and a few words.

    Raises:
        DomainError: the Hub cannot be asked.
    """
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise DomainError("HF_HUB_OFFLINE is set; unset it to search the Hub")
    with told(None):
        for model in HfApi().list_models(search=query, filter=TAG, limit=50):
            changed = "" if model.last_modified is None else f"{model.last_modified:%Y-%m-%d}"
            yield model.id, f"{model.downloads or 0:>8} downloads  {changed}"


def remove(address: Address) -> int:
    """Delete a repository's files, or those of one revision, from the cache.

    Returns:
        Bytes freed.

    Raises:
        DomainError: it is not in the cache.
    """
    import shutil

    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    folder = Path(constants.HF_HUB_CACHE) / f"models--{address.repo.replace('/', '--')}"
    with told(address):
        try:
            repos = [
                r
                for r in scan_cache_dir(constants.HF_HUB_CACHE).repos
                if r.repo_path.name == folder.name
            ]
        except CacheNotFound:
            repos = []
        commits = [
            r.commit_hash
            for repo in repos
            for r in repo.revisions
            if address.revision in {"main", r.commit_hash, *r.refs}
        ]
        if commits:
            deletion = scan_cache_dir(constants.HF_HUB_CACHE).delete_revisions(*commits)
            deletion.execute()
            return deletion.expected_freed_size
        if address.revision == "main" and folder.is_dir():  # nothing but a part of a download
            freed = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            shutil.rmtree(folder)
            return freed
    raise DomainError(f"{address}: not in the cache {constants.HF_HUB_CACHE}; nothing to remove")
