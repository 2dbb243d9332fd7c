"""`translate recipe`: a recipe for pictures of one's own, as people ask for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES, Result
from translate.training.config import Recipe, load_recipe
from translate.training.forecast import UPDATE, expected
from translate.training.starting import FEWEST, HELD_OUT, start

KINDS = ("face", "drawing", "scene")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`noise` without faces, `portraits` with one each, `few` pictures, one of them `broken`."""
    root = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    with Image.open(EXAMPLES / "astronaut.jpg") as photo:
        portrait = photo.convert("RGB").crop((120, 0, 376, 256)).resize((128, 128))
    for name, count in (("noise", 120), ("portraits", 120), ("few", 9), ("broken", 120)):
        (root / name).mkdir()
        for index in range(count):
            noise = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            image = noise.resize((64, 64)) if name != "portraits" else portrait
            image.save(root / name / f"{index:03d}.png")
    (root / "broken" / "000.png").write_bytes(b"no picture")
    return root


def ask(data: Path, out: Path, target: str = "noise", photos: str = "portraits") -> list[object]:
    return ["recipe", out, "--target", data / target, "--photos", data / photos]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_train_takes(
    kind: str, cli: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "My world.toml"
    written = cli(*ask(data, out), "--photos", data / "noise", "--kind", kind)
    assert written.code == 0, written.err
    assert f"translate train {out}" in written.err
    recipe = load_recipe(out)
    assert (recipe.name, recipe.title) == ("my-world", "My world")
    assert recipe.framing == ("scene" if kind == "scene" else "face")
    assert [source.hold_out for source in recipe.data.p_0] == [12, 12]
    assert recipe.data.p_0[0].weight > recipe.data.p_0[1].weight
    assert recipe.clip > 1
    assert all(stage.auc_floor > 0.5 for stage in recipe.stages if stage.k_start < stage.k_max)
    dry = cli("train", out, "--dry-run", "--out", tmp_path / "run")
    assert dry.code == 0, dry.err
    assert f"p_data  {(data / 'noise').as_posix()}: 108 images" in dry.out
    assert "(32, 3, 32, 32)" in dry.out
    assert "one less below 0.57" in dry.out
    assert "gradients up to 1.5 usual ones" in dry.out


def test_targets_with_faces_are_cut_around_them(data: Path) -> None:
    made = {
        name: start("drawing", name="a", title="A", target=data / name, photos=[data / "portraits"])
        for name in ("noise", "portraits")
    }
    assert made["portraits"].faces == 1
    assert made["portraits"].recipe.data.p_data[0].framing == "face"
    assert made["noise"].faces < 0.1
    assert made["noise"].recipe.data.p_data[0].framing == "crop"
    assert made["noise"].recipe.face_margin == 1.7


def test_dark_scenes_are_walked_to_from_less_light(data: Path, tmp_path: Path) -> None:
    """As the bundled `night` is; bright ones, and drawings however dark, are not."""
    for index in range(FEWEST):
        (tmp_path / "dark").mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (50 + index % 9, 40, 60)).save(tmp_path / f"dark/{index:03}.png")

    def made(kind: str, target: Path, photos: Path) -> Recipe:
        return start(kind, name="a", title="A", target=target, photos=[photos]).recipe

    night = made("scene", tmp_path / "dark", data / "noise")
    assert night.sample_exposure < 1
    assert min(night.sample_burning, night.sample_sky, night.sample_footroom) > 0
    assert night.data.augment_p_0.burning > 0
    for other in (
        made("scene", data / "noise", tmp_path / "dark"),
        made("scene", data / "noise", data / "noise"),
        made("drawing", tmp_path / "dark", data / "noise"),
    ):
        assert other.sample_exposure == 1
        assert other.sample_sky == other.sample_burning == other.data.augment_p_0.burning == 0


def test_a_mirror_that_changes_targets_is_not_looked_into(data: Path) -> None:
    for mirror in (True, False):
        recipe = start(
            "drawing",
            name="a",
            title="A",
            target=data / "noise",
            photos=[data / "noise"],
            mirror=mirror,
        ).recipe
        assert recipe.sample_mirrored == mirror
        assert (recipe.data.augment_p_data.flip > 0) == mirror


