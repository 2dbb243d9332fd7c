"""The descent: promises as properties, numbers against NumPy, and proof that these can fail."""

from __future__ import annotations

import itertools
import math
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from translate import pgd as engine
from translate.card_parts import Descent
from translate.errors import SettingsError
from translate.guide import blend, seen_from
from translate.pgd import attack, descend
from translate.pgd_settings import PGD
from translate.shaping import AROUND, EDGE, LIGHT_EDGE, dimming, unlocked, variation_slope
from translate.smooth import flattened, slow_part, smoothed

SHAPE = (3, 3, 5, 6)
TOLERANCE = 1e-5
NORMS = ("l2", "linf")

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**31)
norms = st.sampled_from(NORMS)


def images(seed, shape=SHAPE):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def quadratic(target):
    """½‖x − target‖² per image; a target outside [0,1] drives x against the box."""
    return lambda x: 0.5 * (x - target).square().sum(dim=(1, 2, 3))


def bowl(x):
    """The same energy for every image, so that batches can be split."""
    return (x - 0.3).square().sum(dim=(1, 2, 3)) + (x[:, 0] * x[:, 1]).sum(dim=(1, 2))


def lengths(delta, norm):
    flat = delta.flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)


def states(energy, source, pgd, **options):
    return list(descend(energy, source, pgd, **options))


# Properties


@quick
@given(seeds, norms, st.floats(0.01, 5), st.floats(0.01, 3), st.integers(1, 6))
def test_result_stays_in_ball_and_box(seed, norm, step_size, eps, steps):
    source = images(seed)
    target = images(seed + 1) * 5 - 2
    pgd = PGD(steps=steps, step_size=step_size, eps=eps, norm=norm)
    for state in states(quadratic(target), source, pgd):
        assert state.x.min() >= 0
        assert state.x.max() <= 1
        assert (lengths(state.x - source, norm) <= eps * (1 + 1e-5)).all()


@quick
@given(seeds, norms, st.sampled_from([(1, 1, 5, 6), SHAPE]), st.floats(0, 1))
def test_masked_pixels_stay_bit_equal(seed, norm, mask_shape, share):
    source = images(seed)
    mask = images(seed + 1, mask_shape) < share
    pgd = PGD(steps=3, step_size=0.3, eps=0.7, norm=norm, random_start=0.2)
    generator = torch.Generator().manual_seed(seed)
    for state in states(bowl, source, pgd, mask=mask, generator=generator):
        kept = ~mask.expand(SHAPE)
        assert torch.equal(state.x[kept], source[kept])


@quick
@given(seeds, norms, st.floats(0, 1), st.booleans(), st.sampled_from([0.0, 0.3]), st.integers(2, 4))
def test_a_batch_is_as_many_batches_of_one(seed, norm, decay, stops, random_start, count):
    source = images(seed, (count, *SHAPE[1:]))
    pgd = PGD(steps=4, step_size=0.2, eps=0.5, norm=norm, decay=decay, random_start=random_start)
    stop = bowl(source) * torch.linspace(0.7, 1.1, count) if stops else torch.full((count,), -99.0)

    def walk(part):
        generator = torch.Generator().manual_seed(seed)
        return states(bowl, source[part], pgd, stop=stop[part], generator=generator)

    together = walk(slice(None))
    for i in range(count):
        one = slice(i, i + 1)
        for a, b in zip(together, walk(one), strict=True):
            torch.testing.assert_close(a.x[one], b.x, rtol=0, atol=1e-6)
            torch.testing.assert_close(a.energy[one], b.energy)
            torch.testing.assert_close(a.distance[one], b.distance, rtol=1e-5, atol=1e-6)
            assert torch.equal(a.active[one], b.active)


@quick
@given(seeds, norms)
def test_attack_is_the_last_state_of_descend_bit_for_bit(seed, norm):
    source = images(seed)
    pgd = PGD(steps=5, step_size=0.3, eps=0.6, norm=norm, decay=0.5)
    assert torch.equal(attack(bowl, source, pgd), states(bowl, source, pgd)[-1].x)


@quick
@given(seeds, norms, st.floats(0.01, 1))
def test_random_start_is_within_its_radius_and_reproducible(seed, norm, radius):
    source = images(seed)
    pgd = PGD(steps=0, step_size=1, norm=norm, random_start=radius)
    starts = [
        states(bowl, source, pgd, generator=torch.Generator().manual_seed(s))[0].x
        for s in (seed, seed, seed + 1)
    ]
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
    assert not torch.equal(starts[0], source)
    assert (lengths(starts[0] - source, norm) <= radius * (1 + 1e-5)).all()
    assert 0 <= starts[0].min() <= starts[0].max() <= 1


@quick
@given(seeds, st.floats(-2, 2), st.floats(-2, 2))
def test_blend_is_the_weighted_sum(seed, a, b):
    x = images(seed)
    other = quadratic(images(seed + 1))
    mixed = blend((bowl, a), (other, b))
    torch.testing.assert_close(mixed(x), a * bowl(x) + b * other(x))


# Single promises


def test_no_steps_return_the_source_unchanged():
    source = images(0)
    (only,) = states(bowl, source, PGD(steps=0, step_size=1))
    assert torch.equal(only.x, source)
    assert only.index == 0
    assert torch.equal(only.distance, torch.zeros(len(source)))
    torch.testing.assert_close(only.energy, bowl(source))
    assert torch.equal(attack(bowl, source, PGD(steps=0, step_size=1)), source)


def test_source_is_left_alone():
    source = images(0)
    before = source.clone()
    states(bowl, source, PGD(steps=3, step_size=0.5))
    assert torch.equal(source, before)
    assert not source.requires_grad


@pytest.mark.parametrize("norm", NORMS)
def test_zero_gradient_does_not_move(norm):
    source = images(0)
    pgd = PGD(steps=3, step_size=1.0, norm=norm)
    for state in states(lambda x: (x * 0).sum(dim=(1, 2, 3)), source, pgd):
        assert torch.equal(state.x, source)
        assert torch.equal(state.distance, torch.zeros(len(source)))


