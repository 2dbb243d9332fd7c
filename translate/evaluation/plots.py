"""Reports as PNG plots of numbers."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from translate.errors import SettingsError
from translate.evaluation.job import Arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"  # also for the colour-blind
BINS = 40


def check_plots() -> None:
    """Raise `SettingsError` before any work is done if a package of the extra is missing."""
    for name in ("matplotlib", "torchmetrics"):
        if importlib.util.find_spec(name) is None:
            raise SettingsError(f"evaluation needs {name}; install this package's extra [evaluate]")


def walk_plot(settings: Mapping[str, Any], report: Mapping[str, Any]) -> bytes:
    """Realism and structure over strength; `auto` as a level."""
    rows = [row for row in report["rows"] if row["strength"] != "auto"]
    auto = next(row for row in report["rows"] if row["strength"] == "auto")
    strengths = [row["strength"] for row in rows]
    figure = _figure(11, 3.6)
    realism, structure, both = figure.subplots(1, 3)

    def curve(axes: Axes, name: str, label: str, colour: str) -> None:
        axes.plot(strengths, [row[name] for row in rows], "o-", color=colour, label=label)
        axes.axhline(auto[name], color=colour, linestyle=":", linewidth=1)

    curve(realism, "share", "at or below the target median", BLUE)
    _axes(realism, "strength", "share of results", "Realism (dotted: auto)")
    realism.set_ylim(-0.03, 1.03)
    curve(structure, "ssim", "SSIM", GREEN)
    curve(structure, "gradient_correlation", "gradient correlation", BLUE)
    if "lpips" in auto:
        curve(structure, "lpips", "LPIPS", ORANGE)
    structure.legend(frameon=False)
    _axes(structure, "strength", "to the source", "Structure kept (dotted: auto)")
    name, label = "share", "share at or below the target median"
    if "distances" in report:
        name, label = "frechet", report["distances"]["frechet"]
        beside = realism.twinx()
        beside.plot(strengths, [row[name] for row in rows], "s--", color=ORANGE)
        beside.set_ylabel(label, color=ORANGE)
        beside.set_ylim(bottom=0)
        realism.set_ylabel("share at or below the target median", color=BLUE)
    both.plot([row["ssim"] for row in rows], [row[name] for row in rows], "o-", color=GREY)
    for row in rows:
        both.annotate(
            f"{row['strength']:.2f}",
            (row["ssim"], row[name]),
            textcoords="offset points",
            xytext=(5, 4),
            fontsize=8,
        )
    both.plot(auto["ssim"], auto[name], "*", color=ORANGE, markersize=12, label="auto")
    both.legend(frameon=False)
    both.invert_xaxis()
    _axes(both, "SSIM to the source", label, "Realism against structure")
    domain, source = settings["domain"]["name"], settings["sets"]["source"]
    figure.suptitle(f"{settings['kind']}: {domain} from {source['label']} ({source['images']})")
    return _png(figure)


def ood_plot(domain: str, values: Arrays, labels: Sequence[str]) -> bytes:
    """Energies of target images and of each other set, clean and attacked."""
    figure = _figure(3.7 * max(len(labels), 1), 3.4)
    low = min(float(v.min()) for v in values.values())
    high = max(float(v.max()) for v in values.values())
    bins = [float(b) for b in np.linspace(low, high + 1e-6, BINS)]
    for axes, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        axes.hist(values["target"], bins, color=BLUE, alpha=0.35, label="target")
        axes.hist(values[f"{label}/clean"], bins, color=GREEN, histtype="step", label="clean")
        if f"{label}/attacked" in values:
            attacked = values[f"{label}/attacked"]
            axes.hist(attacked, bins, color=ORANGE, histtype="step", label="attacked")
        axes.legend(frameon=False, fontsize=8)
        _axes(axes, "energy", "images", label)
    figure.suptitle(f"out-of-distribution: energies of {domain}")
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as New

    return New(figsize=(width, height), dpi=DPI, layout="constrained")


def _axes(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize=10)
    axes.spines[["top"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
