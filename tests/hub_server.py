"""A small Hub on the loopback interface: the protocol that the real client speaks, and its faults.

Weights are kept as the Hub keeps large files: behind a redirect to another place, named by sha256.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repo:
    """Commits (newest last), branches, and who may read."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=lambda: ["translate-ebm"])
    gated: bool = False
    private: bool = False
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], branch: str = "main", message: str = "") -> str:
        """Add files on top of a branch; returns the new commit."""
        before = self.commits.get(self.refs.get(branch, ""), {})
        sha = hashlib.sha1(f"{len(self.commits)}{branch}{sorted(files)}".encode()).hexdigest()
        self.commits[sha] = {**before, **files}
        self.refs[branch] = sha
        self.messages.append(message)
        return sha


@dataclass
class Fault:
    """What goes wrong, for requests whose path ends like this.

    Attributes:
        suffix: end of the path.
        kind: `status`, `cut` (close after `after` bytes), `stall` (fall silent after them), `slow`
            (pause per kilobyte), `flip`, `long` (more than the file).
        times: how often; then all is well.
        ready: a body waits until it says so.
    """

    suffix: str
    kind: str
    times: int = 1
    status: int = 429
    after: int = 0
    pause_s: float = 0.0
    method: str = "GET"
    ready: Callable[[], bool] = lambda: True