class _Damaged(torch.autograd.Function):
    """Σx whose gradient is NaN and infinite in the first image."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sum(dim=(1, 2, 3))

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        result = gradient.view(-1, 1, 1, 1) * torch.ones_like(x)
        result[0, 0], result[0, 1], result[0, 2] = math.nan, math.inf, -math.inf
        return result


@pytest.mark.parametrize("norm", NORMS)
def test_damaged_gradients_are_survived(norm):
    source = images(0)
    last = attack(_Damaged.apply, source, PGD(steps=3, step_size=0.1, norm=norm))
    assert torch.equal(last[0], source[0])
    assert (last[1:] < source[1:]).any()
    assert torch.isfinite(last).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("decay", [0.0, 0.4, 1.0])
def test_move_lengths(norm, decay):
    source = torch.full(SHAPE, 0.5) + 0.01 * images(0)
    pgd = PGD(steps=5, step_size=0.02, norm=norm, decay=decay)
    walk = states(lambda x: (x * images(1)).sum(dim=(1, 2, 3)), source, pgd)
    for k, (a, b) in enumerate(itertools.pairwise(walk)):
        expected = torch.full((len(source),), 0.02 * (1 - decay * k / 5))
        torch.testing.assert_close(lengths(b.x - a.x, norm), expected, rtol=1e-4, atol=1e-6)
        assert pgd.length(k) == pytest.approx(0.02 * (1 - decay * k / 5))


@pytest.mark.parametrize("masked", [False, True])
def test_moves_of_all_lengths_are_one_function(masked):
    """So that a GPU records one of them and replays it as all: see `Replay`."""
    called = set()

    def run(move, *tensors):
        called.add(move)
        return move(*tensors)

    mask = torch.ones(SHAPE, dtype=torch.bool) if masked else None
    for pgd in (PGD(steps=5, step_size=0.02, decay=0.9), PGD(steps=3, step_size=0.05)):
        list(descend(bowl, images(0), pgd, mask=mask, run=run, measured=False))
        attack(bowl, images(0), pgd, run=run)
    assert len(called) <= 2  # the first state's energy is asked for


def test_random_start_needs_a_generator():
    pgd = PGD(steps=1, step_size=1, random_start=0.1)
    with pytest.raises(SettingsError, match="generator"):
        next(descend(bowl, images(0), pgd))


def test_stop_freezes_an_image_while_the_others_go_on():
    source = images(0)
    stop = torch.tensor([-math.inf, float(bowl(source)[1]) * 0.9, math.inf])
    walk = states(bowl, source, PGD(steps=8, step_size=0.2), stop=stop)
    reached = [state.index for state in walk if not state.active[1]]
    assert 0 < reached[0] < 8
    for state in walk:
        assert bool(state.active[0])
        assert torch.equal(state.x[2], source[2])
        assert bool(state.active[1]) == (state.index < reached[0])
        assert bool(state.active[1]) == bool(state.energy[1] > stop[1])
        if state.index >= reached[0]:
            assert torch.equal(state.x[1], walk[reached[0]].x[1])
    assert all(not torch.equal(a.x[0], b.x[0]) for a, b in itertools.pairwise(walk))


def test_states_are_float32_whatever_the_energy_computes_in():
    walk = states(lambda x: bowl(x.bfloat16()), images(0), PGD(steps=2, step_size=0.1))
    assert {state.x.dtype for state in walk} == {torch.float32}
    assert not torch.equal(walk[-1].x, walk[0].x)


def test_one_stop_energy_counts_for_all_images():
    source = images(0)
    level = float(bowl(source).median())
    one = states(bowl, source, PGD(steps=3, step_size=0.1), stop=level)
    each = states(bowl, source, PGD(steps=3, step_size=0.1), stop=torch.full((3,), level))
    assert torch.equal(one[-1].x, each[-1].x)
    assert one[0].active.tolist() == (bowl(source) > level).tolist()


def test_close_stops_the_work():
    calls = []

    def counted(x):
        calls.append(1)
        return bowl(x)

    walk = descend(counted, images(0), PGD(steps=100, step_size=0.1))
    assert not calls  # nothing runs before it is asked for
    next(walk)
    next(walk)
    walk.close()
    assert len(calls) == 2
    with pytest.raises(StopIteration):
        next(walk)


def _modes():
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad])
def test_no_mode_is_held_across_a_yield(context):
    with context():
        before = _modes()
        walk = descend(bowl, images(0), PGD(steps=3, step_size=0.1))
        for state in walk:
            assert _modes() == before
            assert not state.x.requires_grad
            assert not state.energy.requires_grad
        assert _modes() == before


def test_grad_mode_survives_an_energy_that_fails():
    def failing(_):
        raise RuntimeError("no energy")

    with torch.no_grad():
        with pytest.raises(RuntimeError, match="no energy"):
            next(descend(failing, images(0), PGD(steps=1, step_size=1)))
        assert not torch.is_grad_enabled()


def test_resumes_on_another_thread_and_leaves_both_as_they_were():
    source, pgd = images(0), PGD(steps=4, step_size=0.1)
    expected = states(bowl, source, pgd)
    walk = descend(bowl, source, pgd)
    got, modes = [next(walk)], []

    def elsewhere():
        torch.set_grad_enabled(False)  # of this thread only
        got.extend((next(walk), next(walk)))
        modes.append(_modes())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert modes == [(False, False)]
    assert _modes() == (True, False)
    got.extend(walk)
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a.x, b.x)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("steps", [-1]),
        ("step_size", [0.0, -1.0, math.nan, math.inf]),
        ("eps", [0.0, -2.0, math.nan]),
        ("norm", ["l1", ""]),
        ("decay", [-0.1, 1.5, math.nan]),
        ("random_start", [-0.5, math.inf, math.nan]),
    ],
)
def test_bad_settings_are_named_with_their_value(name, values):
    for value in values:
        with pytest.raises(SettingsError) as caught:
            PGD(**{"steps": 1, "step_size": 1.0, name: value})
        assert name in str(caught.value)
        assert str(value) in str(caught.value)


def test_blend_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="at least one"):
        blend()


# No host synchronisation inside a step

READS = ("_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "masked_select")


class _NoReads(TorchDispatchMode):
    """Fails on every operation that would make an accelerator wait for the host."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in READS:
            raise AssertionError(f"{name} reads a value back to the host")
        return func(*args, **(kwargs or {}))


def _drain(energy, device, stop):
    source = images(0).to(device)
    mask = (images(1, (1, 1, 5, 6)) < 0.5).to(device)
    for norm in NORMS:
        pgd = PGD(steps=3, step_size=0.1, eps=0.2, norm=norm, decay=0.5)
        states(energy, source, pgd, mask=mask, stop=stop)
        attack(energy, source, pgd)


@pytest.mark.parametrize("per_image", [False, True])
def test_nothing_is_read_back_inside_a_step(per_image):
    stop = torch.zeros(3) if per_image else 0.0
    with _NoReads():
        _drain(bowl, "cpu", stop)
    _drain(bowl, "meta", stop.to("meta") if per_image else stop)  # has no values to read


