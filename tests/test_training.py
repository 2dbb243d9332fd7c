"""Training on generated pictures: data, losses, schedule, resuming, and whether it learns."""

from __future__ import annotations

import copy
import io
import itertools
import json
import math
import random
import threading
import tomllib
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from pydantic import ValidationError
from safetensors.torch import save_file

from translate import translator as translator_module
from translate.card_parts import Descent
from translate.energy import EnergyModel
from translate.errors import TrainingError
from translate.framing import FaceSquare, extract, find_window
from translate.image_io import to_array
from translate.networks.config import NetworkConfig
from translate.pgd import attack, descend
from translate.pgd_settings import PGD
from translate.training import checkpoint, data, losses, objectives
from translate.training import export as export_module
from translate.training import trainer as trainer_module
from translate.training.config import RECIPES, Recipe, load_recipe
from translate.training.data import Mix, augmented, first_images, load_images
from translate.training.data_settings import Augment, Source
from translate.training.run import Session, run
from translate.training.samples import walk
from translate.training.trainer import Trainer
from translate.translator import Translator
from translate.view import View

CPU = torch.device("cpu")
EXAMPLES = Path(__file__).parents[1] / "examples"
HELD_OUT = 6
WHITE, BLACK = (255, 255, 255), (0, 0, 0)  # of the held-out images, so that none goes unseen

