"""Skin in even light before a walk: how even, where and where not, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES, Result, pixels, without_closeups
from translate import Options, Translator
from translate.batch.settings import Settings
from translate.domain import read_domain
from translate.evaluation.walks import _pictures
from translate.faces import find_faces
from translate.frame import Finish
from translate.framing import Window, extract
from translate.hub import bundled_domains
from translate.image_io import Photo, to_array, to_tensor
from translate.relighting import brightening, lightening
from translate.training.export import _walk
from translate.ui.turns import TranslatorInTurns
from translate.view import NOTHING, Asked, View, gathered, look, looked_for

Cli = Callable[..., Result]
LUMA = np.array((0.299, 0.587, 0.114))


def photo() -> np.ndarray:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="module")
def anime() -> Translator:
    return Translator.load("anime", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def window(anime: Translator) -> Window:
    return anime.windows(Photo(rgb=photo()))[0]


@pytest.fixture(scope="module")
def seen(window: Window) -> np.ndarray:
    return extract(photo(), window)


def shaded(picture: np.ndarray, middle: float, least: float = 0.4) -> np.ndarray:
    """With light from the left only: falling to `least` on the right of the middle."""
    across = (np.arange(picture.shape[1]) - middle) / (0.05 * picture.shape[1])
    light = 1 - (1 - least) / (1 + np.exp(-across))
    return np.rint(picture * light[None, :, None]).astype(np.uint8)


def dark(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * np.array((0.45, 0.36, 0.32))).astype(np.uint8)


def cheeks(picture: np.ndarray, window: Window) -> np.ndarray:
    """Median luma, of 255, left and right of the nose."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    rows = slice(round(y + 0.02 * width), round(y + 0.18 * width))
    sides = ((-0.3, -0.18), (0.18, 0.3))
    parts = [picture[rows, round(x + a * width) : round(x + b * width)] for a, b in sides]
    return np.array([np.median(part @ LUMA) for part in parts])


def lit(picture: np.ndarray, window: Window) -> np.ndarray:
    assert window.seen_face is not None
    factors = brightening(picture, window.seen_face)
    assert factors is not None
    assert factors.shape == picture.shape[:2]
    assert factors.dtype == np.float32
    assert factors.min() >= 1
    lighter = torch.from_numpy(lightening(picture, factors))[None, None]
    return to_array(to_tensor(picture) + lighter)[0]


