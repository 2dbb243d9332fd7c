"""Networks that turn pictures into features to compare sets by, and LPIPS; only local weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.device import autocast
from translate.domain import WEIGHTS_FILE
from translate.energy import EnergyModel
from translate.errors import SettingsError
from translate.translator import Translator

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
ALEXNET_FILE = "alexnet-owt-7be5be79.pth"
WEIGHTS_FOLDER = "torch's folder hub/checkpoints (in TORCH_HOME, or ~/.cache/torch)"  # in reports

Measure = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A network for comparing sets of pictures.

    Attributes:
        name: `inception`, or the name of a domain.
        sha256: of its weights.
        frechet, kernel: what the two distances are called.
        notes: what a reader must know about them.
        extract: (N,3,H,W) float32 in [0,1], whole 255ths -> (N,D) float32.
    """

    name: str
    sha256: str
    frechet: str
    kernel: str
    notes: tuple[str, ...]
    extract: Measure


def find_features(name: str, translator: Translator) -> tuple[Features | None, str]:
    """Features by name, and a word where there are none.

    Args:
        name: `auto` (Inception if its weights are here), `inception`, `none`, or a domain.
        translator: of the evaluated domain; gives the device.

    Raises:
        SettingsError: Inception was asked for by name and is not here.
        DomainError: no such domain.
    """
    if name == "none":
        return None, "no features asked for, so no Fréchet or kernel distance"
    if name in ("auto", "inception"):
        file = weights_folder() / INCEPTION_FILE
        if file.is_file():
            return _inception(file, translator.device), ""
        missing = (
            f"no FID and KID: the Inception weights {INCEPTION_FILE} are not in {WEIGHTS_FOLDER}; "
            "put them there, or pass --features DOMAIN for distances in an energy network's"
            " features"
        )
        if name == "inception":
            raise SettingsError(missing)
        return None, missing
    return _energy_features(name, translator), ""


def find_lpips(device: torch.device) -> tuple[Callable[[Tensor, Tensor], Tensor] | None, str]:
    """LPIPS with AlexNet if its weights are here, as (N,3,H,W) in [0,1] twice -> (N,); and a word
    where they are not."""
    file = weights_folder() / ALEXNET_FILE
    if not file.is_file():
        return None, f"no LPIPS: AlexNet's weights {ALEXNET_FILE} are not in {WEIGHTS_FOLDER}"
    check_weights(file)
    from torchmetrics.functional.image.lpips import (
        _NoTrainLpips,  # pyright: ignore[reportPrivateUsage]
    )

    network = _NoTrainLpips(net="alex").to(device)

    def lpips(x: Tensor, y: Tensor) -> Tensor:
        return cast("Tensor", network(x, y, normalize=True)).reshape(len(x))

    return lpips, ""


def weights_folder() -> Path:
    """Where torch keeps downloaded weights; nothing is ever downloaded here."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def check_weights(file: Path) -> str:
    """The sha256 of a weights file, whose first digits its name must state.

    Such files are pickles, so nothing but the known content may be loaded.

    Raises:
        SettingsError: it is another file.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(file.stem.rsplit("-", 1)[1]):
        raise SettingsError(
            f"{file}: sha256 {digest[:12]}… is not the one its name states; get it anew"
        )
    return digest


def _inception(file: Path, device: torch.device) -> Features:
    digest = check_weights(file)
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        network = NoTrainInceptionV3(
            "inception-v3-compat", ["2048"], str(file), antialias=False
        ).to(device)
    except ModuleNotFoundError:
        raise SettingsError(
            "Inception features need torch-fidelity; install this package's extra [evaluate]"
        ) from None

    def extract(x: Tensor) -> Tensor:
        return cast("Tensor", network((x * 255).round().byte()))

    return Features(
        name="inception",
        sha256=digest,
        frechet="FID",
        kernel="KID",
        notes=("bilinear to 299 px as in the TensorFlow original, pool features (2048)",),
        extract=extract,
    )


def _energy_features(name: str, translator: Translator) -> Features:
    device, dtype = translator.device, translator.dtype
    other = EnergyModel.from_pretrained(name).alone().on(device)
    assert other.card is not None
    title, size, digest = other.card.name, other.config.size, other.card.sha256[WEIGHTS_FILE]
    layer = "input of the last linear layer"
    notes = [f"{layer} of the energy network {title} ({digest[:12]}…), {size} px"]
    own = translator.domain.sha256[WEIGHTS_FILE]
    if own == digest:
        notes.append(
            "these are features of the very network that the translation descends, so they are "
            "biased in its favour: compare runs with them, not methods"
        )
    layers = [m for m in other.modules() if isinstance(m, nn.Linear)]
    linear = layers[-1]

    def extract(x: Tensor) -> Tensor:
        if x.shape[-1] != size:
            x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        seen: list[Tensor] = []

        def look(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.append(inputs[0])

        handle = linear.register_forward_pre_hook(look)
        try:
            with autocast(device, dtype):
                other.energy(x, member=0)
        finally:
            handle.remove()
        return seen[0].float()

    return Features(
        name=title,
        sha256=digest,
        frechet=f"Fréchet distance in features of {title}",
        kernel=f"kernel distance in features of {title}",
        notes=tuple(notes),
        extract=extract,
    )