def test_any_title_stays_a_title(data: Path) -> None:
    title = 'a "b" \\ \n[data] ${name} 夜'
    made = start("scene", name="a", title=title, target=data / "noise", photos=[data / "noise"])
    assert made.recipe.title == title


def test_no_more_than_needed_is_held_out(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"{index}.png" for index in range(30 * FEWEST)]
    one = (data / "noise" / "000.png").read_bytes()
    found = (many, lambda name: one)
    monkeypatch.setattr("translate.training.starting.open_images", lambda path: found)
    made = start("scene", name="a", title="A", target=data, photos=[data])
    assert made.recipe.data.p_data[0].hold_out == HELD_OUT


def test_mistakes_are_one_line_and_write_nothing(
    cli: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.toml"
    for arguments, why in (
        (ask(data, out, target="few"), "9 pictures"),
        (ask(data, out, photos="few"), "9 pictures"),
        (ask(data, out, target="broken"), "000.png: not a readable image"),
        (ask(data, out, target="nowhere"), "no such folder or zip"),
        ([*ask(data, out), "--name", "A name"], "'A name' names no domain"),
    ):
        done = cli(*arguments)
        assert done.code == 2
        assert why in done.err
        assert done.err.strip().count("\n") == 0
        assert not out.exists()


def test_a_recipe_is_not_replaced_unasked(
    cli: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.toml"
    out.write_text("mine")
    refused = cli(*ask(data, out))
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_text() == "mine"
    assert cli(*ask(data, out), "--overwrite").code == 0
    assert load_recipe(out).name == "a"
    folder = cli(*ask(data, tmp_path), "--overwrite", "--name", "a")
    assert folder.code == 2
    assert folder.err.startswith(f"error: {tmp_path}: cannot be written")


def plain(**changes: object) -> Recipe:
    """One stage of 100 updates at K 4 to 6, ten of each but the last."""
    stage = {
        "size": 32,
        "updates": 100,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "k_start": 4,
        "k_max": 6,
        "updates_per_k": 10,
        "step_size": 1.0,
    }
    network = {"channels": [4, 8, 8], "members": changes.pop("members", 1)}
    together = changes.pop("together", False)
    return Recipe.model_validate(
        {
            "name": "a",
            "title": "A",
            "sample_steps": 12,
            "sample_coarse": [0.5],
            "sample_together": together,
            "data": {"p_data": [{"path": "a"}], "p_0": [{"path": "b"}]},
            "network": network,
            "stages": [stage | changes],
        }
    )


@pytest.mark.parametrize(
    ("recipe", "moves"),
    [
        (plain(), 10 * 4 + 10 * 5 + 80 * 6),
        (plain(members=2), (10 * 4 + 10 * 5 + 80 * 6) / 2),  # in turn, each half of the whole
        (plain(translated=1), 100 * 12),
        (plain(translated=1, members=2, together=True), 100 * 12),
        (plain(spoilt=1), 570 / 6),
    ],
)
def test_what_is_forecast_counts_gradients(recipe: Recipe, moves: float) -> None:
    assert expected(recipe, recipe.stages[0], [1, 1]) == pytest.approx(moves + 100 * UPDATE)


def test_looks_from_further_off_cost_what_they_cost() -> None:
    near = expected(plain(), plain().stages[0], [1])
    recipe = plain(coarse=[1])
    assert expected(recipe, recipe.stages[0], [1, 0.4]) == pytest.approx(0.4 * near)


def test_a_dry_run_says_how_long_it_takes(
    cli: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.toml"
    assert cli(*ask(data, out), "--kind", "scene").code == 0
    text = out.read_text()
    hours = []
    for updates in (500, 50_000):
        out.write_text(text.replace("updates = 700\n", f"updates = {updates}\n"))
        dry = cli("train", out, "--dry-run", "--out", tmp_path / "run")
        found = re.search(
            r"about (\d+\.\d) hours on this device \(\d+( \+ \d+){4} minutes\)", dry.out
        )
        assert found, dry.out
        hours.append(float(found[1]))
    assert hours[1] > 5 * hours[0] > 0
