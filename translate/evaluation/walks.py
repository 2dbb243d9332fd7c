"""One descent per image, measured at several strengths on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.domain import Domain
from translate.errors import SettingsError
from translate.evaluation.features import Features
from translate.evaluation.job import Arrays, Job, Progress
from translate.evaluation.metrics import gradient_correlation, structural_similarity
from translate.evaluation.sets import ImageSet, as_tensor, spans
from translate.image_io import to_array
from translate.imageset import Images, fit
from translate.options import Options
from translate.shaping import l2_norm
from translate.translator import Translator
from translate.view import NOTHING, Asked, looked_for

WALK = Options(strength=1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Meter:
    """What is measured on each state besides energy, SSIM, L2 and gradient correlation.

    Attributes:
        features: for distances between sets, or None.
        lpips: (N,3,H,W) in [0,1] twice -> (N,), or None.
    """

    features: Features | None
    lpips: Callable[[Tensor, Tensor], Tensor] | None


def states_at(domain: Domain, strengths: Sequence[float]) -> list[int]:
    """Moves after which a strength is reached: the nearest whole number, without repetition.

    Raises:
        SettingsError: no strength, or one outside 0 to 1.
    """
    if not strengths or not all(0 <= s <= 1 for s in strengths):
        raise SettingsError(f"strengths are {list(strengths)}; use numbers from 0 to 1")
    return sorted({round(s * domain.pgd.steps) for s in strengths})


def measure_target(translator: Translator, images: ImageSet, meter: Meter, batch: int) -> Arrays:
    """Energy and features of real target images: `target_energy`, `target_features`."""
    energies: list[Tensor] = []
    features: list[Tensor] = []
    with torch.inference_mode():
        for span in spans(len(images), batch):
            x = as_tensor(images.pixels[span], translator.device)
            energies.append(translator.energy(x).cpu())
            if meter.features is not None:
                features.append(meter.features.extract(x).cpu())
    values: Arrays = {"target_energy": torch.cat(energies).numpy()}
    if features:
        values["target_features"] = torch.cat(features).numpy()
    return values


def walk(
    translator: Translator,
    source: ImageSet,
    states: Sequence[int],
    meter: Meter,
    job: Job,
    *,
    batch_size: int,
    kept: int,
    asked: Asked = NOTHING,
    small: int = 0,
) -> Iterator[Progress | Arrays]:
    """Descend every image once; finished batches are kept in the job.

    The last state is `auto`: each image where its energy first reached the card's target, as
    strength `auto` does it.

    Args:
        translator: of the domain.
        source: where to start.
        states: moves after which to measure.
        meter: what to measure.
        job: keeps finished batches.
        batch_size: images at a time.
        kept: of so many first images the pictures are kept.
        asked: of each image and of the face in it, as of photos.
        small: pixels at which all pictures of the highest strength are kept; 0 keeps none.

    Yields:
        How far it is, and at last the values: `energy`, `ssim`, … (T,N) float32, `features`
        (T,N,D) float32, `pictures` (T,kept,H,W,3) uint8, `small` (1,N,small,small,3) uint8.
    """
    chunks, parts = spans(len(source), batch_size), list[Arrays]()
    moves = translator.domain.pgd.steps
    for number, span in enumerate(chunks):
        part = job.part(f"walk-{number}")
        if part is None:
            pixels = source.pixels[span]
            pictures: dict[int | str, Images] = {}
            for index, found in _pictures(translator, pixels, states, asked):
                pictures |= found
                yield Progress(what="walk", done=number * moves + index, total=len(chunks) * moves)
            part = _measured(translator, pixels, list(pictures.values()), meter)
            part["pictures"] = np.stack(list(pictures.values()))[:, : max(0, kept - span.start)]
            if small:
                part["small"] = _shrunk(pictures[states[-1]], small)[None]
            job.keep(f"walk-{number}", part)
        parts.append(part)
        yield Progress(what="walk", done=(number + 1) * moves, total=len(chunks) * moves)
    yield {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}


def _pictures(
    translator: Translator, pixels: Images, states: Sequence[int], asked: Asked
) -> Iterator[tuple[int, dict[int | str, Images]]]:
    """8-bit pictures (N,H,W,3) at the wanted states, and at the end where `auto` stops."""
    stop = translator.domain.calibration.target
    seen = looked_for(pixels, asked).to(translator.device)
    auto = seen.x
    active = torch.ones(len(auto), dtype=torch.bool, device=auto.device)
    for step, last in translator.descend(seen, WALK):
        auto = torch.where(active.view(-1, 1, 1, 1), step.x, auto)
        active = active & (step.energy > stop)
        found: dict[int | str, Images] = {}
        if step.index in states:
            found[step.index] = to_array(step.x)
        if last:
            found["auto"] = to_array(auto)
        yield step.index, found


def _shrunk(pictures: Images, size: int) -> Images:
    return np.stack([fit(Image.fromarray(picture), size) for picture in pictures])


def _measured(
    translator: Translator, pixels: Images, pictures: list[Images], meter: Meter
) -> Arrays:
    source = as_tensor(pixels, translator.device)
    values: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for picture in pictures:
            x = as_tensor(picture, translator.device)
            found = {
                "energy": translator.energy(x),
                "ssim": structural_similarity(x, source),
                "gradient_correlation": gradient_correlation(x, source),
                "l2": l2_norm(x - source),
            }
            if meter.lpips is not None:
                found["lpips"] = meter.lpips(x, source)
            if meter.features is not None:
                found["features"] = meter.features.extract(x)
            for name, value in found.items():
                values.setdefault(name, []).append(value.float().cpu())
    return {name: torch.stack(many).numpy() for name, many in values.items()}
