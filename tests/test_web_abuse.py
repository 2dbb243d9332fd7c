"""What a stranger may send to the web app: large, crooked, too much."""

from __future__ import annotations

import io
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import pixels
from tests.site import Site, run_site
from tests.test_web_api import call, file_data, get, post, result, upload

NOT_SERVED = (403, 404, 405)


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_over_the_limit_gets_one_sentence(site: Site, photo: Path) -> None:
    path = upload(site, "big.png", photo.read_bytes() + bytes(31_000_000))
    for endpoint in ("translate", "score"):
        kind, answer = call(site, endpoint, {"photo": file_data(path)})
        assert kind == "error"
        assert answer["error"] == "big.png has 31 MB, at most 30 MB are taken; save it smaller."


def test_a_picture_over_the_limit_gets_one_sentence(site: Site) -> None:
    """A small file that would be 120 MB of pixels."""
    content = png(8000, 5001)
    assert len(content) < 100_000
    kind, answer = call(site, "translate", {"photo": file_data(upload(site, "wide.png", content))})
    assert kind == "error"
    assert answer["error"].startswith("Cannot read wide.png")
    assert "40000000 pixels" in answer["error"]
    assert "max_pixels" not in answer["error"]


def test_a_bad_mask_gets_one_sentence(site: Site, photo: Path) -> None:
    files = [upload(site, name, data) for name, data in (("p.png", photo.read_bytes()), ("m", b""))]
    body = {"photo": file_data(files[0]), "mask": file_data(files[1])}
    kind, answer = call(site, "translate", body)
    assert kind == "error"
    assert answer["error"].startswith("Cannot read m")


@pytest.mark.parametrize("name", ["../../../../evil.png", "/evil.png", "a/b.png"])
def test_names_of_uploads_lead_nowhere(site: Site, photo: Path, name: str) -> None:
    path = Path(upload(site, name, photo.read_bytes()))
    assert path.resolve().is_relative_to(site.temp)
    assert not list(site.folder.glob("evil*"))
    kind, (file, _) = call(site, "translate", {"photo": file_data(str(path)), "strength": "0"})
    assert kind == "complete"
    np.testing.assert_array_equal(result(site, file), pixels(photo))


@pytest.mark.parametrize("name", [".evil.png", "..\\..\\evil.png"])
def test_names_with_a_dot_in_front_get_one_sentence(site: Site, photo: Path, name: str) -> None:
    path = upload(site, name, photo.read_bytes())
    assert Path(path).resolve().is_relative_to(site.temp)
    for endpoint in ("translate", "score"):
        status, answer = post(
            f"{site.url}gradio_api/call/v2/{endpoint}", {"photo": file_data(path)}
        )
        assert status == 400
        assert "begins with a dot" in answer


def test_folders_and_inner_doors_are_not_served(site: Site) -> None:
    doors = [f"gradio_api/file={site.temp}", f"gradio_api/file={site.temp}/examples", "monitoring"]
    for door in (*doors, "gradio_api/monitoring", "gradio_api/monitoring/summary"):
        assert get(f"{site.url}{door}")[0] in NOT_SERVED, door


def test_inputs_of_the_page_take_uploads_only(site: Site) -> None:
    """The brush describes its pictures in a table of its own."""
    _, config = get(f"{site.url}config")
    for event in json.loads(config)["dependencies"]:
        drawing = {"background": file_data("/etc/passwd"), "layers": [file_data("/etc/passwd")]}
        body = {"fn_index": event["id"], "session_hash": "x", "data": [drawing]}
        status, answer = post(f"{site.url}gradio_api/queue/join", body)
        assert status == 400
        assert "only uploaded files" in answer


def test_the_queue_has_an_end(site_domains: tuple[Path, Path], photo: Path, tmp_path: Path) -> None:
    """What is too much is refused in a sentence, and ending does not wait for the rest."""
    (tmp_path / "site").mkdir()
    with run_site(tmp_path / "site", "--domain", str(site_domains[0])) as site:
        wish = {"photo": file_data(upload(site, "p.png", photo.read_bytes())), "steps": 200}
        answers = [post(f"{site.url}gradio_api/call/v2/translate", wish) for _ in range(90)]
        assert {status for status, _ in answers} == {200, 503}
        assert [status for status, _ in answers[:64]] == [200] * 64
        assert "ueue" in answers[-1][1]
        assert "Traceback" not in answers[-1][1]


def test_leaving_in_the_middle_of_an_upload(
    site_domains: tuple[Path, Path], tmp_path: Path
) -> None:
    """No stack trace in the log (`run_site` looks for one), and the next one is served."""
    (tmp_path / "site").mkdir()
    with run_site(tmp_path / "site", "--domain", str(site_domains[0])) as site:
        port = int(site.url.rstrip("/").rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )
            time.sleep(0.5)
        assert upload(site, "p.png", b"nothing")
