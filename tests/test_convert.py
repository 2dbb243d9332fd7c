"""`translate convert`: synthetic checkpoints with the published names and shapes, by hand."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from tests.conftest import Result, pixels
from translate import DomainError, EnergyModel, SettingsError, Translator
from translate.convert.settings import CARDS, load_card
from translate.domain import CARD_FILE, CARD_FORMAT, WEIGHTS_FILE, read_domain
from translate.hub import open_domain
from translate.networks.config import NetworkConfig

State = dict[str, Tensor]

STARGAN_MEAN, STARGAN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CARD = """
name = "toy"
title = "Toy"
summary = "A test."
framing = "crop"
licence = "Nobody's."
steps = 3
step_size = 0.5
p_data = [{ name = "made", terms = "made here" }]
"""
CALIBRATION = f"""
[calibration]
data = {[-2.0 + 0.01 * i for i in range(21)]}
source = {[1.0 + 0.01 * i for i in range(21)]}
"""
STARGAN = CARD + "size = 32\nchannels = [6, 10, 12, 12]\n" + CALIBRATION
RESNET = (
    CARD
    + "channels = [4, 6, 8, 10]\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.25, 0.3]\n"
    + CALIBRATION
)

# The 39 parameters of a StarGAN v2 discriminator at 256 px with 1000 outputs.
FULL_STARGAN = {
    "main.0.weight": (64, 3, 3, 3),
    "main.0.bias": (64,),
    "main.1.conv1.weight": (64, 64, 3, 3),
    "main.1.conv1.bias": (64,),
    "main.1.conv2.weight": (128, 64, 3, 3),
    "main.1.conv2.bias": (128,),
    "main.1.conv1x1.weight": (128, 64, 1, 1),
    "main.2.conv1.weight": (128, 128, 3, 3),
    "main.2.conv1.bias": (128,),
    "main.2.conv2.weight": (256, 128, 3, 3),
    "main.2.conv2.bias": (256,),
    "main.2.conv1x1.weight": (256, 128, 1, 1),
    "main.3.conv1.weight": (256, 256, 3, 3),
    "main.3.conv1.bias": (256,),
    "main.3.conv2.weight": (512, 256, 3, 3),
    "main.3.conv2.bias": (512,),
    "main.3.conv1x1.weight": (512, 256, 1, 1),
    **{
        f"main.{block}.conv{conv}.{kind}": (512, 512, 3, 3) if kind == "weight" else (512,)
        for block in (4, 5, 6)
        for conv in (1, 2)
        for kind in ("weight", "bias")
    },
    "main.8.weight": (512, 512, 4, 4),
    "main.8.bias": (512,),
    "main.10.weight": (1000, 512, 1, 1),
    "main.10.bias": (1000,),
}
SMALL_STARGAN = {
    "main.0.weight": (6, 3, 3, 3),
    "main.0.bias": (6,),
    "main.1.conv1.weight": (6, 6, 3, 3),
    "main.1.conv1.bias": (6,),
    "main.1.conv2.weight": (10, 6, 3, 3),
    "main.1.conv2.bias": (10,),
    "main.1.conv1x1.weight": (10, 6, 1, 1),
    "main.2.conv1.weight": (10, 10, 3, 3),
    "main.2.conv1.bias": (10,),
    "main.2.conv2.weight": (12, 10, 3, 3),
    "main.2.conv2.bias": (12,),
    "main.2.conv1x1.weight": (12, 10, 1, 1),
    "main.3.conv1.weight": (12, 12, 3, 3),
    "main.3.conv1.bias": (12,),
    "main.3.conv2.weight": (12, 12, 3, 3),
    "main.3.conv2.bias": (12,),
    "main.5.weight": (12, 12, 4, 4),
    "main.5.bias": (12,),
    "main.7.weight": (7, 12, 1, 1),
    "main.7.bias": (7,),
}
BLOCKS = (3, 4, 6, 3)
NORM = ("weight", "bias", "running_mean", "running_var")


def resnet_shapes(widths: tuple[int, ...], outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a CIFAR ResNet-50 state dict, without num_batches_tracked."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (widths[0], 3, 3, 3)}
    shapes |= {f"bn1.{kind}": (widths[0],) for kind in NORM}
    before = widths[0]
    for level, (width, blocks) in enumerate(zip(widths, BLOCKS, strict=True), 1):
        for block in range(blocks):
            at = f"layer{level}.{block}"
            shapes[f"{at}.conv1.weight"] = (width, before, 1, 1)
            shapes[f"{at}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{at}.conv3.weight"] = (4 * width, width, 1, 1)
            for norm, count in (("bn1", width), ("bn2", width), ("bn3", 4 * width)):
                shapes |= {f"{at}.{norm}.{kind}": (count,) for kind in NORM}
            if block == 0:
                shapes[f"{at}.shortcut.0.weight"] = (4 * width, before, 1, 1)
                shapes |= {f"{at}.shortcut.1.{kind}": (4 * width,) for kind in NORM}
            before = 4 * width
    return shapes | {"linear.weight": (outputs, before), "linear.bias": (outputs,)}


def random_state(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """Numbers that keep activations near 1."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in shapes.items():
        x = torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            x = x.abs() + 0.5
        elif len(shape) > 1:
            x = x * math.sqrt(2 / math.prod(shape[1:]))
        else:
            x = 0.1 * x + (1.0 if "bn" in name and name.endswith(".weight") else 0.0)
        state[name] = x
    return state


