"""The endpoints over HTTP with the documented clients: the Python API's pictures, and no leaks."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES, pixels
from tests.site import Site
from translate import Options, Translator
from translate.hub import bundled_domains

README = EXAMPLES.parent / "README.md"


def post(url: str, body: object) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def upload(site: Site, name: str, content: bytes) -> str:
    mark = "----frontier"
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + content
    request = urllib.request.Request(
        f"{site.url}gradio_api/upload",
        body + f"\r\n--{mark}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={mark}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)[0]


def file_data(path: str, **more: object) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def call(site: Site, endpoint: str, body: dict[str, Any]) -> tuple[str, Any]:
    """The event's name and its data."""
    status, answer = post(f"{site.url}gradio_api/call/v2/{endpoint}", body)
    assert status == 200, answer
    event = json.loads(answer)["event_id"]
    _, stream = get(f"{site.url}gradio_api/call/{endpoint}/{event}")
    kind, data = re.findall(r"event: (\w+)\ndata: (.*)\n", stream.decode())[-1]
    return kind, json.loads(data)


def result(site: Site, file: dict[str, Any]) -> np.ndarray:
    assert Path(file["path"]).is_relative_to(site.temp)
    return pixels(Path(file["path"]))


def test_domains_are_listed(site: Site) -> None:
    kind, (domains,) = call(site, "domains", {})
    assert kind == "complete"
    assert [domain["name"] for domain in domains] == [
        "squares",
        "scenes",
        "slow",
        *bundled_domains(),
    ]
    assert domains[0]["energy_target"] < domains[0]["energy_photos"]
    assert [domain["name"] for domain in domains if domain["auto"]] == ["scenes"]


def test_translate_gives_the_picture_of_the_python_api(
    site: Site, site_domains: tuple[Path, Path], photo: Path
) -> None:
    path = upload(site, "my photo.png", photo.read_bytes())
    kind, (file, info) = call(site, "translate", {"photo": file_data(path), "strength": "0.7"})
    assert kind == "complete", file
    expected = Translator.load(str(site_domains[0]), device="cpu")(photo, Options(strength=0.7))
    np.testing.assert_array_equal(result(site, file), np.asarray(expected))
    assert info["domain"] == "squares"
    assert info["strength"] == 0.7
    assert info["energy"] < info["energy_before"]
    with Image.open(file["path"]) as image:
        assert json.loads(image.text["translate"])["step"] == info["step"]
        assert image.text["Software"] == "translate-ebm"
    assert Path(file["path"]).name == "my photo-squares.png"


def test_every_option_reaches_the_engine(
    site: Site, site_domains: tuple[Path, Path], photo: Path
) -> None:
    path = upload(site, "p.png", photo.read_bytes())
    wish: dict[str, Any] = {"steps": 3, "step_size": 0.4, "eps": 0.9, "seed": 7}
    body = {"photo": file_data(path), "strength": "1", "domain": "scenes", **wish}
    body |= {"glasses": "dissolve", "eyes": 1.5, "crop_only": True}
    kind, (file, info) = call(site, "translate", body)
    assert kind == "complete"
    translator = Translator.load(str(site_domains[1]), device="cpu")
    expected = translator(photo, Options(strength=1.0, crop_only=True, **wish))
    np.testing.assert_array_equal(result(site, file), np.asarray(expected))
    assert {name: info[name] for name in ("seed", "eps", "step_size", "keep_glasses", "eyes")} == {
        "keep_glasses": False,
        "eyes": 1.5,
        "seed": 7,
        "eps": 0.9,
        "step_size": 0.4,
    }


