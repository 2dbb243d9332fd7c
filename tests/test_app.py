"""The web page over HTTP: a real server, a real client, the same picture as the Python API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import EXAMPLES, pixels
from translate import Options, Translator

CLIENT = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
print(json.dumps(client.predict(handle_file(sys.argv[2]), "anime", 1.0, False,
                                api_name="/translate")))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = EXAMPLES.parent / "app.py"
    server = subprocess.Popen(
        [sys.executable, str(app), "--port", str(port)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline
        try:
            with urllib.request.urlopen(address, timeout=5):
                break
        except OSError:
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait(30)


def test_the_page_gives_the_picture_of_the_python_api(url: str) -> None:
    photo = EXAMPLES / "astronaut.jpg"
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, url, str(photo)], capture_output=True, text=True, check=True
    )
    _preview, _pair, file, words = json.loads(done.stdout)
    expected = Translator.load("anime", device="cpu")(photo, Options(strength=1.0))
    difference = np.abs(pixels(Path(file)).astype(int) - np.array(expected))
    assert difference.max() <= 2
    assert "steps" in words
