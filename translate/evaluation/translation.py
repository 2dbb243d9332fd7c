"""Translation and generation: realism and structure over strength."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from translate.errors import SettingsError
from translate.evaluation.features import find_features, find_lpips
from translate.evaluation.figures import row_name, walk_figures
from translate.evaluation.job import SHEETS, Arrays, Job, Progress
from translate.evaluation.neighbours import SIZE as NEIGHBOUR_SIZE
from translate.evaluation.neighbours import nearest_training_images
from translate.evaluation.plots import walk_plot
from translate.evaluation.provenance import provenance
from translate.evaluation.sets import ImageSet, as_tensor
from translate.evaluation.tables import walk_table
from translate.evaluation.walks import Meter, measure_target, states_at, walk
from translate.grid import image_grid
from translate.imageset import Images
from translate.translator import Translator
from translate.view import NOTHING, Asked

COLUMNS = 8  # pictures per row of a contact sheet
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkRequest:
    """What to measure.

    Attributes:
        kind: `translation` from source photos, or `generation` from p_0 images.
        out: folder.
        source: where the descents start.
        target: real images of the domain, not trained on.
        training: images the model was trained on, to look for memorised ones.
        strengths: 0 to 1; the moves nearest to them are measured.
        features: see `translate.evaluation.features.find_features`.
        sheet: pictures on a contact sheet, of the first images.
        batch_size: images at a time.
        seed: of the draws that made the sets.
        overwrite: replace a measurement with other settings.
    """

    kind: str
    out: Path
    source: ImageSet
    target: ImageSet
    training: ImageSet | None = None
    strengths: Sequence[float] = STRENGTHS
    features: str = "auto"
    sheet: int = 24
    batch_size: int = 25
    seed: int = 0
    overwrite: bool = False


def evaluate_walk(translator: Translator, request: WalkRequest) -> Iterator[Progress]:
    """Measure descents from the source images against real target images.

    Yields:
        How far it is. When it ends, the results are in `request.out`.

    Raises:
        SettingsError: strengths or features are not to be had, or `out` holds a measurement with
            other settings.
    """
    states = states_at(translator.domain, request.strengths)
    features, no_features = find_features(request.features, translator)
    if features is not None and min(len(request.source), len(request.target)) < 2:
        raise SettingsError("a distance between sets needs two images of each; or --features none")
    lpips, no_lpips = find_lpips(translator.device)
    notes = [n for n in (no_features, no_lpips) if n] + list(features.notes if features else ())
    domain = translator.domain
    asked = Asked.by(domain) if request.kind == "translation" else NOTHING
    closeup = asked.closeup > 0
    asked = asked._replace(closeup=0.0, drawn=False, rimless=False)  # as inks and tones come after
    if asked.relit:
        notes.append("walks set out from skin in even light where a face is found, as in photos")
    if asked.eyes > 1:
        notes.append(f"walks set out from eyes {asked.eyes:g} times as tall, where there is a face")
    if asked.bare:
        notes.append("skin and grounds that are bare stay so where a face is found, as in photos")
    if asked.dark:
        notes.append("hair and mouths stay dark where a face is found, as in photos")
    if asked.sky:
        notes.append("skies change as one where they are found, as in photos")
    if closeup:
        notes.append("measured is the walk; in photos eyes are drawn close up after it")
    sets = {"source": request.source, "target": request.target}
    if request.training is not None:
        sets["training"] = request.training
    settings: dict[str, Any] = {
        "kind": request.kind,
        **provenance(translator, sets, request.batch_size, request.seed),
        "states": states,
        "features": None if features is None else [features.name, features.sha256],
        "lpips": lpips is not None,
        "asked": None if asked == NOTHING else _told(asked),
        "sheet": request.sheet,
    }
    job = Job(request.out, settings, overwrite=request.overwrite)
    if job.finished:
        return
    meter = Meter(features=features, lpips=lpips)
    values = measure_target(translator, request.target, meter, request.batch_size)
    for found in walk(
        translator,
        request.source,
        states,
        meter,
        job,
        batch_size=request.batch_size,
        kept=request.sheet,
        asked=asked,
        small=0 if request.training is None else NEIGHBOUR_SIZE,
    ):
        if isinstance(found, Progress):
            yield found
        else:
            values |= found
    pictures, small = values.pop("pictures"), values.pop("small", None)
    rows = _rows(translator, states, values)
    _write_sheets(job, request, rows, pictures)
    report: dict[str, Any] = {"rows": rows, "notes": notes}
    if features is not None:
        report["distances"] = {"frechet": features.frechet, "kernel": features.kernel}
    if request.training is not None and small is not None:
        found = nearest_training_images(small[0], request.target, request.training, request.sheet)
        report["neighbours"] = found.figures
        values |= found.values
        job.sheet("neighbours", image_grid(found.sheet, columns=3 * found.group))
    table = walk_table(job.settings, report)
    job.finish(report, table, walk_plot(job.settings, report), values)


def _told(asked: Asked) -> dict[str, Any]:
    return {k: v for k, v in asked._asdict().items() if k not in ("drawn", "rimless")}


def _rows(translator: Translator, states: Sequence[int], values: Arrays) -> list[dict[str, Any]]:
    steps, size = translator.domain.pgd.steps, translator.domain.network.size
    rows: list[dict[str, Any]] = []
    for index in range(len(states) + 1):
        row: dict[str, Any] = {"strength": "auto", "steps": None}
        if index < len(states):
            row = {"strength": round(states[index] / steps, 4), "steps": states[index]}
        row |= walk_figures(values, index)
        row["l2_share"] = row["l2"] / (3**0.5 * size)
        rows.append(row)
    return rows


def _write_sheets(
    job: Job, request: WalkRequest, rows: list[dict[str, Any]], pictures: Images
) -> None:
    """A picture per strength: rows of sources with their results below, or the results alone."""
    job.drop_old_sheets()
    cpu = torch.device("cpu")
    before = as_tensor(request.source.pixels[: request.sheet], cpu)
    for row, many in zip(rows, pictures, strict=True):
        x = as_tensor(many[: request.sheet], cpu)
        if request.kind == "translation":
            starts = range(0, len(x), COLUMNS)
            blank = torch.ones(-len(x) % COLUMNS, *x.shape[1:])
            above, below = torch.cat([before, blank]), torch.cat([x, blank])
            lines = [t[i : i + COLUMNS] for i in starts for t in (above, below)]
            x = torch.cat(lines)
        if len(x):
            job.sheet(f"{SHEETS}/strength-{row_name(row)}", image_grid(x, columns=COLUMNS))
