"""Cards and weights: what is refused, and how it is said."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import write_domain
from tests.limits import memory_within
from translate import DomainError, EnergyModel, Translator
from translate.card_parts import Calibration, Descent
from translate.domain import CARD_FILE, WEIGHTS_FILE, read_domain
from translate.hub import bundled_domains, find_domain, open_domain
from translate.options import own_pgd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_domain(tmp_path / "mine")


def edit(folder: Path, **changes: Any) -> None:
    """Change top-level fields of a card; None removes one."""
    card = json.loads((folder / CARD_FILE).read_text())
    card.update(changes)
    card = {k: v for k, v in card.items() if v is not None}
    (folder / CARD_FILE).write_text(json.dumps(card))


def restate(folder: Path) -> None:
    """Make the card state the weights as they are now."""
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    edit(folder, sha256={WEIGHTS_FILE: digest})


def test_unknown_fields_are_kept(folder: Path, tmp_path: Path) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    for part in (card, card["pgd"], card["calibration"]):
        part["colour"] = {"of": ["the", "sky", 7, None]}
    card["p_data"] = [{"name": "some", "colour": "blue"}]
    edit(folder, **card)
    EnergyModel.from_pretrained(folder).save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / CARD_FILE).read_text())
    for name, value in card.items():
        if isinstance(value, dict):
            assert value.items() <= again[name].items()
    assert again["colour"] == card["colour"]
    assert again["p_data"][0]["colour"] == "blue"


def required() -> list[tuple[str, ...]]:
    """Where a card must say something."""
    places = [("name",), ("title",), ("framing",), ("network",), ("pgd",), ("calibration",)]
    places += [("sha256",), ("network", "size"), ("network", "channels"), ("pgd", "steps")]
    return [*places, ("pgd", "step_size"), ("calibration", "data"), ("calibration", "source")]


def test_a_missing_required_field_is_named(folder: Path) -> None:
    whole = json.loads((folder / CARD_FILE).read_text())
    for place in required():
        card = json.loads(json.dumps(whole))
        part = card
        for key in place[:-1]:
            part = part[key]
        del part[place[-1]]
        (folder / CARD_FILE).write_text(json.dumps(card))
        with pytest.raises(DomainError, match=rf"{'.'.join(place)}: Field required"):
            read_domain(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": None}, "title"),
        ({"name": "../../etc"}, "name"),
        ({"format": 99}, "update the program"),
        ({"format": 99.0}, "format"),
        ({"format": "99"}, "format"),
        ({"network": {"size": 32, "channels": [8, 8], "depth": 9}}, "network.depth"),
        ({"network": {"size": 1024, "channels": [2048, 8], "head": "pooled"}}, "features"),
        ({"calibration": {"data": [math.nan] * 21, "source": [0] * 21}}, "calibration.data"),
        (
            {"calibration": {"data": [0] * 21, "source": [0] * 20 + [math.inf]}},
            "calibration.source",
        ),
        ({"network": {"size": 10**9, "channels": [1, 1]}}, "network.size"),
        ({"network": {"size": 32, "channels": [8]}}, "network.channels"),
        ({"network": {"size": 36, "channels": [8, 8, 8, 8]}}, "no multiple of 8"),
        ({"network": {"size": 64, "channels": [2048] * 5, "blocks": 8}}, "parameters"),
        ({"network": {"size": 32, "channels": [8, 8], "std": [0, 1, 1]}}, "std"),
        ({"sha256": {}}, "sha256"),
        ({"framing": "scene"}, "pooled"),
        ({"pgd": {"steps": 0, "step_size": 1}}, "pgd.steps"),
        ({"pgd": {"steps": 1, "step_size": 1, "coarse": [0.9, 0.2]}}, "exceed 1"),
        ({"pgd": {"steps": 1, "step_size": 1, "coarse": [0.1] * 7}, "format": 2}, "at most"),
        ({"pgd": {"steps": 1, "step_size": 1, "smooth": 1e9}}, "pgd.smooth"),
        ({"pgd": {"steps": 1, "step_size": 1, "smooth": 1}}, "card format 2"),
        ({"network": {"size": 16, "channels": [4, 4], "blocks": [1]}}, "level need 4"),
        ({"pgd": {"steps": 1, "step_size": 1, "tone_lock": 0.5}}, "need 3"),
        ({"pgd": {"steps": 1, "step_size": 1, "headroom": 0.5}}, "need 4"),
        ({"pgd": {"steps": 1, "step_size": 1, "total_variation": 0.5}}, "need 4"),
        ({"pgd": {"steps": 1, "step_size": 1, "footroom": 0.5}, "format": 4}, "need 5"),
        ({"pgd": {"steps": 1, "step_size": 1, "exposure": 0.5}, "format": 4}, "need 5"),
        ({"network": {"size": 16, "channels": [4, 4], "swish": 8}, "format": 5}, "swish needs 6"),
        (
            {"network": {"size": 16, "channels": [4, 4], "members": 2}, "format": 6},
            "members need 7",
        ),
        (
            {"pgd": {"steps": 1, "step_size": 1, "mirrored": True}, "format": 7},
            "mirrored needs 8",
        ),
        (
            {"pgd": {"steps": 1, "step_size": 1, "flatten": 0.1}, "format": 9},
            "flatten needs 10",
        ),
        (
            {"pgd": {"steps": 1, "step_size": 1, "together": True}, "format": 10},
            "together needs 11",
        ),
        (
            {"pgd": {"steps": 1, "step_size": 1, "despeckle": 5}, "format": 11},
            "despeckle needs 12",
        ),
        ({"pgd": {"steps": 1, "step_size": 1, "despeckle": 1e9}}, "pgd.despeckle"),
        ({"pgd": {"steps": 1, "step_size": 1, "shade": 1}, "format": 12}, "shade and pgd.bare"),
        ({"pgd": {"steps": 1, "step_size": 1, "bare": 1}, "format": 12}, "pgd.bare need 13"),
        ({"pgd": {"steps": 1, "step_size": 1, "bare": 1.5}}, "pgd.bare"),
        (
            {"pgd": {"steps": 1, "step_size": 1, "burning": 0.5}, "format": 13},
            "pgd.burning needs 14",
        ),
        ({"pgd": {"steps": 1, "step_size": 1, "burning": 2}}, "pgd.burning"),
        ({"pgd": {"steps": 1, "step_size": 1, "sky": 0.5}, "format": 14}, "pgd.sky and pgd.dark"),
        ({"pgd": {"steps": 1, "step_size": 1, "dark": 0.5}, "format": 14}, "pgd.dark need 15"),
        ({"pgd": {"steps": 1, "step_size": 1, "dark": -1}}, "pgd.dark"),
        ({"pgd": {"steps": 1, "step_size": 1, "sky": 2}}, "pgd.sky"),
        ({"pgd": {"steps": 1, "step_size": 1, "exposure": 0}}, "pgd.exposure"),
        ({"pgd": {"steps": 1, "step_size": 1, "total_variation": 1.0}}, "less than 1"),
        ({"calibration": {"data": [0] * 3, "source": [0] * 21}}, "calibration.data"),
        ({"calibration": {"data": [0, -1] + [0] * 19, "source": [0] * 21}}, "must not fall"),
    ],
)
def test_a_bad_card_is_named(folder: Path, changes: dict[str, Any], words: str) -> None:
    edit(folder, **changes)
    with pytest.raises(DomainError) as caught:
        read_domain(folder)
    assert words in str(caught.value)
    assert str(folder / CARD_FILE) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"format": "x"}'])
def test_a_card_that_is_none(folder: Path, text: str) -> None:
    (folder / CARD_FILE).write_text(text)
    with pytest.raises(DomainError, match=CARD_FILE):
        read_domain(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "elsewhere")
    with pytest.raises(DomainError, match=f"{WEIGHTS_FILE} is missing"):
        open_domain(str(folder))
    (folder / CARD_FILE).unlink()
    with pytest.raises(DomainError, match=f"{CARD_FILE} is missing"):
        open_domain(str(folder))
    with pytest.raises(DomainError, match="'nowhere' is unknown"):
        find_domain("nowhere")


@pytest.mark.parametrize("cut", [0, 4, 100, 5000])
def test_truncated_weights_are_refused_by_their_hash(folder: Path, cut: int) -> None:
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[:cut])
    with pytest.raises(DomainError, match="damaged") as caught:
        Translator.load(str(folder))
    assert str(folder / WEIGHTS_FILE) in str(caught.value)


@pytest.mark.parametrize("cut", [0, 4, 100, 5000])
def test_truncated_weights_with_a_fitting_hash(folder: Path, cut: int) -> None:
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[:cut])
    restate(folder)
    with pytest.raises(DomainError, match="not a readable safetensors file"):
        Translator.load(str(folder))


def test_a_file_too_large_is_not_even_hashed(folder: Path) -> None:
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        os.truncate(file.fileno(), 10**12)  # sparse: costs no disk
    with pytest.raises(DomainError, match="1,000,000,000,000 bytes"):
        Translator.load(str(folder))


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "integers"])
def test_wrong_parameters_are_named(folder: Path, fault: str) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    name = "head.linear.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "extra":
        name = "more.bias"
        weights[name] = torch.zeros(3)
    elif fault == "shape":
        weights[name] = torch.zeros(1, 5)
    else:
        weights[name] = torch.zeros(1, 16, dtype=torch.int32)
    save_file(weights, folder / WEIGHTS_FILE)
    restate(folder)
    with pytest.raises(DomainError, match=name):
        Translator.load(str(folder))


def test_a_network_is_built_only_for_a_file_that_holds_it(folder: Path) -> None:
    """160 million parameters on the card, a few in the file."""
    large = {"size": 32, "channels": [2048, 2048, 2048, 2048], "head": "pooled", "blocks": 0}
    edit(folder, network=large)
    assert read_domain(folder).network.parameters > 160_000_000
    with memory_within(200_000_000), pytest.raises(DomainError, match="parameter"):
        Translator.load(str(folder), device="cpu")


def test_a_pickle_is_never_opened(folder: Path) -> None:
    torch.save({"os": "system"}, folder / WEIGHTS_FILE)
    restate(folder)
    with pytest.raises(DomainError, match="not a readable safetensors file"):
        Translator.load(str(folder))


def test_half_precision_weights_load_as_float32(folder: Path) -> None:
    weights = {k: v.half() for k, v in load_file(folder / WEIGHTS_FILE).items()}
    save_file(weights, folder / WEIGHTS_FILE)
    restate(folder)
    model = EnergyModel.from_pretrained(str(folder))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in model.parameters())


def test_percentile_interpolates() -> None:
    calibration = Calibration(data=tuple(float(i) for i in range(21)), source=(0.0,) * 21)
    assert calibration.target == 10
    assert calibration.percentile(10) == pytest.approx(50)
    assert calibration.percentile(10.5) == pytest.approx(47.5)
    assert calibration.percentile(-1) == 100
    assert calibration.percentile(20) == calibration.percentile(99) == 0


def test_a_copied_folder_is_a_whole_domain(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(find_domain("anime"), copy)
    (copy / "README.md").unlink()
    assert Translator.load(str(copy)).domain == Translator.load("anime").domain


@pytest.mark.parametrize("name", bundled_domains())
def test_bundled_domains_are_whole_and_small(name: str) -> None:
    domain, weights = open_domain(name)
    assert domain.name == name
    assert weights.stat().st_size <= 16 * 2**20
    assert domain.calibration.target < domain.calibration.source[10]
    assert domain.metrics["share_at_or_below_data_median"] > 0.8
    card = (weights.parent / "README.md").read_text()
    for source in (*domain.p_data, *domain.p_0):
        assert source.terms in card


def test_anime_is_bundled() -> None:
    assert "anime" in bundled_domains()


def test_every_distance_has_its_share_of_every_part_of_a_walk() -> None:
    descent = Descent(steps=20, step_size=1.0, coarse=(0.25, 0.5))
    walk = [descent.halvings(i) for i in range(40)]
    assert walk[0] == 2
    for moves in (4, 8, 20, 40):
        assert [walk[:moves].count(k) for k in range(3)] == [moves / 4, moves / 4, moves / 2]
    assert Descent(steps=3, step_size=1.0).halvings(5) == 0
    assert Descent(steps=3, step_size=1.0, coarse=(1.0,)).halvings(5) == 1


@pytest.mark.parametrize(
    ("decay", "lengths", "words"),
    [
        (0.0, [2.0, 2.0, 2.0, 2.0], "4 steps of 2"),
        (0.8, [2.0, 1.6, 1.2, 0.8], "4 steps of 2, the last of 0.8"),
    ],
)
def test_a_descent_tells_how_far_it_goes(decay: float, lengths: list[float], words: str) -> None:
    descent = Descent(steps=4, step_size=2, decay=decay)
    assert descent.travel == pytest.approx(sum(lengths))
    assert [own_pgd(descent, 8, 8).length(k) for k in range(4)] == pytest.approx(lengths)
    assert descent.in_words == words
