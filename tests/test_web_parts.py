"""Parts of the web app by themselves: zips, kept walks, sweeping, drawings."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
import warnings
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import translate.frame as frame_module
from tests.conftest import EXAMPLES, pixels, write_domain
from translate import Options, Translator
from translate.card_parts import Calibration
from translate.errors import DomainError, InputError, SettingsError
from translate.image_io import read_photo
from translate.ui import archive, translating
from translate.ui.catalog import Catalog
from translate.ui.charts import energy_curve, histogram
from translate.ui.parts import SKIP
from translate.ui.pictures import save_png
from translate.ui.studio import SUITING, Studio, Wish
from translate.ui.sweep import Sweeper
from translate.ui.translating import Handlers, read_options
from translate.ui.turns import TranslatorInTurns
from translate.ui.walks import CLOSE, SQUARE, WHOLE, Shelf, Stops, Walk
from translate.ui.words import story


@pytest.fixture
def studio(tiny_domain: Path, tiny_scene: Path) -> Studio:
    return Studio(Catalog([str(tiny_domain), str(tiny_scene)], device="cpu"))


def walked(studio: Studio, photo: Path, stop: threading.Event | None = None) -> Walk:
    wish = Wish(photo=str(photo), domain="tiny", options=Options(strength=1.0))
    *_, walk = studio.walk(wish, stop)
    return walk


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.png", "a/b.png"),
        ("../b.png", None),
        ("a/../../b.png", None),
        ("/etc/b.png", None),
        ("C:/b.png", None),
        ("..\\b.png", None),
        ("a\\b.png", "a/b.png"),
        (".hidden.png", "hidden.png"),
        ('x<>:"|?*.png', "x_______.png"),
        ("1/2/3/4/5/6.png", "3/4/5/6.png"),
        ("", None),
    ],
)
def test_names_of_a_zip_stay_inside(name: str, expected: str | None) -> None:
    result = archive.safe_name(name)
    assert (None if result is None else str(result)) == expected


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice is meant
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, content in files.items():
                out.writestr(name, content)
    return path


def test_a_zip_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_PHOTO_MB", 1)
    bomb = zipped(tmp_path / "bomb.zip", {"big.png": bytes(50_000_000), "small.png": b"x"})
    assert bomb.stat().st_size < 100_000
    gathered = archive.gather([str(bomb)], tmp_path / "in")
    assert [line for line in gathered.failed if "larger than 1 MB" in line]
    assert [p.name for p in (tmp_path / "in").rglob("*") if p.is_file()] == ["small.png"]


def test_a_batch_is_bounded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    many = zipped(tmp_path / "many.zip", {f"{i}.png": b"x" for i in range(8)})
    gathered = archive.gather([str(many)], tmp_path / "in")
    assert gathered.count == 3
    assert len(gathered.failed) == 5


def test_links_and_locked_and_broken_zips_are_listed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr(link, "/etc/passwd")
        out.writestr("same.png", b"1")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    (tmp_path / "broken.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "same.png").write_bytes(b"2")
    uploads = [str(tmp_path / name) for name in ("a.zip", "broken.zip", "same.png")]
    gathered = archive.gather(uploads, tmp_path / "in")
    assert any("a link" in line for line in gathered.failed)
    assert any("not a readable zip" in line for line in gathered.failed)
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["same-2.png", "same.png"]


def test_a_pack_holds_the_results_only(tmp_path: Path) -> None:
    (tmp_path / "out/a").mkdir(parents=True)
    for name in ("a/1.png", "run.jsonl", ".tmp"):
        (tmp_path / "out" / name).write_bytes(b"x")
    assert archive.pack(tmp_path / "out", tmp_path / "out.zip") == 1
    with zipfile.ZipFile(tmp_path / "out.zip") as made:
        assert made.namelist() == ["a/1.png"]


def test_kept_states_are_those_of_the_python_api(
    studio: Studio, photo: Path, tiny_domain: Path
) -> None:
    walk = walked(studio, photo)
    frames = list(
        Translator.load(str(tiny_domain), device="cpu").frames(photo, Options(strength=1.0))
    )
    assert walk.energies == [frame.energy for frame in frames]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(np.asarray(walk.picture(index)), np.asarray(frame.image))
    assert [walk.index(s) for s in (0, 0.5, 0.51, 1.0)] == [0, 3, 3, 6]
    assert walk.strength(3) == 0.5
    assert walk.until(2).last == 2


def test_the_square_alone_is_what_crop_only_gives(
    studio: Studio, photo: Path, tiny_domain: Path, tmp_path: Path
) -> None:
    with Image.open(photo) as picture:
        wide = Image.new("RGB", (300, 120))
        wide.paste(picture.convert("RGB").resize((120, 120)), (90, 0))
    wide.save(tmp_path / "wide.png")
    walk, options = walked(studio, tmp_path / "wide.png"), Options(strength=1.0, crop_only=True)
    alone = Translator.load(str(tiny_domain), device="cpu").frames(tmp_path / "wide.png", options)
    walk.view = SQUARE
    for index, frame in enumerate(alone):
        expected = np.asarray(frame.image)
        np.testing.assert_array_equal(np.asarray(walk.picture(index)), expected)
        np.testing.assert_array_equal(np.asarray(walk.shown(index)), expected)
    asked = Wish(photo=str(tmp_path / "wide.png"), domain="tiny", options=options)
    *_, own = studio.walk(asked)
    assert own.view == SQUARE


def test_a_kept_walk_knows_what_a_drawing_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throats that stay bare, and the photo's tones."""
    studio = Studio(Catalog(["anime"], device="cpu"))
    wish = Wish(photo=str(EXAMPLES / "astronaut.jpg"), domain="anime", options=Options(steps=1))
    *_, walk = studio.walk(wish)
    calls: list[str] = []
    for name in ("bare_throat", "toned_around"):

        def counted(result: np.ndarray, *_: object, name: str = name) -> np.ndarray:
            calls.append(name)
            return result

        monkeypatch.setattr(frame_module, name, counted)
    assert walk.picture(walk.last).size == (512, 512)
    assert calls == ["bare_throat", "toned_around"]


