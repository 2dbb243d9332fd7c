"""Checkpoint -> domain folder: averaged weights, calibration and figures from held-out images."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from translate.calibration import quantiles
from translate.card_parts import Calibration, Descent, Images
from translate.device import autocast, placed
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, card_format, read_domain
from translate.energy import EnergyModel, load_energy_model
from translate.errors import TrainingError
from translate.files import atomic_path
from translate.framing import FaceSquare
from translate.guide import ScaledEnergy
from translate.training import checkpoint
from translate.training.card import model_card
from translate.training.config import Recipe
from translate.training.data import batches, first_images, load_images
from translate.training.data_settings import Source
from translate.training.samples import walk
from translate.view import Asked, View, look_at

HALF_TOLERANCE = 2 / 255  # largest change of a translated pixel that half precision may make
PROBE = 16  # photos that this is tried on
BATCH = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A descent from held-out photos, one entry per state, the source first.

    Attributes:
        energy: (K+1, N).
        distance: (K+1, N) L2 to the source, [0,1] pixels.
        ssim: (K+1,) mean structural similarity to the source.
    """

    energy: Tensor
    distance: Tensor
    ssim: Tensor


def export(
    checkpoint_path: Path,
    out: Path,
    *,
    data_root: Path,
    cache: Path,
    device: torch.device,
    dtype: torch.dtype,
    recipe: Recipe | None = None,
    joined: EnergyModel | None = None,
    averaged: EnergyModel | None = None,
    averaged_share: float = 0.5,
) -> Domain:
    """Write `config.json`, `model.safetensors` and `README.md`.

    Strength 1.0 is set to the fewest steps after which `recipe.sample_reach` of the held-out
    photos of the first p_0 source are at or below the median energy of held-out p_data images, at
    most the recipe's `sample_steps`.

    Args:
        checkpoint_path: file, or the folder of a run for its latest checkpoint.
        out: domain folder, e.g. `weights/anime`.
        data_root: folder that the recipe's paths are relative to.
        cache: folder for decoded images.
        device, dtype: to measure with.
        recipe: newer texts and sampling settings than the checkpoint's own; the network is the
            checkpoint's.
        joined: a model whose networks become members beside the checkpoint's.
        averaged: a model whose weights are averaged with the checkpoint's, which set out from them
            or had them earlier in its run: what both draw stays, and much of what either gets wrong
            goes (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). Of all means the
            one in half precision is taken: everything is measured on it, and packing it changes
            nothing.
        averaged_share: in [0,1]; share of that model's weights in the mean.

    Raises:
        TrainingError: the checkpoint is damaged, the recipe holds no images out or has no stage
            of the checkpoint's size, or the joined or averaged networks have another shape.
    """
    path = checkpoint.latest(checkpoint_path) if checkpoint_path.is_dir() else checkpoint_path
    saved = checkpoint.load(path)
    model = EnergyModel(saved.recipe.network_at(saved.position.stage))
    model.load_state_dict(saved.ema)
    if averaged is not None:
        _average(model, averaged, averaged_share)
    if joined is not None:
        model = _joined(model, joined)
    model.on(device).requires_grad_(False)
    size = model.config.size
    recipe, stage = recipe or saved.recipe, saved.position.stage
    if recipe is not saved.recipe:
        stage = _last_stage_of(recipe, size)

    def held_out(source: Source) -> Tensor:
        square = FaceSquare.of(recipe)
        images = load_images(source.unlit, data_root, size, cache, held_out=True, square=square)
        return first_images(images, len(images))

    data, source = held_out(recipe.data.p_data[0]), held_out(recipe.data.p_0[0])
    weights = _packed(model, recipe.descent_at(stage), source[:PROBE].to(device))
    model.load_state_dict(weights)  # measure what is shipped

    def energy(x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        with autocast(device, dtype):
            return model.energy(x, halvings, member)

    data_energy = torch.cat([energy(x.to(device)).cpu() for x in batches(data, BATCH)])
    descent = recipe.descent_at(stage)
    asked = Asked.of(descent, relit=recipe.face_relit, eyes=recipe.face_eyes)
    measured = _walk(energy, source, descent, model.config.members, device, asked)
    calibration = Calibration(data=quantiles(data_energy), source=quantiles(measured.energy[0]))
    reached = (measured.energy <= calibration.target).float().mean(dim=1)
    enough = (reached >= recipe.sample_reach).nonzero()
    steps = max(1, int(enough[0])) if len(enough) else recipe.sample_steps
    metrics = _metrics(measured, steps, data_energy, reached, len(source))

    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.contiguous().cpu() for k, v in weights.items()}
    with atomic_path(out / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(weights, {"format": "pt"}))
    decay = round(descent.decay * steps / descent.steps, 6)  # moves stay as long as they were
    pgd = descent.model_copy(update={"steps": steps, "decay": decay})
    domain = Domain(
        format=card_format(model.config, pgd),
        name=recipe.name,
        title=recipe.title,
        summary=recipe.summary,
        framing=recipe.framing,
        face_margin=recipe.face_margin,
        face_centre=recipe.face_centre,
        face_corners=recipe.face_corners,
        face_drawn=recipe.face_drawn,
        face_glasses=recipe.face_glasses,
        face_relit=recipe.face_relit,
        face_eyes=recipe.face_eyes,
        face_skin=recipe.face_skin,
        auto=recipe.auto,
        network=model.config,
        pgd=pgd,
        calibration=calibration,
        p_data=tuple(_images(s) for s in recipe.data.p_data),
        p_0=tuple(_images(s) for s in recipe.data.p_0),
        licence=recipe.licence,
        training={
            "recipe": recipe.model_dump(mode="json", exclude={"data"}),
            "hours": round(saved.position.seconds / 3600, 2),
            "updates": saved.position.total_updates,
            "images": saved.position.total_images,
            "k": saved.position.k,
            "hardware": f"{device.type}, {os.cpu_count()} cores" if device.type == "cpu" else "",
        },
        metrics=metrics,
        sha256={WEIGHTS_FILE: hashlib.sha256((out / WEIGHTS_FILE).read_bytes()).hexdigest()},
    )
    with atomic_path(out / CARD_FILE) as temporary:
        text = json.dumps(domain.model_dump(mode="json"), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    with atomic_path(out / "README.md") as temporary:
        temporary.write_text(model_card(domain), encoding="utf-8")
    load_energy_model(read_domain(out).network, out / WEIGHTS_FILE)  # what was written, reads
    return domain


def _last_stage_of(recipe: Recipe, size: int) -> int:
    for stage in reversed(range(len(recipe.stages))):
        if recipe.stages[stage].size == size:
            return stage
    raise TrainingError(f"the recipe has no stage of {size} pixels, the checkpoint's size")


def _packed(model: EnergyModel, descent: Descent, source: Tensor) -> dict[str, Tensor]:
    """The weights, in half precision where that changes no pixel of any state of a walk by more
    than `HALF_TOLERANCE`: the head and as many levels, coarsest first, as do not.

    The last layer stays as it is: each of its few numbers weighs a whole feature, and rounding them
    moved pixels further than rounding all others (docs/training.md). What half precision holds
    exactly is in half precision anyway.
    """

    def states(weights: dict[str, Tensor]) -> list[Tensor]:
        tried = EnergyModel(model.config)
        tried.load_state_dict(weights)
        frozen = tried.frozen(source.device, torch.float32)
        return [step.x for step in walk(frozen.energy, View(source), descent, len(model.networks))]

    exact = model.state_dict()
    halves = {k: v.half() for k, v in exact.items()}
    shortest = {k: halves[k] if torch.equal(halves[k].float(), v) else v for k, v in exact.items()}
    expected = states(exact)
    parts = [f"levels.{index}." for index in range(len(model.levels))] + ["head."]
    for finest in range(len(parts)):
        weights = {
            name: value.half() if _part(name).startswith(tuple(parts[finest:])) else value
            for name, value in shortest.items()
        }
        pairs = zip(states(weights), expected, strict=True)
        if all(float((a - b).abs().max()) <= HALF_TOLERANCE for a, b in pairs):
            return weights
    return shortest


def _part(name: str) -> str:
    """A parameter's name within its member; none for what is never rounded."""
    own = re.sub(r"^others\.\d+\.", "", name)
    return "" if own.startswith("head.linear.") else own


@torch.no_grad()
def _average(model: EnergyModel, other: EnergyModel, share: float) -> None:
    if other.config != model.config:
        raise TrainingError("the averaged network has another shape than the checkpoint's")
    theirs = dict(other.named_parameters())
    for name, own in model.named_parameters():
        own.lerp_(theirs[name], share)
        if _part(name):
            own.copy_(own.half())


def _joined(first: EnergyModel, others: EnergyModel) -> EnergyModel:
    networks = [network.alone() for network in first.networks + others.networks]
    alone = networks[0].config
    if networks[-1].config != alone:
        raise TrainingError("the joined networks have another shape than the checkpoint's")
    model = EnergyModel(alone.model_copy(update={"members": len(networks)}))
    state = networks[0].state_dict()
    for index, network in enumerate(networks[1:]):
        state |= {f"others.{index}.{name}": v for name, v in network.state_dict().items()}
    model.load_state_dict(state)
    return model


def _walk(
    energy: ScaledEnergy,
    source: Tensor,
    descent: Descent,
    members: int,
    device: torch.device,
    asked: Asked,
) -> Walk:
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure as ssim
    except ImportError:
        raise TrainingError(
            "export measures with torchmetrics; install this package's extra [train]"
        ) from None
    energies: list[Tensor] = []
    distances: list[Tensor] = []
    similar = torch.zeros(descent.steps + 1)
    for batch in batches(source, BATCH):
        x = placed(batch, device)
        states = list(walk(energy, look_at(x, asked), descent, members))
        energies.append(torch.stack([s.energy for s in states]).cpu())
        distances.append(torch.stack([s.distance for s in states]).cpu())
        values = [cast("Tensor", ssim(s.x, x, data_range=1.0)) for s in states]
        similar += torch.stack(values).cpu() * len(x) / len(source)
    return Walk(energy=torch.cat(energies, 1), distance=torch.cat(distances, 1), ssim=similar)


def _metrics(
    walk: Walk, steps: int, data_energy: Tensor, reached: Tensor, count: int
) -> dict[str, object]:
    def rounded(x: Tensor) -> float:
        return round(float(x), 3)

    return {
        "held_out_data": len(data_energy),
        "held_out_sources": count,
        "energy_data_mean": rounded(data_energy.mean()),
        "energy_source_mean": rounded(walk.energy[0].mean()),
        "energy_translated_mean": rounded(walk.energy[steps].mean()),
        "share_at_or_below_data_median": rounded(reached[steps]),
        "share_by_step": [rounded(x) for x in reached],
        "l2_distance_mean": rounded(walk.distance[steps].mean()),
        "ssim_to_source": rounded(walk.ssim[steps]),
        "ssim_by_step": [rounded(x) for x in walk.ssim],
    }


def _images(source: Source) -> Images:
    return Images(name=Path(source.path).stem, terms=source.terms)
