"""Checkpoints: one safetensors file with weights, their average, Adam's state and the position."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from translate.errors import TrainingError
from translate.files import atomic_path
from translate.training.config import Recipe

PATTERN = "checkpoint-*.safetensors"


@dataclass(slots=True, kw_only=True)
class Position:
    """Where a run stands.

    Attributes:
        stage: index into the recipe's stages.
        update: optimiser updates done in this stage.
        total_updates: updates done in all stages; the number of the next batch.
        k: PGD steps of the attack now.
        k_update: updates done at this K.
        aucs: the last AUCs at this K, at most the stage's window.
        seconds: training time so far.
        total_images: p_data images seen.
    """

    stage: int = 0
    update: int = 0
    total_updates: int = 0
    k: int = 0
    k_update: int = 0
    aucs: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    total_images: int = 0


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """What a file holds, still on the CPU."""

    recipe: Recipe
    position: Position
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    adam: dict[str, Tensor]


def save(
    path: Path,
    *,
    recipe: Recipe,
    position: Position,
    model: nn.Module,
    ema: nn.Module,
    optimizer: torch.optim.Adam | None,
) -> None:
    """Write a checkpoint; without an optimiser, weights only."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.state_dict().items()}
    if optimizer is not None:
        for index, entry in optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in entry.items()}
    metadata = {
        "format": "translate-checkpoint-1",
        "recipe": recipe.model_dump_json(),
        "position": json.dumps(asdict(position)),
    }
    with atomic_path(path) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        TrainingError: the file is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as handle:  # pyright: ignore[reportUnknownVariableType]
            file = cast("Any", handle)  # safetensors leaves its own handle untyped
            metadata: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("format") != "translate-checkpoint-1":
            raise TrainingError(f"{path}: not a training checkpoint")
        recipe = Recipe.model_validate_json(metadata["recipe"])
        position = Position(**json.loads(metadata["position"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: not a readable checkpoint ({error})") from None

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    return Checkpoint(
        recipe=recipe, position=position, model=part("model."), ema=part("ema."), adam=part("adam.")
    )


def restore_adam(optimizer: torch.optim.Adam, saved: dict[str, Tensor]) -> None:
    """Put the state saved by `save` back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def exists(folder: Path) -> bool:
    """Whether a run has left a checkpoint here."""
    return any(folder.glob(PATTERN))


def latest(folder: Path) -> Path:
    """The newest checkpoint of a run.

    Raises:
        TrainingError: there is none.
    """
    files = sorted(folder.glob(PATTERN))
    if not files:
        raise TrainingError(f"{folder} holds no checkpoint; train first, without --resume")
    return files[-1]


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a run."""
    for file in sorted(folder.glob(PATTERN))[: -max(keep, 1)]:
        file.unlink()
