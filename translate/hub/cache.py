"""What is in the Hub's cache on this machine: look up, list, remove. Nobody is asked."""

# pyright: reportUnknownVariableType=false, reportMissingTypeArgument=false
# The client leaves parts of its own signatures open.
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, read_domain
from translate.errors import DomainError
from translate.hub.address import Address
from translate.hub.failures import ready, told


def cached(address: Address) -> Path | None:
    """Folder in the cache, if the card and the weights are there."""
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(address.repo, name, revision=address.revision)
        for name in (CARD_FILE, WEIGHTS_FILE)
    ]
    return Path(found[0]).parent if all(isinstance(f, str) for f in found) else None  # pyright: ignore[reportArgumentType]


def point(address: Address, commit: str, folder: Path) -> None:
    """Note in the cache which commit a branch or tag is, for use without a network."""
    from translate.files import atomic_path

    with atomic_path(folder.parents[1] / "refs" / address.revision) as temporary:
        temporary.write_text(commit, encoding="utf-8")


def cached_domains() -> Iterator[tuple[Address, Domain]]:
    """Domains in the cache, newest state of each repository's main branch or its commits.

    Raises:
        DomainError: the cache cannot be looked for.
    """
    ready(ask=False)
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


def remove(address: Address) -> int:
    """Delete a repository's files, or those of one revision, from the cache.

    Returns:
        Bytes freed.

    Raises:
        DomainError: it is not in the cache.
    """
    import shutil

    ready(ask=False)
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
