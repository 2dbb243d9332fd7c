"""What every device owes: the same pictures. Runs on each that this machine has."""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchgen
import yaml
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from translate import Options, Translator
from translate.device import memory_format, pick_device
from translate.framing import extract
from translate.hub import bundled_domains
from translate.image_io import read_photo, to_tensor
from translate.networks import levels
from translate.replay import FIRST, MOST, Call, Replay
from translate.training import checkpoint
from translate.training.config import Recipe
from translate.training.trainer import Trainer
from translate.view import View

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS = [EXAMPLES / name for name in ("astronaut.jpg", "hopper.jpg")]
CUDA = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
DEVICES = ["cpu", *CUDA, *["mps"] * torch.backends.mps.is_available()]
EYES = torch.tensor([[[98.0, 110.0, 66.0], [158.0, 112.0, 66.0]]])  # of 256 pixels
each_device = pytest.mark.parametrize("device", DEVICES)


@contextlib.contextmanager
def no_waiting(device: str) -> Iterator[None]:
    """CUDA raises where the host would wait for it."""
    if device not in CUDA:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode")  # says it is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def windows(translator: Translator) -> torch.Tensor:
    photos = [read_photo(path, max_pixels=10**8) for path in PHOTOS]
    seen = [extract(photo.rgb, translator.windows(photo)[0]) for photo in photos]
    return torch.cat([to_tensor(pixels) for pixels in seen])


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The first photo's result in float32 on the CPU."""
    exact = Translator.load("anime", device="cpu", dtype="float32")
    return np.asarray(exact(PHOTOS[0]), dtype=int)


@each_device
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.5), ("auto", 2.0)])
def test_every_device_gives_the_picture(
    device: str, dtype: str, tolerance: float, expected: np.ndarray
) -> None:
    """Mean difference in levels of 255, over the window's part of the photo and more."""
    translator = Translator.load("anime", device=device, dtype=dtype)
    result = np.asarray(translator(PHOTOS[0]), dtype=int)
    changed = (result != np.asarray(read_photo(PHOTOS[0], max_pixels=10**8).rgb)).any(axis=2)
    assert changed.mean() > 0.05
    assert np.abs(result - expected)[changed].mean() <= tolerance


@each_device
def test_a_batch_is_its_images(device: str) -> None:
    translator = Translator.load("anime", device=device, dtype="float32")
    x, options = windows(translator), Options(steps=6)
    *_, (both, _) = translator.descend(View(x), options)
    for index in range(len(x)):
        *_, (alone, _) = translator.descend(View(x[index : index + 1]), options)
        difference = (both.x[index] - alone.x[0]).abs().mean()
        assert float(difference) < 0.5 / 255


@each_device
@pytest.mark.parametrize("name", ["anime", "cat", "cartoon"])
def test_a_walk_never_waits_for_the_device(name: str, device: str) -> None:
    translator = Translator.load(name, device=device)
    x = windows(translator).to(pick_device(device))
    seen = View(x, eyes=EYES.to(x.device).expand(len(x), -1, -1))
    for _ in range(FIRST + 1):  # makes what later walks share, and records it
        list(translator.descend(seen, Options(steps=2), measured=False))
    with no_waiting(device):
        *_, (last, _) = translator.descend(seen, Options(steps=2), measured=False)
    assert last.x.device.type == pick_device(device).type
    assert bool(last.x.isfinite().all())


