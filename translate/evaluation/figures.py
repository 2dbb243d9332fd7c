"""From stored values to figures: on all images, or on a bootstrap sample of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from translate.evaluation import metrics
from translate.evaluation.job import Arrays

Pick = Mapping[str, npt.NDArray[np.int64]]  # role of a set -> indices of the images taken

PER_IMAGE = ("ssim", "gradient_correlation", "l2", "lpips")
OOD = {"auroc": metrics.auroc, "aupr": metrics.aupr, "fpr95": metrics.fpr95}


def walk_figures(values: Arrays, state: int, pick: Pick | None = None) -> dict[str, float]:
    """Figures of one state of a walk.

    Args:
        values: `energy`, `ssim`, `l2`, … (T,N); `features` (T,N,D); `target_energy` (M,);
            `target_features` (M,D). Features and LPIPS may be missing.
        state: 0 to T−1.
        pick: indices for `source` and `target`; None takes all.

    Returns:
        `share`: of results at or below the median energy of the target images; `energy`: their
        median energy; means of the metrics to the source; `frechet` and `kernel` distance.
    """
    source = _taken(pick, "source", values["energy"].shape[1])
    target = _taken(pick, "target", len(values["target_energy"]))
    energy = values["energy"][state, source]
    figures = {
        "share": float((energy <= np.median(values["target_energy"][target])).mean()),
        "energy": float(np.median(energy)),
    }
    for name in PER_IMAGE:
        if name in values:
            figures[name] = float(values[name][state, source].mean(dtype=np.float64))
    if "features" in values:
        x = values["features"][state, source].astype(np.float64)
        y = values["target_features"][target].astype(np.float64)
        figures["frechet"] = metrics.frechet_distance(x, y)
        figures["kernel"] = metrics.kernel_distance(x, y, source, target)
    return figures


def ood_figures(values: Arrays, label: str, pick: Pick | None = None) -> dict[str, float]:
    """Detection figures of one set of other images.

    Args:
        values: energies `target`, `LABEL/clean` and perhaps `LABEL/attacked`.
        label: of the set.
        pick: indices for `target` and the label; None takes all.
    """
    inside = values["target"].astype(np.float64)
    inside = inside[_taken(pick, "target", len(inside))]
    figures: dict[str, float] = {}
    for kind in ("clean", "attacked"):
        if f"{label}/{kind}" not in values:
            continue
        outside = values[f"{label}/{kind}"].astype(np.float64)
        outside = outside[_taken(pick, label, len(outside))]
        figures |= {f"{name}_{kind}": f(inside, outside) for name, f in OOD.items()}
    return figures


def _taken(pick: Pick | None, role: str, count: int) -> npt.NDArray[np.int64]:
    return np.arange(count) if pick is None else pick[role]


def row_name(row: Mapping[str, Any]) -> str:
    """What a row of a report is about: a strength or a set."""
    if "set" in row:
        return str(row["set"])
    return row["strength"] if isinstance(row["strength"], str) else f"{row['strength']:.2f}"
