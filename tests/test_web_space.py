"""The web app as a Space with ZeroGPU: a stand-in for the package `spaces`, with its conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.site import Site, run_site
from tests.test_web_api import call, file_data, result, upload
from translate import Options, Translator

# What is asked of an app: `spaces` is imported before torch, GPU functions are known and models are
# loaded before the first call, arguments and results can be pickled.
SPACES = """
import os, pickle, sys
assert "torch" not in sys.modules

def GPU(function):
    def call(*args):
        import translate.translator
        translate.translator.load_energy_model = None
        with open(os.environ["CALLS"], "a") as log:
            log.write(function.__name__ + "\\n")
        for value in function(*pickle.loads(pickle.dumps(args))):
            yield pickle.loads(pickle.dumps(value))
    return call
"""


@pytest.fixture
def space(site_domains: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "packages/spaces").mkdir(parents=True)
    (tmp_path / "packages/spaces/__init__.py").write_text(SPACES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    flags = [part for folder in site_domains for part in ("--domain", str(folder))]
    (tmp_path / "site").mkdir()
    with run_site(tmp_path / "site", *flags) as site:
        yield site


def test_every_walk_runs_on_the_lent_gpu(
    space: Site, site_domains: tuple[Path, Path], photo: Path, tmp_path: Path
) -> None:
    path = upload(space, "p.png", photo.read_bytes())
    for folder in site_domains:
        wish = {"photo": file_data(path), "domain": folder.name, "strength": "1"}
        kind, (file, _) = call(space, "translate", wish)
        assert kind == "complete"
        expected = Translator.load(str(folder), device="cpu")(photo, Options(strength=1.0))
        np.testing.assert_array_equal(result(space, file), np.asarray(expected))
    wish = {"photo": file_data(path), "second": "scenes", "share": 0.5}
    kind, (file, info) = call(space, "translate", wish)
    assert kind == "complete"
    assert info["second"] == "scenes"
    kind, (score,) = call(space, "score", {"photo": file_data(path)})
    assert kind == "complete"
    assert score["domain"] == "squares"
    assert len((tmp_path / "calls").read_text().splitlines()) == 4
