"""The shape of the house: imports point downward, the public names are sorted, nobody prints."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import translate

PACKAGE = Path(translate.__file__).parent
MODULES = {
    ".".join(f.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): f
    for f in PACKAGE.rglob("*.py")
}
# Lower layers first; a module may import from its own layer's lower neighbours and below.
LAYERS = (
    ("errors", "process", "replay", "smooth"),
    ("card_parts", "cropping", "guide", "networks", "pgd_settings", "shaping", "specks"),
    ("console", "files", "srgb", "domain", "device"),
    ("pgd", "grid", "faces", "upsampling", "squares"),
    ("image_io", "framing", "hub", "inking", "masking", "drawn_places"),
    ("segmenting", "strokes"),
    ("glasses", "matting"),
    ("skin",),
    ("cheeks", "mouths", "pasting"),
    ("bareness", "darkness", "energy", "eyes", "ground", "imageset", "options"),
    ("relighting", "sky", "throats", "tones"),
    ("frame", "view", "closeups"),
    ("score",),
    ("translator", "calibration"),
    ("batch", "generate", "mixture", "publish", "training", "convert", "evaluation"),
    ("ui",),
    ("cli_hub",),
    ("cli_convert", "cli_evaluate", "cli_serve", "cli_train"),
    ("cli_batch",),
    ("cli_score",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports(file: Path) -> set[str]:
    """Modules of this package that a file imports, at any depth of its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("translate"):
            found.add(node.module or "")
            found |= {f"{node.module}.{a.name}" for a in node.names} & MODULES.keys()
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("translate")}
    return {f for f in found if f != "translate"}


def test_every_module_has_a_place() -> None:
    assert {m.split(".")[1] for m in MODULES if m != "translate"} == RANK.keys()


def test_imports_point_downward() -> None:
    wrong = []
    for module, file in MODULES.items():
        if module == "translate":
            continue
        own = module.split(".")[1]
        for other in imports(file):
            name = other.split(".")[1]
            if name != own and RANK[name] >= RANK[own]:
                wrong.append(f"{module} imports {other}")
    assert not wrong


@pytest.mark.parametrize(
    ("package", "by"), [("training", "cli_train"), ("evaluation", "cli_evaluate")]
)
def test_only_the_command_line_imports(package: str, by: str) -> None:
    inside = f"translate.{package}"
    outside = {
        module
        for module, file in MODULES.items()
        if not module.startswith(inside)
        and any(other.startswith(inside) for other in imports(file))
    }
    assert outside == {f"translate.{by}"}


def test_public_names_are_sorted_and_there() -> None:
    assert translate.__all__ == sorted(translate.__all__)
    for name in translate.__all__:
        assert getattr(translate, name) is not None


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import translate, sys; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_pickle_is_ever_loaded() -> None:
    readers = {}
    for module, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text
        assert "weights_only=False" not in text
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                readers[module] = text
    assert readers.keys() == {"translate.convert.checkpoint"}  # tensors and nothing else
    (text,) = readers.values()
    assert text.count("torch.load") == 1
    assert 'torch.load(path, map_location="cpu", weights_only=True' in text


def test_every_folder_is_packaged() -> None:
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {m for m, f in MODULES.items() if f.name == "__init__.py"}
    assert set(settings["tool"]["setuptools"]["packages"]) == folders | {"translate.weights"}