def test_a_square_can_be_had_of_every_face() -> None:
    """Also where it reaches beyond the photo on all sides."""
    studio = Studio(Catalog(["anime"], device="cpu"))
    wish = Wish(photo=str(EXAMPLES / "astronaut.jpg"), domain="anime", options=Options(steps=1))
    *_, walk = studio.walk(wish)
    (window,), photo = walk.windows, walk.photo
    assert photo is not None
    walk.windows = (replace(window, left=-9, top=-9, width=530, height=530),)
    assert walk.partial
    walk.windows = (replace(walk.windows[0], face=None),)
    assert not walk.partial


@pytest.mark.parametrize(
    ("view", "at", "kept"),
    [(CLOSE, 2, True), (WHOLE, 2, True), (SQUARE, 2, False), (WHOLE, 3, False)],
)
def test_a_download_is_of_what_is_shown_when_it_is_written(
    studio: Studio, photo: Path, monkeypatch: pytest.MonkeyPatch, view: str, at: int, kept: bool
) -> None:
    """While a file is written another state or view may be chosen, which brings its own."""
    walk = walked(studio, photo)
    walk.at = 2

    def slow(own: Walk, index: int) -> Path:
        walk.view, walk.at = view, at
        return save_png(own, index)

    monkeypatch.setattr(translating, "save_png", slow)
    update = translating.saved(walk)
    if not kept:
        assert update is SKIP
        return
    with Image.open(update.value["path"]) as image:
        assert json.loads(image.text["translate"])["step"] == 2
        np.testing.assert_array_equal(np.asarray(image), np.asarray(walk.picture(2)))