def test_the_guard_against_reads_works():
    def reads(x):
        return bowl(x) * float(x.detach().sum())

    with pytest.raises(AssertionError, match="reads a value"), _NoReads():
        _drain(reads, "cpu", 0.0)


# Numbers against NumPy in float64


class Quadratic:
    """½·Σ w·(x − t)², with its gradient."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.weight = rng.uniform(0.2, 3.0, SHAPE)
        self.target = rng.uniform(-1.0, 2.0, SHAPE)

    def numpy(self, x):
        away = x - self.target
        return 0.5 * (self.weight * away**2).sum((1, 2, 3)), self.weight * away

    def torch(self, x):
        weight, target = (torch.from_numpy(a).float() for a in (self.weight, self.target))
        return 0.5 * (weight * (x - target).square()).sum(dim=(1, 2, 3))


class Network:
    """Σ v·tanh(convolution of x), with its gradient written out."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.kernel = rng.normal(0, 0.5, (4, 3, 3, 3))
        self.bias = rng.normal(0, 0.2, 4)
        self.out = rng.normal(0, 1, (4, 3, 4))

    def numpy(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        hidden = np.einsum("ncijuv,ocuv->noij", windows, self.kernel)
        hidden = np.tanh(hidden + self.bias[:, None, None])
        back = self.out * (1 - hidden**2)
        gradient = np.zeros_like(x)
        for u in range(3):
            for v in range(3):
                part = np.einsum("noij,oc->ncij", back, self.kernel[:, :, u, v])
                gradient[:, :, u : u + 3, v : v + 4] += part
        return (self.out * hidden).sum((1, 2, 3)), gradient

    def torch(self, x):
        kernel, bias, out = (
            torch.from_numpy(a).float() for a in (self.kernel, self.bias, self.out)
        )
        return (out * torch.tanh(torch.conv2d(x, kernel, bias))).sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Case:
    """One descent to be computed twice."""

    energy: Quadratic | Network
    settings: dict
    mask: np.ndarray | None = None
    stop_share: float | None = None  # of the way from the first to the lowest energy, image 0
    shift: np.ndarray | None = None  # before the first move


def numpy_pgd(case, source, stop):
    """The algorithm in plain loops over images: states of (x, energy, distance, active)."""
    p = {"eps": math.inf, "norm": "l2", "decay": 0.0, **case.settings}
    x, active = source.copy(), np.ones(len(source), bool)

    def kept(delta, i):
        if p["norm"] == "l2":
            delta = delta * min(1.0, p["eps"] / max(np.sqrt((delta**2).sum()), 1e-300))
        else:
            delta = np.clip(delta, -p["eps"], p["eps"])
        return np.clip(source[i] + delta, 0.0, 1.0)

    walk = []
    for k in range(p["steps"] + 1):
        value, gradient = case.energy.numpy(x)
        active = active & (value > stop)
        distance = np.sqrt(((x - source) ** 2).sum((1, 2, 3)))
        walk.append((x.copy(), value, distance, active.copy()))
        if k == 0 and case.shift is not None:
            shift = case.shift * (1 if case.mask is None else case.mask)
            for i in np.flatnonzero(active):
                x[i] = kept(shift, i)
            gradient = case.energy.numpy(x)[1]
        for i in np.flatnonzero(active):
            g = gradient[i] if case.mask is None else gradient[i] * case.mask
            length = p["step_size"] * (1 - p["decay"] * k / p["steps"])
            way = g / np.sqrt((g**2).sum()) if p["norm"] == "l2" else np.sign(g)
            x[i] = kept(x[i] - length * way - source[i], i)
    return walk


_MASK = np.zeros((3, 5, 6), bool)
_MASK[:, 1:4, :4] = True
_SHIFT = np.linspace(-0.3, 0.7, 90).reshape(SHAPE[1:])
CASES = [
    Case(kind(seed), settings, *rest)
    for kind in (Quadratic, Network)
    for seed, (settings, *rest) in enumerate(
        [
            ({"steps": 6, "step_size": 0.1}, None),
            ({"steps": 6, "step_size": 0.05, "norm": "linf"}, None),
            ({"steps": 6, "step_size": 0.3, "decay": 0.8}, None),
            ({"steps": 6, "step_size": 0.2, "eps": 0.45}, None),
            ({"steps": 6, "step_size": 0.1, "eps": 0.17, "norm": "linf"}, None),
            ({"steps": 5, "step_size": 1.5}, None),  # far into the corners of the box
            ({"steps": 5, "step_size": 2.5, "eps": 2.0}, None),  # ball and box at once
            ({"steps": 5, "step_size": 0.2, "eps": 0.7}, _MASK),
            ({"steps": 6, "step_size": 0.1}, None, 0.5),
            ({"steps": 4, "step_size": 0.1}, None, None, _SHIFT),
            ({"steps": 4, "step_size": 0.1, "eps": 0.6}, _MASK, None, _SHIFT),
            ({"steps": 4, "step_size": 0.1}, None, 0.5, _SHIFT),
        ]
    )
]


def prepare(case):
    """Source and stop energy of a case."""
    seed = 100 + CASES.index(case)
    source = np.random.default_rng(seed).uniform(0, 1, SHAPE).astype(np.float32)
    if case.stop_share is None:
        return source, -math.inf
    values = [value[0] for _, value, _, _ in numpy_pgd(case, source.astype(float), -math.inf)]
    return source, values[0] + case.stop_share * (min(values) - values[0])


def numeric_check(module):
    """That `module.descend` computes what the NumPy loop computes; AssertionError if not."""
    for case in CASES:
        source, stop = prepare(case)
        got = module.descend(
            case.energy.torch,
            torch.from_numpy(source),
            module.PGD(**case.settings),
            mask=None if case.mask is None else torch.from_numpy(case.mask)[None],
            shift=None if case.shift is None else torch.from_numpy(case.shift)[None].float(),
            stop=None if case.stop_share is None else stop,
        )
        expected = numpy_pgd(case, source.astype(np.float64), stop)
        for state, (x, value, distance, active) in zip(got, expected, strict=True):
            where = f"case {CASES.index(case)}, state {state.index}"
            assert np.abs(state.x.numpy() - x).max() < TOLERANCE, where
            np.testing.assert_allclose(state.energy.numpy(), value, 1e-4, 1e-4, err_msg=where)
            np.testing.assert_allclose(state.distance.numpy(), distance, 0, 1e-4, err_msg=where)
            assert state.active.tolist() == active.tolist(), where


def test_numbers_against_numpy():
    numeric_check(engine)


def test_the_cases_reach_what_they_are_for():
    """The box binds, the ball of either norm does, and an image stops while others go on."""
    reached = set()
    for case in CASES:
        source, stop = prepare(case)
        x, _, _, active = numpy_pgd(case, source.astype(np.float64), stop)[-1]
        norm, eps = case.settings.get("norm", "l2"), case.settings.get("eps", math.inf)
        length = float(lengths(torch.from_numpy(x - source), norm).max())
        reached |= {"box"} if ((x == 0) | (x == 1)).mean() > 0.1 else set()
        reached |= {norm} if math.isclose(length, eps, rel_tol=1e-5) else set()
        reached |= {"stop"} if not active.all() and active.any() else set()
    assert reached == {"box", "l2", "linf", "stop"}


@pytest.mark.parametrize("kind", [Quadratic, Network])
def test_reference_gradient_against_central_differences(kind):
    energy, x = kind(0), np.random.default_rng(5).uniform(0, 1, SHAPE)
    gradient = energy.numpy(x)[1]
    for place in [(0, 0, 0, 0), (1, 2, 2, 3), (2, 1, 4, 5)]:
        up, down = x.copy(), x.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slope = (energy.numpy(up)[0] - energy.numpy(down)[0])[place[0]] / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-6, abs=1e-8)