def small_resnet() -> State:
    state = random_state(resnet_shapes((4, 6, 8, 10), 10))
    return state | {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(7)
        for name in state
        if name.endswith("running_var")
    }


def normalised(x: Tensor, mean: Any, std: Any, dtype: torch.dtype) -> Tensor:
    mean, std = (torch.tensor(values, dtype=dtype).view(3, 1, 1) for values in (mean, std))
    return (x.to(dtype) - mean) / std


def stargan_logit(
    state: State, x: Tensor, mean: Any, std: Any, dtype: torch.dtype = torch.float64
) -> Tensor:
    """The paper's discriminator, output 0."""
    s = {k: v.to(dtype) for k, v in state.items()}
    last = max(int(name.split(".")[1]) for name in s)
    h = normalised(x, mean, std, dtype)
    h = F.conv2d(h, s["main.0.weight"], s["main.0.bias"], padding=1)
    for block in range(1, last - 3):
        at = f"main.{block}"
        r = F.conv2d(
            torch.where(h > 0, h, 0.2 * h),
            s[f"{at}.conv1.weight"],
            s[f"{at}.conv1.bias"],
            padding=1,
        )
        r = F.avg_pool2d(r, 2)
        r = F.conv2d(
            torch.where(r > 0, r, 0.2 * r),
            s[f"{at}.conv2.weight"],
            s[f"{at}.conv2.bias"],
            padding=1,
        )
        if f"{at}.conv1x1.weight" in s:
            h = F.conv2d(h, s[f"{at}.conv1x1.weight"])
        h = (F.avg_pool2d(h, 2) + r) / math.sqrt(2)
    h = torch.where(h > 0, h, 0.2 * h)
    h = F.conv2d(h, s[f"main.{last - 2}.weight"], s[f"main.{last - 2}.bias"])
    h = torch.where(h > 0, h, 0.2 * h)
    return F.conv2d(h, s[f"main.{last}.weight"], s[f"main.{last}.bias"])[:, 0, 0, 0]


def resnet_logit(
    state: State, x: Tensor, mean: Any, std: Any, dtype: torch.dtype = torch.float64
) -> Tensor:
    """A CIFAR ResNet-50 with the running statistics, output 0."""
    s = {k: v.to(dtype) for k, v in state.items()}

    def norm(h: Tensor, name: str) -> Tensor:
        w, b, m, v = (s[f"{name}.{kind}"].view(-1, 1, 1) for kind in NORM)
        return (h - m) / torch.sqrt(v + 1e-5) * w + b

    h = normalised(x, mean, std, dtype)
    h = norm(F.conv2d(h, s["conv1.weight"], padding=1), "bn1").relu()
    for level, blocks in enumerate(BLOCKS, 1):
        for block in range(blocks):
            at, stride = f"layer{level}.{block}", 2 if level > 1 and block == 0 else 1
            r = norm(F.conv2d(h, s[f"{at}.conv1.weight"]), f"{at}.bn1").relu()
            r = F.conv2d(r, s[f"{at}.conv2.weight"], stride=stride, padding=1)
            r = norm(r, f"{at}.bn2").relu()
            r = norm(F.conv2d(r, s[f"{at}.conv3.weight"]), f"{at}.bn3")
            if block == 0:
                h = F.conv2d(h, s[f"{at}.shortcut.0.weight"], stride=stride)
                h = norm(h, f"{at}.shortcut.1")
            h = (h + r).relu()
    h = F.avg_pool2d(h, h.shape[-1]).flatten(1)
    return h @ s["linear.weight"][0] + s["linear.bias"][0]


