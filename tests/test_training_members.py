"""Several networks trained in one run: turns in the attack, each one's own loss, resuming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from translate.card_parts import Descent
from translate.energy import EnergyModel
from translate.errors import TrainingError
from translate.networks.config import NetworkConfig
from translate.pgd import attack
from translate.pgd_settings import PGD
from translate.training import checkpoint, losses
from translate.training.config import Recipe
from translate.training.samples import walk, write_samples
from translate.training.trainer import Trainer
from translate.view import View

STAGE = {
    "size": 16,
    "updates": 9,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "k_start": 2,
    "k_max": 3,
    "step_size": 0.5,
    "r1": 0.1,
    "coarse": [0.3],
    "translated": 0.3,
}
RECIPE = {
    "name": "toy",
    "title": "Toy",
    "seed": 3,
    "r1_every": 2,
    "ema": 0.9,
    "sample_steps": 3,
    "data": {"p_data": [{"path": "a"}], "p_0": [{"path": "b"}]},
    "network": {"channels": [4, 8, 8], "members": 2},
    "stages": [STAGE],
}


@pytest.fixture
def pair():
    torch.manual_seed(5)
    return EnergyModel(NetworkConfig(size=16, channels=(4, 8, 8), members=2))


@pytest.fixture
def new_trainer(pair, tmp_path):
    """Make a trainer that sets out from the pair."""
    rng = np.random.default_rng(1)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in range(6):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")

    def make():
        recipe = Recipe.model_validate(RECIPE)
        trainer = Trainer(recipe, tmp_path, tmp_path / "c", torch.device("cpu"), torch.float32)
        trainer.set_out_from(pair)
        return trainer

    return make


def test_a_pair_sets_out_from_a_pair(new_trainer, pair):
    trainer = new_trainer()
    for model in (trainer.model, trainer.ema):
        torch.testing.assert_close(model.state_dict(), pair.state_dict(), rtol=0, atol=0)
    with pytest.raises(TrainingError, match="it has 1 members, the recipe's network 2"):
        trainer.set_out_from(pair.alone())


def test_attacks_on_a_pair_follow_its_members_in_turn(new_trainer):
    trainer = new_trainer()
    _, start = trainer.batch()
    pgd = PGD(steps=3, step_size=0.5)
    expected = start
    for member in (0, 1, 0):
        network, one = trainer.model.networks[member].alone(), PGD(steps=1, step_size=0.5)
        expected = attack(lambda x, network=network: network.energy(x, 1), expected, one)
    ours = trainer._attack(start, pgd, 1, translated=False)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_whole_translations_look_into_the_mirror_as_the_samples_do(new_trainer):
    trainer = new_trainer()
    trainer.recipe = trainer.recipe.model_copy(
        update={"sample_mirrored": True, "sample_coarse": (1.0,), "sample_steps": 4}
    )
    _, start = trainer.batch()
    expected, one = start, PGD(steps=1, step_size=0.5)
    for member, mirrored in ((0, False), (1, False), (0, True), (1, True)):
        network = trainer.model.networks[member].alone()
        towards = expected.flip(-1) if mirrored else expected
        towards = attack(lambda x, network=network: network.energy(x, 1), towards, one)
        expected = towards.flip(-1) if mirrored else towards
    whole = trainer._attack(start, PGD(steps=4, step_size=0.5), 0, translated=True)
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-6)
    trainer.model.requires_grad_(False)
    descent = trainer.recipe.descent_at(0)
    *_, sample = walk(trainer.model.energy, View(start), descent, members=2)
    ours = trainer._attack(start, trainer._translation(), 0, translated=True)
    torch.testing.assert_close(ours, sample.x, rtol=0, atol=1e-6)


def test_whole_translations_follow_both_where_samples_do(new_trainer):
    """And plain attacks go on to follow them in turn."""
    trainer = new_trainer()
    _, start = trainer.batch()
    plain = trainer._attack(start, PGD(steps=2, step_size=0.5), 1, translated=False)
    trainer.recipe = trainer.recipe.model_copy(
        update={"sample_together": True, "sample_coarse": (1.0,), "sample_steps": 3}
    )
    pgd = PGD(steps=3, step_size=0.5)
    expected = attack(lambda x: trainer.model.energy(x, 1), start, pgd)
    whole = trainer._attack(start, pgd, 0, translated=True)
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-6)
    same = trainer._attack(start, PGD(steps=2, step_size=0.5), 1, translated=False)
    assert torch.equal(same, plain)
    trainer.model.requires_grad_(False)
    *_, sample = walk(trainer.model.energy, View(start), trainer.recipe.descent_at(0), members=2)
    ours = trainer._attack(start, trainer._translation(), 0, translated=True)
    torch.testing.assert_close(ours, sample.x, rtol=0, atol=1e-6)


def test_each_of_a_pair_learns_for_itself(new_trainer):
    """The slopes are those of each one's own loss and penalty, on the same pictures."""
    trainer = new_trainer()
    data, start = trainer.batch()
    attacked = trainer._attack(start, PGD(steps=2, step_size=0.5), 0, translated=False)
    loss, _, logits = trainer._losses(data, attacked, 0)
    mean = [trainer.model.logit(x).detach() for x in (data, attacked)]
    torch.testing.assert_close(logits, tuple(mean), rtol=0, atol=1e-6)
    expected, single = [], []
    for network in trainer.model.networks:
        alone = network.alone()
        own = losses.binary_loss(alone.logit(data), alone.logit(attacked))
        penalty = losses.r1_penalty(alone.logit, data)
        weight = trainer.recipe.r1_at(0) * trainer.recipe.r1_every
        expected += torch.autograd.grad((own + weight * penalty) / 2, list(alone.parameters()))
        single.append(own.item())
    assert float(loss) == pytest.approx(sum(single) / 2)
    slopes = [p.grad for p in trainer.model.parameters()]
    torch.testing.assert_close(slopes, expected, rtol=1e-4, atol=1e-7)


def test_a_resumed_pair_is_bitwise_the_unbroken_one(new_trainer, tmp_path):
    whole, first, second = (new_trainer() for _ in range(3))
    reports = [replace(whole.update(), seconds=0.0) for _ in range(6)]
    assert {report.translated for report in reports} == {False, True}
    for _ in range(3):
        first.update()
    first.save(tmp_path / "checkpoint-0000003.safetensors")
    second.restore(checkpoint.load(tmp_path / "checkpoint-0000003.safetensors"))
    again = [replace(second.update(), seconds=0.0) for _ in range(3)]
    assert [repr(report) for report in again] == [repr(report) for report in reports[3:]]
    for ours, theirs in ((second.model, whole.model), (second.ema, whole.ema)):
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_samples_of_a_pair_take_turns(pair, tmp_path):
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    descent = Descent(steps=3, step_size=2.0)
    write_samples(pair, x, tmp_path / "s.png", descent=descent, dtype=torch.float32)
    *_, turns = walk(pair.energy, View(x), descent, 2)
    *_, mean = walk(pair.energy, View(x), descent)
    with Image.open(tmp_path / "s.png") as image:
        pixels = torch.from_numpy(np.asarray(image).copy())
    drawn = pixels[20:36, 2:18].permute(2, 0, 1) / 255  # below the first photo
    assert (drawn - turns.x[0]).abs().max() < 0.003
    assert (drawn - mean.x[0]).abs().max() > 0.02


def test_several_networks_have_one_size_throughout():
    stages = [STAGE, STAGE | {"size": 32}]
    with pytest.raises(ValidationError, match="2 members cannot grow; give one stage size"):
        Recipe.model_validate(RECIPE | {"stages": stages})