def test_a_mask_keeps_the_rest_bit_equal(site: Site, photo: Path, tmp_path: Path) -> None:
    mask = np.zeros((60, 90), np.uint8)
    mask[15:45, 25:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files = [upload(site, p.name, p.read_bytes()) for p in (photo, tmp_path / "mask.png")]
    body = {"photo": file_data(files[0]), "strength": "1", "mask": file_data(files[1])}
    kind, (file, info) = call(site, "translate", body)
    assert kind == "complete"
    changed = (result(site, file) != pixels(photo)).any(axis=2)
    assert changed[mask > 0].mean() > 0.5
    assert not changed[mask == 0].any()
    assert info["masked"]


def test_a_second_domain_is_blended_in(site: Site, photo: Path) -> None:
    path = upload(site, "p.png", photo.read_bytes())
    pictures = []
    for share in (0.0, 0.5, 1.0):
        body = {"photo": file_data(path), "strength": "1", "second": "scenes", "share": share}
        kind, (file, info) = call(site, "translate", body)
        assert kind == "complete"
        assert info["second"] == ("scenes" if share else None)
        pictures.append(result(site, file).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 0
    assert np.abs(pictures[1] - pictures[2]).max() > 0


def test_score_is_that_of_the_python_api(
    site: Site, site_domains: tuple[Path, Path], photo: Path
) -> None:
    path = upload(site, "p.png", photo.read_bytes())
    kind, (score,) = call(site, "score", {"photo": file_data(path)})
    assert kind == "complete"
    expected = Translator.load(str(site_domains[0]), device="cpu").score(photo)
    assert score["energy"] == pytest.approx(expected.energy, abs=1e-4)
    assert score["percentile"] == pytest.approx(expected.percentile, abs=0.1)


BAD = {
    "empty.png": b"",
    "text.jpg": b"no picture at all",
    "cut.png": (EXAMPLES / "cat.jpg").read_bytes()[:5000],
    "svg.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "bomb.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    + b"\0\0\xff\xff" * 2
    + b"\x08\2\0\0\0=\xd0\xd2\x0e",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("endpoint", ["translate", "score"])
def test_bad_uploads_get_one_sentence(site: Site, endpoint: str, name: str) -> None:
    path = upload(site, name, BAD[name])
    kind, answer = call(site, endpoint, {"photo": file_data(path)})
    assert kind == "error"
    assert answer["error"].startswith(f"Cannot read {name}"), answer
    assert str(site.folder) not in json.dumps(answer)
    assert "raceback" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"strength": "2"}, "strength"),
        ({"strength": "much"}, "strength"),
        ({"steps": 100000}, "steps"),
        ({"steps": -1}, "steps"),
        ({"framing": "round"}, "framing"),
        ({"glasses": "dark"}, "glasses"),
        ({"eyes": 9}, "eyes is 9"),
        ({"domain": "moon"}, "domain"),
        ({"domain": "../../etc"}, "domain"),
        ({"second": "moon"}, "domain"),
        ({"domain": "scenes", "second": "squares"}, "squares"),
        ({"seed": -3}, "seed"),
    ],
)
def test_impossible_wishes_get_one_sentence(
    site: Site, photo: Path, wish: dict[str, Any], word: str
) -> None:
    path = upload(site, "p.png", photo.read_bytes())
    kind, answer = call(site, "translate", {"photo": file_data(path), **wish})
    assert kind == "error"
    assert word in str(answer["error"]).lower()


def test_a_missing_photo_gets_one_sentence(site: Site) -> None:
    kind, answer = call(site, "translate", {"photo": None})
    assert kind == "error"
    assert answer["error"] == "Give a photo."


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../../etc/passwd", "app.py", str(README), "file:///etc/passwd", "\0"],
)
@pytest.mark.parametrize("meta", [True, False])
def test_no_path_but_uploads_is_read(site: Site, path: str, meta: bool) -> None:
    described = file_data(path) if meta else {"path": path}
    for endpoint in ("translate", "score"):
        status, answer = post(f"{site.url}gradio_api/call/v2/{endpoint}", {"photo": described})
        assert status == 400
        assert "only uploaded files" in answer
    served, content = get(f"{site.url}gradio_api/file={path.replace(chr(0), '%00')}")
    assert served in (403, 404)
    assert b"root:" not in content


def test_links_out_of_the_folder_are_not_followed(site: Site, photo: Path) -> None:
    inside = Path(upload(site, "p.png", photo.read_bytes()))
    link = inside.with_name("link.png")
    link.symlink_to("/etc/passwd")
    status, _ = post(f"{site.url}gradio_api/call/v2/translate", {"photo": file_data(str(link))})
    link.unlink()
    assert status == 400