def test_a_shaded_cheek_gets_as_light_as_the_other(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    half = shaded(seen, window.seen_face[0])
    left, right = cheeks(half, window)
    assert right < 0.5 * left
    left, right = cheeks(lit(half, window), window)
    assert right > 0.8 * left
    assert 0.7 * 255 < left < 0.95 * 255


def test_dark_skin_gets_light_and_no_gaudier(seen: np.ndarray, window: Window) -> None:
    brown = dark(seen)
    light = lit(brown, window)
    before, after = cheeks(brown, window), cheeks(light, window)
    assert (before < 0.35 * 255).all()
    assert (after > 0.65 * 255).all()
    assert (after <= 3 * before + 1).all()
    spread = np.ptp(light.astype(int), axis=2) - np.ptp(brown.astype(int), axis=2)
    assert spread.max() <= 1


HAIR = (22, 20, 19)


def throat(window: Window) -> tuple[slice, slice]:
    assert window.seen_face is not None
    x, y, width = window.seen_face
    across = slice(round(x - 0.2 * width), round(x + 0.2 * width))
    return slice(round(y + 0.58 * width), round(y + 0.72 * width)), across


def below_chin(picture: np.ndarray, face: tuple[float, float, float], light: float) -> np.ndarray:
    """With all below the chin in a shadow with sharp edges."""
    x, y, width = face
    rows = slice(round(y + 0.55 * width), round(y + 0.9 * width))
    columns = slice(round(x - 0.45 * width), round(x + 0.45 * width))
    shadowed = picture.astype(float)
    shadowed[rows, columns] *= light
    return np.rint(shadowed).astype(np.uint8)


def test_deep_shade_below_the_chin_of_dark_skin_gets_light(
    seen: np.ndarray, window: Window
) -> None:
    assert window.seen_face is not None
    place, brown = throat(window), dark(seen)
    deep = below_chin(brown, window.seen_face, 0.4)
    assert np.median(deep[place] @ LUMA) < 25
    light = np.median(lit(deep, window)[place] @ LUMA)
    assert light > 100
    deep[place] = HAIR
    assert np.median(lit(deep, window)[place] @ LUMA) < 0.6 * light


def test_hair_eyes_and_ground_stay_as_they_are(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    factors = brightening(dark(seen), window.seen_face)
    assert factors is not None
    x, y, width = window.seen_face
    for side in (-0.19, 0.19):  # pupils: the darkest pixels of the eyes
        place = (round(y - 0.1 * width), round(x + side * width))
        eye = tuple(slice(at - 8, at + 8) for at in place)
        pupil = dark(seen)[eye] @ LUMA
        around = factors[eye][pupil <= np.percentile(pupil, 4)]
        assert around.mean() < 1 + 0.5 * (factors.max() - 1)
    away = np.abs(np.arange(window.out_width) - x) > 0.7 * width
    assert (factors[:, away] == 1).all()


def test_light_skin_is_left_alone(seen: np.ndarray, window: Window) -> None:
    bright = np.rint(255 * (seen / 255) ** 0.35).astype(np.uint8)
    assert window.seen_face is not None
    factors = brightening(bright, window.seen_face)
    assert factors is not None
    x, y, width = window.seen_face
    assert factors.max() < 1.15
    assert factors[round(y) : round(y + 0.3 * width), round(x - 0.3 * width) :].max() < 1.03


def test_factors_do_not_depend_on_size_or_side(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    half = shaded(seen, window.seen_face[0])
    x, y, width = window.seen_face
    own = brightening(half, (x, y, width))
    mirrored = brightening(half[:, ::-1], (half.shape[1] - x, y, width))
    large = np.asarray(Image.fromarray(half).resize((512, 512), Image.Resampling.LANCZOS))
    larger = brightening(large, (2 * x, 2 * y, 2 * width))
    assert own is not None
    assert mirrored is not None
    assert larger is not None
    np.testing.assert_allclose(mirrored[:, ::-1], own, atol=0.02)
    assert np.abs(larger[::2, ::2] - own).mean() < 0.03


def test_faces_at_a_border_and_black_pictures_are_no_mistake(seen: np.ndarray) -> None:
    assert brightening(seen, (100.0, -200.0, 100.0)) is None
    for face in ((0.0, 0.0, 300.0), (255.0, 255.0, 40.0), (5.0, 250.0, 20.0)):
        factors = brightening(seen, face)
        assert factors is None or np.isfinite(factors).all()
    for level in (0, 255):
        factors = brightening(np.full((64, 64, 3), level, np.uint8), (32.0, 32.0, 40.0))
        assert factors is not None
        assert np.isfinite(factors).all()


def unlit(translator: Translator) -> Translator:
    card = translator.domain.model_copy(update={"face_relit": False})
    return Translator(card, translator.model, translator.device, translator.dtype)


def hairy(translator: Translator) -> Translator:
    """The same domain, that may draw on bare skin (`translate.bareness`)."""
    own = translator.domain.pgd.model_copy(update={"bare": 0.0})
    card = translator.domain.model_copy(update={"pgd": own})
    return Translator(card, translator.model, translator.device, translator.dtype)


def earlier(translator: Translator) -> Translator:
    """The same domain on the walk that showed what the next two tests are about: shorter, and may
    make dark hair lighter (`translate.darkness`)."""
    own = translator.domain.pgd.model_copy(update={"dark": 0.0, "steps": 7})
    card = translator.domain.model_copy(update={"pgd": own})
    return Translator(card, translator.model, translator.device, translator.dtype)


def test_no_black_patch_is_drawn_below_the_chin(anime: Translator, window: Window) -> None:
    """Of dark skin in shade: light and bare skin see to that, neither alone."""
    assert window.face is not None
    deep = below_chin(dark(photo()), window.face, 0.5)
    patches: list[float] = []
    before = earlier(anime)
    for translator in (before, hairy(before), unlit(before), unlit(hairy(before)), anime):
        drawn = np.asarray(translator(deep, Options(crop_only=True)))
        patches.append(float((drawn[throat(window)] @ LUMA < 60).mean()))
    both, *without, neither, bundled = patches
    assert both < 0.12
    assert bundled < 0.12
    assert min(without) > 1.5 * both
    assert neither > 0.5


def test_no_black_patch_is_drawn_on_a_shaded_cheek(anime: Translator, window: Window) -> None:
    """What this is for: without it, the walk takes the shade for hair, if it may on bare skin.

    With eyes as large as they are: larger ones reach down to where that hair is. Without close-ups
    of them, whose irises are dark and wider than a line, too.
    """
    anime = without_closeups(anime)
    assert window.face is not None
    assert window.seen_face is not None
    x, y, width = window.seen_face
    below = [round(y + part * width) for part in (0.0, 0.1, 0.4)]
    columns = slice(round(x - 0.3 * width), round(x + 0.3 * width))
    before = earlier(anime)
    translators = (before, hairy(before), unlit(hairy(before)), anime, hairy(anime))
    patches, below_large_eyes = np.zeros(5), 0.0
    for least in (0.2, 0.3, 0.4):
        half = shaded(photo(), window.face[0], least)
        for index, translator in enumerate(translators):
            drawn = np.asarray(translator(half, Options(crop_only=True, eyes=1.0)))
            patches[index] += patch(drawn[below[0] : below[2], columns])
        drawn = np.asarray(anime(half, Options(crop_only=True)))
        below_large_eyes += patch(drawn[below[1] : below[2], columns])
    assert (np.delete(patches, 2) < 0.2 * patches[2]).all()
    assert below_large_eyes < 0.2 * patches[2]


def patch(drawn: np.ndarray) -> float:
    """Share that is dark and wider than a line."""
    luma = drawn @ LUMA
    dark = (luma < 0.6 * np.median(luma)).astype(np.uint8)
    return float(cv2.erode(dark, np.ones((5, 5), np.uint8)).mean())


def test_the_walk_begins_at_the_photo(anime: Translator, window: Window) -> None:
    assert window.face is not None
    half = shaded(photo(), window.face[0])
    first, second, *_ = anime.frames(half)
    other, *_ = unlit(anime).frames(half)
    np.testing.assert_array_equal(np.asarray(first.image), half)
    assert first.energy == pytest.approx(other.energy, abs=1e-6)
    assert first.distance == 0
    assert second.distance > 0
    nothing = anime(half, Options(strength=0.0))
    np.testing.assert_array_equal(nothing, half)


def test_a_small_strength_stays_near_the_photo(anime: Translator, window: Window) -> None:
    assert window.face is not None
    half = shaded(photo(), window.face[0])
    away = [
        np.abs(np.asarray(anime(half, Options(strength=s))).astype(int) - half).mean()
        for s in (0.01, 0.1, 1.0)
    ]
    assert away[0] < 0.2 * away[2]
    assert away[0] < away[1] < away[2]


def test_only_strengths_next_to_none_fade(anime: Translator) -> None:
    shares = [
        Finish.of(anime.domain, options).share
        for options in (
            Options(strength=0.01),
            Options(strength=0.05),
            Options(strength=0.01, steps=9),
            Options(strength="auto"),
            Options(strength=0.0),
            Options(),
        )
    ]
    assert shares == pytest.approx([0.2, 1, 1, 1, 1, 1])


def test_a_strength_is_a_state_of_the_whole_walk(anime: Translator, window: Window) -> None:
    assert window.face is not None
    half = shaded(photo(), window.face[0])
    states = [np.asarray(frame.image).astype(int) for frame in anime.frames(half)]
    for index in (1, 7):
        strength = index / anime.domain.pgd.steps
        result = np.asarray(anime(half, Options(strength=strength))).astype(int)
        assert np.abs(result - states[index]).mean() < 0.05


def test_what_is_painted_over_stays_bit_equal(anime: Translator) -> None:
    brown = dark(photo())
    mask = np.zeros(brown.shape[:2], bool)
    mask[:, :230] = True
    for frame in anime.frames(brown, Options(), mask):
        np.testing.assert_array_equal(np.asarray(frame.image)[~mask], brown[~mask])
        keep = ~look(brown, frame.windows[0], keep_glasses=False, mask=mask).mask
        source = look(brown, frame.windows[0], keep_glasses=False).x
        assert torch.equal(frame.step.x.masked_select(keep), source.masked_select(keep))


def test_windows_of_one_batch_keep_their_own_light(anime: Translator, window: Window) -> None:
    assert window.face is not None
    brown, plain = dark(photo()), photo()[..., ::-1].copy()
    views = [
        look(brown, window, keep_glasses=False, asked=Asked(relit=True)),
        look(plain, replace(window, face=None), keep_glasses=False, asked=Asked(relit=True)),
    ]
    assert views[1].shift is None
    both = gathered(views)
    assert both.shift is not None
    options = Options(strength=0.3)
    *_, (together, _) = anime.descend(both, options)
    for index, view in enumerate(views):
        *_, (alone, _) = anime.descend(view, options)
        torch.testing.assert_close(together.x[index : index + 1], alone.x, rtol=0, atol=2e-3)
    assert gathered(views[1:]).shift is None


def test_cut_out_faces_are_found_again(anime: Translator, window: Window, seen: np.ndarray) -> None:
    """So that evaluation and export walk as the program does."""
    brown = dark(seen)
    found = looked_for([brown, np.zeros_like(brown)], Asked.by(anime.domain, Options(eyes=1.0)))
    lighter, bare = found.shift, found.bare
    assert lighter is not None
    assert bare is not None
    assert bare[0].max() == 1
    assert (bare[1] == 0).all()
    assert lighter.shape == (2, 1, *brown.shape[:2])
    assert (lighter[1] == 0).all()
    own = brightening(brown, window.seen_face or (0, 0, 0))
    assert own is not None
    assert np.abs(lighter[0, 0].numpy() - lightening(brown, own)).mean() < 0.02

    face = find_faces(brown, every=False)[0]
    whole = replace(window, left=0, top=0, width=256, height=256, face=face)
    view = look(brown, whole, keep_glasses=False, asked=Asked.by(anime.domain))
    *_, (last, _) = anime.descend(view, Options())
    energy = float(last.energy[0])
    moves = anime.domain.pgd.steps
    *_, (_, states) = _pictures(anime, brown[None], [moves], Asked.by(anime.domain))
    *_, (_, plain) = _pictures(anime, brown[None], [moves], NOTHING)
    members = anime.domain.network.members
    walks = [
        _walk(anime.energy, to_tensor(brown), anime.domain.pgd, members, anime.device, asked)
        for asked in (Asked.by(anime.domain), Asked())
    ]
    assert walks[0].energy[0] == pytest.approx(walks[1].energy[0], abs=1e-6)
    assert float(walks[0].energy[-1]) == pytest.approx(energy, abs=2e-3)
    assert abs(float(walks[1].energy[-1]) - energy) > 4e-3
    end = last.x[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(states[moves][0] - end).mean() < 1
    assert np.abs(plain[moves][0] - end).mean() > 5


def test_an_evaluation_of_translations_walks_so(
    anime: Translator, seen: np.ndarray, cli: Cli, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for index, picture in enumerate((dark(seen), seen)):
        Image.fromarray(picture).save(faces / f"{index}.png")
    *_, last = anime.frames(dark(seen), Options(keep_glasses=False))
    energies: list[float] = []
    for kind, start in (("translation", "--source"), ("generation", "--from")):
        out = tmp_path / kind
        arguments = ("--domain", "anime", "--target", faces, start, faces, "--strengths", "1")
        device = ("--features", "none", "--device", "cpu", "--dtype", "float32")
        done = cli("evaluate", kind, out, *arguments, *device)
        assert done.code == 0, done.err
        report = json.loads((out / "results.json").read_text())
        for words in ("even light", "stay dark", "drawn close up"):
            assert (words in json.dumps(report)) == (kind == "translation")
        energies.append(float(np.load(out / "values.npz")["energy"][0, 0]))
    assert energies[0] == pytest.approx(last.energy, abs=3e-3)
    *_, (plain, _) = anime.descend(View(to_tensor(dark(seen))), measured=False)
    assert energies[1] == pytest.approx(float(plain.energy), abs=3e-3)
    assert float((plain.x - last.step.x).abs().mean()) > 0.02  # two walks


def test_the_web_app_walks_so_too(anime: Translator) -> None:
    served = TranslatorInTurns(anime.domain, anime.model, anime.device, anime.dtype)
    brown = dark(photo())
    results = [np.asarray(one(brown, Options(strength=0.15))) for one in (anime, served)]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("name", bundled_domains())
def test_a_card_decides(name: str) -> None:
    card = read_domain(Path(__file__).parents[1] / "weights" / name)
    assert card.face_relit == (name in {"anime", "cartoon"})


def test_finished_photos_are_made_anew_where_a_card_changes_it(anime: Translator) -> None:
    assert Settings().digest(anime) != Settings().digest(unlit(anime))


def test_both_commands_agree(cli: Cli, window: Window, tmp_path: Path) -> None:
    assert window.face is not None
    Image.fromarray(shaded(photo(), window.face[0])).save(tmp_path / "in.png")
    for command in (
        ("image", tmp_path / "in.png", tmp_path / "out.png"),
        ("batch", tmp_path / "in.png", tmp_path / "out"),
    ):
        done = cli(*command, "--device", "cpu")
        assert done.code == 0, done.err
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "in.png"), pixels(tmp_path / "out.png"))
