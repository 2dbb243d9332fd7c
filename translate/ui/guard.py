"""A door before Gradio's own: no addresses are fetched, and no paths but uploads are taken."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from starlette.requests import ClientDisconnect

from translate.ui.pictures import temp_folder

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 2_000_000  # bytes of JSON; pictures come as uploads
CLOSED = ("/proxy=", "/vibe-", "/undo-vibe", "/process_recording", "/deep_link")
WORDS = "Upload the file first: only uploaded files are read, no paths and no addresses."
DOTTED = "A file whose name begins with a dot is not taken; rename it and upload it again."


class Guard:
    """ASGI middleware around the whole app.

    Gradio takes file descriptions `{"path": …}` from anybody in any input, downloads those that
    are addresses and serves `file=http…`. Here requests of that kind are refused unread.

    Args:
        app: what comes behind.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = unquote(str(scope["path"]))
        if any(part in path for part in CLOSED) or _fetches(path):
            await _refuse(send, 403, "This address is not served here.")
            return
        if scope["method"] != "POST" or not _is_json(scope):
            with suppress(ClientDisconnect):  # left in the middle of an upload
                await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                await _refuse(send, 413, "The request is too large; upload pictures as files.")
                return
            if not message.get("more_body"):
                break
        problem = _problem(body)
        if problem:
            await _refuse(send, 400, problem)
            return
        await self.app(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body again, then whatever else comes (a disconnect)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _is_json(scope: Scope) -> bool:
    """Anything that is no form: Gradio parses a body as JSON whatever its type says."""
    headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    return not headers.get(b"content-type", b"").startswith(b"multipart/form-data")


def _fetches(path: str) -> bool:
    for mark in ("/file=", "/file/"):
        _, found, rest = path.partition(mark)
        if found and "://" in rest.replace(":/", "://").replace(":///", "://"):
            return True
    return False


def _problem(body: bytes) -> str | None:
    """What is wrong with a file that a request describes. Broken JSON is left to Gradio."""
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        return None
    folder = temp_folder()
    for description in _dicts(table):
        if not _is_upload(description, folder):
            return WORDS
        path = description.get("path")
        if isinstance(path, str) and Path(path).name.startswith("."):
            return DOTTED  # Gradio gives up on those without a word
    return None


def _is_upload(description: dict[str, Any], folder: Path) -> bool:
    path, url = description.get("path"), description.get("url")
    if isinstance(url, str) and url.startswith(("data:", "file:")):
        return False
    if not isinstance(path, str) or not path:
        return True
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (OSError, ValueError, RuntimeError):
        return False


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            yield table
            pending += table.values()
        elif isinstance(item, list):
            pending += cast("list[Any]", item)


async def _refuse(send: Send, status: int, words: str) -> None:
    body = json.dumps({"detail": words, "error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
