"""The Hub from the command line: what is shown, what is said, what is published."""

from __future__ import annotations

import io
import itertools
import json
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from tests.conftest import Result, write_domain
from tests.hub_server import Fault, Hub
from tests.test_hub import NAME, files, hub, uploading
from translate import Translator, publish
from translate.domain import CARD_FILE, read_domain
from translate.hub import find_domain
from translate.hub.page import domain_page
from translate.ui import server
from translate.ui.catalog import Catalog

__all__ = ["files", "hub"]


def download(hub: Hub, cache: Path, stderr: int, **settings: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(cache),
        "NO_PROXY": "127.0.0.1,localhost",
        **settings,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "translate.cli", "domains", "download", NAME],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def on_a_terminal(hub: Hub, cache: Path, **settings: str) -> str:
    """What a terminal shows beside the command's output."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = download(hub, cache, theirs, **settings)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0, shown
    assert str(cache).encode() in out
    return shown.decode()


def test_a_bar_on_a_terminal_and_nowhere_else(hub: Hub, tmp_path: Path) -> None:
    shown = on_a_terminal(hub, tmp_path / "a")
    assert "model.safetensors: 100%" in shown
    quiet = on_a_terminal(hub, tmp_path / "b", HF_HUB_DISABLE_PROGRESS_BARS="1")
    assert quiet == ""
    process = download(hub, tmp_path / "c", subprocess.PIPE)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"HF_HUB_ETAG_TIMEOUT": "soon"}, "environment variables"),
        ({"HF_ENDPOINT": "http://127.0.0.1:99999"}, "environment variables"),
        ({"ALL_PROXY": "carrier-pigeon://127.0.0.1", "NO_PROXY": ""}, "environment variables"),
        ({"HF_ENDPOINT": "http://127.0.0.1:1"}, "check the network"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_get_one_sentence(
    hub: Hub, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    process = download(hub, tmp_path / "cache", subprocess.PIPE, **settings)
    _, err = process.communicate()
    assert process.returncode == 2
    assert err.startswith(b"error: ")
    assert err.count(b"\n") == 1
    assert words in err.decode()


def test_a_card_cannot_paint_the_terminal(
    cli: Callable[..., Result], tmp_path: Path, hub: Hub, files: dict[str, bytes]
) -> None:
    folder = write_domain(tmp_path / "mine")
    card = json.loads((folder / CARD_FILE).read_text()) | {"title": "\x1b[2J", "summary": "a\r\nb"}
    (folder / CARD_FILE).write_text(json.dumps(card))
    shown = cli("domains", folder)
    assert shown.code == 0
    assert "\\x1b[2J" in shown.out
    hub.repos[NAME].commit({CARD_FILE: (folder / CARD_FILE).read_bytes()})
    find_domain(NAME)
    listed = cli("domains").out
    assert "a\\r\\nb" in listed
    assert not {"\x1b", "\r"} & {*shown.out, *listed}


def test_the_web_app_and_the_measurements_take_domains_from_the_cache(
    hub: Hub, cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = find_domain(NAME)
    hub.log.clear()
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(server, "serve", lambda **settings: started.append(settings))
    assert cli("serve", "--domain", NAME, "--offline").code == 0
    assert started[0]["domains"] == [str(folder)]
    assert Catalog([str(folder)], device="cpu").translator("tiny").domain == read_domain(folder)
    assert not hub.log
    assert "not in the cache" in cli("serve", "--domain", "a/none", "--offline").err
    flags = ("--target", tmp_path, "--domain", "a/none", "--offline")
    for kind, others in (
        ("translation", ("--source", tmp_path)),
        ("generation", ("--from", tmp_path)),
        ("ood", ("--other", tmp_path)),
    ):
        result = cli("evaluate", kind, tmp_path / "out", *flags, *others)
        assert result.code == 2
        assert "a/none: no folder here and not in the cache" in result.err
    assert not hub.log


@uploading
@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "may not write"), (409, "changed meanwhile"), (500, "status 500"), (413, "status 413")],
)
def test_a_refused_push_changes_nothing(
    hub: Hub,
    cli: Callable[..., Result],
    tiny_domain: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    before = dict(hub.repos[NAME].refs)
    hub.faults.append(Fault("/commit/main", "status", times=99, status=status, method="POST"))
    result = cli("push", tiny_domain, NAME)
    assert result.code == 2
    assert words in result.err
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert hub.repos[NAME].refs == before


@uploading
def test_samples_are_states_of_one_walk(
    hub: Hub, cli: Callable[..., Result], tiny_domain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    assert cli("push", tiny_domain, "me/new").err == ""
    repo = hub.repos["me/new"]
    files = repo.commits[repo.refs["main"]]
    strip = Image.open(io.BytesIO(files["sample.jpg"]))
    assert strip.size == (6 * 192, 192)
    translator = Translator.load(str(tiny_domain), device="cpu")
    exact = np.asarray(publish.sample_strip(translator, publish.EXAMPLES / "cat.jpg"), float)
    assert np.abs(np.asarray(strip, float) - exact).mean() < 4
    tiles = exact.reshape(192, 6, 192, 3).swapaxes(0, 1)
    moved = [np.abs(tile - tiles[0]).mean() for tile in tiles]
    assert all(a < b for a, b in itertools.pairwise(moved))
    monkeypatch.setattr(publish, "EXAMPLES", Path("nowhere"))  # as in an installed package
    assert "no sample strip" in cli("push", tiny_domain, "me/bare").err
    repo = hub.repos["me/bare"]
    files = repo.commits[repo.refs["main"]]
    assert "sample.jpg" not in files
    assert "sample.jpg" not in files["README.md"].decode()


def test_a_page_holds_any_figure(tiny_domain: Path) -> None:
    figures = {"share": 0.123456789, "images": 10**400, "name": "x"}
    domain = read_domain(tiny_domain).model_copy(update={"metrics": figures})
    page = domain_page(domain, "a/b")
    assert "| share | 0.123457 |" in page
    assert f"| images | {10**400} |" in page
    assert "| name |" not in page
