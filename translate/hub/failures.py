"""What the Hub's client raises -> one sentence that says how to mend it.

Only errors of `huggingface_hub` are named here: the HTTP library underneath is another one in each
of its major versions, and its base class is taken from there.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from translate.domain import one_line
from translate.errors import DomainError
from translate.hub.address import Address


def ready(*, ask: bool) -> None:
    """Import the client and, to ask the Hub, open its session: both read the environment.

    Raises:
        DomainError: a variable is set to what they cannot use.
    """
    try:
        from huggingface_hub.utils import get_session

        if ask:
            get_session()
    except (ImportError, OSError, ValueError) as error:
        raise DomainError(
            f"the Hub's client does not start ({one_line(str(error))}); correct or unset the "
            "environment variables HF_…, …_PROXY and SSL_CERT_…"
        ) from None


@contextmanager
def told(address: Address | None, file: str = "", *, doing: str = "read") -> Generator[None]:
    """Turn the client's errors within the block into `DomainError`.

    Args:
        address: what the block asks for; None for the Hub as a whole.
        file: which file of it.
        doing: `read` or `write`.
    """
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    try:
        yield
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        # The client wraps some of its errors in a RuntimeError, with the cause attached.
        cause = error.__cause__ if isinstance(error, RuntimeError) else None
        raise DomainError(sentence(cause or error, address, file, doing)) from None


def sentence(error: BaseException, address: Address | None, file: str, doing: str) -> str:
    """What went wrong, and the remedy."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    what = "the Hub" if address is None else str(address)
    repo = "" if address is None else address.repo
    match error:
        case errors.GatedRepoError():
            return f"{what}: gated; accept its terms at {hub}/{repo}, then run `hf auth login`"
        case errors.RevisionNotFoundError():
            return f"{what}: no such revision; {hub}/{repo}/commits lists them"
        case errors.RepositoryNotFoundError():
            return (
                f"{what}: no such folder here and no such repository at {hub}, or a private one; "
                "check the spelling, or run `hf auth login`"
            )
        case errors.RemoteEntryNotFoundError():
            return f"{what}: not a domain, {file} is missing there; choose another repository"
        case errors.DisabledRepoError():
            return f"{what}: disabled by the Hub; choose another repository"
        case errors.HfHubHTTPError():
            return f"{what}: {_status(error.response.status_code, doing)}"
        case errors.OfflineModeIsEnabled():
            return f"{what}: HF_HUB_OFFLINE is set; unset it to ask the Hub"
        case errors.HFValidationError():
            return f"{what}: not a name that the Hub allows; use org/repo"
        case errors.FileMetadataError():
            return f"{what}: {hub} does not answer as the Hub does; check HF_ENDPOINT and the proxy"
        case errors.HTTPError() | errors.LocalEntryNotFoundError():  # pyright: ignore[reportPrivateImportUsage]
            again = "check the network and give the command again"
            if not file:
                return f"{what}: no connection to {hub}, or it broke off; {again}"
            return (
                f"{what}: no folder here, and no connection to {hub}, or it broke off; {again} "
                "(a download goes on where it stopped; --offline uses the cache)"
            )
        case OSError() if error.errno is not None:
            place = error.filename or constants.HF_HUB_CACHE
            return f"{place}: {error.strerror}; make room there, or set HF_HUB_CACHE to a folder"
        case OSError():
            return f"{what}: {file} came incomplete; give the command again and it goes on"
        case _:
            return f"{what}: the Hub refused ({one_line(' '.join(str(error).split()))})"


def _status(code: int, doing: str) -> str:
    match code:
        case 401:
            return "the Hub refused the token; run `hf auth login`"
        case 403:
            return f"this token may not {doing} it; run `hf auth login` with one that may"
        case 409:
            return "it was changed meanwhile; give the command again"
        case 429:
            return "the Hub limits how often it is asked; wait some minutes and try again"
        case _ if code >= 500:
            return f"the Hub has a fault (status {code}); try again later, or use --offline"
        case _:
            return f"the Hub refused (status {code}); check the name and the revision"