def small_trainer(folder: Path, device: str) -> Trainer:
    """Of dark and light pictures in two folders, with every term a loss can have."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 200)):
        (folder / name).mkdir(exist_ok=True)
        for index in range(12):
            pixels = (rng.integers(-40, 40, (16, 16, 3)) + level).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    stage = {"size": 16, "updates": 6, "batch_size": 4, "learning_rate": 1e-3, "k_max": 2}
    stage |= {
        "step_size": 0.5,
        "r1": 0.1,
        "r2": 0.1,
        "noise": 0.05,
        "translated": 0.4,
        "spoilt": 0.3,
    }
    recipe = Recipe.model_validate(
        {
            "name": "light",
            "title": "Light",
            "data": {"p_data": [{"path": "light"}], "p_0": [{"path": "dark"}]},
            "network": {"channels": [4, 6], "swish": 8},
            "stages": [stage],
        }
    )
    return Trainer(recipe, folder, folder / "cache", pick_device(device), torch.float32)


@each_device
def test_training_runs_and_resumes(device: str, tmp_path: Path) -> None:
    first, second = (small_trainer(tmp_path, device) for _ in range(2))
    losses = [first.update().loss for _ in range(3)]
    first.save(tmp_path / "checkpoint.safetensors")
    second.restore(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    ends = [[t.update().loss for _ in range(3)] for t in (first, second)]
    assert all(np.isfinite(losses + ends[0]))
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


class Watch(TorchDispatchMode):
    """Notes which kernels run, and which of them see a float64."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: set[str] = set()
        self.doubles: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        name = func.__name__.removesuffix(".default")
        if func.namespace == "aten":
            self.kernels.add(name)
        for value in tree_leaves((args, kwargs, result)):
            if value is torch.float64 or getattr(value, "dtype", None) is torch.float64:
                self.doubles.add(name)
        return result


