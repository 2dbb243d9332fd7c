"""Out-of-distribution detection by the energy, clean and in the worst case."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from translate.errors import SettingsError
from translate.evaluation.apgd import Attack, apgd
from translate.evaluation.figures import ood_figures
from translate.evaluation.job import Arrays, Job, Progress
from translate.evaluation.plots import ood_plot
from translate.evaluation.provenance import provenance
from translate.evaluation.sets import ImageSet, as_tensor, spans
from translate.evaluation.tables import ood_table
from translate.shaping import l2_norm
from translate.translator import Translator

Energies = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OodRequest:
    """What to measure.

    Attributes:
        out: folder.
        target: in-domain images, never attacked.
        others: sets of other images.
        attack: how hard the others are attacked; no restarts, no attack.
        seed: of the random starts.
        batch_size: images at a time.
        overwrite: replace a measurement with other settings.
    """

    out: Path
    target: ImageSet
    others: Sequence[ImageSet]
    attack: Attack
    seed: int = 0
    batch_size: int = 25
    overwrite: bool = False


def evaluate_ood(translator: Translator, request: OodRequest) -> Iterator[Progress]:
    """Measure how well low energy tells target images from others.

    Yields:
        How far it is. When it ends, the results are in `request.out`.

    Raises:
        SettingsError: two sets of one name, or `out` holds a measurement with other settings.
    """
    labels = [other.label for other in request.others]
    if len(set(labels)) < len(labels):
        raise SettingsError(f"sets are told apart by their names, but {labels} repeats one")
    size = translator.domain.network.size
    settings = {
        "kind": "ood",
        **provenance(translator, {"target": request.target}, request.batch_size, request.seed),
        "others": [other.describe() for other in request.others],
        "attack": {**asdict(request.attack), "radius": request.attack.radius(size, size)},
    }
    job = Job(request.out, settings, overwrite=request.overwrite)
    if job.finished:
        return
    values: Arrays = {"target": _clean(translator, request, request.target)}
    for other in request.others:
        values[f"{other.label}/clean"] = _clean(translator, request, other)
        if request.attack.restarts:
            worst = yield from _worst(translator, request, other, job)
            values[f"{other.label}/attacked"] = worst
    rows: list[dict[str, object]] = []
    for other in request.others:
        rows.append({"set": other.label, "images": len(other), **ood_figures(values, other.label)})
    report = {"rows": rows, "notes": []}
    table = ood_table(settings, rows)
    job.finish(report, table, ood_plot(translator.domain.name, values, rows), values)


def _clean(translator: Translator, request: OodRequest, images: ImageSet) -> Energies:
    with torch.inference_mode():
        found = [
            translator.energy(as_tensor(images.pixels[span], translator.device)).cpu()
            for span in spans(len(images), request.batch_size)
        ]
    return torch.cat(found).numpy()


def _worst(
    translator: Translator, request: OodRequest, images: ImageSet, job: Job
) -> Generator[Progress, None, Energies]:
    size = translator.domain.network.size
    attack, chunks = request.attack, spans(len(images), request.batch_size)
    radius = attack.radius(size, size)
    total = len(chunks) * attack.restarts * attack.iterations
    lowest: list[Energies] = []
    for number, span in enumerate(chunks):
        restarts: list[Energies] = []
        for restart in range(attack.restarts):
            done = (number * attack.restarts + restart) * attack.iterations
            name = f"{images.label}-{number}-{restart}"
            kept = job.part(name)
            if kept is None:
                source = as_tensor(images.pixels[span], translator.device)
                start = _start(source, span, restart, radius, request.seed)
                state = None
                for state in apgd(translator.energy, source, radius, attack.iterations, start):
                    yield Progress(
                        what=f"attack {images.label}", done=done + state.index, total=total
                    )
                assert state is not None
                kept = job.keep(name, {"energy": state.energy.cpu().numpy()})
            restarts.append(kept["energy"])
        lowest.append(np.stack(restarts).min(axis=0))
    yield Progress(what=f"attack {images.label}", done=total, total=total)
    return np.concatenate(lowest)


def _start(source: Tensor, span: slice, restart: int, radius: float, seed: int) -> Tensor | None:
    """A random point on the ball for every image, whatever batch it is in; none the first time."""
    if restart == 0:
        return None
    points: list[Tensor] = []
    for index in range(span.start, span.stop):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + restart) * 1_000_003 + index)
        points.append(torch.randn(source.shape[1:], generator=generator))
    noise = torch.stack(points).to(source)
    return source + radius * noise / l2_norm(noise).view(-1, 1, 1, 1)
