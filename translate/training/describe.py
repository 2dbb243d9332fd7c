"""What a run would do, in words: the resolved settings, the first batch and the time."""

from __future__ import annotations

from torch import Tensor

from translate.training.forecast import forecast
from translate.training.trainer import Trainer


def describe_run(trainer: Trainer) -> str:
    """Several lines: sources, stages with everything scaled to their size, first batch, hours."""
    recipe = trainer.recipe
    lines = [f"{recipe.name}: {recipe.title}; {trainer.device}, {trainer.dtype}"]
    for role, sources, sets in (
        ("p_data", recipe.data.p_data, trainer.p_data.sets),
        ("p_0", recipe.data.p_0, trainer.p_0.sets),
    ):
        for source, images in zip(sources, sets, strict=True):
            lines.append(
                f"{role:7} {source.path}: {len(images)} images, weight {source.weight:g}, "
                f"{source.hold_out} more held out"
            )
    if recipe.clip:
        lines.append(f"gradients up to {recipe.clip:g} usual ones")
    for index, stage in enumerate(recipe.stages):
        network = recipe.network_at(index)
        floor = f"; one less below {stage.auc_floor:g}" if stage.auc_floor else ""
        lines.append(
            f"stage {index}: {stage.size} px, channels {' '.join(map(str, network.channels))} "
            f"({network.parameters / 1e6:.2f} M parameters), {stage.updates} updates of "
            f"{stage.batch_size}, learning rate {stage.learning_rate:g}, K {stage.k_start} to "
            f"{stage.k_max} (AUC above {stage.auc:g} or {stage.budget} updates each{floor}), "
            f"step size {recipe.step_size_at(index):.4g}, R1 {recipe.r1_at(index):.4g} "
            f"and R2 {recipe.r2_at(index):.4g} every {recipe.r1_every}, noise {stage.noise:g}, "
            f"whole translations {stage.translated:g}, spoilt targets {stage.spoilt:g}"
        )
    data, start = trainer.batch()
    lines.append(f"first batch: p_data {_shape(data)}, p_0 {_shape(start)}")
    minutes = [s / 60 for s in forecast(recipe, trainer.device, trainer.dtype)]
    each = " + ".join(f"{m:.0f}" for m in minutes)
    lines.append(f"about {sum(minutes) / 60:.1f} hours on this device ({each} minutes)")
    return "\n".join(lines)


def _shape(x: Tensor) -> str:
    return f"{tuple(x.shape)} {x.dtype}, {float(x.min()):.2f} to {float(x.max()):.2f}"