def test_no_address_is_fetched(site: Site) -> None:
    """Not even one of this machine: the listener must not see a connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[object] = []

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            seen.append(connection)
            connection.close()

    thread = threading.Thread(target=listen)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.png"
    try:
        for described in (
            file_data(address),
            file_data(address, url=address),
            {"path": address},
            file_data("", url="data:image/png;base64,AAAA"),
        ):
            for body in ({"photo": described}, {"photo": None, "domain": described}):
                status, answer = post(f"{site.url}gradio_api/call/v2/translate", body)
                assert status == 400, answer
        status, _ = post(
            f"{site.url}gradio_api/queue/join",
            {"data": [file_data(address)], "fn_index": 0, "session_hash": "x"},
        )
        assert status == 400
        for door in (f"file={address}", f"file=http:/{address[6:]}", f"proxy={address}"):
            assert get(f"{site.url}gradio_api/{door}")[0] == 403
        kind, _ = call(site, "translate", {"photo": None})  # an address beside is not looked at
        assert kind == "error"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert not seen


def test_the_queue_cannot_be_passed_by(site: Site, photo: Path) -> None:
    path = upload(site, "p.png", photo.read_bytes())
    status, _ = post(f"{site.url}gradio_api/run/translate", {"data": [file_data(path)]})
    assert status == 404


def test_large_requests_are_refused(site: Site) -> None:
    status, answer = post(
        f"{site.url}gradio_api/call/v2/translate", b'{"photo": "' + b"a" * 3_000_000 + b'"}'
    )
    assert status == 413
    assert "too large" in answer


def test_broken_json_does_no_harm(site: Site) -> None:
    status, answer = post(f"{site.url}gradio_api/call/v2/translate", b'{"photo": ')
    assert status in (400, 422)
    assert "Traceback" not in answer


def test_only_the_loopback_interface_listens(site: Site) -> None:
    port = int(site.url.rstrip("/").rsplit(":", 1)[1])
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
        pytest.raises(OSError, match="refused"),
    ):
        client.connect(("127.0.0.2", port))


def test_nothing_calls_home(site: Site) -> None:
    """The page names no other host for scripts, styles, fonts or pictures."""
    _, page = get(site.url)
    _, config = get(f"{site.url}config")
    assert json.loads(config)["analytics_enabled"] is False
    hosts = re.findall(r'(?:src|href)="(https?://[^/"]+)', page.decode())
    assert [h for h in hosts if not h.startswith("http://127.0.0.1")] == []


def test_twenty_clients_each_get_the_picture_they_would_get_alone(
    site: Site, site_domains: tuple[Path, Path]
) -> None:
    random = np.random.default_rng(5)
    translator = Translator.load(str(site_domains[0]), device="cpu")
    wishes = []
    for number in range(20):
        photo = random.integers(0, 255, (40 + number, 50, 3), dtype=np.uint8)
        wishes.append((number, photo, Options(strength=0.3 + 0.03 * number, seed=number)))

    def one(wish: tuple[int, np.ndarray, Options]) -> np.ndarray:
        number, photo, options = wish
        file = site.folder / f"{number}.png"
        Image.fromarray(photo).save(file)
        path = upload(site, "same-name.png", file.read_bytes())
        file.unlink()
        body = {"photo": file_data(path), "strength": str(options.strength), "seed": options.seed}
        kind, answer = call(site, "translate", body)
        assert kind == "complete", answer
        return result(site, answer[0])

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(one, wishes))
    for (_, photo, options), got in zip(wishes, results, strict=True):
        np.testing.assert_array_equal(got, translator(photo, options))


def readme_blocks(kind: str) -> list[str]:
    section = README.read_text(encoding="utf-8").split("## The web app", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


def test_the_readmes_python_example_runs(site: Site, tmp_path: Path) -> None:
    (block,) = [b for b in readme_blocks("python") if "gradio_client" in b]
    (tmp_path / "me.jpg").write_bytes((EXAMPLES / "astronaut.jpg").read_bytes())
    code = block.replace("http://127.0.0.1:7860", site.url)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "energy" in done.stdout
    assert pixels(tmp_path / "me-anime.png").shape == (512, 512, 3)


def test_the_readmes_curl_example_runs(site: Site, tmp_path: Path) -> None:
    (block,) = [b for b in readme_blocks("sh") if "curl" in b]
    (tmp_path / "me.jpg").write_bytes((EXAMPLES / "astronaut.jpg").read_bytes())
    code = "set -euo pipefail\n" + block.replace("http://127.0.0.1:7860", site.url.rstrip("/"))
    done = subprocess.run(
        ["bash", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    assert "event: complete" in done.stdout
    assert pixels(tmp_path / "me-anime.png").shape == (512, 512, 3)