# The numeric check notices each of these mistakes

BALL = "project_ball(x, source, pgd.eps, pgd.norm)"
LENGTH = "pgd.length(index)"
UNIT = "scale_to(gradient, length)"
MISTAKES = {
    "uphill": (LENGTH, "-pgd.length(index)"),
    "box before ball": (
        f"{BALL}.clamp(0.0, 1.0)",
        "project_ball(x.clamp(0.0, 1.0), source, pgd.eps, pgd.norm)",
    ),
    "no box": (f"{BALL}.clamp(0.0, 1.0)", BALL),
    "no ball": (BALL, "x"),
    "ball around the last state": ("moved, source, pgd, mask)", "moved, x, pgd, mask)"),
    "wrong ball": (BALL, 'project_ball(x, source, pgd.eps, "linf")'),
    "one norm for the batch": (UNIT, "length / gradient.norm()"),
    "one norm per channel": (UNIT, "length / gradient.norm(dim=(2, 3), keepdim=True)"),
    "not normalised": (UNIT, "length"),
    "no sign": ("gradient.sign()", "gradient"),
    "no decay": (LENGTH, "pgd.step_size"),
    "decay late by one": (LENGTH, "pgd.length(index - 1)"),
    "mask not in the gradient": ("gradient = gradient * mask", "pass"),
    "mask not in the result": ("torch.where(mask, x, source)", "torch.where(mask, x, 0.5)"),
    "stops above": ("value > stop", "value < stop"),
    "stop forgotten": ("torch.where(active.view(-1, 1, 1, 1), moved, x)", "moved"),
    "shifted at every move": ("index == 0 and shift is not None", "shift is not None"),
    "shifted beyond the mask": ("_project(x + shift, source, pgd, mask)", "x + shift"),
    "energy after the shift": (
        "            if place is not x:\n                value = _value(energy, x)\n",
        "            value = _value(energy, place)\n",
    ),
    "gradient at the source": (
        "value, gradient = value_and_gradient(followed, place)",
        "value, gradient = _value(energy, place), value_and_gradient(energy, source)[1]",
    ),
}