class Hub(ThreadingHTTPServer):
    """The server; a context manager that runs it in a thread on a free port."""

    daemon_threads = True
    token = "hf_secret"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.moved: dict[str, str] = {}  # repositories with another name now
        self.log: list[tuple[str, str, str]] = []  # method, path, range
        self.tokens: list[tuple[str, str | None]] = []  # path, Authorization
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up once."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and path.endswith(fault.suffix):
                    fault.times -= 1
                    return fault
        return None

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._read()

    def do_GET(self) -> None:
        self._read()

    def _read(self) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.server.lock:
            self.server.log.append((self.command, path, self.headers.get("Range", "")))
            self.server.tokens.append((path, self.headers.get("Authorization")))
        fault = self.server.fault(self.command, path)
        if fault is not None and fault.kind == "status":
            self._answer(fault.status, b"", {"Retry-After": "0"})
        elif found := re.fullmatch(r"/cdn/([0-9a-f]{64})", path):
            self._body(self.server.blobs[found[1]], {}, fault)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+)/([^/]+)", path):
            if found[1] in self.server.moved:  # to a place on the same host, as the Hub does
                there = path.replace(found[1], self.server.moved[found[1]])
                self._answer(307, b"", {"Location": there})
                return
            self._resolve(found[1], found[2], found[3], fault)
        elif path == "/api/models":
            self._search()
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", path):
            self._tree(found[1], found[2])
        else:
            self._answer(404, b"{}")

    def _allowed(self, name: str) -> Repo | None:
        repo = self.server.repos.get(name)
        known = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        if self.headers.get("Authorization") and not known:
            self._answer(
                401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"}
            )
        elif repo is None or (repo.private and not known):
            code = 404 if known else 401
            self._answer(code, b"", {"X-Error-Code": "RepoNotFound"})
        elif repo.gated:
            self._answer(403 if known else 401, b"", {"X-Error-Code": "GatedRepo"})
        else:
            return repo
        return None

    def _files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repo = self._allowed(name)
        if repo is None:
            return None
        commit = repo.refs.get(revision, revision)
        if commit not in repo.commits:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return None
        return commit, repo.commits[commit]

    def _resolve(self, name: str, revision: str, file: str, fault: Fault | None) -> None:
        found = self._files(name, revision)
        if found is None:
            return
        commit, files = found
        own = {"X-Repo-Commit": commit}
        if file not in files:
            self._answer(404, b"", {**own, "X-Error-Code": "EntryNotFound"})
            return
        data = files[file]
        if not file.endswith(".safetensors"):
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self._body(data, {**own, "ETag": f'"{blob}"'}, fault)
            return
        digest = hashlib.sha256(data).hexdigest()
        self.server.blobs.setdefault(digest, data)
        own |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data)), "ETag": '"r"'}
        elsewhere = self.server.url.replace("127.0.0.1", "localhost")
        self._answer(302, b"", {**own, "Location": f"{elsewhere}/cdn/{digest}"})

    def _body(self, data: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        start, code = 0, 200
        if wanted := re.fullmatch(r"bytes=([1-9]\d*)-", self.headers.get("Range", "")):
            start, code = int(wanted[1]), 206
            headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        body = data[start:]
        if fault is not None and fault.kind == "flip":
            body = bytes(b ^ 1 for b in body)
        if fault is not None and fault.kind == "long":
            body += b"more"
        if fault is None or fault.kind in {"flip", "long"} or self.command == "HEAD":
            self._answer(code, body, headers)
            return
        self._answer(code, body, headers, send=False)
        while not fault.ready():
            time.sleep(0.01)
        end = fault.after if fault.kind in {"cut", "stall"} else len(body)
        for at in range(0, end, 1024):
            self.wfile.write(body[at : min(at + 1024, end)])
            time.sleep(fault.pause_s)
        if fault.kind == "stall":
            self.rfile.read(1)  # nothing comes, until the client hangs up
        self.close_connection = True

    def _describe(self, name: str, repo: Repo, commit: str) -> dict[str, Any]:
        siblings = [{"rfilename": f} for f in repo.commits.get(commit, {})]
        return {
            "id": name,
            "sha": commit,
            "tags": repo.tags,
            "downloads": 7,
            "lastModified": "2026-01-02T03:04:05.000Z",
            "private": repo.private,
            "siblings": siblings,
        }

    def _info(self, name: str, revision: str) -> None:
        found = self._files(name, revision)
        if found is not None:
            self._json(self._describe(name, self.server.repos[name], found[0]))

    def _tree(self, name: str, revision: str) -> None:
        found = self._files(name, revision)
        if found is not None:
            entries = found[1].items()
            self._json(
                [{"type": "file", "path": f, "size": len(d), "oid": "0"} for f, d in entries]
            )

    def _search(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        words, tags = query.get("search", [""])[0], query.get("filter", [])
        self._json(
            [
                self._describe(name, repo, repo.refs.get("main", ""))
                for name, repo in self.server.repos.items()
                if words in name and set(tags) <= set(repo.tags) and not repo.private
            ]
        )

    def do_PUT(self) -> None:
        data = self._received()
        self.server.blobs[self.path.rsplit("/", 1)[1]] = data
        self._answer(200, b"")

    def do_POST(self) -> None:
        data, path = self._received(), unquote(urlsplit(self.path).path)
        with self.server.lock:
            self.server.log.append(("POST", path, ""))
        fault = self.server.fault("POST", path)
        if fault is not None:
            self._answer(fault.status, b"")
        elif path == "/api/validate-yaml":
            good = json.loads(data)["content"].startswith("---\nlicense:")
            self._json({"errors": [] if good else [{"message": "no front matter"}]}, good)
        elif self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._answer(401, b"")
        elif path == "/api/repos/create":
            self._create(json.loads(data))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/(.+)", path):
            repo = self.server.repos[found[1]]
            repo.refs.setdefault(found[2], repo.refs.get("main", ""))
            self._json({})
        elif re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            files = [f["path"] for f in json.loads(data)["files"]]
            modes = {f: "lfs" if f.endswith(("safetensors", "jpg")) else "regular" for f in files}
            listed = [{"path": f, "uploadMode": m, "shouldIgnore": False} for f, m in modes.items()]
            self._json({"files": listed})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(data))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            self._commit(found[1], found[2], data)
        else:
            self._answer(404, b"{}")

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        known = name in self.server.repos
        if not known:
            self.server.repos[name] = Repo(private=private)
            self.server.repos[name].commit({})
        self._json({"url": f"{self.server.url}/{name}"}, code=409 if known else 200)

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for item in wanted["objects"]:
            href = f"{self.server.url}/lfs/{item['oid']}"
            objects.append({**item, "actions": {"upload": {"href": href}}})
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, revision: str, data: bytes) -> None:
        lines = [json.loads(line) for line in data.splitlines()]
        message, files = "", {}
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
        sha = self.server.repos[name].commit(files, revision, message)
        url = f"{self.server.url}/{name}/commit/{sha}"
        self._json({"commitUrl": url, "commitOid": sha, "pullRequestUrl": None})

    def _received(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, value: object, good: bool = True, code: int = 200) -> None:
        body = json.dumps(value).encode()
        self._answer(code if good else 400, body, {"Content-Type": "application/json"})

    def _answer(
        self, code: int, body: bytes, headers: dict[str, str] | None = None, send: bool = True
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if send and self.command != "HEAD":
            self.wfile.write(body)