KINDS = {
    "stargan-v2": (STARGAN, lambda: random_state(SMALL_STARGAN), stargan_logit),
    "resnet50": (RESNET, small_resnet, resnet_logit),
}
STATISTICS = {
    "stargan-v2": (STARGAN_MEAN, STARGAN_STD),
    "resnet50": ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
}


@pytest.fixture
def convert(cli: Callable[..., Result], tmp_path: Path) -> Callable[..., Result]:
    """Save a table (or take a file as it is) and convert it to tmp_path/out."""

    def run(table: object, arch: str, card: str | None = None, *more: object) -> Result:
        file = tmp_path / "model.pth"
        if table is not None:
            torch.save(table, file)
        (tmp_path / "card.toml").write_text(KINDS[arch][0] if card is None else card)
        flags = ("--arch", arch, "--card", tmp_path / "card.toml", *more)
        return cli("convert", file, tmp_path / "out", *flags)

    return run


@pytest.mark.parametrize("arch", KINDS)
@pytest.mark.parametrize("prefix", ["", "module.", "module.model."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_a_checkpoint_becomes_a_domain(
    convert: Callable[..., Result],
    tmp_path: Path,
    arch: str,
    prefix: str,
    wrapper: str | None,
) -> None:
    _, make, logit = KINDS[arch]
    state = make()
    table: object = {prefix + name: value for name, value in state.items()}
    if wrapper:
        table = {wrapper: table, "epoch": 5, "optimizer": {"lr": 0.1}}
    result = convert(table, arch)
    assert (result.code, result.err) == (0, "")
    assert "median energy of photos 1.10, of the domain -1.90" in result.out
    translator = Translator.load(str(tmp_path / "out"), device="cpu", dtype="float32")
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = logit(state, x, *STATISTICS[arch])
    assert expected.std() > 0.01
    torch.testing.assert_close(translator.model.logit(x).double(), expected, rtol=1e-4, atol=1e-4)
    card = translator.domain
    assert card.format == 2
    assert (card.pgd.steps, card.pgd.step_size, card.licence) == (3, 0.5, "Nobody's.")
    assert card.training["converted_from"]["outputs"] == (7 if arch == "stargan-v2" else 10)
    held = load_file(tmp_path / "out" / WEIGHTS_FILE)
    assert sum(v.numel() for v in held.values()) == card.network.parameters
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "made here" in readme
    assert "Nobody's." in readme


@pytest.mark.parametrize("arch", KINDS)
def test_a_photo_is_translated(
    convert: Callable[..., Result], cli: Callable[..., Result], tmp_path: Path, photo: Path, arch
) -> None:
    assert convert(KINDS[arch][1](), arch).code == 0
    out = tmp_path / "moved.png"
    result = cli("image", photo, out, "--domain", tmp_path / "out", "--strength", "1")
    assert result.code == 0
    assert "3 steps" in result.out
    assert pixels(out).shape == pixels(photo).shape
    assert (pixels(out) != pixels(photo)).any()
    shown = cli("domains", tmp_path / "out")
    assert "Toy" in shown.out
    assert f"{read_domain(tmp_path / 'out').network.parameters / 1e6:.2f} M" in shown.out


def test_the_published_stargan_shapes_fit(cli: Callable[..., Result], tmp_path: Path) -> None:
    state = random_state(FULL_STARGAN)
    assert sum(v.numel() for v in state.values()) == 21_364_264
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "model.pth")
    card = tmp_path / "card.toml"
    card.write_text((CARDS / "paper-celebahq.toml").read_text() + CALIBRATION)
    arguments = ("--arch", "stargan-v2", "--card", card)
    assert cli("convert", tmp_path / "model.pth", tmp_path / "out", *arguments).code == 0
    translator = Translator.load(str(tmp_path / "out"), device="cpu", dtype="float32")
    x = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = stargan_logit(state, x, STARGAN_MEAN, STARGAN_STD, torch.float32)
        found = translator.model.logit(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert translator.domain.network.parameters == 20_851_777
    assert (translator.domain.pgd.steps, translator.domain.pgd.step_size) == (20, 8.0)


def test_the_published_resnet_shapes_fit(cli: Callable[..., Result], tmp_path: Path) -> None:
    state = random_state(resnet_shapes((64, 128, 256, 512), 10))
    torch.save(state, tmp_path / "model.pth")
    card = tmp_path / "card.toml"
    card.write_text((CARDS / "paper-cifar10.toml").read_text() + CALIBRATION)
    arguments = ("--arch", "resnet50", "--card", card)
    assert cli("convert", tmp_path / "model.pth", tmp_path / "out", *arguments).code == 0
    model = Translator.load(str(tmp_path / "out"), device="cpu", dtype="float32").model
    assert model.config.parameters == 23_555_521
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = resnet_logit(state, x, CIFAR_MEAN, CIFAR_STD, torch.float32)
        found = model.logit(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_both_spellings_of_a_resnet_are_one(convert: Callable[..., Result], tmp_path: Path):
    state = small_resnet()
    other = {
        k.replace(".shortcut.", ".downsample.").replace("linear.", "fc."): v
        for k, v in state.items()
    }
    assert convert(other, "resnet50").code == 0
    x = torch.rand(2, 3, 32, 32)
    model = Translator.load(str(tmp_path / "out"), device="cpu", dtype="float32").model
    expected = resnet_logit(state, x, *STATISTICS["resnet50"])
    torch.testing.assert_close(model.logit(x).double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", KINDS)
def test_training_mode_and_neighbours_change_nothing(
    convert: Callable[..., Result], tmp_path: Path, arch: str
) -> None:
    assert convert(KINDS[arch][1](), arch).code == 0
    model = Translator.load(str(tmp_path / "out"), device="cpu", dtype="float32").model
    x = torch.rand(4, 3, 32, 32)
    before, held = model.logit(x), {k: v.clone() for k, v in model.state_dict().items()}
    trained = model.train().logit(x)
    alone = torch.cat([model.logit(image[None]) for image in x])
    torch.testing.assert_close(trained, before, rtol=0, atol=0)
    torch.testing.assert_close(alone, before, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(v, held[k]) for k, v in model.state_dict().items())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.logit(x)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, before, rtol=0.1, atol=0.3)
    with pytest.raises(SettingsError, match="cannot grow"):
        model.grow((4,))


def spoil(state: State, fault: str, name: str) -> State:
    if fault == "missing":
        del state[name]
    elif fault == "extra":
        state[name] = torch.zeros(3)
    elif fault == "shape":
        state[name] = state[name][..., :-1]
    elif fault == "integers":
        state[name] = state[name].int()
    elif fault == "meta":
        state[name] = state[name].to("meta")
    elif fault == "sparse":
        state[name] = state[name].to_sparse()
    else:
        state[name] = state[name] * math.nan
    return state


@pytest.mark.filterwarnings("ignore:.*[sS]parse.*")  # torch's own word on its invariants
@pytest.mark.parametrize(
    ("arch", "fault", "name", "words"),
    [
        ("stargan-v2", "missing", "main.2.conv1x1.weight", "is missing"),
        ("stargan-v2", "missing", "main.7.bias", "is missing"),
        ("stargan-v2", "extra", "main.3.conv1x1.weight", "does not belong"),
        (
            "stargan-v2",
            "shape",
            "main.3.conv2.weight",
            r"\(12, 12, 3, 2\).* needs \(12, 12, 3, 3\)",
        ),
        ("stargan-v2", "shape", "main.7.weight", "needs"),
        ("stargan-v2", "integers", "main.5.weight", "floating-point"),
        ("stargan-v2", "meta", "main.5.weight", "floating-point"),
        ("stargan-v2", "sparse", "main.5.bias", "floating-point"),
        ("stargan-v2", "nan", "main.5.bias", "not finite"),
        ("resnet50", "missing", "layer3.5.bn2.running_var", "is missing"),
        ("resnet50", "extra", "layer1.1.shortcut.0.weight", "does not belong"),
        ("resnet50", "extra", "fc.weight", "does not belong"),
        ("resnet50", "shape", "layer4.0.shortcut.0.weight", "needs"),
        ("resnet50", "shape", "linear.weight", "needs"),
    ],
)
def test_a_wrong_parameter_is_named(
    convert: Callable[..., Result], tmp_path: Path, arch: str, fault: str, name: str, words: str
) -> None:
    result = convert(spoil(KINDS[arch][1](), fault, name), arch)
    assert result.code == 2
    assert result.err.count("\n") == 1
    with pytest.raises(DomainError, match=rf"model\.pth: parameter '{name}'.*{words}"):
        raise DomainError(result.err)
    assert not (tmp_path / "out").exists()


def test_the_other_network_is_refused(convert: Callable[..., Result]) -> None:
    result = convert(small_resnet(), "stargan-v2")
    assert result.code == 2
    assert "'bn1.bias' does not belong to stargan-v2 at 32 px" in result.err


class Bomb:
    """Would write a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("place", ["beside", "instead"])
def test_code_in_a_checkpoint_never_runs(
    convert: Callable[..., Result], tmp_path: Path, place: str
) -> None:
    bomb = Bomb(tmp_path / "ran")
    table = bomb if place == "instead" else {"state_dict": random_state(SMALL_STARGAN), "x": bomb}
    result = convert(table, "stargan-v2")
    assert result.code == 2
    assert "could be code and was not loaded" in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "table",
    [
        [1, 2],
        {},
        {"state_dict": {}},
        {"epoch": 3},
        {3: torch.zeros(1)},
        {"state_dict": {"a": torch.zeros(1)}, "model": {"b": torch.zeros(1)}},
        torch.zeros(3),
    ],
    ids=repr,
)
def test_other_contents_are_refused(convert: Callable[..., Result], table: object) -> None:
    result = convert(table, "stargan-v2")
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "model.pth: " in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("cut", [0, 3, 100, 5000, -1, -30])
def test_a_cut_file_is_refused(convert: Callable[..., Result], tmp_path: Path, cut: int) -> None:
    torch.save(random_state(SMALL_STARGAN), tmp_path / "whole.pth")
    (tmp_path / "model.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:cut])
    result = convert(None, "stargan-v2")
    assert result.code == 2
    assert "not a whole checkpoint" in result.err
    assert result.err.count("\n") == 1


def test_what_is_no_checkpoint_is_refused(convert: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    assert "model.pth: not readable" in convert(None, "stargan-v2").err
    file.mkdir()
    assert "model.pth: not readable" in convert(None, "stargan-v2").err
    file.rmdir()
    with file.open("wb") as handle:
        os.truncate(handle.fileno(), 10**12)  # sparse: costs no disk
    assert "1,000,000,000,000 bytes" in convert(None, "stargan-v2").err
    torch.save(random_state(SMALL_STARGAN), file, _use_new_zipfile_serialization=False)
    assert "PyTorch 1.6 or newer" in convert(None, "stargan-v2").err
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("holiday.txt", "sun")
    assert "not a readable PyTorch checkpoint" in convert(None, "stargan-v2").err


def test_a_flipped_bit_is_found(convert: Callable[..., Result], tmp_path: Path) -> None:
    torch.save(random_state(SMALL_STARGAN), tmp_path / "model.pth")
    data = bytearray((tmp_path / "model.pth").read_bytes())
    with zipfile.ZipFile(tmp_path / "model.pth") as archive:
        entry = next(e for e in archive.infolist() if e.filename.endswith("/data/4"))
    data[entry.header_offset + 200] ^= 1
    (tmp_path / "model.pth").write_bytes(data)
    result = convert(None, "stargan-v2")
    assert result.code == 2
    assert "data/4' in it is damaged" in result.err


@pytest.mark.parametrize("change", ["packed", "short"])
def test_a_rewritten_archive_is_refused(
    convert: Callable[..., Result], tmp_path: Path, change: str
) -> None:
    """Packed records could grow without bound; records shorter than their tensors leave holes."""
    torch.save(random_state(SMALL_STARGAN), tmp_path / "whole.pth")
    kind = zipfile.ZIP_DEFLATED if change == "packed" else zipfile.ZIP_STORED
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "model.pth", "w", kind) as archive,
    ):
        for entry in whole.infolist():
            data = whole.read(entry)
            short = change == "short" and "/data/" in entry.filename
            archive.writestr(entry.filename, data[: len(data) // 2] if short else data)
    result = convert(None, "stargan-v2")
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_a_domain_is_not_replaced_unasked(convert: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(random_state(SMALL_STARGAN), "stargan-v2").code == 0
    before = (out / CARD_FILE).read_bytes()
    result = convert(random_state(SMALL_STARGAN, seed=2), "stargan-v2")
    assert result.code == 2
    assert "--overwrite" in result.err
    assert (out / CARD_FILE).read_bytes() == before
    again = convert(random_state(SMALL_STARGAN, seed=2), "stargan-v2", None, "--overwrite")
    assert again.code == 0
    assert (out / CARD_FILE).read_bytes() != before
    open_domain(str(out))
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    (tmp_path / "out").write_text("a file")
    assert "is a file" in convert(random_state(SMALL_STARGAN), "stargan-v2").err


def test_energies_are_measured_on_held_out_pictures(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    for folder, low, high in (("data", 0, 60), ("source", 190, 255)):
        (tmp_path / folder / "deep").mkdir(parents=True)
        for index in range(5):
            array = generator.integers(low, high, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / folder / "deep" / f"{index}.png")
    folders = ("--data", tmp_path / "data", "--source", tmp_path / "source")
    state = random_state(SMALL_STARGAN)
    card = STARGAN.replace(CALIBRATION, "")
    result = convert(state, "stargan-v2", card, *folders, "--dtype", "float32")
    assert result.code == 0
    domain = read_domain(tmp_path / "out")
    for folder, values in (
        ("data", domain.calibration.data),
        ("source", domain.calibration.source),
    ):
        files = sorted((tmp_path / folder).rglob("*.png"))
        x = torch.stack([torch.from_numpy(pixels(f)).permute(2, 0, 1) / 255 for f in files])
        energy = -stargan_logit(state, x, STARGAN_MEAN, STARGAN_STD)
        expected = np.quantile(energy.numpy(), np.linspace(0, 1, 21))
        np.testing.assert_allclose(values, expected, atol=2e-4)
    assert domain.metrics["held_out_data"] == 5
    assert "5 pictures of the domain" in (tmp_path / "out" / "README.md").read_text()


def test_energies_the_wrong_way_round_are_remarked(convert: Callable[..., Result]) -> None:
    swapped = CALIBRATION.replace("data", "x").replace("source", "data").replace("x =", "source =")
    result = convert(
        random_state(SMALL_STARGAN), "stargan-v2", STARGAN.replace(CALIBRATION, swapped)
    )
    assert result.code == 0
    assert "check the card's mean and std" in result.err


def test_calibration_must_come_from_somewhere(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    card, state = STARGAN.replace(CALIBRATION, ""), random_state(SMALL_STARGAN)
    result = convert(state, "stargan-v2", card)
    assert result.code == 2
    assert "--data" in result.err
    assert "[calibration]" in result.err
    assert "both folders" in convert(state, "stargan-v2", card, "--data", tmp_path).err
    (tmp_path / "empty").mkdir()
    folders = ("--data", tmp_path / "empty", "--source", tmp_path / "empty")
    assert "no pictures" in convert(state, "stargan-v2", card, *folders).err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Toy"', "", "title"),
        ('name = "toy"', 'name = "../toy"', "name"),
        ("steps = 3", "steps = 0", "steps"),
        ("steps = 3", "steps = 3\ncolour = 1", "colour"),
        ("size = 32", "size = 36", "no multiple of 8"),
        ("size = 32", "size = 1024\nstd = [0, 1, 1]", "std"),
        ("[6, 10, 12, 12]", "[2048, 2048, 2048, 2048, 2048]", "parameters"),
        ('"crop"', '"scene"', "framing face or crop"),
        ("[calibration]", "[calibration", "not a readable TOML file"),
    ],
)
def test_a_bad_card_is_explained(
    convert: Callable[..., Result], tmp_path: Path, old: str, new: str, words: str
) -> None:
    result = convert(random_state(SMALL_STARGAN), "stargan-v2", STARGAN.replace(old, new))
    assert result.code == 2
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_cards_of_the_paper_are_bundled() -> None:
    found = {f.stem: load_card(f.stem) for f in CARDS.glob("*.toml")}
    assert {name: (card.steps, card.step_size) for name, card in found.items()} == {
        "paper-celebahq": (20, 8.0),
        "paper-afhq-cat": (14, 8.0),
        "paper-church": (17, 8.0),
        "paper-cifar10": (32, 0.2),
    }
    for name, card in found.items():
        network = card.network("resnet50" if "cifar" in name else "stargan-v2")
        assert network.size == (32 if "cifar" in name else 256)
    assert network.coarsest == 4
    with pytest.raises(SettingsError, match="paper-church"):
        load_card("nowhere")


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        (1024, (16, 32, 64, 128, 256, 512, 512, 512, 512)),
        (256, (64, 128, 256, 512, 512, 512, 512)),
        (64, (256, 512, 512, 512, 512)),
    ],
)
def test_widths_follow_the_size(size: int, channels: tuple[int, ...]) -> None:
    card = load_card("paper-church").model_copy(update={"size": size})
    assert card.network("stargan-v2").channels == channels
    assert card.network("stargan-v2").coarsest == 4


def test_a_card_names_its_network(convert: Callable[..., Result], tmp_path: Path) -> None:
    assert convert(random_state(SMALL_STARGAN), "stargan-v2").code == 0
    file = tmp_path / "out" / CARD_FILE
    card = json.loads(file.read_text())
    assert (card["format"], card["network"]["arch"]) == (2, "stargan-v2")
    for changes, words in (
        ({"format": CARD_FORMAT + 1}, "update the program"),
        ({"format": 1}, "need card format 2"),
        ({"network": {**card["network"], "arch": "transformer"}}, "network.arch"),
        ({"network": {**card["network"], "arch": "resnet50"}}, "pooled head"),
        ({"network": {**card["network"], "blocks": 2}}, "no number of blocks"),
        ({"network": {**card["network"], "swish": 8}}, "no swish"),
        ({"network": {**card["network"], "channels": [2048] * 9, "size": 1024}}, "parameters"),
        ({"network": {**card["network"], "channels": [8, 2048], "size": 1024}}, "parameters"),
    ):
        file.write_text(json.dumps({**card, **changes}))
        with pytest.raises(DomainError) as caught:
            read_domain(tmp_path / "out")
        assert words in str(caught.value)


def test_own_networks_keep_the_first_format() -> None:
    config = NetworkConfig(size=16, channels=(4, 6))
    assert "arch" not in config.model_dump()
    assert NetworkConfig.model_validate({**config.model_dump(), "arch": "levels"}) == config


@pytest.mark.parametrize("channels", [(6, 10, 12, 12), (6, 6, 8), (5, 5)])
def test_stargan_parameters_are_foretold(channels: tuple[int, ...]) -> None:
    config = NetworkConfig(arch="stargan-v2", size=32, channels=channels)
    held = EnergyModel(config).state_dict()
    assert sum(v.numel() for v in held.values()) == config.parameters


@pytest.mark.parametrize("channels", [(4, 6, 8, 10), (3, 3, 3, 3), (16, 4, 4, 1)])
def test_resnet_parameters_are_foretold(channels: tuple[int, ...]) -> None:
    config = NetworkConfig(arch="resnet50", size=32, channels=channels, head="pooled")
    held = EnergyModel(config).state_dict()
    assert sum(v.numel() for v in held.values()) == config.parameters
