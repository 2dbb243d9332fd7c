"""Domains from the Hub: the real client against a real server on the loopback interface."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from tests.conftest import Result, write_domain
from tests.hub_server import Fault, Hub, Repo
from translate import DomainError, EnergyModel, Translator
from translate.domain import CARD_FILE, CARD_FORMAT, WEIGHTS_FILE, read_domain
from translate.hub import BUNDLED, find_domain, open_domain
from translate.hub.address import Address, parse_address
from translate.hub.cache import cached_domains, remove
from translate.hub.remote import fetch, search

NAME = "someone/tiny"
# The client's own upload of large files still uses a spelling that its HTTP library warns about.
uploading = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
FILES = (CARD_FILE, WEIGHTS_FILE, "README.md")


@pytest.fixture(scope="session")
def files(tiny_domain: Path) -> dict[str, bytes]:
    """What a repository holds, and more than is fetched."""
    own = {name: (tiny_domain / name).read_bytes() for name in FILES[:2]}
    return {**own, "README.md": b"# Tiny\n", "huge.bin": b"\0", "pytorch_model.bin": b"pickle"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> Iterator[Hub]:
    """A server that this process's client asks, with an empty cache."""
    with Hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        server.repos[NAME] = Repo()
        server.repos[NAME].commit(files)
        yield server


