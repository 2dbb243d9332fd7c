"""`translate train` and `translate export` as people run them: real processes, also killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import EXAMPLES, Result, pixels, write_domain
from translate import Options, Translator
from translate.domain import WEIGHTS_FILE
from translate.options import own_pgd
from translate.pgd import value_and_gradient
from translate.training.checkpoint import latest
from translate.training.config import load_recipe
from translate.view import View

RECIPE = """
name = "toy"
title = "Toy"
seed = 1
reference_size = 16
r1_every = 2
sample_steps = 4
sample_travel = 0.2
licence = "Nobody's."

[data]
p_data = [{ path = "bright", hold_out = 8, terms = "made here" }]
p_0 = [{ path = "dark", hold_out = 8 }]

[network]
channels = [4, 8, 8]

[[stages]]
size = 16
updates = 12
batch_size = 4
learning_rate = 1e-3
k_max = 2
step_size = 0.5
r1 = 0.1

[[stages]]
size = 32
updates = 28
batch_size = 4
learning_rate = 1e-3
k_max = 3
step_size = 0.5
r1 = 0.1
"""
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, low, high in (("bright", 128, 256), ("dark", 0, 128)):
        (root / name).mkdir()
        for index in range(24):
            image = rng.integers(low, high, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(image).save(root / name / f"{index:02d}.png")
    (root / "toy.toml").write_text(RECIPE)
    return root


def command(data: Path, out: Path, *more: object) -> list[str]:
    train = [sys.executable, "-m", "translate.cli", "train", str(data / "toy.toml")]
    flags = ["--data", str(data), "--out", str(out), "--device", "cpu", "--dtype", "float32"]
    return [*train, *flags, *map(str, more)]


def finish(data: Path, out: Path, *more: object) -> str:
    done = subprocess.run(
        command(data, out, *more), capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("run") / "whole"
    assert "40 updates, finished" in finish(data, out)
    return out


@pytest.fixture
def started(data: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has done some updates and goes on."""
    process = subprocess.Popen(
        command(data, tmp_path / "run", "--checkpoint-minutes", "0.01"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= 5):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    yield process
    process.kill()
    process.communicate()


def same_end(a: Path, b: Path) -> None:
    one, other = load_file(latest(a)), load_file(latest(b))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_resuming_ends_bitwise_the_same(
    started: subprocess.Popen[str],
    number: signal.Signals,
    data: Path,
    tmp_path: Path,
    whole: Path,
) -> None:
    started.send_signal(number)
    out, error = started.communicate(timeout=60)
    assert started.returncode == 0, error
    assert "go on with --resume" in out
    assert "40 updates, finished" in finish(data, tmp_path / "run", "--resume")
    same_end(whole, tmp_path / "run")


def test_a_kill_loses_no_more_than_the_last_checkpoint(
    started: subprocess.Popen[str], data: Path, tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "run"
    deadline = time.monotonic() + 60
    while not list(run.glob("checkpoint-*")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started.kill()
    started.communicate()
    assert "40 updates, finished" in finish(data, run, "--resume")
    same_end(whole, run)


def test_the_run_folder_is_complete(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [*range(12), *range(28)]
    assert list((whole / "samples").glob("*.png"))
    assert list((whole / "tensorboard").glob("events*"))


def test_a_second_run_does_not_overwrite_the_first(
    cli: Callable[..., Result], data: Path, whole: Path
) -> None:
    refused = cli("train", data / "toy.toml", "--data", data, "--out", whole)
    assert refused.code == 2
    assert "--resume" in refused.err


def test_dry_run_prints_everything_and_starts_nothing(data: Path, tmp_path: Path) -> None:
    out = finish(data, tmp_path / "dry", "--dry-run")
    assert "stage 1: 32 px" in out
    assert "step size 1," in out  # 0.5 at 16 px
    assert "R1 0.4" in out  # 0.1 at 16 px
    assert "(4, 3, 16, 16)" in out
    assert "bright: 16 images" in out
    assert not list((tmp_path / "dry").glob("checkpoint*"))


def test_max_minutes(data: Path, tmp_path: Path) -> None:
    assert "go on with --resume" in finish(data, tmp_path / "short", "--max-minutes", "0.0001")


def test_wrong_use_is_one_line(cli: Callable[..., Result], data: Path, tmp_path: Path) -> None:
    for arguments in (
        ("train", "no-such-recipe"),
        ("train", data / "toy.toml", "--data", tmp_path, "--out", tmp_path / "a"),
        ("train", data / "toy.toml", "--resume", "--out", tmp_path / "b"),
        ("export", tmp_path, tmp_path / "c"),
        ("export", data / "toy.toml", tmp_path / "c"),
    ):
        done = cli(*arguments)
        assert done.code == 2
        assert done.err.strip().count("\n") == 0
        assert done.err.startswith("error: ")


def test_an_exported_domain_translates(
    cli: Callable[..., Result], data: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "toy"
    done = cli("export", whole, folder, "--data", data, "--device", "cpu", "--dtype", "float32")
    assert done.code == 0, done.err
    translator = Translator.load(str(folder), device="cpu", dtype="float32")
    domain = translator.domain
    assert domain.licence == "Nobody's."
    assert domain.training["updates"] == 40
    assert 1 <= domain.pgd.steps <= 4
    assert list(domain.calibration.data) == sorted(domain.calibration.data)
    card = (folder / "README.md").read_text()
    assert "made here" in card
    assert f"{domain.metrics['ssim_to_source']:.2f}" in card

    # The weights are the averaged ones, and the figures can be measured again.
    ema = {k[4:]: v for k, v in load_file(latest(whole)).items() if k.startswith("ema.")}
    for name, value in load_file(folder / WEIGHTS_FILE).items():
        assert torch.allclose(value.float(), ema[name], atol=1e-3)
    files = sorted((data / "bright").iterdir())[-8:]
    energies = sorted(translator.score(pixels(f)).energy for f in files)
    assert domain.calibration.target == pytest.approx((energies[3] + energies[4]) / 2, abs=1e-3)


def test_networks_of_one_shape_join(
    cli: Callable[..., Result], data: Path, whole: Path, tmp_path: Path
) -> None:
    """The domain's walk follows both in turn, its energy is their mean."""
    exported = ("export", whole, tmp_path / "one", "--data", data, "--device", "cpu")
    assert cli(*exported).code == 0
    other = write_domain(tmp_path / "other", size=32, channels=(4, 8, 8))
    done = cli("export", whole, tmp_path / "two", *exported[3:], "--member", other)
    assert done.code == 0, done.err
    one, two, beside = (
        Translator.load(str(tmp_path / name), device="cpu") for name in ("one", "two", "other")
    )
    assert (two.domain.format, two.domain.network.members) == (7, 2)
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean = (one.energy(x) + beside.energy(x)) / 2
    torch.testing.assert_close(two.energy(x), mean, rtol=0.02, atol=0.02)
    walk = Options(strength=1.0, steps=2)
    ours, alone = ([step for step, _ in t.descend(View(x), walk)] for t in (two, one))
    torch.testing.assert_close(ours[0].energy, two.energy(x))
    torch.testing.assert_close(ours[1].x, alone[1].x, rtol=0, atol=0.01)  # its own network's move
    slope = value_and_gradient(beside.energy, ours[1].x)[1]
    slope = slope / slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    moved = (ours[1].x - ours[2].x) / two.domain.pgd.step_size
    assert (moved * slope).sum(dim=(1, 2, 3)).min() > 0.9  # and the other's
    again = cli("export", whole, tmp_path / "c", *exported[3:], "--member", tmp_path / "two")
    assert again.code == 0, again.err
    assert Translator.load(str(tmp_path / "c"), device="cpu").domain.network.members == 3
    head, _, last = RECIPE.split("[[stages]]")
    head = head.replace("seed", f'start = "{tmp_path / "two"}"\nseed')
    head = head.replace("8, 8]", "8, 8]\nmembers = 2")
    recipe, further = tmp_path / "further.toml", tmp_path / "further"
    recipe.write_text(f"{head}[[stages]]{last.replace('28', '2')}")
    trained = cli("train", recipe, "--data", data, "--out", further, "--device", "cpu")
    assert trained.code == 0, trained.err
    for given, members in (([], 2), (["--member", other], 3)):
        again = cli("export", further, tmp_path / "d", *exported[3:], *given)
        assert again.code == 0, again.err
        assert Translator.load(str(tmp_path / "d"), device="cpu").domain.network.members == members
    between = cli("export", whole, tmp_path / "m", *exported[3:], "--average", other)
    assert between.code == 0, between.err
    ours, theirs, mean = (
        Translator.load(str(tmp_path / name), device="cpu").model.state_dict()
        for name in ("one", "other", "m")
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, (ours[name] + theirs[name]) / 2, rtol=2e-3, atol=2e-3)
    given = ("--average", other, "--average-share", 0.2)
    mostly = cli("export", whole, tmp_path / "n", *exported[3:], *given)
    assert mostly.code == 0, mostly.err
    mean = Translator.load(str(tmp_path / "n"), device="cpu").model.state_dict()
    for name, value in mean.items():
        expected = 0.8 * ours[name] + 0.2 * theirs[name]
        torch.testing.assert_close(value, expected, rtol=2e-3, atol=2e-3)
    stored = load_file(tmp_path / "m" / WEIGHTS_FILE)
    long = {name for name, value in stored.items() if value.dtype != torch.float16}
    assert long == {"head.linear.weight", "head.linear.bias"}
    odd = write_domain(tmp_path / "odd", size=32, channels=(4, 8, 16))
    for flag in ("--member", "--average"):
        refused = cli("export", whole, tmp_path / "e", *exported[3:], flag, odd)
        assert refused.code == 2
        assert "another shape" in refused.err


def test_photos_are_measured_as_they_are_whatever_attacks_set_out_from(
    cli: Callable[..., Result], data: Path, whole: Path, tmp_path: Path
) -> None:
    photo = Image.open(EXAMPLES / "hopper.jpg").point(lambda value: value * 0.4)
    for index in range(9):
        (tmp_path / "photos").mkdir(exist_ok=True)
        photo.save(tmp_path / "photos" / f"{index}.png")
    text = (data / "toy.toml").read_text()
    measured: dict[str, Sequence[float]] = {}
    for framing in ("crop", "face", "relit"):
        recipe = tmp_path / f"{framing}.toml"
        of_photos = f'path = "{tmp_path / "photos"}", framing = "{framing}"'
        recipe.write_text(text.replace('path = "dark"', of_photos))
        assert recipe.read_text() != text
        done = cli(
            "export", whole, tmp_path / framing, "--data", data, "--device", "cpu",
            "--dtype", "float32", "--recipe", recipe,
        )  # fmt: skip
        assert done.code == 0, done.err
        domain = Translator.load(str(tmp_path / framing), device="cpu").domain
        measured[framing] = domain.calibration.source
    assert measured["relit"] == measured["face"]
    assert measured["face"] != measured["crop"]


def test_a_newer_recipe_changes_words_and_sampling_but_not_the_network(
    cli: Callable[..., Result], data: Path, whole: Path, tmp_path: Path
) -> None:
    text = (data / "toy.toml").read_text()
    newer, small = tmp_path / "newer.toml", tmp_path / "small.toml"
    longer = text.replace("channels = [4, 8, 8]", "channels = [4, 8, 8]\nblocks = [2, 3]")
    for old, new in (
        (
            'name = "toy"',
            'name = "newer"\nauto = true\nsample_headroom = 0.5\ndecay = 0.6\nsample_reach = 0.1',
        ),
        ("sample_steps = 4\nsample_travel = 0.2", "sample_steps = 12\nsample_travel = 0.9"),
    ):
        assert old in longer
        longer = longer.replace(old, new)
    newer.write_text(longer + text[text.rindex("[[stages]]") :])  # one stage more
    exported = ("export", whole, tmp_path / "a", "--data", data, "--device", "cpu")
    done = cli(*exported, "--recipe", newer)
    assert done.code == 0, done.err
    domain = Translator.load(str(tmp_path / "a"), device="cpu").domain
    assert (domain.name, domain.auto, domain.pgd.headroom) == ("newer", True, 0.5)
    asked = load_recipe(str(newer)).descent_at(-1)
    assert 1 <= domain.pgd.steps < asked.steps  # the first moves of the whole walk, as they were
    ours, whole_walk = (own_pgd(walked, 32, 32) for walked in (domain.pgd, asked))
    for move in range(domain.pgd.steps):
        assert ours.length(move) == pytest.approx(whole_walk.length(move), rel=1e-5)
    assert domain.network.depths == (1, 1)
    small.write_text(text.replace("size = 32", "size = 16"))
    refused = cli(*exported, "--recipe", small)
    assert refused.code == 2
    assert "no stage of 32 pixels" in refused.err
