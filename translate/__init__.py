"""Image-to-image translation with energy-based models.

    from translate import Translator

    translator = Translator.load("anime")
    translator("me.jpg").save("me-anime.png")

Nothing heavy is imported until a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from translate.domain import Domain as Domain
    from translate.energy import EnergyModel as EnergyModel
    from translate.errors import DeviceError as DeviceError
    from translate.errors import DomainError as DomainError
    from translate.errors import InputError as InputError
    from translate.errors import SettingsError as SettingsError
    from translate.errors import TrainingError as TrainingError
    from translate.errors import TranslateError as TranslateError
    from translate.frame import Frame as Frame
    from translate.guide import blend as blend
    from translate.options import Options as Options
    from translate.pgd import Step as Step
    from translate.pgd import descend as descend
    from translate.pgd_settings import PGD as PGD
    from translate.score import Score as Score
    from translate.translator import Translator as Translator

_HOMES = {
    "PGD": "pgd_settings",
    "DeviceError": "errors",
    "Domain": "domain",
    "DomainError": "errors",
    "EnergyModel": "energy",
    "Frame": "frame",
    "InputError": "errors",
    "Options": "options",
    "Score": "score",
    "SettingsError": "errors",
    "Step": "pgd",
    "TrainingError": "errors",
    "TranslateError": "errors",
    "Translator": "translator",
    "blend": "guide",
    "descend": "pgd",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
