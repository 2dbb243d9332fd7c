"""The facade: kinds, framing, strength, threads, words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES, pixels
from translate import (
    DeviceError,
    InputError,
    Options,
    SettingsError,
    Translator,
    faces,
    segmenting,
)
from translate.card_parts import Descent
from translate.energy import EnergyModel
from translate.networks.config import NetworkConfig
from translate.options import BENDS
from translate.pgd import attack
from translate.pgd_settings import PGD
from translate.score import remark
from translate.view import View

CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def tiny(tiny_domain: Path) -> Translator:
    return Translator.load(str(tiny_domain), **CPU)


def test_gives_the_kind_it_got(tiny: Translator, photo: Path) -> None:
    array = pixels(photo)
    with Image.open(photo) as image:
        from_path, from_image, from_array = tiny(photo), tiny(image), tiny(array)
    assert isinstance(from_path, Image.Image)
    assert isinstance(from_image, Image.Image)
    assert isinstance(from_array, np.ndarray)
    assert from_path.size == (90, 60)
    assert from_array.shape == array.shape
    assert from_array.dtype == np.uint8
    np.testing.assert_array_equal(from_array, np.array(from_path))
    np.testing.assert_array_equal(from_array, np.array(from_image))


def test_changes_the_window_and_nothing_else(tiny: Translator, photo: Path) -> None:
    before, after = pixels(photo), np.array(tiny(photo))
    np.testing.assert_array_equal(before[:, :15], after[:, :15])
    np.testing.assert_array_equal(before[:, 75:], after[:, 75:])
    assert np.abs(before.astype(int) - after)[20:40, 30:60].mean() > 2


def test_alpha_is_kept(tiny: Translator) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    whole, window = tiny(rgba), tiny(rgba, Options(crop_only=True))
    np.testing.assert_array_equal(whole[..., 3], rgba[..., 3])
    assert window.shape == (32, 32, 4)
    assert abs(int(window[..., 3].mean()) - int(rgba[:, 5:45, 3].mean())) < 12


def test_energy_falls_and_frames_count_up(tiny: Translator, photo: Path) -> None:
    frames = list(tiny.frames(photo))
    assert [f.index for f in frames] == list(range(7))
    assert [f.last for f in frames] == [False] * 6 + [True]
    assert frames[-1].energy < frames[0].energy
    assert frames[0].distance == 0
    assert frames[-1].distance == pytest.approx(4.8, rel=0.1)
    np.testing.assert_array_equal(np.array(frames[0].image), pixels(photo))


@pytest.mark.parametrize(("strength", "steps"), [(0.0, 0), (0.5, 3), (0.75, 5), (1.0, 6)])
def test_strength_is_a_share_of_the_travel(
    tiny: Translator, photo: Path, strength: float, steps: int
) -> None:
    *_, last = tiny.frames(photo, Options(strength=strength))
    assert last.index == steps
    assert last.distance == pytest.approx(4.8 * strength, rel=0.15, abs=1e-6)


@pytest.mark.parametrize("strength", [1 / 3, 0.5, 1.0])
def test_a_strength_is_the_beginning_of_the_whole_walk(
    tiny_domain: Path, photo: Path, strength: float
) -> None:
    """Moves that slow down are as long as in the whole walk, so that the slider goes back."""
    slow = Translator.load(str(tiny_domain), **CPU)
    pgd = slow.domain.pgd.model_copy(update={"decay": 0.9})
    slow.domain = slow.domain.model_copy(update={"pgd": pgd})
    whole = list(slow.frames(photo))
    *_, last = slow.frames(photo, Options(strength=strength))
    torch.testing.assert_close(last.step.x, whole[last.index].step.x, rtol=0, atol=1e-5)
    assert last.index == round(6 * strength)
    assert Options(steps=3).pgd(slow.domain, 32, 32).decay == 0.9  # another whole walk


def test_strength_zero_is_the_photo(tiny: Translator, photo: Path) -> None:
    np.testing.assert_array_equal(np.array(tiny(photo, Options(strength=0))), pixels(photo))


def test_auto_stops_at_the_target_energy(tiny: Translator, photo: Path) -> None:
    frames = list(tiny.frames(photo))
    calibration = tiny.domain.calibration
    between = (frames[2].energy + frames[3].energy) / 2
    data = tuple(between + 0.001 * (i - 10) for i in range(21))
    reachable = Translator(
        tiny.domain.model_copy(
            update={"calibration": calibration.model_copy(update={"data": data})}
        ),
        tiny.model,
        tiny.device,
        tiny.dtype,
    )
    *_, last = reachable.frames(photo, Options(strength="auto"))
    assert last.index == 3
    assert last.last
    *_, far = tiny.frames(photo, Options(strength="auto"))
    assert far.energy > calibration.target
    assert far.index == 6  # out of reach: no further than strength 1


def test_a_domain_may_end_walks_early_by_itself(tiny: Translator, photo: Path) -> None:
    frames = list(tiny.frames(photo))
    reached = frames[2].energy
    calibration = tiny.domain.calibration.model_copy(update={"data": (reached,) * 21})
    update = {"auto": True, "calibration": calibration}
    early = Translator(tiny.domain.model_copy(update=update), tiny.model, tiny.device, tiny.dtype)
    asked = (Options(), Options(strength="auto"), Options(strength=1.0), Options(steps=6))
    assert [len(list(early.frames(photo, options))) - 1 for options in asked] == [2, 2, 6, 6]


def test_eps_bounds_the_distance(tiny: Translator, photo: Path) -> None:
    *_, last = tiny.frames(photo, Options(eps=1.5))
    assert last.distance <= 1.5 + 1e-4


def test_seeds_give_variants_and_repeat(tiny: Translator, photo: Path) -> None:
    one, again, two = (np.array(tiny(photo, Options(seed=s))) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != two).any()


def test_eight_threads_give_what_one_gives(tiny: Translator) -> None:
    rng = np.random.default_rng(1)
    photos = [rng.integers(0, 256, (36 + i, 50 - i, 3), dtype=np.uint8) for i in range(16)]
    alone = [tiny(p) for p in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(tiny, photos))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_generator_may_change_threads(tiny: Translator, photo: Path) -> None:
    alone = [f.energy for f in tiny.frames(photo)]
    frames = tiny.frames(photo)
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b:
        mixed = [(a, b)[i % 2].submit(next, frames).result().energy for i in range(7)]
    assert mixed == alone
    assert torch.is_grad_enabled()


def test_scene_takes_the_whole_photo(tiny_scene: Path, photo: Path) -> None:
    scene = Translator.load(str(tiny_scene), **CPU)
    frame = next(scene.frames(photo))
    assert frame.step.x.shape == (1, 3, 32, 48)
    assert np.array(scene(photo)).shape == (60, 90, 3)


def test_scene_framing_needs_a_pooled_head(tiny: Translator, photo: Path) -> None:
    with pytest.raises(SettingsError, match="use framing face or crop"):
        tiny(photo, Options(framing="scene"))


def test_score_agrees_with_frames(tiny: Translator, photo: Path) -> None:
    score = tiny.score(photo)
    assert score.energy == next(tiny.frames(photo)).energy
    assert score.probability == pytest.approx(1 / (1 + np.exp(score.energy)))
    assert 0 <= score.percentile <= 100


def test_remarks(tiny: Translator, photo: Path) -> None:
    frames = list(tiny.frames(photo))
    low = tuple(frames[0].energy + 1 + 0.001 * i for i in range(21))
    card = tiny.domain.model_copy(
        update={"calibration": tiny.domain.calibration.model_copy(update={"data": low})}
    )
    assert "already is in the domain 'Tiny'" in (remark(card, frames[0], frames[-1]) or "")
    short = list(tiny.frames(photo, Options(steps=1, step_size=1e-4)))
    assert "hardly moved" in (remark(tiny.domain, short[0], short[-1]) or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": 1.5}, "strength is 1.5"),
        ({"steps": -1}, "steps is -1"),
        ({"step_size": 0.0}, "step_size is 0"),
        ({"eps": -2.0}, "eps is -2"),
        ({"seed": -1}, "seed is -1"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"headroom": 2.0}, "headroom is 2"),
        ({"footroom": 2.0}, "footroom is 2"),
        ({"total_variation": 1.0}, "total_variation is 1"),
    ],
)
def test_options_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Options(**options)  # type: ignore[arg-type]


SHAPE = {name: 0.1 * i for i, name in enumerate(BENDS, 1)}


@pytest.mark.parametrize("name", SHAPE)
def test_the_shape_of_moves_is_the_domains_unless_asked_otherwise(
    tiny: Translator, name: str
) -> None:
    domain = tiny.domain.model_copy(
        update={"pgd": tiny.domain.pgd.model_copy(update={name: SHAPE[name]})}
    )
    assert getattr(Options().pgd(domain, 32, 32), name) == SHAPE[name]
    asked = Options(**{name: 0.7}).pgd(domain, 32, 32)  # type: ignore[arg-type]
    assert {n: getattr(asked, n) for n in SHAPE} == dict.fromkeys(SHAPE, 0.0) | {name: 0.7}


def test_wrong_arrays_and_paths(tiny: Translator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float64"):
        tiny(np.zeros((9, 9, 3)))
    with pytest.raises(InputError, match="nowhere"):
        tiny(tmp_path / "nowhere.png")


@pytest.mark.parametrize("device", ["cuda:99", "mps", "tpu", "xla"])
def test_a_named_device_must_be_there(tiny_domain: Path, device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        device = "cuda"
    with pytest.raises(DeviceError, match=device):
        Translator.load(str(tiny_domain), device=device)


def test_a_named_dtype_must_be_known(tiny_domain: Path) -> None:
    with pytest.raises(DeviceError, match="float8"):
        Translator.load(str(tiny_domain), dtype="float8")


def test_bfloat16_stays_near_float32(tiny_domain: Path, photo: Path, tiny: Translator) -> None:
    fast = Translator.load(str(tiny_domain), device="cpu", dtype="bfloat16")
    difference = np.abs(np.array(tiny(photo)).astype(int) - np.array(fast(photo)))
    assert 0 < difference.mean() < 2


def test_bundled_anime_moves_a_face_into_the_domain() -> None:
    anime = Translator.load("anime", **CPU)
    first, *_, last = anime.frames(EXAMPLES / "astronaut.jpg")
    calibration = anime.domain.calibration
    assert first.note is None
    assert first.energy > calibration.target
    assert last.energy < (first.energy + calibration.target) / 2


def test_loading_leaves_nothing_to_load_to_the_first_photo(monkeypatch):
    """What finds faces, glasses and heads is there: the first photo is not slower."""
    loaded = []

    def spied(what, load):
        def spy(*arguments):
            loaded.append(what)
            return load(*arguments)

        return spy

    monkeypatch.setattr(faces, "_detectors", faces._Detectors())
    monkeypatch.setattr(faces.cv2, "CascadeClassifier", spied("faces", faces.cv2.CascadeClassifier))
    monkeypatch.setattr(segmenting, "load_file", spied("network", segmenting.load_file))
    segmenting._network.cache_clear()
    translator = Translator.load("anime")
    assert sorted(loaded) == ["faces", "network", "network"]
    translator(EXAMPLES / "hopper.jpg", Options(steps=1))
    assert sorted(loaded) == ["faces", "network", "network"]


def test_a_close_up_is_drawn_up_to_its_borders() -> None:
    anime = Translator.load("anime", **CPU)
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        close = picture.convert("RGB").crop((155, 50, 295, 170)).resize((280, 240))
    alpha = np.full((240, 280), 255, np.uint8)
    alpha[:, :70] = 90
    photo = np.dstack([np.asarray(close), alpha])
    *_, last = anime.frames(photo, Options(steps=2))
    window = last.windows[0]
    assert max(window.left, window.top) < 0
    assert window.left + window.width > 280
    assert window.top + window.height > 240
    drawn = np.asarray(last.image)
    np.testing.assert_array_equal(drawn[..., 3], alpha)
    changed = np.abs(drawn[..., :3].astype(int) - photo[..., :3]).mean(axis=2)
    assert min(changed[:4, 60:220].mean(), changed[100:140, -4:].mean()) > 2

    brushed = np.zeros((240, 280), bool)
    brushed[100:, 140:] = True
    *_, last = anime.frames(photo, Options(steps=2), mask=brushed)
    part = np.asarray(last.image)
    np.testing.assert_array_equal(part[~brushed], photo[~brushed])
    assert np.abs(part.astype(int) - photo)[brushed].mean() > 2

    *_, last = anime.frames(photo, Options(steps=2, crop_only=True))
    alone = np.asarray(last.image)  # as much of the square as there is
    scale = max(1, 256 / window.width)
    assert alone.shape[:2] == pytest.approx((240 * scale, 280 * scale), abs=1)
    np.testing.assert_array_equal(alone[:, : round(60 * scale), 3], 90)
    np.testing.assert_array_equal(alone[:, round(80 * scale) :, 3], 255)


def test_a_wish_for_no_total_variation_leaves_ripples_and_dots_too() -> None:
    domain = Translator.load("anime").domain
    own = Options().pgd(domain, 256, 256)
    assert own.flatten == domain.pgd.flatten > 0
    assert own.despeckle == domain.pgd.despeckle > 0
    assert own.bare == domain.pgd.bare > 0
    without = Options(total_variation=0.0).pgd(domain, 256, 256)
    assert without.flatten == without.despeckle == without.bare == 0
    assert Options(total_variation=0.2).pgd(domain, 256, 256).flatten == own.flatten


def test_shorter_moves_filter_less_each() -> None:
    """What is blurred twice by half as much (in variance) is blurred as much."""
    domain = Translator.load("anime").domain
    own = domain.pgd
    short = Options(steps=4 * own.steps, step_size=own.step_size / 4).pgd(domain, 256, 256)
    assert short.flatten == pytest.approx(own.flatten / 2)
    assert short.despeckle == pytest.approx(own.despeckle / 2)
    assert short.bare == pytest.approx(own.bare / 2)
    alone = Options(steps=1, step_size=own.step_size / 4).pgd(domain, 256, 256)
    assert alone.flatten == pytest.approx(own.flatten / 4)
    assert Options(step_size=2 * own.step_size).pgd(domain, 256, 256).flatten == own.flatten


@pytest.mark.parametrize("together", [True, False])
def test_members_lead_together_or_in_turn_as_the_card_says(together: bool) -> None:
    torch.manual_seed(5)
    config = NetworkConfig(size=16, channels=(6, 8, 10), members=2)
    model = EnergyModel(config)
    descent = Descent(steps=2, step_size=0.3, coarse=(1.0,), together=together)
    card = Translator.load("anime").domain.model_copy(update={"network": config, "pgd": descent})
    translator = Translator(card, model, torch.device("cpu"), torch.float32)
    expected = x = torch.rand(2, 3, 16, 16)
    one = PGD(steps=1, step_size=0.3)
    for member in (None, None) if together else (0, 1):
        expected = attack(lambda x, member=member: model.energy(x, 1, member), expected, one)
    *_, (step, _) = translator.descend(View(x))
    torch.testing.assert_close(step.x, expected, rtol=0, atol=1e-6)