def _broken(right, wrong, monkeypatch):
    text = Path(engine.__file__).read_text(encoding="utf-8")
    assert text.count(right) == 1, f"the engine no longer reads {right!r}: adapt the mistake"
    module = ModuleType("broken_pgd")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look there
    exec(compile(text.replace(right, wrong), "broken_pgd", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", MISTAKES)
def test_the_numeric_check_notices(name, monkeypatch):
    with pytest.raises(AssertionError, match=r"case \d+, state \d+"):
        numeric_check(_broken(*MISTAKES[name], monkeypatch))


def test_an_unbroken_copy_passes(monkeypatch):
    numeric_check(_broken(LENGTH, f"({LENGTH})", monkeypatch))


def test_a_guide_leads_and_the_energy_judges():
    torch.manual_seed(0)
    source = torch.rand(2, 3, 8, 8)
    pgd = PGD(steps=4, step_size=0.5)

    def towards(value):
        return lambda x: ((x - value) ** 2).flatten(1).sum(1)

    asked = []

    def guide(index):
        asked.append(index)
        return towards(1.0) if index < 2 else None

    states = list(descend(towards(0.0), source, pgd, guide=guide))
    assert asked == [0, 1, 2, 3]
    bright, dark = (list(descend(towards(v), source, pgd)) for v in (1.0, 0.0))
    assert torch.equal(states[2].x, bright[2].x)
    assert torch.equal(states[0].energy, dark[0].energy)
    assert torch.allclose(states[2].energy, towards(0.0)(states[2].x))
    back = list(descend(towards(0.0), states[2].x, PGD(steps=2, step_size=0.5)))
    assert torch.allclose(states[4].x, back[2].x, atol=1e-6)


def test_members_take_turns_at_each_distance():
    """Each distance is followed by all members alike, in every part of the walk."""
    away = Descent(steps=30, step_size=1.0, coarse=(0.3, 0.2)).halvings

    def energy(x, halvings, member):
        return x.sum(dim=(1, 2, 3)) * (10 * halvings + member)

    guide, ones = seen_from(energy, away, members=2), torch.ones(1, 1, 1, 1)
    seen = [divmod(int(guide(index)(ones)), 10) for index in range(30)]
    assert [halvings for halvings, _ in seen] == [away(index) for index in range(30)]
    for halvings in (0, 1, 2):
        turns = [member for h, member in seen if h == halvings]
        assert turns == [index % 2 for index in range(len(turns))]
    assert guide(7) == guide(7)  # an equal move for `Replay`
    assert seen_from(energy, lambda _: 0)(3) is None


def test_a_mirror_takes_turns_with_the_picture():
    """Of two members each looks at the picture, then each into the mirror, at every distance."""
    away = Descent(steps=30, step_size=1.0, coarse=(0.3, 0.2)).halvings

    def energy(x, halvings, member=0):
        return x[..., 0].sum(dim=(1, 2)) + 10 * halvings + 2 * member

    guide, x = seen_from(energy, away, members=2, mirrored=True), torch.tensor([[[[0.0, 1.0]]]])
    for halvings in (0, 1, 2):
        moves = [index for index in range(30) if away(index) == halvings]
        seen = [int(guide(index)(x)) - 10 * halvings for index in moves]
        assert seen == ([0, 2, 1, 3] * 8)[: len(seen)]
    alone = seen_from(energy, lambda _: 0, mirrored=True)
    assert [alone(index) is None for index in range(4)] == [True, False, True, False]
    assert alone(1) == alone(3)  # an equal move for `Replay`


def test_members_that_move_together_are_one_energy():
    """The mean, as the energy gives it without a member, and the mirror at every second look."""
    away = Descent(steps=30, step_size=1.0, coarse=(0.3, 0.2)).halvings

    def energy(x, halvings, member=7):
        return x[..., 0].sum(dim=(1, 2)) + 10 * halvings + 2 * member

    guide, x = seen_from(energy, away, 2, together=True), torch.tensor([[[[0.0, 1.0]]]])
    for index in range(30):
        followed = guide(index)
        assert (followed is None) == (away(index) == 0)  # the usual energy, which costs no look
        assert followed is None or int(followed(x)) == 10 * away(index) + 14
    guide = seen_from(energy, away, 2, mirrored=True, together=True)
    for halvings in (0, 1, 2):
        moves = [guide(index) for index in range(30) if away(index) == halvings]
        seen = [0 if move is None else int(move(x)) - 10 * halvings - 14 for move in moves]
        assert seen == ([0, 1] * 15)[: len(seen)]


def test_a_mirrored_walk_moves_what_one_side_alone_would_not():
    """An energy that sees the left half only, as half of a network's errors are one-sided."""
    source = torch.full((1, 3, 4, 4), 0.5)

    def energy(x, halvings, member=0):
        return x[..., :2].sum(dim=(1, 2, 3))

    pgd = PGD(steps=2, step_size=0.3)
    for mirrored, right in ((False, False), (True, True)):
        guide = seen_from(energy, lambda _: 0, mirrored=mirrored)
        *_, last = descend(lambda x: energy(x, 0), source, pgd, guide=guide)
        assert (last.x[..., :2] < 0.5).all()
        assert (last.x[..., 2:] < 0.5).all() == right
        assert torch.equal(last.x, last.x.flip(-1)) == right


def test_smoothing_is_where_the_first_move_sets_out():
    torch.manual_seed(0)
    source = torch.rand(2, 3, 16, 16)
    pgd = PGD(steps=2, step_size=0.1, smooth=1.5)
    flat = torch.zeros(()).expand(2)
    states = list(descend(lambda x: flat + 0 * x.flatten(1).sum(1), source, pgd))
    assert torch.equal(states[0].x, source)
    assert torch.allclose(states[1].x, smoothed(source, 1.5), atol=1e-6)
    assert torch.equal(states[2].x, states[1].x)  # once is enough
    mask = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    mask[..., :8] = True
    kept = list(descend(lambda x: 0 * x.flatten(1).sum(1), source, pgd, mask=mask))[-1].x
    assert torch.equal(kept[..., 8:], source[..., 8:])
    assert not torch.equal(kept[..., :8], source[..., :8])
    near = PGD(steps=2, step_size=0.1, smooth=1.5, eps=0.05)
    held = list(descend(lambda x: 0 * x.flatten(1).sum(1), source, near))[-1]
    assert held.distance.max() <= 0.05 + 1e-5
    settled = list(descend(lambda x: 0 * x.flatten(1).sum(1), source, pgd, stop=1.0))[-1].x
    assert torch.equal(settled, source)


@pytest.mark.parametrize("stop", [None, -1e9])
def test_energies_between_are_measured_if_they_are_wanted(stop):
    source = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    looks = []

    def energy(x):
        looks.append("near")
        return (x**2).flatten(1).sum(1)

    def far(x):
        looks.append("far")
        return (x[..., ::2] ** 2).flatten(1).sum(1)

    def guide(index):
        return far if index % 2 else None

    pgd, walks = PGD(steps=5, step_size=0.3, smooth=1.0), []
    for measured in (True, False):
        looks.clear()
        walks.append(list(descend(energy, source, pgd, guide=guide, stop=stop, measured=measured)))
    assert looks.count("near") == (5 if stop is None else 7)
    for index, (full, short) in enumerate(zip(*walks, strict=True)):
        assert torch.equal(full.x, short.x)
        if stop is None and index in (1, 3):
            assert bool(short.energy.isnan().all())
        else:
            assert torch.equal(full.energy, short.energy)
        assert not bool(full.energy.isnan().any())


def test_bright_pictures_sink_to_the_exposure_and_dark_ones_stay():
    source = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    source[1] *= 0.2
    still = PGD(steps=6, step_size=1e-9, exposure=0.25)

    def energy(x):
        return x.flatten(1).sum(1)

    states = list(descend(energy, source, still))
    means = torch.stack([state.x.mean(dim=(1, 2, 3)) for state in states])
    ratio = means[1:, 0] / means[:-1, 0]
    torch.testing.assert_close(ratio[:4], ratio[:1].expand(4), rtol=1e-4, atol=0)
    torch.testing.assert_close(ratio[4:], torch.ones(2), rtol=1e-5, atol=0)
    assert float(means[-1, 0]) == pytest.approx(0.25, abs=1e-4)
    torch.testing.assert_close(
        states[-1].x[0] / source[0],
        (states[-1].x[0] / source[0]).mean().expand(3, 8, 8),
        rtol=1e-4,
        atol=0,
    )
    torch.testing.assert_close(states[-1].x[1], source[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(states[2].energy, energy(states[2].x))
    torch.testing.assert_close(attack(energy, source, still), states[-1].x)
    near = PGD(steps=6, step_size=1e-9, exposure=0.25, eps=0.5)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[..., :4] = True
    *_, end = descend(energy, source, near, mask=mask)
    assert float(end.distance.max()) <= 0.5001
    assert torch.equal(end.x[..., 4:], source[..., 4:])
    assert bool((end.x[0, ..., :4] < source[0, ..., :4]).all())


def test_burning_brings_bright_places_down_and_leaves_dark_ones_and_edges():
    ground, sky = 0.3, 0.9
    source = torch.full((1, 3, 48, 48), ground)
    source[..., :24, :] = sky
    source[..., 31:33, 31:33] += 0.1  # a window: what is fine stays as it is beside its place
    still = PGD(steps=4, step_size=1e-9, exposure=0.25, burning=1.0)

    def energy(x):
        return x.flatten(1).sum(1)

    *_, end = descend(energy, source, still)
    fallen = end.x / source
    assert float(fallen[..., :20, :].mean()) == pytest.approx(0.25 / sky, rel=0.03)
    assert float(fallen[..., 40:, :20].mean()) == pytest.approx(0.25 / ground, rel=0.03)
    lit = end.x[0, 0]
    assert float(lit[31, 31] / lit[31, 12]) == pytest.approx(0.4 / 0.3, rel=0.05)
    assert float(abs(lit[23] - 0.25).max()) < 0.05  # hardly a halo where the sky ends
    assert float(abs(lit[24, :20] - 0.25).max()) < 0.05
    dark = PGD(steps=4, step_size=1e-9, exposure=0.5, burning=1.0)
    *_, end = descend(energy, source, dark)
    torch.testing.assert_close(end.x[..., 40:, :20], source[..., 40:, :20], rtol=1e-4, atol=0)
    torch.testing.assert_close(attack(energy, source, dark), end.x)


def test_burning_is_the_light_around_in_numpy():
    x = images(7, (2, 3, 24, 36)).double()
    found = dimming(x, 0.2, 0.7)
    radius = round(AROUND * math.sqrt(24 * 36))
    for picture in range(2):
        grey = x[picture].mean(dim=0).numpy()
        light = grey.mean() ** 0.3 * guided(grey, LIGHT_EDGE, radius) ** 0.7
        expected = np.minimum(0.2 / light, 1)
        np.testing.assert_allclose(found[picture, 0].numpy(), expected, rtol=1e-9)
    assert dimming(x, 0.2).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 4, 4), (1, 3, 3, 200)])
def test_burning_takes_black_and_tiny_pictures(shape):
    assert torch.equal(dimming(torch.zeros(shape), 0.3, 0.9), torch.ones(shape[0], 1, *shape[2:]))
    white = dimming(torch.ones(shape), 0.3, 0.9)
    torch.testing.assert_close(white, torch.full_like(white, 0.3))
    still = PGD(steps=4, step_size=1e-9, burning=1.0)  # and exposure 1: no picture is brighter
    source = images(2, shape)
    end = attack(lambda x: x.flatten(1).sum(1), source, still)
    torch.testing.assert_close(end, source, rtol=0, atol=1e-7)


def test_burning_keeps_to_the_mask_the_ball_the_box_and_the_batch():
    source = stripes_and_noise(3)
    mask = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    mask[..., 8:20, 4:30] = True
    pgd = PGD(steps=5, step_size=0.5, exposure=0.2, burning=0.8, footroom=0.9, eps=3.0)

    def walk(x, m):
        return list(descend(lambda x: (x * x).flatten(1).sum(1), x, pgd, mask=m))[-1].x

    end = walk(source, mask)
    assert torch.equal(end[~mask.expand_as(end)], source[~mask.expand_as(end)])
    assert bool((end < source - 0.01).any())
    assert 0 <= float(end.min()) <= float(end.max()) <= 1
    assert float((end - source).flatten(1).norm(dim=1).max()) <= 3.0 + TOLERANCE
    for index in range(2):
        one = slice(index, index + 1)
        torch.testing.assert_close(walk(source[one], mask[one]), end[one], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "shares",
    [
        {"sky": 0.9, "footroom": 0.5, "exposure": 0.4, "burning": 0.5},
        {"dark": 0.9, "bare": 0.5, "headroom": 0.5, "colour_lock": 0.5},
        {"sky": 1.0, "dark": 1.0, "bare": 1.0},
    ],
)
def test_maps_keep_to_the_mask_the_ball_the_box_and_the_batch(shares):
    """Of sky, of what stays dark, of bare skin: see `PGD`."""
    generator = torch.Generator().manual_seed(2)
    source, where = torch.rand(3, 3, 16, 16, generator=generator), torch.zeros(3, 1, 16, 16)
    where[0, :, :8], where[1, :, :4] = 1, 0.5
    mask = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    mask[..., :5] = False
    pgd = PGD(steps=4, step_size=0.7, eps=1.5, **shares)

    def energy(x):
        return -(x * torch.linspace(-0.5, 1.5, 16)).flatten(1).sum(1)

    def walk(span, **maps):
        *_, last = descend(energy, source[span], pgd, mask=mask[span], **maps)
        return last.x

    def mapped(span):
        return walk(span, sky=where[span], dark=where[span], bare=1 - where[span])

    together = mapped(slice(None))
    assert float((together - walk(slice(None)))[:2].abs().flatten(1).amax(1).min()) > 1e-3
    assert torch.equal(together[..., :5], source[..., :5])
    assert 0 <= float(together.min()) <= float(together.max()) <= 1
    assert float((together - source).flatten(1).norm(dim=1).max()) <= 1.5 + TOLERANCE
    for index in range(3):
        one = slice(index, index + 1)
        torch.testing.assert_close(mapped(one), together[one], rtol=0, atol=1e-6)


@pytest.mark.parametrize("burning", [-0.1, 1.1, math.nan])
def test_burning_is_checked(burning):
    with pytest.raises(SettingsError, match="burning"):
        PGD(steps=1, step_size=1.0, burning=burning)


@pytest.mark.parametrize("exposure", [0.0, 1.1, math.nan])
def test_exposure_is_checked(exposure):
    with pytest.raises(SettingsError, match="exposure"):
        PGD(steps=1, step_size=1.0, exposure=exposure)


@pytest.mark.parametrize("smooth", [-1.0, math.inf])
def test_smooth_is_checked(smooth):
    with pytest.raises(SettingsError, match="smooth"):
        PGD(steps=1, step_size=1.0, smooth=smooth)


def test_smoothing_keeps_constants_and_spreads_a_point_evenly():
    assert torch.allclose(smoothed(torch.full((1, 3, 9, 9), 0.7), 2.0), torch.tensor(0.7))
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1.0
    spread = smoothed(point, 3.0)
    places = torch.arange(41.0) - 20
    assert spread.sum().item() == pytest.approx(1.0, abs=1e-4)
    assert (spread.sum(2).flatten() * places**2).sum().item() == pytest.approx(9.0, rel=0.05)
    assert smoothed(point, 0.0) is point


def test_tone_lock_leaves_broad_light_and_spends_the_move_on_structure():
    source = torch.full((1, 3, 64, 64), 0.5)
    stripes = torch.zeros(64)
    stripes[::2], stripes[1::2] = 1.0, -1.0

    def energy(x):  # wants all pixels darker, and stripes
        return x.mean(dim=(1, 2, 3)) * 3 + (x * stripes).mean(dim=(1, 2, 3))

    free, locked = (
        attack(energy, source, PGD(steps=3, step_size=1.0, tone_lock=lock, tone_sigma=6.0))
        for lock in (0.0, 1.0)
    )
    assert float(free.mean()) < 0.48
    assert float(locked.mean()) == pytest.approx(0.5, abs=1e-4)
    contrast = [float((x * stripes).mean()) for x in (free, locked)]
    assert contrast[1] < 2 * contrast[0] < 0
    assert float(torch.linalg.vector_norm(locked - source)) == pytest.approx(3.0, abs=1e-3)


def test_a_locked_move_still_leads_downhill():
    generator = torch.Generator().manual_seed(0)
    for height, width in ((64, 64), (96, 40), (33, 65)):
        gradient = torch.randn(8, 3, height, width, generator=generator).cumsum(-1)
        for sigma in (1.0, 6.0, 12.0):
            left = gradient - slow_part(gradient, sigma)
            assert ((left * gradient).sum(dim=(1, 2, 3)) > 0).all()


def unlocked_in_loops(gradient, x, colour, shade):
    """Pixel by pixel, in float64."""
    result = gradient.copy()
    for i, row, column in np.ndindex(len(x), *x.shape[2:]):
        g, c = gradient[i, :, row, column], x[i, :, row, column]
        darker, lighter = c * max(g @ c, 0) / (c @ c), np.full(3, min(g.mean(), 0))
        kept = (1 - shade) * np.full(3, g.mean()) + shade * (darker + lighter)
        result[i, :, row, column] = (1 - colour) * g + colour * kept
    return result


@quick
@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_locked_colours_against_loops(seed, colour, shade):
    rng = np.random.default_rng(seed)
    gradient, x = rng.normal(size=(2, 3, 2, 3)), rng.uniform(0.01, 1, (2, 3, 2, 3))
    expected = unlocked_in_loops(gradient, x, colour, shade)
    found = unlocked(
        *map(torch.from_numpy, (gradient, x)), tone=0.0, colour=colour, shade=shade, sigma=1.0
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-9)
    assert ((gradient * found.numpy()).sum((1, 2, 3)) >= -1e-9).all()  # never uphill


@quick
@given(seeds)
def test_shade_never_jumps(seed):
    """Rounding must not decide where a pixel goes: a batch would not be its images."""
    rng = np.random.default_rng(seed)
    gradient, x = rng.normal(size=(1, 3, 64, 64)), rng.uniform(0.01, 1, (1, 3, 64, 64))
    gradient -= gradient.mean(axis=1, keepdims=True)  # neither darker nor lighter, but for
    near = gradient + 1e-9 * rng.choice((-1, 1), size=(1, 1, 64, 64))
    lock = {"tone": 0.0, "colour": 1.0, "shade": 1.0, "sigma": 1.0}
    one, other = (unlocked(*map(torch.from_numpy, (g, x)), **lock) for g in (gradient, near))
    assert float((one - other).abs().max()) < 1e-8


def test_shaded_strokes_keep_their_hue_and_light_ones_fade():
    """On skin: darkened by equal amounts it would turn red."""
    skin = torch.tensor((0.9, 0.7, 0.6)).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    for sign, shade, red in ((1, 0.0, 1.9), (1, 1.0, 1.5), (-1, 1.0, 1.4)):
        pgd = PGD(steps=4, step_size=0.5, colour_lock=1.0, shade=shade)
        *_, last = descend(lambda x, sign=sign: sign * x.flatten(1).sum(1), skin, pgd)
        values = last.x[0, :, 0, 0]
        assert bool((values < skin[0, :, 0, 0]).all()) == (sign > 0)
        if shade == 0:
            assert float(values[0] / values[2]) > red
        elif sign > 0:
            assert float(values[0] / values[2]) == pytest.approx(red, abs=1e-3)
        else:
            assert float(values[0] / values[2]) < red
    black = torch.zeros(1, 3, 4, 4)
    *_, last = descend(lambda x: x.flatten(1).sum(1), black, replace(pgd, step_size=1.0))
    assert torch.equal(last.x, black)


def test_slow_part_does_not_remember_who_asked_first():
    x = torch.rand(1, 3, 44, 52)
    with torch.inference_mode():
        slow_part(x, 8.0)
    x.requires_grad_()
    slow_part(x, 8.0).sum().backward()
    assert x.grad is not None


def test_slow_part_is_about_the_gaussian_blur():
    x = torch.randn(1, 3, 192, 160, generator=torch.Generator().manual_seed(1))
    inside = (..., slice(32, -32), slice(32, -32))  # a border pixel weighs more when it is repeated
    slow, blur = slow_part(x, 8.0)[inside], smoothed(x, 8.0)[inside]
    assert float((slow - blur).std() / blur.std()) < 0.15
    assert torch.equal(slow_part(x, 3.0), smoothed(x, 3.0))


def test_tone_lock_does_not_mix_a_batch():
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    pgd = PGD(steps=2, step_size=0.5, tone_lock=0.8, tone_sigma=6.0)

    def energy(batch):
        return (batch**2).flatten(1).sum(1)

    together = attack(energy, x, pgd)
    alone = torch.cat([attack(energy, one[None], pgd) for one in x])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tone_lock": -0.1},
        {"tone_lock": 1.1},
        {"colour_lock": 2.0},
        {"tone_sigma": 0.0},
        {"tone_sigma": math.nan},
        {"headroom": -0.1},
        {"headroom": 1.1},
        {"footroom": -0.1},
        {"footroom": 1.1},
        {"total_variation": 1.0},
        {"total_variation": -0.1},
        {"total_variation": math.nan},
        {"flatten": -0.1},
        {"flatten": math.nan},
        {"despeckle": -1.0},
        {"despeckle": math.inf},
        {"shade": -0.1},
        {"shade": 1.1},
        {"bare": -0.1},
        {"bare": 1.1},
    ],
)
def test_settings_of_the_shape_of_moves_are_checked(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        PGD(steps=1, step_size=1.0, **wrong)


def stripes_and_noise(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = (torch.arange(32) // 8 % 2).float().expand(2, 3, 32, 32) * 0.6 + 0.2
    return (x + 0.05 * torch.randn(2, 3, 32, 32, generator=generator)).clamp(0, 1)


def variation(x):
    pairs = (x[..., 1:] - x[..., :-1]), (x[..., 1:, :] - x[..., :-1, :])
    return sum((d * d + EDGE**2).sqrt().sum(dim=(1, 2, 3)) for d in pairs)


def test_the_variation_slope_is_the_gradient_of_the_variation():
    x = stripes_and_noise().double().requires_grad_()
    (expected,) = torch.autograd.grad(variation(x).sum(), x)
    torch.testing.assert_close(variation_slope(x.detach()), expected, rtol=0, atol=1e-12)


def test_total_variation_takes_the_noise_and_leaves_the_edges():
    source = stripes_and_noise()

    def energy(x):  # wants the first rows brighter, and says nothing about the rest
        return -x[:, :, :4].flatten(1).sum(1)

    plain, flat = (
        attack(energy, source, PGD(steps=10, step_size=0.5, total_variation=share))
        for share in (0.0, 0.6)
    )
    assert bool((energy(flat) < energy(source)).all())
    rest = (..., slice(6, None), slice(None))
    torch.testing.assert_close(plain[rest], source[rest], rtol=0, atol=1e-6)
    noise = [float(x[rest].diff(dim=-2).abs().mean()) for x in (source, flat)]
    assert noise[1] < 0.8 * noise[0]
    edge = [float((x[..., 16:, 8] - x[..., 16:, 7]).mean()) for x in (source, flat)]
    assert edge[1] > 0.9 * edge[0]


def guided(channel, edge, radius=2):
    """The guided filter of one channel by itself in NumPy, window by window."""
    height, width = channel.shape
    share, shift, out = (np.zeros_like(channel) for _ in range(3))

    def window(values, y, x):
        rows, columns = (slice(max(0, i - radius), i + radius + 1) for i in (y, x))
        return values[rows, columns]

    for y, x in np.ndindex(height, width):
        spread = window(channel, y, x).var()
        share[y, x] = spread / (spread + edge**2)
        shift[y, x] = window(channel, y, x).mean() * (1 - share[y, x])
    for y, x in np.ndindex(height, width):
        out[y, x] = window(share, y, x).mean() * channel[y, x] + window(shift, y, x).mean()
    return out


def test_flattened_is_the_guided_filter():
    x = torch.rand(2, 3, 9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = flattened(x, 0.2)
    for picture, channel in np.ndindex(2, 3):
        expected = guided(x[picture, channel].numpy(), 0.2)
        np.testing.assert_allclose(found[picture, channel].numpy(), expected, atol=1e-12)
    assert flattened(x, 0.0) is x


def test_flattened_takes_ripples_and_leaves_edges():
    x = 0.2 + 0.6 * (torch.arange(32) >= 16).float().expand(1, 3, 32, 32)
    x = x + 0.03 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    flat = flattened(x, 0.06)
    ripples = [float(picture[..., :10].diff(dim=-2).abs().mean()) for picture in (x, flat)]
    assert ripples[1] < 0.3 * ripples[0]
    edge = [float((picture[..., 16] - picture[..., 15]).mean()) for picture in (x, flat)]
    assert edge[1] > 0.9 * edge[0]


def test_each_move_sets_out_from_a_flattened_picture():
    source = stripes_and_noise()
    still = PGD(steps=2, step_size=1.0, flatten=0.06)
    first, second, third = (
        step.x for step in descend(lambda x: 0 * x.flatten(1).sum(1), source, still)
    )
    assert torch.equal(first, source)
    torch.testing.assert_close(second, flattened(source, 0.06).clamp(0, 1))
    torch.testing.assert_close(third, flattened(second, 0.06).clamp(0, 1))
    mask = torch.zeros(1, 1, *source.shape[-2:], dtype=torch.bool)
    *_, masked = descend(lambda x: x.flatten(1).sum(1), source, still, mask=mask)
    assert torch.equal(masked.x, source)


def test_without_a_gradient_total_variation_does_not_move_either():
    source = stripes_and_noise()
    still = attack(lambda x: 0 * x.flatten(1).sum(1), source, PGD(steps=3, step_size=1.0))
    flat = PGD(steps=3, step_size=1.0, total_variation=0.5, headroom=0.5)
    assert torch.equal(attack(lambda x: 0 * x.flatten(1).sum(1), source, flat), still)


def test_headroom_slows_down_near_black_and_white():
    source = torch.tensor([0.02, 0.3, 0.5, 0.98]).view(1, 1, 1, 4).expand(1, 3, 4, 4).clone()

    def moved(headroom):
        pgd = PGD(steps=1, step_size=0.5, headroom=headroom)
        return (attack(lambda x: x.flatten(1).sum(1), source, pgd) - source)[0, 0, 0]

    free, held = moved(0.0), moved(1.0)
    expected = 1 - (2 * source[0, 0, 0] - 1) ** 2
    torch.testing.assert_close(held / held[2], expected / expected[2], rtol=1e-4, atol=0)
    assert float(free[1]) == pytest.approx(float(free[2]))
    ends = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(2, 3, 2, 2).clone()
    stuck = PGD(steps=2, step_size=0.5, headroom=1.0)
    assert torch.equal(attack(lambda x: -(x**2).flatten(1).sum(1), ends, stuck), ends)


def test_with_footroom_light_changes_in_proportion():
    source = torch.tensor([0.0, 0.1, 0.4, 0.8]).view(1, 1, 1, 4).expand(1, 3, 4, 4).clone()

    def moved(footroom):
        pgd = PGD(steps=1, step_size=0.5, footroom=footroom)
        return (attack(lambda x: x.flatten(1).sum(1), source, pgd) - source)[0, 0, 0]

    share = moved(1.0)[1:] / source[0, 0, 0, 1:]
    torch.testing.assert_close(share, share[:1].expand(3), rtol=1e-4, atol=0)
    assert float(share[0]) < -0.05
    assert float(moved(1.0)[0]) == 0
    half = moved(0.5)
    assert float(half[1] / half[3]) == pytest.approx(0.55 / 0.9, rel=1e-4)


def test_shaped_moves_keep_to_the_mask_the_box_and_the_batch():
    source = stripes_and_noise(3)
    mask = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    mask[:, :, 8:20, 4:30] = True
    pgd = PGD(
        steps=4,
        step_size=1.0,
        tone_lock=0.4,
        colour_lock=0.2,
        headroom=0.8,
        footroom=0.3,
        total_variation=0.3,
    )

    def energy(x):
        return ((x - 0.9) ** 2 * torch.linspace(0, 1, 32)).flatten(1).sum(1)

    def walk(x, m):
        *_, last = descend(energy, x, pgd, mask=m)
        return last.x

    together = walk(source, mask)
    alone = torch.cat([walk(source[i : i + 1], mask[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    outside = ~mask.expand_as(source)
    assert torch.equal(together[outside], source[outside])
    assert float(together.min()) >= 0
    assert float(together.max()) <= 1
    assert bool((energy(together) < energy(source)).all())