def kernels_of(backend: str) -> set[str]:
    """Names of all operations that torch has for a kind of device, by its own list."""
    listed = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"
    entries = {entry["func"].split("(")[0]: entry for entry in yaml.safe_load(listed.read_text())}
    names: set[str] = set()
    for name, entry in entries.items():
        done_by = entries[entry.get("structured_delegate", name)]
        backends = ", ".join(done_by.get("dispatch", {"Composite": ""}))
        if re.search(rf"\b{backend}\b|Composite", backends):
            names.add(name)
    return names


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a CPU does another way is done as on every other device."""
    monkeypatch.setattr(levels, "spread_in_parts", levels.spread_at_once)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("strength", [1.0, "auto"])
@pytest.mark.parametrize("name", bundled_domains())
def test_a_walk_needs_nothing_that_a_mac_has_not(name: str, strength: Any) -> None:
    translator = Translator.load(name, device="cpu", dtype="float32")
    with Watch() as watch:
        translator(PHOTOS[0], Options(strength=strength, steps=3, seed=1))
    assert "convolution_backward" in watch.kernels
    assert watch.kernels - kernels_of("MPS") == set()
    assert watch.doubles == set()


@pytest.mark.usefixtures("elsewhere")
def test_training_needs_nothing_that_a_mac_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = small_trainer(tmp_path, "cpu")
    for mix in (trainer.p_data, trainer.p_0):  # which a CPU does for each device
        drawn = [mix.batch(number, 4, torch.device("cpu")) for number in range(6)]
        monkeypatch.setattr(mix, "batch", lambda number, *_, drawn=drawn: drawn[number])
    with Watch() as watch:
        for _ in range(6):
            trainer.update()
    assert {"convolution_backward", "addcdiv_"} <= watch.kernels
    assert watch.kernels - kernels_of("MPS") == set()
    assert watch.doubles == set()


def test_what_a_mac_has_not_is_noticed() -> None:
    with Watch() as watch:
        torch.ones(3, 3, dtype=torch.float64).sum()
        torch.linalg.eigvals(torch.eye(3))
    assert watch.kernels - kernels_of("MPS") == {"linalg_eig"}
    assert watch.doubles == {"ones", "sum"}


def test_each_device_has_its_order_of_channels() -> None:
    orders = {name: memory_format(torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert orders["mps"] is torch.contiguous_format
    assert orders["cpu"] is orders["cuda"] is torch.channels_last


@each_device
@pytest.mark.parametrize("name", ["anime", "night"])
def test_replayed_walks_are_the_walks(name: str, device: str) -> None:
    """Whole walks as graphs, against the same kernels launched one by one."""
    translator = Translator.load(name, device=device)
    x = windows(Translator.load("anime")).to(translator.device)
    mask = torch.ones(1, 1, *x.shape[-2:], dtype=torch.bool, device=x.device)
    mask[..., : x.shape[-1] // 3] = False
    bare = torch.zeros(1, 1, *x.shape[-2:], device=x.device)
    bare[..., : x.shape[-2] // 2, :] = 1
    places = bare.expand(len(x), -1, -1, -1)  # of bare skin and of what stays dark, or of the sky
    shift = torch.full_like(bare, 1.2)
    eyes = EYES.to(x.device).expand(len(x), -1, -1)
    plain, lit = View(x), View(x, mask, shift, bare=places, sky=places, dark=places, eyes=eyes)
    for options, seen in ((Options(), plain), (Options(strength="auto"), plain), (Options(), lit)):
        walks = [list(translator.descend(seen, options)) for _ in range(5)]
        assert (translator._replay.graphs > 0) == (device in CUDA)
        translator._replay = Replay(torch.device("cpu"))  # launches everything one by one
        walks.append(list(translator.descend(seen, options)))
        translator._replay = Replay(translator.device)
        for states in zip(*walks, strict=True):
            for step, _ in states[:-1]:
                torch.testing.assert_close(step.x, states[-1][0].x, rtol=0, atol=2e-3)
                torch.testing.assert_close(step.energy, states[-1][0].energy, rtol=0.02, atol=0.02)
                assert torch.equal(step.active, states[-1][0].active)


@each_device
def test_a_translator_can_be_copied_and_sent(device: str) -> None:
    translator = Translator.load("anime", device=device)
    x = windows(translator)[:1]
    for _ in range(FIRST):
        walk = [step.x for step, _ in translator.descend(View(x), Options(steps=3))]
    for other in (copy.deepcopy(translator), pickle.loads(pickle.dumps(translator))):
        *_, (last, _) = other.descend(View(x), Options(steps=3))
        torch.testing.assert_close(last.x, walk[-1], rtol=0, atol=2e-3)


@each_device
def test_threads_share_graphs(device: str) -> None:
    """Each of eight threads gets its own picture, as alone, while graphs are recorded."""
    translator = Translator.load("anime", device=device)
    photos = windows(translator).repeat(4, 1, 1, 1)
    photos = (photos * torch.linspace(0.6, 1, len(photos)).view(-1, 1, 1, 1)).split(1)

    def walk(x: torch.Tensor) -> torch.Tensor:
        *_, (last, _) = translator.descend(View(x), measured=False)
        return last.x.cpu()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(walk, photos * 3))
    assert (translator._replay.graphs > 0) == (device in CUDA)
    for x, result in zip(photos * 3, together, strict=True):
        torch.testing.assert_close(result, walk(x), rtol=0, atol=2e-3)


@each_device
def test_replay_follows_inputs_and_weights(device: str) -> None:
    weight = torch.ones(3, device=device)

    def scaled(factor: float, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return factor * weight * x, None

    def unfit(x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x + float(x.sum()),)  # waits for the device

    replay = Replay(torch.device(device))
    for turn in range(FIRST + 3):
        x = torch.arange(3.0, device=device) + turn
        for factor in (2.0, 3.0):
            weight.fill_(turn + 1)
            result, nothing = replay(Call(scaled, (factor,)), x)
            assert result.tolist() == (factor * (turn + 1) * x).tolist()
            assert nothing is None
        assert replay(unfit, x)[0].tolist() == (x + x.sum()).tolist()
    assert replay.graphs == 2 * (device in CUDA)
    for size in range(1, 2 * MOST):
        for _ in range(FIRST + 1):
            replay(Call(scaled, (1.0,)), torch.ones(size, 3, device=device))
    assert replay.graphs <= MOST
