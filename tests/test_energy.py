"""The energy network: growing, shapes, independence of images, limits of its settings."""

from __future__ import annotations

import copy
import itertools
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from translate.energy import Downsample, EnergyModel, load_energy_model
from translate.errors import DomainError, SettingsError
from translate.networks.config import MAX_PARAMETERS, NetworkConfig
from translate.networks.levels import Level, _Pointwise, bent, spread_at_once, spread_in_parts

HEADS = ("aligned", "pooled")


def network(head="aligned", **changes):
    """A small network with random weights, biases included."""
    fields = {"size": 16, "channels": (6, 8, 10), "head": head, "std": (0.3, 0.4, 0.5), **changes}
    torch.manual_seed(0)
    return EnergyModel(NetworkConfig(**fields))


def images(size, count=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, size, size, generator=generator)


def halve(model, x):
    """The network's own blur-and-halve of a picture; what is beyond the edge is the mean colour."""
    return model.down((x - model.mean) / model.std) * model.std + model.mean


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("channels", [(4,), (3, 4)])
@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_grown_network_is_the_same_function(head, channels, mean):
    model = network(head, mean=(mean,) * 3)
    grown = model.grow(channels)
    x = images(16 * 2 ** len(channels))
    small = x
    for _ in channels:
        small = halve(model, small)
    with torch.no_grad():
        torch.testing.assert_close(grown.logit(x), model.logit(small), rtol=0, atol=1e-6)
        assert grown.config.size == x.shape[-1]
        assert grown.config.channels == (*channels, *model.config.channels)


def test_grown_levels_learn():
    grown = network().grow((4,))
    grown.logit(images(32)).sum().backward()
    silent = grown.levels[0]
    assert silent.conv.weight.grad.abs().max() > 0
    assert silent.skip.weight.grad.abs().max() > 0
    assert all(p.requires_grad for p in grown.parameters())


def test_growing_leaves_the_old_network_alone():
    model = network()
    x = images(16)
    before = model.logit(x).detach()
    grown = model.grow((4,))
    with torch.no_grad():
        for parameter in grown.parameters():
            parameter.add_(1.0)
    assert torch.equal(model.logit(x), before)


def test_downsample_averages_with_binomial_weights():
    down = Downsample(2)
    x = images(8)[:, :2]
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    expected = (x[:, :, 1:5, 3:7] * taps[:, None] * taps / 64).sum(dim=(2, 3))
    torch.testing.assert_close(down(x)[:, :, 1, 2], expected)
    inside = down(torch.ones(1, 2, 8, 8))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_grown_levels_have_their_own_number_of_blocks():
    model = network(channels=(6, 8, 10), blocks=(2, 0))
    assert model.grow((4,)).config.blocks == (2, 2, 0)
    assert model.grow((4,), (1,)).config.blocks == (1, 2, 0)
    assert network().grow((4,), (3,)).config.blocks == (3, 1, 1)
    assert network().grow((4,)).config.blocks == 1


def test_swish_is_its_formula_and_close_to_the_kink_from_afar():
    x = torch.linspace(-6, 6, 1201, dtype=torch.float64).requires_grad_()
    y = bent(x, 4.0)
    torch.testing.assert_close(y, 0.2 * x + 0.8 * x * torch.sigmoid(4 * x))
    kinked = bent(x, 0.0)
    torch.testing.assert_close(kinked, torch.where(x > 0, x, 0.2 * x))
    assert (y - kinked).abs().max() < 0.06
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.diff().abs().max() < 0.021  # 0.8 in one step at the kink
    assert slope[0] == pytest.approx(0.2, abs=1e-6)
    assert slope[-1] == pytest.approx(1.0, abs=1e-6)


