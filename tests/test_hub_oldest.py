"""The oldest supported `huggingface_hub`; the other tests run with the newest.

`make test` puts it, without its own packages (gradio brings them), into `.venv/hub-oldest`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

import huggingface_hub
import pytest

from tests.hub_server import Fault, Hub, Repo
from tests.test_hub import FETCH, NAME, client, files, gets
from translate.domain import WEIGHTS_FILE

__all__ = ["files"]
OLDEST = Path(sys.prefix) / "hub-oldest"
REFUSED = f"""
from translate.errors import DomainError
from translate.hub import open_domain
for name in ("a/none", "{NAME}@none", "a/gated"):
    try: open_domain(name)
    except DomainError as error: print(error)
"""


def test_the_oldest_client_downloads_resumes_and_tells(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OLDEST.is_dir(), "make test installs it"
    own = Path(__file__).parents[1]
    stated = (own / "requirements.txt").read_text()
    found = re.search(r"huggingface-hub>=([\d.]+),<(\d+)", stated)
    assert found is not None
    oldest, beyond = found.groups()
    assert int(huggingface_hub.__version__.split(".")[0]) == int(beyond) - 1
    settings = {"PYTHONPATH": f"{OLDEST}{os.pathsep}{own}"}
    version = "import huggingface_hub; print(huggingface_hub.__version__)\n"
    with Hub() as hub:
        hub.repos[NAME] = Repo()
        commit = hub.repos[NAME].commit(files)
        hub.repos["a/gated"] = Repo(gated=True)
        hub.faults.append(Fault("/config.json", "status", method="HEAD"))
        hub.faults.append(Fault("/config.json", "status", method="GET"))
        digest = hashlib.sha256(files[WEIGHTS_FILE]).hexdigest()
        hub.faults.append(Fault(digest, "cut", after=5000))
        out, err = client(hub, tmp_path, version + FETCH + REFUSED, **settings).communicate()
        lines = out.splitlines()
        assert len(lines) == 5, err
        assert lines[0].startswith(f"{oldest}.")
        assert commit in lines[1]
        assert "no such repository" in lines[2]
        assert "no such revision" in lines[3]
        assert "accept its terms" in lines[4]
        assert gets(hub) == ["0-", "5000-"]
    out, err = client(hub, tmp_path, FETCH, HF_HUB_OFFLINE="1", **settings).communicate()
    assert commit in out, err
