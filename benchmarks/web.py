"""The web app: time to the first picture, then memory and temporary files over many requests.

    python benchmarks/web.py [--requests 500] [--domain NAME]

Starts `app.py` on the loopback interface, sends the same photo to `/translate` again and again
from four clients at once, and prints the server's resident memory (Linux) on the way.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "astronaut.jpg"
MARK = "----frontier"


def upload(url: str) -> str:
    """Path of the photo on the server."""
    body = (
        f'--{MARK}\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    ).encode()
    body += PHOTO.read_bytes() + f"\r\n--{MARK}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={MARK}"}
    request = urllib.request.Request(f"{url}gradio_api/upload", body, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)[0]


def translate(url: str, wish: dict[str, Any]) -> None:
    """Upload, translate, wait, download."""
    photo = {"path": upload(url), "meta": {"_type": "gradio.FileData"}}
    request = urllib.request.Request(
        f"{url}gradio_api/call/v2/translate",
        json.dumps({"photo": photo, **wish}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}gradio_api/call/translate/{event}") as answer:
        text = answer.read().decode()
    match = re.search(r'event: complete\ndata: .*?"url": "([^"]+)"', text)
    if match is None:
        raise SystemExit(f"no picture came: {text[-500:]}")
    with urllib.request.urlopen(match[1]) as answer:
        answer.read()


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1000


def files(folder: Path) -> tuple[int, float]:
    """How many temporary files there are, and their MB."""
    found = [p for p in folder.rglob("*") if p.is_file()]
    return len(found), sum(p.stat().st_size for p in found) / 1e6


def main() -> None:
    """Start, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3, help="per request: short, to do many")
    parser.add_argument("--domain", default="anime")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "--port", "0", "--domain", arguments.domain],
            env=os.environ | {"TMPDIR": name},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.stderr is not None
        while not (match := re.search(r" on (http://\S+)", server.stderr.readline())):
            if server.poll() is not None:
                raise SystemExit("the server did not start")
        url = match[1]
        print(f"listening after {time.perf_counter() - started:.1f} s")
        translate(url, {"strength": "auto"})
        print(f"first picture after {time.perf_counter() - started:.1f} s")
        wish = {"strength": "1", "steps": arguments.steps}
        print(f"requests  {'RSS MB':>7}  files  files' MB")
        done, share = 0, max(1, arguments.requests // 10)
        begun = time.perf_counter()
        with ThreadPoolExecutor(arguments.clients) as pool:
            while done < arguments.requests:
                list(pool.map(lambda seed: translate(url, wish | {"seed": seed}), range(share)))
                done += share
                count, size = files(folder)
                print(f"{done:8}  {resident_mb(server.pid):7.0f}  {count:5}  {size:8.1f}")
        print(f"{done / (time.perf_counter() - begun):.2f} requests/s")
        server.terminate()
        server.wait()
        print(f"files left after the end: {files(folder)[0]}")


if __name__ == "__main__":
    main()