def test_a_view_is_that_of_one_page(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks of examples are remembered for all."""
    wish = Wish(photo=str(EXAMPLES / "cat.jpg"), domain="tiny", options=Options(strength=1.0))
    monkeypatch.setattr(Studio, "_key", lambda self, wish: "cat")
    *_, first = studio.walk(wish)
    view, whole = first.view, np.asarray(first.picture(first.last))
    first.view = SQUARE
    *_, second = studio.walk(wish)
    assert second.view == view != SQUARE
    second.view = SQUARE
    *_, third = studio.walk(wish)
    assert third.view == view
    np.testing.assert_array_equal(np.asarray(third.picture(third.last)), whole)


def test_a_large_photo_is_shown_smaller_and_close_up(studio: Studio, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (400, 3000, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "wide.png")
    walk = walked(studio, tmp_path / "wide.png")
    assert walk.view == CLOSE
    close = walk.shown(walk.last)
    assert close.height == 400
    assert close.width < 600
    walk.view = WHOLE
    assert walk.shown(0).size == (1280, 171)
    assert walk.picture(walk.last).size == (3000, 400)


@pytest.mark.parametrize("enlarged", [1, 4])
def test_the_page_shows_what_will_be_downloaded(enlarged: int, tmp_path: Path) -> None:
    with Image.open(EXAMPLES / "astronaut.jpg") as example:
        photo = example.resize((512 * enlarged, 512 * enlarged), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.png")
    studio = Studio(Catalog(["anime"], device="cpu"))
    options = Options(strength=0.5)
    *_, walk = studio.walk(Wish(photo=str(tmp_path / "photo.png"), domain="anime", options=options))
    picture = walk.picture(walk.last)
    assert walk.near is not None
    left = walk.windows[0].left - walk.near.windows[0].left
    top = walk.windows[0].top - walk.near.windows[0].top
    walk.view = CLOSE
    near, before = walk.shown(walk.last), walk.shown(0)
    assert np.abs(np.asarray(near).astype(int) - np.asarray(before)).mean() > 3
    box = (left, top, left + near.width, top + near.height)
    np.testing.assert_array_equal(np.asarray(near), np.asarray(picture.crop(box)))
    walk.view = WHOLE
    whole, before = walk.shown(walk.last), walk.shown(0)
    expected = picture.resize(whole.size, Image.Resampling.LANCZOS)
    changed = np.abs(np.asarray(expected).astype(int) - np.asarray(before)).mean()
    assert changed > 1
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(whole)).mean() < 0.15 * changed


def test_stopping_ends_after_the_step(studio: Studio, photo: Path) -> None:
    stop = threading.Event()
    stop.set()
    walk = walked(studio, photo, stop)
    assert walk.stopped
    assert walk.last == 0
    assert story(walk, 0).startswith("Stopped at step 0.")


def test_walks_of_examples_are_kept(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    example = studio.examples[0]
    first = walked(studio, example)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(TranslatorInTurns, "frames", never)
    again = walked(studio, example)
    assert again.energies == first.energies
    np.testing.assert_array_equal(np.asarray(again.picture(4)), np.asarray(first.picture(4)))


def test_examples_suit_the_framing(
    tmp_path: Path, tiny_scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_domain(tmp_path / "faces", framing="face")
    studio = Studio(Catalog([str(faces), str(tiny_scene)], device="cpu"))
    monkeypatch.setattr("translate.ui.studio.temp_folder", lambda: tmp_path)
    offered = studio.offered()
    assert [file.stem for file in offered["faces"]] == ["astronaut", "hopper"]
    assert [file.stem for file in offered["tiny-scene"]] == ["coffee", "rocket", "temple"]
    assert all(file.is_relative_to(tmp_path) for files in offered.values() for file in files)
    translator = studio.catalog.translator("faces")
    for file in offered["faces"]:
        assert translator.windows(read_photo(file))[0].note is None  # a face was found
    for name, suiting in SUITING.items():
        assert {*suiting} <= {file.stem for file in studio.examples}, name


class Asked:
    """A request of a page, as far as handlers look at it."""

    session_hash = "page"


@pytest.mark.parametrize("end", [Handlers.halt, Handlers.leave, Handlers.forget])
def test_stop_and_leaving_end_a_run_within_one_step(
    studio: Studio, photo: Path, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[int] = []
    add = Walk.add

    def counted(walk: Walk, frame: Any) -> None:
        states.append(frame.index)
        add(walk, frame)

    monkeypatch.setattr(Walk, "add", counted)
    monkeypatch.setattr("translate.ui.translating.save_png", lambda *_: "file.png")
    handle, request = Handlers(studio), Asked()
    handle.begin(str(photo), request)  # pyright: ignore[reportArgumentType]
    form = (
        str(photo),
        "tiny",
        1.0,
        False,
        200,
        None,
        None,
        None,
        "auto",
        "largest",
        *["auto"] * 4,
        None,
        0.5,
        None,
    )
    run = handle.run(*form, request)  # pyright: ignore[reportArgumentType]
    next(run)
    end(handle, request)
    list(run)
    assert len(states) == 2
    assert len(studio.stops) == 0


def test_the_shelf_is_bounded(studio: Studio, photo: Path) -> None:
    walk = walked(studio, photo)
    shelf = Shelf(limit=3 * walk.nbytes)
    for number in range(10):
        shelf.put(str(number), walk.until(walk.last))
        shelf.get("7")
    assert len(shelf) == 3
    assert shelf.get("0") is None
    assert shelf.get("7") is not None
    shelf.drop("7")
    assert shelf.get("7") is None


def test_wishes_to_stop_leave_nothing_behind() -> None:
    stops = Stops()
    stops.stop("nobody")
    stops.begin("a")
    event = stops.event("a")
    stops.stop("a")
    assert event.is_set()
    stops.begin("a")
    assert not stops.event("a").is_set()
    stops.end("a")
    assert len(stops) == 0


def test_the_sweeper_deletes_what_is_old(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"of the page itself")
    sweeper = Sweeper(tmp_path, age_s=0.2, every_s=3600)
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/old.png").write_bytes(b"x")
    assert sweeper.sweep() == 0
    time.sleep(0.3)
    (tmp_path / "new.png").write_bytes(b"x")
    assert sweeper.sweep() == 1
    sweeper.close()
    assert (tmp_path / "page.png").exists()
    assert (tmp_path / "new.png").exists()
    assert not (tmp_path / "deep/er/old.png").exists()


def test_the_sweeper_passes_over_what_goes_meanwhile(tmp_path: Path) -> None:
    """As the page's own uploads do, and everything when the app ends."""
    sweeper, done = Sweeper(tmp_path, age_s=3600, every_s=3600), threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            (tmp_path / "a" / "b" / "c").mkdir(parents=True)
            shutil.rmtree(tmp_path / "a")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert {sweeper.sweep() for _ in range(2000)} == {0}
    finally:
        done.set()
        other.join()
        sweeper.close()


def test_the_catalog_refuses_what_it_does_not_have(studio: Studio) -> None:
    assert [entry.card.name for entry in studio.catalog][:2] == ["tiny", "tiny-scene"]
    with pytest.raises(DomainError, match="not here"):
        studio.catalog.translator("../tiny")
    with pytest.raises(SettingsError, match="swap"):
        studio.catalog.translator("tiny-scene", "tiny", 0.5)
    with pytest.raises(SettingsError, match="0 to 1"):
        studio.catalog.translator("tiny", "tiny-scene", 1.5)
    assert studio.catalog.translator("tiny") is studio.catalog.translator("tiny", "tiny", 1.0)


def test_errors_name_the_file_and_no_folder(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        walked(studio, tmp_path / "bad.png")
    assert "bad.png" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("energies", [[2.0], [2.0, 1.0, -3.0], [1.0, 1.0], [-9.0, 5.0]])
def test_the_curve_is_well_formed(energies: list[float]) -> None:
    root = ET.fromstring(energy_curve(energies, 6, -1.0, "<A & B>"))
    (line,) = [e for e in root if e.tag == "polyline"]
    points = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
    assert len(points) == len(energies)
    assert all(0 <= x <= 640 and 0 <= y <= 120 for x, y in points)
    assert "<A & B>" in root.attrib["aria-label"]


@pytest.mark.parametrize("energy", [-50.0, -2.9, 0.0, 1.1, 50.0])
def test_the_histogram_is_well_formed(energy: float) -> None:
    calibration = Calibration(data=(-3.0,) * 21, source=tuple(i / 10 for i in range(21)))
    root = ET.fromstring(histogram(calibration, energy, "Tiny"))
    (mark,) = [e for e in root if e.attrib.get("class") == "mark"]
    assert 0 <= float(mark.attrib["x1"]) <= 640


def test_the_readme_starts_a_space() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    _, front, _ = text.split("---\n", 2)
    table = dict(line.split(": ", 1) for line in front.splitlines() if ": " in line)
    assert table["sdk"] == "gradio"
    assert (Path(__file__).parents[1] / table["app_file"]).is_file()
    assert len(table["short_description"]) <= 60


def test_metadata_of_a_png_says_how_it_was_made(
    studio: Studio, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from translate.ui import pictures

    monkeypatch.setattr(pictures, "temp_folder", lambda: tmp_path)
    walk = walked(studio, photo)
    path = pictures.save_png(walk, 2)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        made = json.loads(image.text["translate"])
    assert made["step"] == 2
    assert made["shown_strength"] == pytest.approx(1 / 3, abs=1e-3)
    np.testing.assert_array_equal(pixels(path), np.asarray(walk.picture(2)))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_form_leaves_to_the_domain_what_it_does_not_say() -> None:
    plain = read_options(1.0, False, 0, 0, 0, 0, "auto")
    assert plain == Options(strength=1.0)
    lengths = (9, 0.5, 3)
    wishes = ("face", "all", "dissolve", "huge", "firmly", "flat")
    bent = read_options(0.5, False, *lengths, 7, *wishes)
    assert bent == Options(
        strength=0.5,
        steps=9,
        step_size=0.5,
        eps=3,
        seed=7,
        framing="face",
        faces="all",
        keep_glasses=False,
        eyes=3.0,
        tone_lock=1.0,
        skin_lock=1.0,
        total_variation=0.4,
    )
