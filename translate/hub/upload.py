"""Files to a repository on the Hub, in one commit."""

from __future__ import annotations

from translate.errors import DomainError
from translate.hub.address import Address, parse_address
from translate.hub.failures import ready, told


def target(repo: str, revision: str | None = None) -> Address:
    """The address to publish under.

    Raises:
        DomainError: it is none, or it is a commit, which cannot change.
    """
    address = parse_address(repo, revision)
    if address is None:
        raise DomainError(f"{repo!r} is no repository on the Hub; use org/repo")
    if address.pinned:
        raise DomainError(f"{address}: a commit cannot change; name a branch")
    return address


def upload(
    address: Address, files: dict[str, bytes], *, private: bool | None = None, message: str
) -> str:
    """Make the repository and the branch if need be, and put all files there in one commit.

    Args:
        address: from `target`.
        files: names and contents.
        private: of a new repository; None leaves it to the Hub.
        message: of the commit.

    Returns:
        The commit's address on the web.

    Raises:
        DomainError: the Hub does not take them.
    """
    ready(ask=True)
    from huggingface_hub import CommitOperationAdd, HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise DomainError(f"{address}: HF_HUB_OFFLINE is set; unset it to publish")
    api = HfApi()
    with told(address, doing="write"):
        api.create_repo(address.repo, private=private, exist_ok=True)
        if address.revision != "main":
            api.create_branch(address.repo, branch=address.revision, exist_ok=True)
        commit = api.create_commit(
            address.repo,
            [CommitOperationAdd(name, data) for name, data in files.items()],
            commit_message=message,
            revision=address.revision,
        )
    return commit.commit_url
