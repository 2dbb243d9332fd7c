"""`translate score`: the facade's numbers for every file, in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.test_batch import fill, picture
from translate import Translator

Cli = Callable[..., Result]


def test_scores_equal_the_facade(cli: Cli, tiny_scene: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    fill(source, 3)
    picture(8, 90, 40).save(source / "00b.png")
    fill(source / "sub", 1)
    (source / "01b.png").write_bytes(b"no image")
    done = cli("score", source, "--json", "-d", tiny_scene, "--batch-size", 2)
    assert done.code == 1
    assert "domain tiny-scene" in done.err
    assert "failed: Cannot read" in done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    names = ["00.png", "00b.png", "01.png", "01b.png", "02.png", "sub/00.png"]
    assert [line["file"] for line in lines] == [str(source / name) for name in names]
    translator = Translator.load(str(tiny_scene))
    for line in lines:
        if line["file"].endswith("01b.png"):
            assert "not an image" in line["error"]
            continue
        expected = translator.score(line["file"])
        assert line["energy"] == pytest.approx(expected.energy, abs=1e-4)
        assert line["probability"] == pytest.approx(expected.probability, abs=1e-4)
        assert line["percentile"] == pytest.approx(expected.percentile, abs=0.1)


def test_text_for_people(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    done = cli("score", tmp_path / "in" / "*.png", "-d", tiny_domain, "--limit", 1)
    assert done.code == 0
    head, line = done.out.splitlines()
    assert head.split() == ["energy", "probability", "percentile", "file"]
    assert line.endswith("%  " + str(tmp_path / "in" / "00.png"))
    assert cli("score", tmp_path / "nowhere", "-d", tiny_domain).code == 2
