"""What several tests share: a tiny domain with random weights, photos, and the command line."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.site import Site, run_site
from translate import Translator, pasting
from translate.card_parts import Calibration, Descent
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain
from translate.energy import EnergyModel
from translate.networks.config import NetworkConfig

EXAMPLES = Path(__file__).parents[1] / "examples"


def write_domain(
    folder: Path,
    *,
    head: str = "aligned",
    framing: str = "crop",
    size: int = 32,
    channels: tuple[int, ...] = (8, 16, 16, 16),
    title: str = "Tiny",
    auto: bool = False,
) -> Path:
    """A whole small domain with random weights, big enough to have a slope."""
    torch.manual_seed(3)
    config = NetworkConfig(size=size, channels=channels, head=head)
    model = EnergyModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / WEIGHTS_FILE)
    card = Domain(
        name=folder.name,
        title=title,
        summary="A test.",
        framing=framing,
        auto=auto,
        network=config,
        pgd=Descent(steps=6, step_size=0.8),
        calibration=Calibration(
            data=tuple(-3.0 + 0.01 * i for i in range(21)),
            source=tuple(1.0 + 0.01 * i for i in range(21)),
        ),
        sha256={WEIGHTS_FILE: hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()},
    )
    (folder / CARD_FILE).write_text(json.dumps(card.model_dump(mode="json")))
    return folder


@pytest.fixture(scope="session")
def tiny_domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a domain with an aligned head and crop framing."""
    return write_domain(tmp_path_factory.mktemp("domains") / "tiny")


@pytest.fixture(scope="session")
def tiny_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a domain with a pooled head and scene framing."""
    path = tmp_path_factory.mktemp("domains") / "tiny-scene"
    return write_domain(path, head="pooled", framing="scene")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A 90×60 PNG with structure in it."""
    y, x = np.mgrid[0:60, 0:90]
    pixels = np.stack([x * 2, y * 4, 255 - x - y], axis=-1).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    """A picture file as an array."""
    with Image.open(path) as image:
        return np.array(image)


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def made_by_both(cli: Callable[..., Result], photo: Path, *flags: str) -> np.ndarray:
    """What `image` makes of a photo; `batch` makes the same."""
    out = photo.parent / f"out{'='.join(flags)}"
    for command in (("image", photo, out / "one.png"), ("batch", photo, out / "all")):
        out.mkdir(exist_ok=True)
        done = cli(*command, "--device", "cpu", *flags)
        assert done.code == 0, done.err
    result = pixels(out / "one.png")
    np.testing.assert_array_equal(pixels(out / "all" / photo.name), result)
    record = json.loads((out / "all" / "run.jsonl").read_text().splitlines()[-1])
    assert record["status"] == "ok"
    return result


def without_closeups(translator: Translator) -> Translator:
    """The same domain, whose eyes stay as its walk leaves them."""
    card = translator.domain.model_copy(
        update={
            "closeup": None,
            "network": translator.domain.network.model_copy(update={"closeup": None}),
        }
    )
    return Translator(
        card, translator.model.with_closeup(None), translator.device, translator.dtype
    )


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run `translate` in this process, as the console script does."""
    from translate.cli import main

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["translate", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def site_domains(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two tiny domains for the web app: squares only, and whole scenes."""
    folder = tmp_path_factory.mktemp("site-domains")
    squares = write_domain(folder / "squares")
    scenes = write_domain(
        folder / "scenes", head="pooled", framing="scene", title="Ending early", auto=True
    )
    return squares, scenes


@pytest.fixture(scope="session")
def slow_domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain whose 200 steps take seconds on any machine: time to look and to stop."""
    folder = tmp_path_factory.mktemp("slow-domain") / "slow"
    return write_domain(folder, size=256, channels=(24, 24, 16, 16, 16, 16, 16))


@pytest.fixture(scope="session")
def site(
    site_domains: tuple[Path, Path], slow_domain: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The web app with the small domains first, on the loopback interface."""
    folders = (*site_domains, slow_domain)
    flags = [part for folder in folders for part in ("--domain", str(folder))]
    with run_site(tmp_path_factory.mktemp("site"), *flags) as running:
        yield running


@pytest.fixture
def head_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No outline ends a result, for photos of one colour: what fades it is left."""
    everywhere = lambda rgb, face, window, size: np.ones(size[::-1], np.float32)  # noqa: E731
    monkeypatch.setattr(pasting, "head_matte", everywhere)