def test_swish_has_the_slopes_that_differences_have_twice():
    """Without and with a graph for R1, whose formula is another."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: bent(x, 4.0), x)
    assert torch.autograd.gradgradcheck(lambda x: bent(x, 4.0), x)
    slopes = [
        torch.autograd.grad(bent(x, 4.0).sum(), x, create_graph=graph)[0] for graph in (False, True)
    ]
    torch.testing.assert_close(*slopes)


def test_slopes_of_a_smooth_network_do_not_depend_on_the_last_digits():
    """What makes the walk in bfloat16 end where the one in float32 does."""

    def turned(swish):
        torch.manual_seed(0)
        model = EnergyModel(NetworkConfig(size=32, channels=(16, 16, 16), blocks=3, swish=swish))
        x = images(32).requires_grad_()
        exact, *others = (
            torch.autograd.grad(energy.sum(), x)[0]
            for energy in (model.energy(x), model.energy(x + 1e-3), low(model, x))
        )
        return [float((other - exact).norm() / exact.norm()) for other in others]

    def low(model, x):
        with torch.autocast("cpu", torch.bfloat16):
            return model.energy(x)

    kinked, smooth = turned(0.0), turned(8.0)
    assert smooth[0] < kinked[0] / 5
    assert smooth[1] < kinked[1] / 2


@pytest.mark.parametrize("swish", [0.0, 8.0])
def test_growing_keeps_the_nonlinearity(swish):
    model = network(swish=swish)
    grown = model.grow((4,))
    assert {level.swish for level in grown.levels} == {grown.head.swish} == {swish}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("blocks", "channels"),
    [*itertools.product((0, 1, 2), [(5, 7), (4, 6, 8, 6)]), ((0, 3, 2), (4, 6, 8, 6))],
)
def test_parameter_count_is_foretold(head, blocks, channels):
    model = network(head, channels=channels, blocks=blocks)
    assert sum(p.numel() for p in model.parameters()) == model.config.parameters
    assert sum(v.numel() for v in model.state_dict().values()) == model.config.parameters


@pytest.mark.parametrize("head", HEADS)
def test_images_of_a_batch_do_not_touch_each_other(head):
    model, x = network(head), images(16, count=4)
    damaged = x.clone()
    damaged[1] = math.nan
    with torch.no_grad():
        together, beside = model.logit(x), model.logit(damaged)
        alone = torch.cat([model.logit(x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(together[[0, 2, 3]], beside[[0, 2, 3]], rtol=0, atol=1e-6)
    assert beside[1].isnan()


@pytest.mark.parametrize("head", HEADS)
def test_energy_is_minus_the_logit_with_a_finite_gradient(head):
    model, x = network(head), images(16).requires_grad_()
    energy = model.energy(x)
    assert energy.shape == (3,)
    assert energy.dtype == torch.float32
    assert torch.equal(energy, -model.logit(x))
    assert torch.equal(model(x), model.logit(x))
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    assert torch.isfinite(gradient).all()
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_logits_stay_float32_under_autocast():
    model = network()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.logit(images(16)).dtype == torch.float32


@pytest.mark.parametrize("halvings", [0, 1])
def test_several_networks_are_their_mean(tmp_path, halvings):
    model, x = network(members=3, swish=4.0), images(16)
    assert sum(p.numel() for p in model.parameters()) == model.config.parameters
    single = [member.alone() for member in model.networks]
    assert {alone.config for alone in single} == {network(swish=4.0).config}
    for index, alone in enumerate(single):
        assert torch.equal(model.logit(x, halvings, index), alone.logit(x, halvings))
    logits = torch.stack([alone.logit(x, halvings) for alone in single])
    assert logits.std(dim=0).min() > 1e-4  # three of them
    torch.testing.assert_close(model.logit(x, halvings), logits.mean(dim=0))
    torch.testing.assert_close(model.energy(x, halvings, 2), -logits[2])
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = load_energy_model(model.config, tmp_path / "model.safetensors")
    assert torch.equal(again.logit(x, halvings), model.logit(x, halvings))
    for wrong in (-1, 3):
        with pytest.raises(SettingsError, match="use 0 to 2"):
            model.logit(x, halvings, wrong)
    with pytest.raises(SettingsError, match="3 networks cannot grow"):
        model.grow((4,))


@pytest.mark.parametrize("head", ["aligned", "pooled"])
@pytest.mark.parametrize(("swish", "members"), [(0.0, 1), (1.0, 1), (7.0, 1), (7.0, 2)])
def test_a_frozen_copy_is_the_same_function(head, swish, members):
    torch.manual_seed(0)
    config = NetworkConfig(
        size=16, channels=(6, 8, 10), blocks=2, head=head, swish=swish, members=members
    )
    model, x = EnergyModel(config), images(16)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    frozen = model.frozen(torch.device("cpu"), torch.float32)
    for halvings in (0, 1):
        torch.testing.assert_close(frozen(x, halvings), model(x, halvings), rtol=1e-5, atol=1e-6)
    one = [m.logit(x, 0, members - 1) for m in (model, frozen)]
    torch.testing.assert_close(*one, rtol=1e-5, atol=1e-6)
    x.requires_grad_()
    slopes = [torch.autograd.grad(m(x).sum(), x)[0] for m in (model, frozen)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-6)
    again = frozen.frozen(torch.device("cpu"), torch.float32)
    assert torch.equal(again(x), frozen(x))
    assert again.config.swish == min(swish, 1.0)
    assert not any(p.requires_grad for p in frozen.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())


def test_a_frozen_copy_holds_what_autocast_would_cast():
    model, x = network(), images(16)
    usual = copy.deepcopy(model).on(torch.device("cpu"))
    frozen = model.frozen(torch.device("cpu"), torch.bfloat16)
    assert frozen.levels[0].conv.weight.dtype == torch.bfloat16
    assert frozen.head.linear.weight.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(frozen(x), usual(x))


def test_both_ways_to_spread_are_one_function():
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.bfloat16, 0.01)):
        x = torch.randn(2, 3, 5, 4, dtype=dtype)
        parts, whole = spread_in_parts(x), spread_at_once(x.double())
        assert parts.dtype == dtype
        torch.testing.assert_close(parts.double(), whole, rtol=0, atol=tolerance)


def test_channels_last_is_the_same_function():
    model, x = network(), images(16)
    expected = model.logit(x).detach()
    model.on(torch.device("cpu"))
    got = model.logit(x.contiguous(memory_format=torch.channels_last)).detach()
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (8, 20), (32, 4)])
def test_pooled_head_takes_any_multiple_of_the_stride(shape):
    model = network("pooled")
    assert model.config.stride == 4
    logits = model.logit(torch.rand(2, 3, *shape))
    assert logits.shape == (2,)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("shape", [(32, 32), (16, 20), (8, 16), (15, 16)])
def test_aligned_head_refuses_other_sizes(shape):
    with pytest.raises(SettingsError, match=rf"16×16.*{shape[1]}×{shape[0]}"):
        network().logit(torch.rand(1, 3, *shape))


@pytest.mark.parametrize("shape", [(16, 18), (17, 16)])
def test_pooled_head_refuses_other_than_multiples(shape):
    with pytest.raises(SettingsError, match="multiples of 4"):
        network("pooled").logit(torch.rand(1, 3, *shape))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 4, 16, 16), (3, 16, 16)])
def test_only_batches_of_rgb_are_taken(head, shape):
    with pytest.raises(SettingsError):
        network(head).logit(torch.rand(shape))


@pytest.mark.parametrize(
    "hostile",
    [
        {"size": 0},
        {"size": -16},
        {"size": 4},
        {"size": 10**12},
        {"size": 18},  # no multiple of the stride
        {"size": 16.5},
        {"channels": ()},
        {"channels": (8,)},
        {"channels": (8, 0, 8)},
        {"channels": (8, -8, 8)},
        {"channels": (10**9, 8)},
        {"channels": (8,) * 10},
        {"channels": (8,) * 10**5},
        {"channels": (2048,) * 5},
        {"channels": (2048, 2048), "blocks": 8},
        {"channels": (8, 2048), "size": 1024},  # an aligned head of 512×512
        {"blocks": -1},
        {"blocks": 10**6},
        {"blocks": (1,)},
        {"blocks": (1, 9)},
        {"blocks": (1,) * 10**5},
        {"head": "global"},
        {"std": (0.5, 0.0, 0.5)},
        {"std": (0.5, 0.5, -0.5)},
        {"std": (math.nan, 0.5, 0.5)},
        {"std": (0.5, math.nan, 0.5)},
        {"std": (math.inf, 0.5, 0.5)},
        {"std": (0.5, 0.5)},
        {"mean": (0.5, 0.5, 1.5)},
        {"mean": (0.5, math.nan, 0.5)},
        {"extra": 1},
    ],
    ids=lambda hostile: str(hostile)[:40],
)
def test_hostile_settings_are_refused_before_anything_is_allocated(hostile):
    tracemalloc.start()
    try:
        with pytest.raises(ValidationError):
            NetworkConfig(**{"size": 16, "channels": (6, 8, 10), **hostile})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_the_limit_on_parameters_is_named():
    with pytest.raises(ValidationError, match=f"at most {MAX_PARAMETERS:,}"):
        NetworkConfig(size=1024, channels=(8, 2048))


def test_weights_are_read_back_frozen(tmp_path):
    model = network()
    save_file({k: v.half() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors")
    read = load_energy_model(model.config, tmp_path / "w.safetensors")
    torch.testing.assert_close(read.logit(images(16)), model.logit(images(16)), rtol=0, atol=1e-2)
    assert not any(p.requires_grad for p in read.parameters())
    assert {p.dtype for p in read.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda w: w.pop("head.linear.bias"), "head.linear.bias"),
        (lambda w: w.update(stranger=torch.zeros(1)), "stranger"),
        (lambda w: w.update({"head.linear.bias": torch.zeros(2)}), "head.linear.bias"),
        (lambda w: w.update({"head.linear.bias": torch.zeros(1).int()}), "head.linear.bias"),
    ],
)
def test_other_weights_are_refused_by_name(tmp_path, change, name):
    weights = network().state_dict()
    change(weights)
    file = tmp_path / "w.safetensors"
    save_file(weights, file)
    with pytest.raises(DomainError, match=rf"w\.safetensors.*{name}"):
        load_energy_model(network().config, file)


@pytest.mark.parametrize("content", [b"", b"no weights here" * 10])
def test_damaged_weights_are_refused_by_file(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(DomainError, match=r"w\.safetensors"):
        load_energy_model(network().config, file)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(DomainError, match=r"w\.safetensors"):
        load_energy_model(network().config, tmp_path / "w.safetensors")


def test_downsample_gradients_are_those_of_the_convolution():
    down = Downsample(3).double()
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(2, 3, 8, 12, dtype=torch.double, generator=generator, requires_grad=True)
    plain = torch.nn.functional.conv2d(x, down.kernel, stride=2, padding=1, groups=3)
    weights = torch.rand(plain.shape, dtype=torch.double, generator=generator)
    (expected,) = torch.autograd.grad(plain, x, weights)
    (found,) = torch.autograd.grad(down(x), x, weights)
    assert torch.equal(down(x), plain)
    assert torch.allclose(found, expected, atol=1e-14)
    assert torch.autograd.gradcheck(down, x)
    assert torch.autograd.gradgradcheck(down, x)  # R1 needs the second derivative


def test_learning_weights_of_single_pixels_are_those_of_the_convolution():
    level = Level(3, 4, 1).double()
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(2, 3, 8, 6, dtype=torch.double, generator=generator, requires_grad=True)
    weight = level.skip.weight
    plain = torch.nn.functional.conv2d(x, weight)
    slopes = torch.rand(plain.shape, dtype=torch.double, generator=generator)
    expected = torch.autograd.grad(plain, (x, weight), slopes)
    found = torch.autograd.grad(level._skipped(x), (x, weight), slopes)
    assert torch.equal(level._skipped(x), plain)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-14)
    assert torch.autograd.gradcheck(_Pointwise.apply, (x, weight))
    assert torch.autograd.gradgradcheck(_Pointwise.apply, (x, weight))


def test_a_penalty_of_the_bundled_recipes_ends_no_process():
    """Their batches of 16 at 128 px, where oneDNN divided by zero on a CPU with AMX."""
    code = (
        "import torch\n"
        "from translate.networks.levels import Level\n"
        "level = Level(24, 32, 1).to(memory_format=torch.channels_last)\n"
        "x = torch.rand(16, 3, 128, 128).to(memory_format=torch.channels_last).requires_grad_()\n"
        "with torch.autocast('cpu', torch.bfloat16):\n"
        "    y = level(x, None)\n"
        "(slope,) = torch.autograd.grad(y.float().sum(), x, create_graph=True)\n"
        "slope.square().sum().backward()\n"
        "assert level.skip.weight.grad.isfinite().all()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_from_further_off_only_the_coarse_levels_speak():
    model = network(size=32, channels=(4, 6, 8, 10))
    small = network(size=16, channels=(6, 8, 10))
    for level, kept in zip(small.levels, model.levels[1:], strict=True):
        level.load_state_dict(kept.state_dict())
    small.head.load_state_dict(model.head.state_dict())
    x = images(32)
    assert torch.allclose(model.logit(x, 1), small.logit(halve(model, x)), atol=1e-6)
    assert not torch.allclose(model.logit(x, 1), model.logit(x))
    assert torch.equal(model.energy(x, 2), -model(x, 2))
    for halvings in (-1, 3):
        with pytest.raises(SettingsError, match="halvings"):
            model.logit(x, halvings)


def test_loading_imports_no_compiler(tmp_path):
    """torch's compiler and what it brings take ten times as long to import as a domain to load."""
    shapes = {
        "levels": {},
        "stargan-v2": {"arch": "stargan-v2"},
        "resnet50": {"arch": "resnet50", "head": "pooled", "size": 32, "channels": (4,) * 4},
    }
    for name, changes in shapes.items():
        model = network(**changes)
        save_file(model.state_dict(), tmp_path / f"{name}.safetensors")
        (tmp_path / f"{name}.json").write_text(model.config.model_dump_json())
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from translate import Translator\n"
        "from translate.energy import load_energy_model\n"
        "from translate.networks.config import NetworkConfig\n"
        "for name in sys.argv[2:]:\n"
        "    config = NetworkConfig.model_validate_json(Path(name + '.json').read_text())\n"
        "    load_energy_model(config, Path(name + '.safetensors'))\n"
        "Translator.load('anime')(sys.argv[1])\n"
        "assert not {'torch._dynamo', 'torch._inductor', 'sympy'} & set(sys.modules)\n"
    )
    photo = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
    command = [sys.executable, "-c", program, str(photo), *shapes]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
