"""Targets with something wrong in them: what is done to them, and that a network learns to mind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from pydantic import ValidationError

from translate.training import trainer as trainer_module
from translate.training.config import Recipe
from translate.training.spoiling import spoilt
from translate.training.trainer import Trainer

COUNT = 200


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def stripes():
    """Fine vertical lines: a gap has none, a bent picture crooked ones."""
    line = (torch.arange(64) // 2 % 2).float() * 0.8 + 0.1
    return line.expand(COUNT, 3, 64, 64).contiguous()


@pytest.fixture
def new_trainer(tmp_path):
    """Make a trainer of faces as a child draws them, grey, each with two eyes and a mouth; the
    others have as much black in them, but colours."""
    rng = np.random.default_rng(1)
    for folder, count in (("faces", 40), ("others", 12)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            light = int(rng.integers(120, 220))
            other = folder == "others"
            image = Image.new("RGB", (32, 32), (light, light, light - 100 * other))
            draw = ImageDraw.Draw(image)
            for left, top, right, bottom in ((8, 10, 12, 14), (20, 10, 24, 14), (11, 21, 21, 23)):
                across, down = rng.integers(-7, 8, 2) * other
                box = (left + across, top + down, right + across, bottom + down)
                draw.rectangle(box, fill=(20, 20, 20))
            image.save(tmp_path / folder / f"{index}.png")

    def make(**stage):
        stage = {"size": 32, "batch_size": 8, "learning_rate": 3e-3, "step_size": 0.3} | stage
        table = {
            "name": "toy",
            "title": "Toy",
            "seed": 5,
            "ema": 0.9,
            "sample_steps": 3,
            "data": {"p_data": [{"path": "faces"}], "p_0": [{"path": "others"}]},
            "network": {"channels": [8, 16, 16]},
            "stages": [stage],
        }
        recipe = Recipe.model_validate(table)
        return Trainer(recipe, tmp_path, tmp_path / "c", torch.device("cpu"), torch.float32)

    return make


def test_it_is_the_same_for_the_same_numbers_and_in_range(stripes):
    one, other = spoilt(stripes, generator(1)), spoilt(stripes, generator(2))
    assert one.shape == stripes.shape
    assert 0 <= one.min() <= one.max() <= 1
    assert torch.equal(one, spoilt(stripes, generator(1)))
    assert not torch.equal(one, other)
    assert (one != stripes).flatten(1).any(dim=1).all()  # none gets away whole


def test_parts_are_bent_or_missing_in_the_middle_only(stripes):
    changed = (spoilt(stripes, generator()) - stripes).abs().amax(dim=1)
    bent = (changed[:, :2] > 0.1).flatten(1).any(dim=1)  # no gap reaches up there
    assert 0.4 * COUNT < bent.sum() < 0.6 * COUNT
    whole = changed[~bent]
    assert whole[:, :, :3].max() < 1e-6
    assert whole[:, 61:].max() < 1e-6
    gone = (whole > 0.1).float().mean(dim=(1, 2))
    assert gone.min() > 0.002  # the smallest gap there is has 0.0038
    assert gone.max() < 0.25


def test_a_gap_is_filled_from_around_it():
    """Nothing to see where nothing was: a flat picture, and one of two colours far apart."""
    flat = torch.full((COUNT, 3, 64, 64), 0.3)
    torch.testing.assert_close(spoilt(flat, generator()), flat, rtol=0, atol=2e-3)
    halves = torch.full((COUNT, 3, 64, 64), 0.2)
    halves[..., 32:] = 0.8
    filled = spoilt(halves, generator())
    assert filled.min() > 0.1
    assert filled.max() < 0.9


def test_attacks_start_from_spoilt_targets_and_are_short(new_trainer, monkeypatch):
    trainer = new_trainer(updates=60, spoilt=0.5, translated=0.2, k_start=9, k_max=9)
    seen = []

    def spy(energy, start, pgd, **rest):
        seen.append((start, pgd.steps))
        return attack(energy, start, pgd, **rest)

    attack = trainer_module.attack
    monkeypatch.setattr(trainer_module, "attack", spy)
    reports, batches = [], []
    for _ in range(60):
        batches.append(trainer.batch())
        reports.append(trainer.update())
    kinds = {(report.spoilt, report.translated) for report in reports}
    assert kinds == {(False, False), (True, False), (False, True)}
    assert 18 < sum(report.spoilt for report in reports) < 42
    for report, (data, start), (begun, steps) in zip(reports, batches, seen, strict=True):
        if report.spoilt:
            torch.testing.assert_close(begun.mean(), data.mean(), rtol=0, atol=0.05)
            assert not torch.equal(begun, data)
            assert not torch.equal(begun, start)
        else:
            assert torch.equal(begun, start)
            assert steps == (3 if report.translated else 9)
    lengths = {steps for report, (_, steps) in zip(reports, seen, strict=True) if report.spoilt}
    assert lengths == {0, 1, 2, 3}


def test_k_does_not_move_on_for_spoilt_targets(new_trainer):
    trainer = new_trainer(updates=30, spoilt=1.0, k_max=3, updates_per_k=2, auc=0.5, auc_window=1)
    reports = [trainer.update() for _ in range(20)]
    assert {report.k for report in reports} == {0}
    assert trainer.position.aucs == []


def test_the_network_learns_to_mind_a_missing_mouth(new_trainer):
    """It has seen neither a face without one nor a photo of one."""

    def tells_apart(share):
        trainer = new_trainer(updates=300, spoilt=share, k_max=0)
        for _ in range(300):
            trainer.update()
        faces = torch.cat([trainer.p_data.batch(1000 + i, 8, trainer.device) for i in range(12)])
        mouthless = faces.clone()
        mouthless[..., 18:27, 8:25] = faces[..., 2:3, 2:3]
        with torch.no_grad():
            return float(trainer_module.auc(*map(trainer.model.logit, (faces, mouthless))))

    assert tells_apart(0.6) > 0.9
    assert tells_apart(0.0) < 0.7


def test_a_resumed_run_is_bitwise_the_unbroken_one(new_trainer, tmp_path):
    stage = {"updates": 9, "spoilt": 0.6, "translated": 0.2, "k_start": 3, "k_max": 3}
    whole, first, second = (new_trainer(**stage) for _ in range(3))
    reports = [replace(whole.update(), seconds=0.0) for _ in range(8)]
    for _ in range(4):
        first.update()
    first.save(tmp_path / "checkpoint-0000004.safetensors")
    second.restore(trainer_module.checkpoint.load(tmp_path / "checkpoint-0000004.safetensors"))
    assert [replace(second.update(), seconds=0.0).loss for _ in range(4)] == [
        report.loss for report in reports[4:]
    ]
    torch.testing.assert_close(
        second.ema.state_dict(), whole.ema.state_dict(), rtol=0, atol=0, equal_nan=True
    )


def test_shares_may_not_exceed_one(new_trainer):
    with pytest.raises(ValidationError, match=r"translated 0\.6 and spoilt 0\.5 exceed 1"):
        new_trainer(updates=1, k_max=1, translated=0.6, spoilt=0.5)
