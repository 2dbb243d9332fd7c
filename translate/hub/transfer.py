"""One file from the Hub into the Hub's own cache: sizes first, on from where it stopped, hash last.

The bytes are fetched here and not by `hf_hub_download`, because that one (2.x) begins anew after a
killed download and reads a body of any length; it then finds the finished file and files it.
"""

# pyright: reportUnknownVariableType=false, reportMissingTypeArgument=false
# The client leaves parts of its own signatures open.
from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import DomainError
from translate.hub.address import Address

if TYPE_CHECKING:
    from io import FileIO

    from huggingface_hub.file_download import HfFileMetadata

BUSY = (408, 429, 500, 502, 503, 504)  # statuses that pass
TRIES = 6  # without a byte between them
_ETAG = re.compile(r"[0-9A-Za-z]{1,128}")


def ask(address: Address, name: str) -> HfFileMetadata:
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


def place(
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
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, tqdm

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
                            file.truncate(0)
                            raise DomainError(
                                f"{address}: {name} is longer than its stated {size:,} bytes; "
                                "try again, or check HF_ENDPOINT and the proxy"
                            )
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