def client(hub: Hub, cache: Path, code: str, **settings: str) -> subprocess.Popen[str]:
    """A process of its own, told about the server as users tell it: by its environment."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "",
        **settings,
    }
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


FETCH = f"from translate.hub import open_domain; print(open_domain({NAME!r})[1])"


def gets(hub: Hub, part: str = "/cdn/") -> list[str]:
    """Ranges of the GET requests for such paths."""
    return [
        r.removeprefix("bytes=") for method, path, r in hub.log if method == "GET" and part in path
    ]


@pytest.mark.parametrize(
    ("name", "revision", "expected"),
    [
        ("a/b", None, Address("a/b")),
        ("a/b@v1", None, Address("a/b", "v1")),
        ("a/b", "refs/pr/1", Address("a/b", "refs/pr/1")),
        ("a/b@v1", "v1", Address("a/b", "v1")),
        ("plain", None, None),
        ("../b", None, None),
        ("a/../b", None, None),
        ("/a/b", None, None),
        ("a/b/c", None, None),
        ("a--b/c", None, None),
    ],
)
def test_addresses(name: str, revision: str | None, expected: Address | None) -> None:
    assert parse_address(name, revision) == expected


@pytest.mark.parametrize("revision", ["../../x", "", "/etc", "a//b", "a b", "x" * 300, "-x"])
def test_hostile_revisions_are_refused(revision: str) -> None:
    with pytest.raises(DomainError, match="cannot be a revision"):
        find_domain("a/b", revision=revision)
    with pytest.raises(DomainError, match="name one of them"):
        find_domain("a/b@v1", revision="v2")


def test_a_revision_is_for_the_hub_only(tiny_domain: Path) -> None:
    for name in ("anime", str(tiny_domain)):
        with pytest.raises(DomainError, match="leave it out"):
            find_domain(name, revision="main")


def test_three_files_come_and_no_other(hub: Hub, tiny_domain: Path) -> None:
    loaded = Translator.load(NAME, device="cpu", dtype="float32")
    local = Translator.load(str(tiny_domain), device="cpu", dtype="float32")
    assert loaded.domain == local.domain
    for key, value in local.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[key], value)
    folder = fetch(Address(NAME))
    assert sorted(f.name for f in folder.iterdir()) == sorted(FILES)
    assert not [path for _, path, _ in hub.log if path.endswith("bin")]
    assert len(gets(hub)) == 1


def test_a_local_folder_of_that_name_comes_first(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = write_domain(tmp_path / "someone" / "tiny")
    assert find_domain(NAME).resolve() == own
    write_domain(tmp_path / "anime")
    assert find_domain("anime") == BUNDLED / "anime"
    assert not hub.log


def test_revisions_are_passed_to_every_lookup(hub: Hub, files: dict[str, bytes]) -> None:
    repo = hub.repos[NAME]
    first = repo.refs["main"]
    card = json.loads(files[CARD_FILE]) | {"title": "Second"}
    second = repo.commit({CARD_FILE: json.dumps(card).encode()})
    repo.refs["v1"] = first
    assert open_domain(NAME)[0].title == "Second"
    assert open_domain(f"{NAME}@v1")[0].title == "Tiny"
    hub.log.clear()
    folder = find_domain(NAME, revision=first)
    assert folder.name == first
    assert not hub.log  # a commit in the cache cannot change
    del repo.refs["main"]
    remove(Address(NAME, first))
    find_domain(NAME, revision=first)
    asked = {path.split("/")[4] for _, path, _ in hub.log if "/resolve/" in path}
    assert asked == {first}
    assert second != first


def test_the_branch_is_asked_for_again(hub: Hub, files: dict[str, bytes]) -> None:
    open_domain(NAME)
    card = json.loads(files[CARD_FILE]) | {"title": "Second"}
    hub.repos[NAME].commit({CARD_FILE: json.dumps(card).encode()})
    assert open_domain(NAME)[0].title == "Second"
    assert len(gets(hub)) == 1  # the weights are the same and come once


def refused(name: str = NAME, **arguments: str | bool | None) -> str:
    """The one sentence that a failure says."""
    with pytest.raises(DomainError) as caught:
        open_domain(name, **arguments)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.__cause__ is None
    return text


def test_failures_are_one_sentence_with_the_remedy(hub: Hub, files: dict[str, bytes]) -> None:
    repo = hub.repos[NAME]
    assert "no such repository" in refused("someone/nothing")
    assert "no such revision" in refused(revision="v9")
    assert "no such revision" in refused(revision="0" * 40)
    repo.gated = True
    assert "accept its terms" in refused()
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    assert "accept its terms" in refused()
    Path(constants.HF_TOKEN_PATH).unlink()
    repo.gated, repo.private = False, True
    assert "a private one" in refused()
    Path(constants.HF_TOKEN_PATH).write_text("hf_wrong")
    assert "refused the token" in refused()
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    open_domain(NAME)
    assert "not in the cache" in refused("someone/nothing", offline=True)
    newer = json.loads(files[CARD_FILE]) | {"format": CARD_FORMAT + 1}
    repo.commit({CARD_FILE: json.dumps(newer).encode()})
    assert "update the program" in refused()
    for missing in (CARD_FILE, WEIGHTS_FILE):
        hub.repos["a/b"] = Repo()
        hub.repos["a/b"].commit({n: d for n, d in files.items() if n != missing})
        assert f"{missing} is missing there" in refused("a/b")
    del hub.repos["a/b"]
    hub.repos["a/b"] = Repo()
    hub.repos["a/b"].commit({n: files[n] for n in FILES[:2]})
    open_domain("a/b")  # a page is no must


def test_an_unusable_cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    assert "set HF_HUB_CACHE to a folder" in refused()


def test_no_network(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    before = open_domain(NAME)
    hub.__exit__()
    assert "no folder here, and no connection" in refused("someone/other")
    with caplog.at_level(logging.WARNING, "translate.hub.remote"):
        assert open_domain(NAME) == before
    assert "cannot be reached" in caplog.text


def test_the_cache_is_used_when_the_hub_has_a_fault(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    open_domain(NAME)
    hub.faults.append(Fault(CARD_FILE, "status", times=99, status=503, method="HEAD"))
    open_domain(NAME)
    remove(Address(NAME))
    assert "status 503" in refused()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_busy_then_well(hub: Hub, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    hub.faults.append(Fault(CARD_FILE, "status", times=3, method=method))
    open_domain(NAME)


def test_busy_for_good(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    hub.faults.append(Fault(CARD_FILE, "status", times=99, method="HEAD"))
    assert "wait some minutes" in refused()


def test_a_body_cut_short_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    digest = read_domain(find_domain(NAME)).sha256[WEIGHTS_FILE]
    remove(Address(NAME))
    hub.log.clear()
    hub.faults.append(Fault(digest, "cut", after=5000))
    open_domain(NAME)
    first, second = gets(hub)
    assert (first, second) == ("0-", "5000-")


def test_bodies_cut_short_for_good_then_another_try(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "cut", after=4000))
    broken = Fault(digest, "cut", times=99)
    hub.faults.append(broken)
    assert "broke off" in refused()
    broken.times = 0
    hub.log.clear()
    open_domain(NAME)
    assert gets(hub) == ["4000-"]


def test_a_silent_server_is_asked_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 2)
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "stall", after=5000))
    open_domain(NAME)
    assert gets(hub) == ["0-", "5000-"]


def test_a_body_too_long_is_no_obstacle_later(hub: Hub, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "long"))
    assert "longer than its stated" in refused()
    assert not list(Path(constants.HF_HUB_CACHE).rglob(WEIGHTS_FILE))
    open_domain(NAME)
    assert gets(hub) == ["0-", "0-"]


def test_a_repository_with_a_new_name(hub: Hub) -> None:
    hub.moved["someone/old"] = NAME
    domain = open_domain("someone/old")[0]
    hub.__exit__()
    assert domain == open_domain("someone/old", offline=True)[0]


def test_the_token_is_for_the_hub_alone(hub: Hub) -> None:
    """Weights come from another host, to which the Hub redirects."""
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    open_domain(NAME)
    assert {token for path, token in hub.tokens if "/resolve/" in path} == {f"Bearer {hub.token}"}
    assert {token for path, token in hub.tokens if "/cdn/" in path} == {None}


def test_wrong_bytes_are_never_used(hub: Hub, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "flip", times=1))
    assert "it is not used" in refused()
    assert not list(Path(constants.HF_HUB_CACHE).rglob(WEIGHTS_FILE))
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))
    open_domain(NAME)


def test_a_damaged_part_begins_anew(hub: Hub, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    blobs = Path(constants.HF_HUB_CACHE) / "models--someone--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{digest}.incomplete").write_bytes(b"x" * 3000)
    open_domain(NAME)
    assert gets(hub) == ["3000-", "0-"]


def test_a_file_damaged_in_the_cache_is_refused(hub: Hub) -> None:
    _, weights = open_domain(NAME)
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.resolve().write_bytes(data)
    assert "domains remove" in refused()
    remove(Address(NAME))
    open_domain(NAME)


def test_sizes_are_checked_before_the_download(hub: Hub, files: dict[str, bytes]) -> None:
    repo = hub.repos[NAME]
    repo.commit({WEIGHTS_FILE: bytes(3_000_000)})
    assert "3,000,000 bytes" in refused()
    repo.commit({CARD_FILE: b" " * 2_000_000, WEIGHTS_FILE: files[WEIGHTS_FILE]})
    assert "2,000,000 bytes" in refused()
    assert not gets(hub)


def test_hostile_cards_name_no_paths(hub: Hub, files: dict[str, bytes]) -> None:
    card = json.loads(files[CARD_FILE])
    for name in ("../../../etc/passwd", "/etc/passwd", "a\\b", "..", ""):
        card["sha256"] = {WEIGHTS_FILE: card["sha256"][WEIGHTS_FILE], name: "0" * 64}
        hub.repos[NAME].commit({CARD_FILE: json.dumps(card).encode()})
        assert "no plain file name" in refused()


def test_a_page_that_the_card_vouches_for(hub: Hub, files: dict[str, bytes]) -> None:
    card = json.loads(files[CARD_FILE])
    card["sha256"]["README.md"] = hashlib.sha256(b"another").hexdigest()
    hub.repos[NAME].commit({CARD_FILE: json.dumps(card).encode()})
    assert "README.md has sha256" in refused()


def test_a_slow_server(hub: Hub, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "slow", pause_s=0.01))
    open_domain(NAME)


def test_killed_then_resumed(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    cache = tmp_path / "cache"
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "slow", pause_s=0.5))
    process = client(hub, cache, FETCH, PYTHONUNBUFFERED="1")
    part = cache / "models--someone--tiny" / "blobs" / f"{digest}.incomplete"
    while not part.exists() or part.stat().st_size < 3000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = part.stat().st_size
    assert have < len(files[WEIGHTS_FILE])
    hub.log.clear()
    out, err = client(hub, cache, FETCH).communicate()
    assert out.strip().endswith(WEIGHTS_FILE), err
    assert gets(hub) == [f"{have}-"]
    assert not part.exists()


def test_two_processes_download_once(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    both: list[subprocess.Popen[str]] = []

    def both_are_there() -> bool:
        heads = [p for method, p, _ in hub.log if method == "HEAD" and p.endswith(WEIGHTS_FILE)]
        return len(heads) > 1 or any(process.poll() is not None for process in both)

    hub.faults.append(Fault(digest, "slow", pause_s=0.03, ready=both_are_there))
    both += [client(hub, tmp_path / "cache", FETCH) for _ in range(2)]
    outs = [process.communicate() for process in both]
    assert outs[0][0] == outs[1][0] != "", outs
    assert len(gets(hub)) == 1


def test_threads_download_once(hub: Hub, files: dict[str, bytes]) -> None:
    digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
    hub.faults.append(Fault(digest, "slow", pause_s=0.01))
    with ThreadPoolExecutor(4) as pool:
        cards = [card for card, _ in pool.map(open_domain, [NAME] * 4)]
    assert cards == [cards[0]] * 4
    assert len(gets(hub)) == 1


OFFLINE = """
import socket, sys
def refuse(*_, **__): raise SystemExit("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
def hook(event, _):
    if event in {"socket.connect", "socket.__new__", "socket.getaddrinfo"}:
        refuse()
sys.addaudithook(hook)
from translate import DomainError, Translator
from translate.cli import main
"""


def test_offline_opens_no_socket(hub: Hub, tmp_path: Path, photo: Path) -> None:
    commit = find_domain(NAME).name
    hub.log.clear()
    words = ["translate", "image", str(photo), str(tmp_path / "out.png"), "--device", "cpu"]
    code = f"""{OFFLINE}
Translator.load({NAME!r}, device='cpu', offline=True)
Translator.load({NAME!r}, revision={commit!r}, device='cpu', offline=True)
Translator.load({NAME!r}, revision={commit!r}, device='cpu')
try: Translator.load("a/none", offline=True)
except DomainError as error: print(error)
sys.argv = {[*words, "--domain", NAME, "--offline"]!r}
main()
"""
    out, err = client(hub, tmp_path / "cache", code).communicate()
    assert out.startswith("a/none: no folder here and not in the cache"), err
    assert "out.png: energy" in out, err
    assert not hub.log
    code = f"{OFFLINE}Translator.load({NAME!r}, device='cpu')"
    _, err = client(hub, tmp_path / "cache", code, HF_HUB_OFFLINE="1").communicate()
    assert err == ""
    _, err = client(hub, tmp_path / "cache", code).communicate()
    assert "a socket was opened" in err  # the trap works
    assert not hub.log


def test_search_cached_and_remove(hub: Hub) -> None:
    hub.repos["someone/tiny-other"] = Repo(tags=[])
    assert [name for name, _ in search("tiny")] == [NAME]
    assert list(cached_domains()) == []
    commit = find_domain(NAME).name
    assert [address for address, _ in cached_domains()] == [Address(NAME)]
    assert find_domain(NAME, revision=commit, offline=True)
    assert remove(Address(NAME)) > 1000
    assert list(cached_domains()) == []
    with pytest.raises(DomainError, match="nothing to remove"):
        remove(Address(NAME))


def test_commands(hub: Hub, cli: Callable[..., Result], photo: Path, tmp_path: Path) -> None:
    assert NAME in cli("domains", "--remote", "tin").out
    assert cli("domains", "--remote", "zebra").err.startswith("no domain")
    done = cli("domains", "download", NAME)
    assert done.code == 0, done.err
    assert NAME in cli("domains").out
    commit = find_domain(NAME).name
    hub.log.clear()
    flags = ("--domain", NAME, "--revision", commit, "--offline", "--device", "cpu")
    assert cli("image", photo, tmp_path / "out.png", *flags).code == 0
    assert cli("generate", tmp_path / "made", "-n", 1, *flags).code == 0
    assert cli("batch", photo, tmp_path / "batch", *flags).code == 0
    assert cli("score", photo, *flags).code == 0
    assert "Tiny" in cli("domains", NAME, "--offline").out
    assert not hub.log
    assert "freed" in cli("domains", "remove", NAME).out
    gone = cli("image", photo, tmp_path / "b.png", *flags)
    assert gone.code == 2
    assert "domains download" in gone.err
    assert cli("domains", "remove", "anime").code == 2


@uploading
def test_push_is_one_commit_that_loads(
    hub: Hub, cli: Callable[..., Result], tiny_domain: Path
) -> None:
    Path(constants.HF_TOKEN_PATH).write_text("hf_wrong")
    assert "hf auth login" in cli("push", tiny_domain, "me/new").err
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    done = cli("push", tiny_domain, "me/new", "--private")
    assert done.code == 0, done.err
    repo = hub.repos["me/new"]
    assert repo.private
    assert repo.messages == ["", "Domain tiny"]
    files = repo.commits[repo.refs["main"]]
    assert sorted(files) == sorted([*FILES, "sample.jpg"])
    page = files["README.md"].decode()
    for words in ("## Licence", "## Data", "## Calibration", "## Metrics", "sample.jpg", "me/new"):
        assert words in page
    assert files["sample.jpg"].startswith(b"\xff\xd8")
    assert open_domain("me/new")[0] == read_domain(tiny_domain)
    assert cli("push", tiny_domain, "me/new", "--revision", "try").code == 0
    assert "try" in repo.refs
    assert cli("push", tiny_domain, "new").code == 2
    assert cli("push", tiny_domain, "me/new", "--revision", "0" * 40).code == 2


@uploading
def test_the_ecosystems_usual_ways(hub: Hub, tmp_path: Path, tiny_domain: Path) -> None:
    Path(constants.HF_TOKEN_PATH).write_text(hub.token)
    model = EnergyModel.from_pretrained(NAME)
    model.save_pretrained(tmp_path / "saved")
    assert sorted(f.name for f in (tmp_path / "saved").iterdir()) == sorted(FILES)
    again = EnergyModel.from_pretrained(tmp_path / "saved")
    assert again.card is not None
    assert "/commit/" in again.push_to_hub("me/pushed", private=True)
    pushed = EnergyModel.from_pretrained("me/pushed", revision="main")
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(model.logit(x), pushed.logit(x))
    assert EnergyModel.from_pretrained("me/pushed", local_files_only=True).card == pushed.card
    with pytest.raises(DomainError, match="no domain card"):
        EnergyModel(model.config).save_pretrained(tmp_path / "none")
    EnergyModel(model.config).save_pretrained(tmp_path / "own", card=model.card)
    assert Translator.load(str(tmp_path / "own")).domain.name == "tiny"
