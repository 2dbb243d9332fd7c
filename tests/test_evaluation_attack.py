"""APGD: it stays in the ball, finds known minima, and breaks what an attack should break."""

from __future__ import annotations

import math

import pytest
import torch

from translate.energy import EnergyModel
from translate.errors import SettingsError
from translate.evaluation.apgd import Attack, apgd, checkpoints
from translate.evaluation.metrics import auroc
from translate.networks.config import NetworkConfig
from translate.pgd import attack
from translate.pgd_settings import PGD
from translate.shaping import l2_norm
from translate.training.losses import binary_loss

SIZE = 32
RADIUS = Attack().radius(SIZE, SIZE)


def grey(count, size=8):
    return torch.full((count, 3, size, size), 0.5)


def last(states):
    *_, state = states
    return state


def test_the_radius_grows_with_the_side():
    assert Attack().radius(256, 256) == 7.0
    assert Attack().radius(128, 128) == 3.5
    assert Attack(eps=2.0).radius(64, 256) == 1.0
    assert (Attack().iterations, Attack().restarts) == (100, 5)  # the paper's protocol


def test_checkpoints_are_those_of_the_paper():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == [1]


def test_a_linear_energy_falls_to_its_known_minimum():
    weights = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    states = list(apgd(lambda x: (x * weights).sum((1, 2, 3)), grey(2), 0.4, 20))
    assert len(states) == 21
    fall = states[0].energy - states[-1].energy
    assert fall.tolist() == pytest.approx([0.4 * float(weights.norm())] * 2, rel=1e-4)


def test_a_valley_inside_the_ball_is_found_although_the_first_moves_leap_over_it():
    valley = 0.5 + 0.1 * torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1)) / 8
    state = last(apgd(lambda x: ((x - valley) ** 2).sum((1, 2, 3)), grey(1), 5.0, 100))
    assert float(state.energy) < 1e-4


def test_every_state_is_in_ball_and_box_and_the_lowest_so_far():
    generator = torch.Generator().manual_seed(2)
    source = torch.rand(3, 3, 8, 8, generator=generator)
    start = torch.rand(3, 3, 8, 8, generator=generator)

    def energy(x):
        return (torch.sin(9 * x) + x).sum((1, 2, 3))

    before = torch.full((3,), math.inf)
    for state in apgd(energy, source, 1.0, 30, start):
        assert (l2_norm(state.x - source) <= 1.0 + 1e-5).all()
        assert state.x.min() >= 0
        assert state.x.max() <= 1
        assert (state.energy <= before).all()
        assert torch.allclose(energy(state.x), state.energy, atol=1e-4)
        before = state.energy


def test_an_image_goes_its_own_way_whatever_else_is_in_the_batch():
    generator = torch.Generator().manual_seed(3)
    source = torch.rand(4, 3, 8, 8, generator=generator)

    def energy(x):
        return (torch.sin(9 * x) + x).sum((1, 2, 3))

    together = last(apgd(energy, source, 0.7, 25)).energy
    alone = [float(last(apgd(energy, x[None], 0.7, 25)).energy) for x in source]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("setting", [{"eps": 0.0}, {"iterations": 0}, {"restarts": -1}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Attack(**setting)


def unit(x):
    return x / x.norm()


def drawn(count, generator, *, inside):
    """Two kinds: brightness tells them apart most of the time, a faint fixed pattern every time.

    The pattern's step between the kinds is shorter than the attack's radius, brightness's is not.
    """
    fixed = torch.Generator().manual_seed(7)
    blocks = torch.randint(0, 2, (1, 3, 8, 8), generator=fixed) * 2.0 - 1
    blocks = blocks - blocks.mean(dim=(2, 3), keepdim=True)
    pattern = unit(torch.nn.functional.interpolate(blocks, size=SIZE))
    brightness = unit(torch.ones(1, 3, SIZE, SIZE))
    sign = 1.0 if inside else -1.0
    noise = 0.02 * torch.randn(count, 3, SIZE, SIZE, generator=generator)
    bright = 1.2 * (sign + torch.randn(count, 1, 1, 1, generator=generator))
    return (0.5 + noise + bright * brightness + sign * 0.4 * pattern).clamp(0, 1)


def trained(steps, updates):
    """A small network; without steps of the attack an ordinary classifier."""
    torch.manual_seed(0)
    model = EnergyModel(NetworkConfig(size=SIZE, channels=(4, 8, 16, 16)))
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(updates):
        data, other = (drawn(16, generator, inside=inside) for inside in (True, False))
        if steps:
            pgd = PGD(steps=steps, step_size=2 * RADIUS / steps, eps=RADIUS)
            other = attack(model.energy, other, pgd)
        loss = binary_loss(model.logit(data), model.logit(other))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.requires_grad_(False)


def detection(model):
    """AUROC on fresh images, clean and under attack."""
    generator = torch.Generator().manual_seed(9)
    inside = model.energy(drawn(40, generator, inside=True)).double().numpy()
    others = drawn(40, generator, inside=False)
    worst = last(apgd(model.energy, others, RADIUS, 20)).energy
    clean = model.energy(others)
    return auroc(inside, clean.double().numpy()), auroc(inside, worst.double().numpy())


def test_the_attack_breaks_an_ordinary_classifier_and_not_one_trained_against_attacks():
    clean, attacked = detection(trained(steps=0, updates=200))
    assert clean > 0.99
    assert attacked < 0.2
    clean, attacked = detection(trained(steps=4, updates=80))
    assert clean > 0.85
    assert attacked > 0.7
