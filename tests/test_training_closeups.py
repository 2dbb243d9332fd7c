"""Close-ups from the command line: eyes cut out of drawings and photos, a run on them, and its
network in a domain of faces."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import EXAMPLES, Result, write_domain
from translate import Options, Translator
from translate.card_parts import Closeup, Descent
from translate.domain import CARD_FILE, WEIGHTS_FILE, read_domain
from translate.energy import EnergyModel
from translate.image_io import read_photo
from translate.networks.config import NetworkConfig
from translate.training.drawn_eyes import SIZE, DrawnEye, find_drawn_eyes
from translate.training.eye_sets import _like  # pyright: ignore[reportPrivateUsage]

Cli = Callable[..., Result]
RECIPE = """
name = "eyes"
title = "Eyes"
seed = 1
sample_steps = 4
sample_travel = 0.2

[data]
p_data = [{ path = "eyes.zip", hold_out = 2, terms = "made here" }]
p_0 = [{ path = "graft.zip", hold_out = 2, terms = "NASA and others" }]

[data.augment_p_data]
flip = 0

[network]
channels = [4, 8, 8]

[[stages]]
size = 32
updates = 4
batch_size = 4
learning_rate = 1e-3
k_max = 2
step_size = 0.5
"""


def drawing(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
    """A face with two eyes somewhere near where faces have them, hair, a mouth, and noise."""
    picture = np.full((SIZE, SIZE, 3), 210, np.uint8)
    cv2.rectangle(picture, (0, 0), (SIZE, int(rng.integers(30, 60))), (60, 50, 90), -1)
    eyes = []
    height, radius = rng.uniform(108, 134), rng.uniform(11, 17)
    for middle in (96, 160):
        x, y = middle + rng.uniform(-7, 7), height + rng.uniform(-4, 4)
        cv2.ellipse(
            picture,
            (round(x), round(y)),
            (round(radius * 0.8), round(radius)),
            0,
            0,
            360,
            (40, 60, 120),
            -1,
        )
        cv2.ellipse(
            picture,
            (round(x), round(y - radius)),
            (round(radius * 1.2), 3),
            0,
            0,
            360,
            (10, 10, 10),
            -1,
        )
        eyes.append((round(x), round(y), radius))
    cv2.line(picture, (118, 190), (138, 190), (90, 60, 60), 2)
    return (picture + rng.integers(0, 12, picture.shape)).astype(np.uint8), eyes


def test_drawn_eyes_are_found_from_their_likeness_alone() -> None:
    rng = np.random.default_rng(1)
    made = [drawing(rng) for _ in range(40)]
    found, _ = find_drawn_eyes([picture for picture, _ in made])
    off = np.array(
        [
            (eye.x - x, eye.y - y)
            for (_, eyes), pair in zip(made, found, strict=True)
            for (x, y, _), eye in zip(eyes, pair, strict=True)
        ]
    )
    assert np.abs(off - np.median(off, axis=0)).max() < 5  # of 256 pixels
    assert np.abs(np.median(off, axis=0)).max() < 5
    radii = np.array([eyes[0][2] for _, eyes in made])
    scales = np.array([pair[0].scale for pair in found])
    assert np.corrcoef(radii, 1 / scales)[0, 1] > 0.7  # large eyes are shrunk
    assert min(eye.likeness for pair in found for eye in pair) > 0.5


def test_of_two_alike_the_eye_is_where_eyes_are() -> None:
    rng = np.random.default_rng(4)
    _, template = find_drawn_eyes([drawing(rng)[0] for _ in range(40)])
    picture, eyes = drawing(rng)
    x, y, _ = (round(v) for v in eyes[0])
    usual = (round(template.x), round(template.y))
    eye = picture[y - 20 : y + 20, x - 20 : x + 20].copy()
    skin = np.full((SIZE, SIZE, 3), 210, np.uint8)
    for middle, down in (usual, (usual[0] - 29, usual[1] + 29), (160, usual[1])):
        part = skin[down - 20 : down + 20, middle - 20 : middle + 20]
        part[:] = np.minimum(part, eye)
    left, _ = template.find(skin)
    assert (left.x, left.y) == pytest.approx(usual, abs=5)


def test_eyes_unlike_others_count_where_each_mirrors_the_other() -> None:
    left, right = DrawnEye(0.3, 96, 120, 1.0), DrawnEye(0.35, 162, 124, 1.0)
    assert _like((left, right)) == [True, True]
    lower, aside, less = right._replace(y=131), right._replace(x=190), right._replace(likeness=0.27)
    for other in (lower, aside, less):
        assert _like((left, other)) == [False, False]
    assert _like((left._replace(likeness=0.6), lower)) == [True, False]


def test_pictures_without_eyes_are_not_like_those_with() -> None:
    rng = np.random.default_rng(2)
    made = [drawing(rng)[0] for _ in range(30)] + [
        rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    ]
    found, _ = find_drawn_eyes(made)
    assert max(eye.likeness for eye in found[-1]) < min(
        eye.likeness for p in found[:-1] for eye in p
    )


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings as a zip and photos as a folder."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(3)
    with zipfile.ZipFile(folder / "drawn.zip", "w") as archive:
        for index in range(24):
            encoded = io.BytesIO()
            Image.fromarray(drawing(rng)[0]).save(encoded, "png")
            archive.writestr(f"{index:03d}.png", encoded.getvalue())
            encoded = io.BytesIO()
            if index == 12:  # no face: both are left out
                Image.fromarray(rng.integers(0, 255, (90, 90, 3)).astype(np.uint8)).save(
                    encoded, "png"
                )
                archive.writestr(f"{index:03d}-none.png", encoded.getvalue())
    (folder / "photos").mkdir()
    for name in ("astronaut.jpg", "hopper.jpg", "coffee.jpg"):
        with Image.open(EXAMPLES / name) as picture:
            picture.convert("RGB").save(folder / "photos" / name)
    return folder


def faces(folder: Path, size: int = 64) -> Path:
    """A domain of faces with random weights, without close-ups."""
    domain = write_domain(
        folder, framing="face", size=size, channels=(8, 16, 16, *(16,) * (size // 64))
    )
    card = json.loads((domain / CARD_FILE).read_text())
    card["training"] = {
        "recipe": {"stages": [], "reference_size": 0},
        "updates": 0,
        "images": 0,
        "hours": 0,
        "hardware": "",
        "k": 0,
    }
    card["metrics"] = {
        "held_out_sources": 1,
        "held_out_data": 1,
        "share_at_or_below_data_median": 1.0,
        "energy_source_mean": 0.0,
        "energy_translated_mean": 0.0,
        "energy_data_mean": 0.0,
        "l2_distance_mean": 0.0,
        "ssim_to_source": 0.0,
    }
    (domain / CARD_FILE).write_text(json.dumps(card))
    return domain


def test_from_drawings_and_photos_to_a_domain_with_close_ups(
    cli: Cli, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain, out = faces(tmp_path / "drawn"), tmp_path / "eyes"
    done = cli(
        "eyes",
        domain,
        out,
        "--target",
        sets / "drawn.zip",
        "--photos",
        sets / "photos",
        "--hold-out",
        1,
        "--device",
        "cpu",
    )
    assert done.code == 0, done.err
    assert "48 targets, the last 2 held out" in done.out
    assert "graft.zip: 4 eyes of photos, the last 2 held out" in done.out  # coffee shows no face
    for name, count in (("eyes", 48), ("start", 4), ("walked", 4), ("graft", 4)):
        with zipfile.ZipFile(out / f"{name}.zip") as archive:
            assert len(archive.namelist()) == count
            with Image.open(io.BytesIO(archive.read("000000.png"))) as picture:
                assert picture.size == (80, 80)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eyes.toml").write_text(RECIPE)
    assert cli("train", "eyes.toml", "--data", out, "--out", "run", "--device", "cpu").code == 0
    done = cli("export", "run", "drawing-eyes", "--data", out, "--device", "cpu")
    assert done.code == 0, done.err
    before = load_file(domain / WEIGHTS_FILE)
    done = cli("closeup", "drawing-eyes", domain, "--side", 0.5)
    assert done.code == 0, done.err
    card = read_domain(domain)
    assert card.closeup is not None
    assert card.closeup.side == 0.5
    assert card.format == 16
    after = load_file(domain / WEIGHTS_FILE)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    page = (domain / "README.md").read_text()
    assert "0.5 of the face wide" in page
    assert "NASA and others" in page
    translator = Translator.load(str(domain), device="cpu")
    assert translator.closeups() is not None
    translator(read_photo(EXAMPLES / "astronaut.jpg").rgb, Options(crop_only=True))

    again = tmp_path / "again"  # what is drawn close up by now is no start
    sets_again = ("--target", sets / "drawn.zip", "--photos", sets / "photos", "--side", 0.5)
    assert cli("eyes", domain, again, *sets_again, "--device", "cpu").code == 0
    before_it = tmp_path / "before"
    plain = faces(tmp_path / "plain")
    assert cli("eyes", plain, before_it, *sets_again, "--device", "cpu").code == 0
    for name in ("start", "walked", "graft"):
        first, second = (zipfile.ZipFile(f / f"{name}.zip") for f in (before_it, again))
        assert [first.read(n) for n in first.namelist()] == [
            second.read(n) for n in second.namelist()
        ]

    assert cli("closeup", "drawing-eyes", domain).code == 0  # again: those it had are gone
    again = load_file(domain / WEIGHTS_FILE)
    assert again.keys() == after.keys()
    assert read_domain(domain).closeup != card.closeup


def test_a_domain_that_draws_eyes_elsewhere(
    cli: Cli, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain, out = faces(tmp_path / "drawn", 128), tmp_path / "eyes"
    done = cli(
        *("eyes", domain, out, "--target", sets / "drawn.zip", "--photos", sets / "photos"),
        *("--hold-out", 1, "--side", 0.25, "--drawn", "--device", "cpu"),
    )
    assert done.code == 0, done.err
    said = re.search(r"--drawn (\S+) (\S+) (\S+)", done.out)
    assert said is not None
    x, y, side = map(float, said.groups())
    assert (x, y) == pytest.approx((96 / SIZE, 121 / SIZE), abs=0.03)  # as `drawing` has them
    assert 0.2 < side < 0.5
    with zipfile.ZipFile(out / "beside.zip") as archive:
        assert len(archive.namelist()) == 46  # none of a picture that is held out
        beside = np.array([_read(archive, name) for name in archive.namelist()])
    with zipfile.ZipFile(out / "eyes.zip") as archive:
        eyes = np.array([_read(archive, name) for name in archive.namelist()])
    middle = (slice(None), slice(34, 46), slice(34, 46))
    assert beside[middle].mean() > eyes[middle].mean() + 50  # skin, where eyes are dark
    rimmed = tmp_path / "rimmed"  # not asked for irises: Grace Hopper's glasses come along
    plain = ("--target", sets / "drawn.zip", "--photos", sets / "photos", "--side", 0.25)
    assert cli("eyes", domain, rimmed, *plain, "--device", "cpu").code == 0
    with (
        zipfile.ZipFile(out / "start.zip") as without,
        zipfile.ZipFile(rimmed / "start.zip") as worn,
    ):
        lighter = [(_read(without, name) - _read(worn, name)).mean() for name in without.namelist()]
    assert max(lighter) > 1
    assert sorted(np.abs(lighter))[:2] == [0, 0]  # the astronaut's
    with zipfile.ZipFile(out / "graft.zip") as graft, zipfile.ZipFile(out / "walked.zip") as walked:
        for name in graft.namelist():
            changed = _read(graft, name) != _read(walked, name)
            place = np.hypot(*(np.mgrid[:80, :80] + 0.5 - 40)) / 40
            assert changed[place < 0.3].mean() > 0.5
            assert not changed[place > 0.66].any()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eyes.toml").write_text(RECIPE)
    assert cli("train", "eyes.toml", "--data", out, "--out", "run", "--device", "cpu").code == 0
    done = cli("export", "run", "drawing-eyes", "--data", out, "--device", "cpu")
    assert done.code == 0, done.err
    before = {file.name: file.read_bytes() for file in domain.iterdir()}
    wrong = cli("closeup", "drawing-eyes", domain, "--drawn", 0.37, 0.47, 0)
    assert wrong.code == 2
    assert "greater than 0" in wrong.err
    assert {file.name: file.read_bytes() for file in domain.iterdir()} == before
    done = cli("closeup", "drawing-eyes", domain, "--side", 0.25, "--drawn", x, y, side)
    assert done.code == 0, done.err
    card = read_domain(domain)
    assert card.format == 17
    assert card.closeup is not None
    assert card.closeup.drawn == (x, y, side)
    assert (
        f"near {x:.2f}, {y:.2f} and, mirrored, {1 - x:.2f}, {y:.2f}"
        in (domain / "README.md").read_text()
    )
    translator = Translator.load(str(domain), device="cpu")
    photo = read_photo(EXAMPLES / "astronaut.jpg")
    plain = translator.domain.model_copy(update={"closeup": None})
    bare = Translator(plain, translator.model, translator.device, translator.dtype)
    options = Options(crop_only=True)
    own, other = (np.asarray(t(photo.rgb, options)).astype(int) for t in (translator, bare))
    apart = np.abs(own - other).max(axis=2) > 8
    found = np.argwhere(apart).mean(axis=0) / apart.shape  # of both eyes the middle
    assert found == pytest.approx((y, 0.5), abs=0.12)
    far = np.abs(np.arange(len(apart)) / len(apart) - y) > side * 1.1 + 0.02
    assert not apart[far].any()
    again = ("closeup", "drawing-eyes", domain, "--drawn", x, y, side, "--no-graft")
    assert cli(*again).code == 0
    card = read_domain(domain)
    assert card.closeup is not None
    assert not card.closeup.graft
    assert "irises" not in (domain / "README.md").read_text()


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(archive.read(name))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_close_ups_of_close_ups_leave_the_domain_as_it_is(
    cli: Cli, tmp_path: Path, folder_with: Path
) -> None:
    other = faces(tmp_path / "other")
    before = {file.name: file.read_bytes() for file in other.iterdir()}
    done = cli("closeup", folder_with, other)
    assert done.code == 2
    assert "cannot be the close-ups" in done.err
    bare = write_domain(tmp_path / "bare", size=32)  # of hand: no export tells of it
    done = cli("closeup", bare, other)
    assert done.code == 2
    assert "was not written by translate export" in done.err
    assert {file.name: file.read_bytes() for file in other.iterdir()} == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.fixture
def folder_with(tmp_path: Path) -> Path:
    """A domain of faces that has close-ups."""
    torch.manual_seed(5)
    own = EnergyModel(NetworkConfig(size=64, channels=(8, 16, 16, 16)))
    model = own.with_closeup(EnergyModel(NetworkConfig(size=32, channels=(8, 8, 8))))
    card = read_domain(faces(tmp_path / "without"))
    closeup = Closeup(side=0.4, pgd=Descent(steps=3, step_size=1.0))
    model.save_pretrained(
        tmp_path / "with", card=card.model_copy(update={"format": 16, "closeup": closeup})
    )
    return tmp_path / "with"


def test_what_does_not_go_together_is_one_sentence(cli: Cli, tmp_path: Path, sets: Path) -> None:
    scene = write_domain(tmp_path / "scene", head="pooled", framing="scene")
    square = write_domain(tmp_path / "square")
    for eyes, domain, words in (
        (square, scene, "cannot be the close-ups"),
        (scene, faces(tmp_path / "faces"), "cannot be the close-ups"),
        (tmp_path / "nowhere", scene, "nowhere"),
    ):
        done = cli("closeup", eyes, domain)
        assert done.code == 2
        assert words in done.err
        assert "Traceback" not in done.err
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (90, 90), "grey").save(photos / "grey.png")

    def refused(out: str, target: Path, words: str) -> None:
        done = cli(
            "eyes", tmp_path / "faces", tmp_path / out, "--target", target, "--photos", photos
        )
        assert done.code == 2
        assert words in done.err

    refused("out", sets / "drawn.zip", "no photo that is not held out shows a face")
    refused("out", tmp_path / "none", "none: no such folder or zip")
    (photos / "broken.png").write_bytes(b"no picture")
    refused("out", sets / "drawn.zip", "broken.png: not a readable photo")
    (tmp_path / "file").write_text("")
    refused("file", sets / "drawn.zip", "no folder can be made there")