TOY = """
name = "toy"
title = "Toy"
seed = 3
reference_size = 16
r1_every = 2
ema = 0.9
sample_steps = 3

[data]
p_data = [{ path = "circles", hold_out = 6 }]
p_0 = [{ path = "others.zip", hold_out = 6, weight = 3 }, { path = "circles", hold_out = 6 }]
augment_p_0 = { brightness = [0.7, 1.2] }

[network]
channels = [4, 8, 8]

[[stages]]
size = 16
updates = 4
batch_size = 4
learning_rate = 1e-3
k_max = 2
auc_window = 1
step_size = 0.5
r1 = 0.1
noise = 0.1

[[stages]]
size = 32
updates = 4
batch_size = 3
learning_rate = 1e-3
k_start = 1
k_max = 2
auc_window = 2
step_size = 0.5
r1 = 0.1
coarse = [0.5]
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are fastest on one thread, and bitwise equality needs a fixed number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def circle(rng):
    image = Image.new("RGB", (40, 36), tuple(rng.randrange(60) for _ in range(3)))
    x, y, radius = rng.randrange(10, 24), rng.randrange(10, 22), rng.randrange(6, 12)
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(image).ellipse(box, fill=(250, 120 + rng.randrange(60), rng.randrange(60)))
    return image


def other(rng):
    noise = np.random.default_rng(rng.randrange(10**6))
    ramp = np.linspace(0, 255, 40)[None, :, None] * noise.uniform(0, 1, 3)
    pixels = ramp + noise.normal(0, 60, (36, 40, 3)) * noise.uniform(0, 1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of circles and a zip of ramps and noise, each ending in held-out plain images."""
    root, rng = tmp_path_factory.mktemp("data"), random.Random(1)
    (root / "circles").mkdir()
    with zipfile.ZipFile(root / "others.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(48):
            circle(rng).save(root / "circles" / f"a{i:02d}.png")
            archive.writestr(f"a{i:02d}.png", png(other(rng)))
        for i in range(HELD_OUT):
            Image.new("RGB", (40, 36), WHITE).save(root / "circles" / f"z{i}.png")
            archive.writestr(f"deeper/z{i}.png", png(Image.new("RGB", (40, 36), BLACK)))
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def new_trainer(root, cache):
    """Make a trainer of the toy recipe, with changes of it or of its first stage."""

    def make(stage=None, **changes):
        table = {**tomllib.loads(TOY), **changes}
        table["stages"][0].update(stage or {})
        return Trainer(Recipe.model_validate(table), root, cache, CPU, torch.float32)

    return make


def go(trainer, updates):
    """Reports of some updates, without their duration."""
    return [repr(replace(trainer.update(), seconds=0.0)) for _ in range(updates)]


def assert_same(a, b):
    """Two trainers in bitwise the same state."""
    for first, second in ((a.model, b.model), (a.ema, b.ema)):
        assert first.config == second.config
        for (name, x), y in zip(
            first.state_dict().items(), second.state_dict().values(), strict=True
        ):
            assert torch.equal(x, y), name
    adam_a, adam_b = (t.optimizer.state_dict() for t in (a, b))
    assert adam_a["param_groups"] == adam_b["param_groups"]
    assert adam_a["state"].keys() == adam_b["state"].keys()
    for key, entry in adam_a["state"].items():
        for name, value in entry.items():
            assert torch.equal(value, adam_b["state"][key][name]), (key, name)
    assert replace(a.position, seconds=0.0) == replace(b.position, seconds=0.0)


def assert_finite(tensors):
    for name, value in tensors.items():
        assert torch.isfinite(value).all(), name


# Resuming


@pytest.mark.parametrize("split", [0, 1, 3, 4, 5, 8])  # the second stage begins after 4
def test_resumed_run_is_bitwise_the_unbroken_one(new_trainer, tmp_path, split):
    unbroken, first = new_trainer(), new_trainer()
    expected = go(unbroken, 8)
    reports = go(first, split)
    first.save(tmp_path / "c.safetensors")
    second = new_trainer()
    second.restore(checkpoint.load(tmp_path / "c.safetensors"))
    assert_same(first, second)
    reports += go(second, 8 - split)
    assert reports == expected
    assert_same(unbroken, second)
    assert second.done
    assert unbroken.position.total_images == 4 * 4 + 4 * 3


def test_training_leaves_the_global_random_state_alone(new_trainer):
    before = torch.get_rng_state()
    go(new_trainer(), 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_is_another_run(new_trainer):
    assert go(new_trainer(), 1) != go(new_trainer(seed=4), 1)


def test_growing_starts_the_stage_with_the_same_function(new_trainer):
    trainer = new_trainer({"updates": 2})
    go(trainer, 2)
    small = [model.requires_grad_(False) for model in (trainer.model, trainer.ema)]
    x = trainer.batch()[0]
    trainer._next_stage()
    assert trainer.position.stage == 1
    big = torch.rand(2, 3, 32, 32)
    for old, new in zip(small, (trainer.model, trainer.ema), strict=True):
        rgb = old.down((big - old.mean) / old.std) * old.std + old.mean
        torch.testing.assert_close(new.logit(big).detach(), old.logit(rgb), rtol=0, atol=1e-6)
    assert not torch.equal(small[0].logit(x), small[1].logit(x))  # so the two were not mixed up


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "weights only", "missing"])
def test_damaged_checkpoint_is_named(new_trainer, tmp_path, damage):
    file = tmp_path / "c.safetensors"
    new_trainer().save(file)
    content = file.read_bytes()
    if damage == "weights only":
        save_file({"x": torch.zeros(1)}, file)
    elif damage == "missing":
        file.unlink()
    else:
        file.write_bytes(
            {"cut": content[: len(content) // 2], "empty": b"", "text": b"a" * 99}[damage]
        )
    with pytest.raises(TrainingError, match=r"c\.safetensors"):
        checkpoint.load(file)


def test_checkpoint_of_another_network_is_refused(new_trainer, tmp_path):
    new_trainer().save(tmp_path / "c.safetensors")
    saved = checkpoint.load(tmp_path / "c.safetensors")
    with pytest.raises(TrainingError, match="network"):
        new_trainer(network={"channels": [4, 6, 8]}).restore(saved)
    saved.position.stage = 2
    with pytest.raises(TrainingError, match="stage"):
        new_trainer().restore(saved)


def test_no_checkpoint_to_resume_from(tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        checkpoint.latest(tmp_path)


# Losses


def test_auc_is_the_share_of_pairs_in_order():
    generator = torch.Generator().manual_seed(0)
    for n, m in [(1, 1), (7, 5), (20, 30)]:
        a = torch.randint(0, 6, (n,), generator=generator).float()
        b = torch.randint(0, 6, (m,), generator=generator).float()
        pairs = list(itertools.product(a.tolist(), b.tolist()))
        expected = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs)
        assert float(losses.auc(a, b)) == pytest.approx(expected, abs=1e-6)
    assert float(losses.auc(torch.ones(3), torch.zeros(2))) == 1.0
    assert float(losses.auc(torch.zeros(3), torch.ones(2))) == 0.0


def test_r1_of_a_quadratic():
    weight = torch.rand(3, 4, 4, requires_grad=True)
    x = torch.rand(5, 3, 4, 4)
    penalty = losses.r1_penalty(lambda x: 0.5 * (weight * x.square()).sum(dim=(1, 2, 3)), x)
    square = x.square().mean(dim=0)
    torch.testing.assert_close(penalty, 0.5 * (weight.square() * square).sum())
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, (weight * square).detach())


def test_binary_loss_is_its_formula():
    a, b = torch.tensor([-3.0, 0.0, 2.0]), torch.tensor([1.0, -4.0])
    expected = sum(math.log1p(math.exp(-v)) for v in a.tolist()) / 3
    expected += sum(math.log1p(math.exp(v)) for v in b.tolist()) / 2
    assert float(losses.binary_loss(a, b)) == pytest.approx(expected, rel=1e-6)
    assert float(losses.binary_loss(torch.tensor([-1e4]), torch.tensor([1e4]))) == 2e4


# Images


def test_images_are_cropped_scaled_and_kept(root, cache, monkeypatch):
    images = load_images(Source(path="circles", hold_out=6), root, 16, cache)
    assert images.shape == (48, 16, 16, 3)
    assert images.dtype == np.uint8
    assert not images.flags.writeable
    with Image.open(root / "circles" / "a05.png") as image:
        square = image.crop((2, 0, 38, 36)).resize((16, 16), Image.Resampling.LANCZOS)
    assert np.abs(images[5].astype(int) - np.asarray(square).astype(int)).max() <= 1
    monkeypatch.setattr(data, "_decode_all", None)  # the second time nothing is decoded
    again = load_images(Source(path="circles", hold_out=6), root, 16, cache)
    assert np.array_equal(images, again)


def test_a_picture_replaced_in_its_folder_is_decoded_anew(tmp_path):
    source, file = Source(path="pictures"), tmp_path / "pictures" / "a.png"
    file.parent.mkdir()
    for colour in (BLACK, WHITE):
        Image.new("RGB", (8, 8), colour).save(file)
        images = load_images(source, tmp_path, 8, tmp_path / "cache")
        assert (images == colour[0]).all()


def test_held_out_images_are_in_no_training_batch(new_trainer, root, cache):
    plain = {"flip": 0, "crop": 0}
    table = tomllib.loads(TOY)["data"]
    trainer = new_trainer(data={**table, "augment_p_data": plain, "augment_p_0": plain})
    seen = set()
    for number in range(150):
        trainer.position.total_updates = number
        for x in (image for batch in trainer.batch() for image in batch):
            assert not (x == 1).all()
            assert not (x == 0).all()
            seen.add(x.numpy().tobytes())
    assert len(seen) == 96  # all the others were drawn
    for path, value in (("circles", 255), ("others.zip", 0)):
        source = Source(path=path, hold_out=HELD_OUT)
        held_out = load_images(source, root, 16, cache, held_out=True)
        assert len(held_out) == HELD_OUT
        assert (held_out == value).all()


@pytest.mark.parametrize(
    ("source", "held_out", "words"),
    [
        (Source(path="circles", hold_out=54), False, r"circles.*54.*hold_out"),
        (Source(path="circles"), True, "held out"),
        (Source(path="nowhere"), False, "nowhere"),
        (Source(path="empty.zip"), False, r"empty\.zip.*no images"),
        (Source(path="empty"), False, "empty.*no images"),
        (Source(path="bad"), False, r"b\.png"),
        (Source(path="bad.zip"), False, r"b\.png"),
    ],
    ids=lambda value: getattr(value, "path", None),
)
def test_bad_sources_are_named(root, cache, source, held_out, words):
    (root / "empty").mkdir(exist_ok=True)
    (root / "bad").mkdir(exist_ok=True)
    good = (root / "circles" / "a00.png").read_bytes()
    (root / "bad" / "a.png").write_bytes(good)
    (root / "bad" / "b.png").write_bytes(good[: len(good) // 2])
    with zipfile.ZipFile(root / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with zipfile.ZipFile(root / "bad.zip", "w") as archive:
        archive.writestr("a.png", good)
        archive.writestr("b.png", b"no image")
    with pytest.raises(TrainingError, match=words):
        load_images(source, root, 16, cache, held_out=held_out)
    assert not list(cache.glob(".*"))  # no half-written array is left


def test_damaged_zip_member_is_named(root, cache):
    file = root / "damaged.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"not reached" * 9)
    content = bytearray(file.read_bytes())
    content[30 + len("a.png")] = 0xFF  # the first byte of the deflate stream: no such block type
    file.write_bytes(content)
    with pytest.raises(TrainingError, match=r"a\.png"):
        load_images(Source(path="damaged.zip"), root, 16, cache)


def test_picture_bomb_is_named(root, cache, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(TrainingError, match=r"a\d\d\.png"):
        load_images(Source(path="circles"), root, 9, cache)


# Batches and augmentation

PLAIN = Augment(flip=0, crop=0)


def solid(value, count=10):
    return np.full((count, 4, 4, 3), value, np.uint8)


def test_batches_depend_on_their_number_alone():
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8)
    mix, same = (Mix([images], [1], Augment(brightness=(0.5, 1)), 7) for _ in range(2))
    forward = [mix.batch(n, 5, CPU) for n in range(6)]
    for n in reversed(range(6)):
        assert torch.equal(same.batch(n, 5, CPU), forward[n])
    for a, b in itertools.combinations(forward, 2):
        assert not torch.equal(a, b)
    assert not torch.equal(Mix([images], [1], PLAIN, 8).batch(0, 5, CPU), forward[0])
    assert forward[0].shape == (5, 3, 8, 8)
    assert forward[0].is_contiguous(memory_format=torch.channels_last)


def test_sources_are_mixed_by_weight_not_by_size():
    mix = Mix([solid(0, 100), solid(255, 5)], [1, 3], PLAIN, 0)
    share = torch.stack([mix.batch(n, 10, CPU).mean() for n in range(60)]).mean()
    assert float(share) == pytest.approx(0.75, abs=0.06)


def test_pixels_become_unit_range():
    assert torch.equal(Mix([solid(255)], [1], PLAIN, 0).batch(0, 2, CPU), torch.ones(2, 3, 4, 4))
    assert float(Mix([solid(51)], [1], PLAIN, 0).batch(0, 1, CPU)[0, 0, 0, 0]) == pytest.approx(0.2)


def random_images(count=8, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def augment(x, **settings):
    return augmented(x, Augment(**settings), torch.Generator().manual_seed(1))


def test_augmentation_off_is_the_identity():
    x = random_images()
    torch.testing.assert_close(augment(x, flip=0, crop=0), x, rtol=0, atol=1e-5)


def test_flip_is_the_mirror_image():
    x = random_images()
    torch.testing.assert_close(augment(x, flip=1, crop=0), x.flip(3), rtol=0, atol=1e-5)
    some = augment(x, flip=0.5, crop=0)
    flipped = [bool((a - b.flip(2)).abs().max() < 1e-5) for a, b in zip(some, x, strict=True)]
    kept = [bool((a - b).abs().max() < 1e-5) for a, b in zip(some, x, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert any(flipped)
    assert any(kept)


def test_crop_magnifies_by_its_scale_and_stays_inside():
    ramp = torch.linspace(0.1, 0.9, 32).expand(8, 3, 32, 32)
    cropped = augment(ramp, flip=0, crop=1, crop_scale=(0.25, 0.25), crop_ratio=(1, 1))
    slope = (cropped[..., 20] - cropped[..., 10]) / (ramp[..., 20] - ramp[..., 10])
    torch.testing.assert_close(slope, torch.full_like(slope, 0.5), rtol=0, atol=1e-3)
    assert len({round(float(c), 3) for c in cropped[:, 0, 0, 16]}) > 4  # each its own place
    assert 0.1 - 1e-2 <= cropped.min() <= cropped.max() <= 0.9 + 1e-2


def test_brightness_stays_in_its_range_and_differs():
    factors = augment(torch.full((50, 3, 4, 4), 0.5), flip=0, crop=0, brightness=(0.6, 1.1)) / 0.5
    assert factors.amin() >= 0.6 - 1e-5
    assert factors.amax() <= 1.1 + 1e-5
    assert factors.amax() - factors.amin() > 0.3
    assert float((factors.amax(dim=(1, 2, 3)) - factors.amin(dim=(1, 2, 3))).max()) < 1e-5


def test_values_stay_in_unit_range():
    x = random_images().round()  # bicubic resampling overshoots at hard edges
    result = augment(x, crop=1, crop_scale=(0.3, 0.9), brightness=(0.5, 2.0))
    assert 0 <= result.min() <= result.max() <= 1


# Schedule


def ks_under(trainer, monkeypatch, auc, updates):
    monkeypatch.setattr(trainer_module, "auc", lambda *_: torch.tensor(auc))
    return [trainer.update().k for _ in range(updates)]


def test_k_moves_on_when_the_mean_auc_is_above_the_gate(new_trainer, monkeypatch):
    stage = {"updates": 50, "auc": 0.75, "auc_window": 2, "updates_per_k": 4}
    assert ks_under(new_trainer(stage), monkeypatch, 0.76, 8) == [0, 0, 1, 1, 2, 2, 2, 2]


def test_k_moves_on_when_its_budget_is_used_up(new_trainer, monkeypatch):
    stage = {"updates": 50, "auc": 0.75, "auc_window": 2, "updates_per_k": 3}
    expected = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert ks_under(new_trainer(stage), monkeypatch, 0.75, 10) == expected  # not above the gate


def test_k_falls_where_the_attack_has_won(new_trainer, monkeypatch):
    stage = {"updates": 50, "auc": 0.75, "auc_floor": 0.57, "auc_window": 2, "updates_per_k": 3}
    trainer = new_trainer({**stage, "k_start": 2, "k_max": 4})
    falls = [2, 2, 1, 1, 1, 2, 2, 1]  # but not below 1, where its budget ends at last
    assert ks_under(trainer, monkeypatch, 0.56, 8) == falls
    assert ks_under(trainer, monkeypatch, 0.58, 8) == [1, 1, 2, 2, 2, 3, 3, 3]
    assert ks_under(trainer, monkeypatch, 0.8, 3) == [4, 4, 4]


def test_a_floor_lies_below_the_gate(new_trainer):
    with pytest.raises(ValidationError, match=r"auc_floor 0\.8 is not below auc 0\.75"):
        new_trainer({"auc": 0.75, "auc_floor": 0.8})


def test_updates_are_shared_evenly_among_ks(new_trainer, monkeypatch):
    trainer = new_trainer({"updates": 9, "auc": 1.0})
    assert ks_under(trainer, monkeypatch, 0.5, 10) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 1]


def test_lengths_grow_with_the_size_and_r1_with_its_square(new_trainer):
    recipe = new_trainer().recipe
    assert (recipe.step_size_at(0), recipe.step_size_at(1)) == (0.5, 1.0)
    assert (recipe.r1_at(0), recipe.r1_at(1)) == pytest.approx((0.1, 0.4))
    assert new_trainer({"r2": 0.2}).recipe.r2_at(0) == pytest.approx(0.2)
    as_is = new_trainer(reference_size=0).recipe
    assert (as_is.step_size_at(1), as_is.r1_at(1)) == (0.5, 0.1)


def test_only_whole_translations_are_filtered_on_the_way(new_trainer):
    """An attack of K moves is shorter than the walk that the moves of a recipe belong to."""
    filters = {"sample_flatten": 0.1, "sample_despeckle": 0.1}
    trainer = new_trainer({"k_start": 5, "k_max": 5}, as_sampled=1.0, **filters)
    assert trainer._pgd().flatten == trainer._pgd().despeckle == 0
    assert trainer._translation().flatten == 0.1
    assert trainer._translation().despeckle == pytest.approx(0.1 * trainer.stage.size)


@pytest.mark.parametrize("decay", [0.0, 0.8, 1.0])
def test_attacks_and_samples_slow_down_and_travel_as_far(new_trainer, decay):
    trainer = new_trainer({"k_start": 5, "k_max": 5}, decay=decay, as_sampled=0.5)
    plain = new_trainer({"k_start": 5, "k_max": 5}).recipe.descent_at(0)
    kinds = set()
    for update in range(9):
        trainer.position.total_updates = update
        attacks = trainer._pgd()
        kinds.add(attacks.tone_sigma)  # the samples' own, or as it comes
        for pgd, travel in ((attacks, 5 * 0.5), (trainer._translation(), plain.travel)):
            assert pgd.length(pgd.steps) == pytest.approx(pgd.length(0) * (1 - decay))
            assert pgd.travel == pytest.approx(travel, rel=1e-5)
    assert len(kinds) == 2
    assert 0.5 < trainer.update().travel <= 1 + 1e-5
    trainer.position.k = 0
    assert trainer._pgd().steps == 0


def test_reports_tell_r1_and_travel_where_there_are_any(new_trainer):
    trainer = new_trainer({"auc": 1.0, "updates": 6, "r2": 0.1})
    reports = [trainer.update() for _ in range(6)]
    assert [math.isnan(r.r1) for r in reports] == [False, True] * 3
    assert [math.isnan(r.r2) for r in reports] == [False, True] * 3
    assert reports[0].r1 != reports[0].r2
    assert math.isnan(new_trainer().update().r2)
    assert [math.isnan(r.travel) for r in reports] == [True, True] + [False] * 4
    assert all(0 < r.travel <= 1 + 1e-5 for r in reports[2:])


@pytest.mark.parametrize("seed", [0, 3])
def test_both_sides_carry_noise_when_they_are_told_apart(new_trainer, monkeypatch, seed):
    """Each image its own, up to the stage's sigma; the walk and the penalty see none."""
    stage, seen = {"k_start": 1, "noise": 0.2, "batch_size": 8, "r2": 0.1}, []
    trainer = new_trainer(stage, seed=seed)
    data, start = trainer.batch()
    judge = trainer.model.logit

    def spy(x, *args):
        seen.append(x.detach())
        return judge(x, *args)

    monkeypatch.setattr(trainer.model, "logit", spy)
    trainer.update()
    walked, noisy, noisy_attacked, clean, attacked = seen
    assert torch.equal(walked, start)
    assert torch.equal(clean, data)
    for sigmas in ((noisy - clean).std(dim=(1, 2, 3)), (noisy_attacked - attacked).std((1, 2, 3))):
        assert 0 < sigmas.min() < 0.1 < sigmas.max() < 0.21
    assert not torch.allclose(noisy - clean, noisy_attacked - attacked, atol=0.01)


def test_r2_makes_the_network_less_steep_at_attacked_images(new_trainer):
    def steepness(r2):
        trainer = new_trainer({"updates": 60, "k_start": 1, "r2": r2, "auc": 1.0, "noise": 0.0})
        go(trainer, 60)
        _, start = trainer.batch()
        x = trainer._attack(start, trainer._pgd(), 0, translated=False).requires_grad_()
        (slope,) = torch.autograd.grad(trainer.model.logit(x).sum(), x)
        return slope.flatten(1).norm(dim=1).mean()

    assert steepness(1.0) < 0.7 * steepness(0.0)


def test_shares_of_updates_are_drawn_apart_under_any_seed(new_trainer):
    """With seed 0 all draws of an update were once the same number: none looked from afar."""
    stage = {"size": 32, "updates": 90, "k_max": 0, "coarse": (0.3,), "translated": 0.5}
    for seed in (0, 3):
        trainer = new_trainer(stage, seed=seed)
        reports = [trainer.update() for _ in range(80)]
        assert 25 < sum(report.translated for report in reports) < 55
        assert sum(report.halvings for report in reports if not report.translated) > 3


# Recipes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TOY.replace('name = "toy"', 'name = "toy"\ncolour = 1'), "colour"),
        (TOY.replace("k_max = 2", "k_maximum = 2", 1), r"stages\.0\.k_maximum"),
        (TOY.replace("seed = 3", 'seed = "three"'), "seed"),
        (TOY.replace('title = "Toy"', ""), "title"),
        (TOY.replace("size = 32", "size = 48"), r"\[16, 48\].*double"),
        (TOY.replace("k_start = 1", "k_start = 3"), "k_start 3 is above k_max 2"),
        (TOY.replace("channels = [4, 8, 8]", "channels = [8, 8]"), "channels"),
        (TOY.replace("channels = [4, 8, 8]", "channels = [4, 0, 8]"), "channels"),
        (TOY.replace("hold_out = 6", "hold_out = -1"), "hold_out"),
        (TOY.replace("size = 16", "size = four", 1), "not a readable recipe"),
        (TOY.replace("[0.7, 1.2]", "[1.2, 0.7]"), "brightness"),
        (TOY.replace("[0.7, 1.2]", "[-1.0, 1.2]"), "brightness"),
        (TOY.replace("{ brightness = [0.7, 1.2] }", "{ crop_scale = [-0.5, 0] }"), "crop_scale"),
        (TOY.replace("ema = 0.9", "betas = [0.0, 1.0]"), "betas"),
    ],
)
def test_bad_recipes_are_refused_by_file_and_setting(tmp_path, text, words):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert text != TOY
    with pytest.raises(TrainingError, match=words) as caught:
        load_recipe(file)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_problems_are_told_at_once(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(TOY.replace("seed = 3", "seed = 1.5").replace("size = 32", "size = 4"))
    with pytest.raises(TrainingError, match=r"seed.*stages\.1\.size"):
        load_recipe(file)


def test_missing_recipe_lists_the_bundled_ones(tmp_path):
    with pytest.raises(TrainingError, match=r"none\.toml.*anime"):
        load_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("name", sorted(p.stem for p in RECIPES.glob("*.toml")))
def test_bundled_recipes_load(name):
    recipe = load_recipe(name)
    assert recipe.name
    for index, stage in enumerate(recipe.stages):
        assert recipe.network_at(index).size == stage.size
        assert stage.budget >= 1
        assert recipe.step_size_at(index) > 0


# Sessions


def session(tmp_path, **changes):
    settings = {"checkpoint_minutes": 0, "keep": 2, "samples_every": 0, **changes}
    return Session(out=tmp_path / "run", **settings)


def test_whole_session_leaves_log_samples_and_checkpoints(new_trainer, tmp_path):
    trainer = new_trainer()
    settings = session(tmp_path, samples_every=3, sample_count=4)
    reports = list(run(trainer, settings, threading.Event()))
    assert trainer.done
    assert [(r.stage, r.update) for r in reports] == [(s, u) for s in (0, 1) for u in range(4)]

    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    lines = (settings.out / "log.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_constant=no_constant) for line in lines]
    assert len(records) == 8
    for record, report in zip(records, reports, strict=True):
        assert record.keys() == asdict(report).keys()
        assert record["loss"] == pytest.approx(report.loss, abs=1e-5)
        assert (record["r1"] is None) == math.isnan(report.r1)
    sizes = {}
    for file in (settings.out / "samples").iterdir():
        with Image.open(file) as image:
            sizes[file.name] = image.size
    small, large = (4 * 18 + 2, 2 * 18 + 2), (4 * 34 + 2, 2 * 34 + 2)
    ends = {"0000003.png": small, "0000004.png": small, "0000006.png": large, "0000008.png": large}
    assert sizes == ends
    names = sorted(p.name for p in settings.out.glob("checkpoint-*"))
    assert names == ["checkpoint-0000007.safetensors", "checkpoint-0000008.safetensors"]
    assert not list(settings.out.rglob(".*"))


def test_samples_show_held_out_photos_above_their_translations(new_trainer, tmp_path):
    settings = session(tmp_path, samples_every=1, sample_count=2)
    next(run(new_trainer(), settings, threading.Event()))
    with Image.open(settings.out / "samples" / "0000001.png") as image:
        pixels = np.asarray(image)
    assert (pixels[2:18, 2:18] == 0).all()  # the held-out ones are black
    assert pixels[20:36, 2:18].max() > 0


def test_stop_ends_the_session_with_a_checkpoint(new_trainer, tmp_path):
    trainer, stop = new_trainer(), threading.Event()
    settings = session(tmp_path, checkpoint_minutes=60)
    reports = run(trainer, settings, stop)
    next(reports), next(reports)
    assert not list(settings.out.glob("checkpoint-*"))
    stop.set()
    assert list(reports) == []
    resumed = new_trainer()
    resumed.restore(checkpoint.load(checkpoint.latest(settings.out)))
    assert_same(trainer, resumed)
    assert resumed.position.total_updates == 2


def test_closing_the_generator_saves_too(new_trainer, tmp_path):
    settings = session(tmp_path, checkpoint_minutes=60)
    reports = run(new_trainer(), settings, threading.Event())
    next(reports)
    reports.close()
    assert checkpoint.load(checkpoint.latest(settings.out)).position.total_updates == 1


def test_time_limit_ends_the_session_with_a_checkpoint(new_trainer, tmp_path):
    settings = session(tmp_path, max_minutes=1e-9, checkpoint_minutes=60)
    assert len(list(run(new_trainer(), settings, threading.Event()))) == 1
    assert checkpoint.load(checkpoint.latest(settings.out)).position.total_updates == 1


class _NaNGradient(torch.autograd.Function):
    """The identity, with a gradient of NaN."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.nan


@pytest.mark.parametrize("function", ["binary_loss", "r1_penalty"])
@pytest.mark.parametrize(
    "damage",
    [lambda x: x * math.nan, lambda x: x * math.inf, _NaNGradient.apply],
    ids=["nan", "inf", "nan gradient"],
)
def test_non_finite_training_keeps_the_last_good_checkpoint(
    new_trainer, tmp_path, monkeypatch, function, damage
):
    right = getattr(losses, function)
    trainer, settings = new_trainer(), session(tmp_path)

    def damaged(*args):
        late = trainer.position.total_updates >= 2
        return damage(right(*args)) if late else right(*args)

    monkeypatch.setattr(objectives, function, damaged)
    with pytest.raises(TrainingError, match="not finite"):
        list(run(trainer, settings, threading.Event()))
    saved = checkpoint.load(checkpoint.latest(settings.out))
    assert saved.position.total_updates == 2
    for part in (saved.model, saved.ema, saved.adam, trainer.model.state_dict()):
        assert_finite(part)
    new_trainer().restore(saved)


def test_a_run_that_has_diverged_ends_before_it_has_no_good_checkpoint_left(
    new_trainer, tmp_path, monkeypatch
):
    """A loss of 1,600 is finite; what it leaves is nothing that one would wait for all night."""
    right = objectives.binary_loss
    trainer, settings = new_trainer(), session(tmp_path)

    def high(*args):
        return right(*args) + (1600.0 if trainer.position.total_updates >= 2 else 45.0)

    monkeypatch.setattr(objectives, "binary_loss", high)
    with pytest.raises(TrainingError, match=r"loss is 160\d at update 2 of stage 0; resume from"):
        list(run(trainer, settings, threading.Event()))
    assert checkpoint.load(checkpoint.latest(settings.out)).position.total_updates == 2


def lengths(trainer, count):
    """Of each update, the gradient's as Adam gets it, and the usual one, both in float64."""
    found = []

    def measured(optimizer, *_):
        (group,) = optimizer.param_groups
        learning = [p for p in group["params"] if p.grad is not None]
        usual = sum(
            float(optimizer.state[p]["exp_avg_sq"].double().sum())
            / (1 - group["betas"][1] ** int(optimizer.state[p]["step"]))
            for p in learning
            if p in optimizer.state
        )
        own = math.sqrt(sum(float(p.grad.double().square().sum()) for p in learning))
        found.append((own, math.sqrt(usual)))

    hook = trainer.optimizer.register_step_pre_hook(measured)
    go(trainer, count)
    hook.remove()
    return found


@pytest.mark.parametrize("clip", [0.0, 1.5])
def test_a_gradient_of_unusual_length_is_shortened(new_trainer, monkeypatch, clip):
    """Only by `clip`: nothing else holds it, and those of usual length stay as they are."""
    right = objectives.binary_loss
    trainer, free = new_trainer(clip=clip), new_trainer()
    first, unbound = lengths(trainer, 2), lengths(free, 2)
    assert first[0] == unbound[0]
    monkeypatch.setattr(objectives, "binary_loss", lambda *logits: 20 * right(*logits))
    (own, usual), (longer, _) = lengths(trainer, 1)[0], lengths(free, 1)[0]
    assert longer > 5 * usual
    assert own == pytest.approx(clip * usual if clip else longer, rel=1e-4)


def test_shortened_gradients_resume_exactly(new_trainer, tmp_path):
    unbroken, first, second = (new_trainer(clip=1.01) for _ in range(3))
    go(unbroken, 8)
    go(first, 3)
    first.save(tmp_path / "c.safetensors")
    second.restore(checkpoint.load(tmp_path / "c.safetensors"))
    go(second, 5)
    assert_same(unbroken, second)


@pytest.mark.parametrize("clip", [0.3, 1.0])
def test_shortened_gradients_may_not_vanish(new_trainer, clip):
    """What is remembered are shortened ones: each usual length would be less than the last."""
    with pytest.raises(ValidationError, match="above 1, or 0"):
        new_trainer(clip=clip)


def test_failing_between_stages_keeps_a_checkpoint_to_go_on_from(
    new_trainer, tmp_path, monkeypatch
):
    def full_disk(source, root, size, cache, **others):
        if size == 32:
            raise OSError("no space left")
        return load_images(source, root, size, cache, **others)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "load_images", full_disk)
        with pytest.raises(OSError, match="no space left"):
            list(run(new_trainer(), session(tmp_path), threading.Event()))
    resumed, unbroken = new_trainer(), new_trainer()
    resumed.restore(checkpoint.load(checkpoint.latest(tmp_path / "run")))
    go(resumed, 4)
    go(unbroken, 8)
    assert_same(resumed, unbroken)


# Learning

LEARN = {
    "updates": 60,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "k_max": 3,
    "auc_window": 5,
    "step_size": 0.8,
    "r1": 0.02,
}


def attacked_auc(model, data, starts):
    """Mean energies along the attack, and the AUC of data against its state after K_max steps."""
    walk = list(descend(model.energy, starts, PGD(steps=6, step_size=LEARN["step_size"])))
    energies = [float(state.energy.mean()) for state in walk]
    return energies, float(losses.auc(model.logit(data), -walk[LEARN["k_max"]].energy))


def test_training_learns(new_trainer, root, cache):
    """The attack goes downhill all the way, and yet the data stay above what it reaches."""
    trainer = new_trainer(LEARN, network={"channels": [4, 12, 12]})
    circles = first_images(load_images(Source(path="circles", hold_out=6), root, 16, cache), 48)
    others = first_images(load_images(Source(path="others.zip", hold_out=6), root, 16, cache), 48)
    _, before = attacked_auc(trainer.ema, circles, others)
    for _ in range(60):
        trainer.update()
    energies, after = attacked_auc(trainer.ema, circles, others)
    assert all(b < a - 0.05 for a, b in itertools.pairwise(energies))
    assert after > 0.9
    assert before < 0.5  # by the same measure the network knew nothing


def test_blur_reaches_its_share_of_the_images_and_keeps_their_mean():
    x = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    still = {"flip": 0.0, "crop": 0.0}
    plain = augmented(x, Augment(**still), torch.Generator().manual_seed(1))
    mixed = augmented(x, Augment(**still, blur=0.5), torch.Generator().manual_seed(1))
    changed = (mixed - plain).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert 16 < int(changed.sum()) < 48
    assert torch.equal(mixed[~changed], plain[~changed])
    assert (mixed[changed].std() < 0.6 * plain[changed].std()).item()
    assert torch.allclose(mixed.mean(), plain.mean(), atol=2e-3)


def test_burning_darkens_its_share_of_the_images_where_they_are_bright():
    x = torch.full((64, 3, 32, 32), 0.1)
    x[..., :16, :] = 0.9
    still = {"flip": 0.0, "crop": 0.0}
    mixed = augmented(x, Augment(**still, burning=0.5), torch.Generator().manual_seed(1))
    bright, dark = mixed[..., :12, :].mean(dim=(1, 2, 3)), mixed[..., 20:, :].mean(dim=(1, 2, 3))
    changed = bright < 0.89
    assert 16 < int(changed.sum()) < 48
    assert torch.allclose(mixed[~changed], x[~changed], atol=1e-6)
    assert 0.1 < float(bright[changed].min()) < float(bright[changed].max()) < 0.6
    assert float(bright[changed].std()) > 0.05  # each to a light of its own
    assert float(abs(dark - 0.1).max()) < 0.01


def test_its_share_of_updates_looks_from_further_off_and_k_waits(new_trainer):
    table = tomllib.loads(TOY)
    final = {**table["stages"][1], "updates": 40, "k_start": 0, "updates_per_k": 2, "k_max": 9}
    trainer = new_trainer(stages=[{**final, "auc": 1.0}])
    reports = [trainer.update() for _ in range(40)]
    away = sum(r.halvings for r in reports)
    assert {r.halvings for r in reports} == {0, 1}
    assert 10 < away < 30
    assert [r.k for r in reports if not r.halvings] == [min(i // 2, 9) for i in range(40 - away)]


def test_coarse_updates_train_no_finer_level(new_trainer):
    table = tomllib.loads(TOY)
    trainer = new_trainer(stages=[{**table["stages"][1], "coarse": [1.0]}])
    before = copy.deepcopy(trainer.model.state_dict())
    assert trainer.update().halvings == 1
    changed = {k for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert not any(name.startswith("levels.0.") for name in changed)


@pytest.mark.parametrize(
    ("coarse", "words"), [([0.6, 0.6], "exceed 1"), ([0.1, 0.1, 0.1], "2 levels")]
)
def test_impossible_shares_of_coarse_updates_are_refused(new_trainer, coarse, words):
    stages = [{**tomllib.loads(TOY)["stages"][1], "coarse": coarse}]
    with pytest.raises(ValidationError, match=words):
        new_trainer(stages=stages)


def test_samples_use_only_distances_that_their_stage_trained(new_trainer):
    recipe = new_trainer(sample_coarse=[0.5, 0.2], sample_smooth=0.125).recipe
    assert recipe.descent_at(0).coarse == ()
    assert recipe.descent_at(1).coarse == (0.5,)
    assert recipe.descent_at(1).smooth == 4.0


def test_face_framing_trains_on_what_the_program_sees(tmp_path):
    photo = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB")
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photos" / "a.png")
    source = Source(path="photos", framing="face")
    (face,) = load_images(source, tmp_path, 64, tmp_path / "cache")
    rgb = np.asarray(photo)
    window = find_window(rgb, framing="face", size=64)
    assert window.width < min(photo.size)  # or the centre square would do
    np.testing.assert_array_equal(face, extract(rgb, window))
    near = find_window(rgb, framing="face", size=64, square=FaceSquare(1.4))
    (close,) = load_images(source, tmp_path, 64, tmp_path / "cache", square=FaceSquare(1.4))
    np.testing.assert_array_equal(close, extract(rgb, near))
    (centre,) = load_images(Source(path="photos"), tmp_path, 64, tmp_path / "cache")
    assert (face != centre).any()


def test_relit_framing_trains_on_what_a_walk_sets_out_from(tmp_path, monkeypatch):
    photo = Image.open(EXAMPLES / "hopper.jpg").convert("RGB").point(lambda v: v * 0.4)
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photos" / "a.png")
    taken, lit = (
        load_images(
            Source(path="photos", framing=framing),
            tmp_path,
            256,
            tmp_path / "cache",
            square=FaceSquare.of(load_recipe("cartoon")),
        )[0]
        for framing in ("face", "relit")
    )
    set_out: list[torch.Tensor] = []

    def noting(energy, source, pgd, *, shift, **kept):
        set_out.append(source + shift)
        return descend(energy, source, pgd, shift=shift, **kept)

    monkeypatch.setattr(translator_module, "descend", noting)
    Translator.load("cartoon")(photo)
    assert lit.mean() > taken.mean() + 5
    np.testing.assert_array_equal(lit, to_array(set_out[0])[0])


def test_a_run_sets_out_from_another_network(new_trainer):
    finest = new_trainer().recipe.network_at(1)
    other = EnergyModel(finest)
    trainer = new_trainer()
    trainer.set_out_from(other)
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = other.down((x - other.mean) / other.std) * other.std + other.mean
    with torch.no_grad():
        for model in (trainer.model, trainer.ema):
            torch.testing.assert_close(
                model.logit(small.clamp(0, 1)), other.logit(x, halvings=1), atol=1e-3, rtol=0
            )


def test_further_blocks_change_nothing_at_first(new_trainer):
    trainer = new_trainer(network={"channels": [4, 8, 8], "blocks": [1, 3]})
    other = EnergyModel(new_trainer().recipe.network_at(0))
    trainer.set_out_from(other)
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(trainer.model.logit(x), other.logit(x), rtol=0, atol=1e-6)
    go(trainer, 1)
    assert trainer.model.levels[0].blocks[2].weight.abs().max() > 0
    with pytest.raises(TrainingError, match="or it has more blocks"):
        new_trainer().set_out_from(trainer.model)
    go(trainer, 4)
    assert trainer.position.stage == 1
    assert trainer.model.config.blocks == (1, 3)


def test_a_share_of_the_attacks_keeps_what_samples_keep(new_trainer, monkeypatch):
    seen = []

    def spy(energy, x, pgd, *, guide, run):
        assert guide(0) is None
        seen.append((pgd.tone_lock, pgd.colour_lock, pgd.tone_sigma))
        return attack(energy, x, pgd, run=run)

    monkeypatch.setattr(trainer_module, "attack", spy)
    locks = {"sample_tone_lock": 0.5, "sample_colour_lock": 0.25}
    go(new_trainer({"updates": 50}, as_sampled=0.5, **locks), 40)
    assert {(0.5, 0.25, 1.5), (0.0, 0.0, 12.0)} == set(seen)
    assert 8 < sum(tone > 0 for tone, _, _ in seen) < 32
    seen.clear()
    go(new_trainer(**locks), 4)
    assert {tone for tone, _, _ in seen} == {0.0}


def test_a_share_of_the_attacks_is_a_whole_translation(new_trainer, monkeypatch):
    """As the card makes it: moves, length, blur at the start and looks from afar."""
    whole = []

    def spy(energy, x, pgd, *, guide, run):
        end = attack(energy, x, pgd, guide=guide, run=run)
        whole.append(pgd.steps == 7)
        if whole[-1]:
            model, descent = trainer.model, trainer.recipe.descent_at(0)
            *_, last = walk(model.energy, View(x), descent)
            torch.testing.assert_close(end, last.x)
            *_, near = walk(model.energy, View(x), descent.model_copy(update={"coarse": ()}))
            assert not torch.allclose(end, near.x, atol=1e-3)
        return end

    monkeypatch.setattr(trainer_module, "attack", spy)
    shape = {"sample_steps": 7, "sample_coarse": (0.5,), "sample_smooth": 0.1}
    stage = {"size": 32, "updates": 50, "k_max": 1, "coarse": (0.5,), "translated": 0.4}
    trainer = new_trainer(stage, as_sampled=0.5, sample_headroom=0.5, **shape)
    reports = [trainer.update() for _ in range(40)]
    assert [report.translated for report in reports] == whole
    assert 8 < sum(whole) < 28
    assert {report.halvings for report in reports if report.translated} == {0}
    assert {report.halvings for report in reports if not report.translated} == {0, 1}
    assert all(0 < report.travel <= 1.001 for report in reports if report.translated)


def test_a_head_of_another_kind_stays_random_and_other_levels_are_refused(new_trainer):
    config = new_trainer().recipe.network_at(1)
    pooled = EnergyModel(config.model_copy(update={"head": "pooled"}))
    trainer = new_trainer()
    before = copy.deepcopy(trainer.model.head.state_dict())
    trainer.set_out_from(pooled)
    torch.testing.assert_close(trainer.model.head.state_dict(), before, rtol=0, atol=0)
    levels = trainer.model.levels[0].state_dict(), pooled.levels[1].state_dict()
    torch.testing.assert_close(*levels, rtol=0, atol=0)
    with pytest.raises(TrainingError, match="do not end in those of the first stage"):
        trainer.set_out_from(EnergyModel(config.model_copy(update={"channels": (4, 8, 16)})))


def test_weights_are_halved_from_the_head_up_as_far_as_no_pixel_tells(monkeypatch):
    torch.manual_seed(0)
    model = EnergyModel(NetworkConfig(size=16, channels=(4, 6, 8), swish=4)).requires_grad_(False)
    descent, source = Descent(steps=4, step_size=1.0), torch.rand(2, 3, 16, 16)

    def halved():
        packed = export_module._packed(model, descent, source)
        assert packed.keys() == model.state_dict().keys()
        for name, value in model.head.linear.state_dict().items():
            assert torch.equal(packed[f"head.linear.{name}"].float(), value)
        parts = {k.split(".conv")[0] for k, v in packed.items() if v.dtype == torch.float16}
        return {part for part in parts if part in ("head", "levels.0", "levels.1")}

    assert halved() == {"head", "levels.0", "levels.1"}
    monkeypatch.setattr(export_module, "HALF_TOLERANCE", 0.0)
    assert halved() == set()
    for name, parameter in model.named_parameters():
        if name.startswith(("head.", "levels.1.")):  # half precision rounds nothing in these
            parameter.copy_(parameter.half())
    assert halved() == {"head", "levels.1"}
    alone = copy.deepcopy(model)
    model = export_module._joined(alone, alone)
    assert halved() == {"head", "levels.1"}
    packed = export_module._packed(model, descent, source)
    for name, value in alone.state_dict().items():
        assert packed[f"others.0.{name}"].dtype == packed[name].dtype
        assert torch.equal(packed[f"others.0.{name}"].float(), value)


def test_half_precision_is_checked_on_the_way_not_only_at_the_end(monkeypatch):
    """A walk may differ half-way and meet again."""
    torch.manual_seed(0)
    model = EnergyModel(NetworkConfig(size=16, channels=(4, 6), swish=4)).requires_grad_(False)
    runs = iter([[0.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.0]])

    def walk_of_values(energy, source, descent, members):
        return [SimpleNamespace(x=torch.full((1,), value)) for value in next(runs)]

    monkeypatch.setattr(export_module, "walk", walk_of_values)
    descent, source = Descent(steps=2, step_size=1.0), torch.rand(1, 3, 16, 16)
    packed = export_module._packed(model, descent, source)
    assert packed["levels.0.conv.weight"].dtype == torch.float32
    assert packed["head.conv.weight"].dtype == torch.float16
