"""`card.toml`: what a checkpoint does not say about its domain, as data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from translate.card_parts import Calibration, Images, Name
from translate.domain import describe
from translate.errors import SettingsError
from translate.networks.config import NetworkConfig

Foreign = Literal["stargan-v2", "resnet50"]
Statistics = tuple[float, float, float]

CARDS = Path(__file__).parent / "cards"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


class CardSettings(BaseModel):
    """Texts and sampling settings of a domain to be made; see `translate.domain.Domain`.

    Attributes:
        steps, step_size: what strength 1.0 is.
        size: of the pictures in pixels; None is the paper's, 256 or 32.
        channels: of the network; None is the paper's.
        mean, std: input statistics per RGB channel in [0,1] units; None is ImageNet's for
            stargan-v2, and the usual ones of CIFAR-10 for resnet50.
        calibration: None is to be measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    title: str
    summary: str = ""
    framing: Literal["face", "scene", "crop"]
    licence: str
    steps: int = Field(ge=1)
    step_size: float = Field(gt=0, allow_inf_nan=False)
    p_data: tuple[Images, ...] = ()
    p_0: tuple[Images, ...] = ()
    size: int | None = None
    channels: tuple[int, ...] | None = None
    mean: Statistics | None = None
    std: Statistics | None = None
    calibration: Calibration | None = None

    def network(self, arch: Foreign) -> NetworkConfig:
        """The network's shape.

        Raises:
            ValidationError: out of `NetworkConfig`'s limits.
        """
        stargan = arch == "stargan-v2"
        size = self.size or (256 if stargan else 32)
        usual = _stargan_channels(size) if stargan else (64, 128, 256, 512)
        return NetworkConfig(
            arch=arch,
            size=size,
            channels=usual if self.channels is None else self.channels,
            head="aligned" if stargan else "pooled",
            mean=self.mean or (IMAGENET_MEAN if stargan else CIFAR_MEAN),
            std=self.std or (IMAGENET_STD if stargan else CIFAR_STD),
        )


def load_card(text: str) -> CardSettings:
    """Read a file, or a bundled card by name.

    Raises:
        SettingsError: there is neither, or it does not hold the right fields.
    """
    bundled = sorted(p.stem for p in CARDS.glob("*.toml"))
    path = CARDS / f"{text}.toml" if text in bundled else Path(text)
    try:
        return CardSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(
            f"card {text!r} not found; name a TOML file or one of {', '.join(bundled)}"
        ) from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from None
    except (OSError, ValueError) as error:  # no text, or no TOML
        raise SettingsError(f"{path}: not a readable TOML file ({error})") from None


def _stargan_channels(size: int) -> tuple[int, ...]:
    """Choi et al.: 2¹⁴/size features at full size, doubled at each halving down to 4, at most 512.

    At 256 pixels: 64, 128, 256, 512, 512, 512, 512.
    """
    levels = max(size // 4, 1).bit_length()
    return tuple(min(2**14 // max(size, 1) * 2**level, 512) for level in range(levels))
