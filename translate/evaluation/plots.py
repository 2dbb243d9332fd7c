"""Reports as PNG plots of numbers."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from translate.errors import SettingsError
from translate.evaluation.job import Arrays
from translate.evaluation.metrics import TPR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"  # also for the colour-blind
BINS = 30
UNIT = (-0.03, 1.03)  # range of an axis from 0 to 1


def check_plots() -> None:
    """Raise `SettingsError` before any work is done if a package of the extra is missing."""
    for name in ("matplotlib", "torchmetrics"):
        if importlib.util.find_spec(name) is None:
            raise SettingsError(f"evaluation needs {name}; install this package's extra [evaluate]")


def walk_plot(settings: Mapping[str, Any], report: Mapping[str, Any]) -> bytes:
    """Realism and structure over strength, then against each other; `auto` as a level."""
    from matplotlib.patheffects import withStroke

    rows = [row for row in report["rows"] if row["strength"] != "auto"]
    auto = next(row for row in report["rows"] if row["strength"] == "auto")
    strengths = [row["strength"] for row in rows]
    figure = _figure(12, 3.8)
    realism, structure, both = figure.subplots(1, 3)

    def curve(axes: Axes, name: str, label: str, colour: str, line: str = "o-") -> None:
        axes.plot(strengths, [row[name] for row in rows], line, color=colour, label=label)
        axes.axhline(auto[name], color=colour, linestyle=":", linewidth=1)

    curve(realism, "share", "at or below the target median", BLUE)
    _axes(realism, "strength", "share at or below the target median", "Realism (dotted: auto)")
    realism.set_ylim(*UNIT)
    curve(structure, "ssim", "SSIM", GREEN)
    curve(structure, "gradient_correlation", "gradient correlation", BLUE)
    if "lpips" in auto:
        curve(structure, "lpips", "LPIPS (0: the same)", ORANGE)
    structure.legend(frameon=False)
    _axes(structure, "strength", "likeness to the source", "Structure kept (dotted: auto)")
    structure.set_ylim(min(UNIT[0], structure.get_ylim()[0]), UNIT[1])
    name, label = "share", "share at or below the target median"
    if "distances" in report:
        name, label = "frechet", report["distances"]["frechet"]
        beside = realism.twinx()
        curve(beside, name, label, ORANGE, "s--")
        beside.set_ylabel(label, color=ORANGE)
        beside.spines[["top"]].set_visible(False)
        top = max(row[name] for row in report["rows"])
        beside.set_ylim(*(top * end for end in UNIT))  # so that both zeros are on one level
        realism.yaxis.label.set_color(BLUE)
    both.plot([row["ssim"] for row in rows], [row[name] for row in rows], "o-", color=GREY)
    both.plot(auto["ssim"], auto[name], "*", color=ORANGE, markersize=11, label="auto")
    for row in rows:
        both.annotate(
            f"{row['strength']:.2f}",
            (row["ssim"], row[name]),
            textcoords="offset points",
            xytext=(0, 7),
            ha="center",
            fontsize=8,
        ).set_path_effects([withStroke(linewidth=3, foreground="white")])
    both.legend(frameon=False)
    both.margins(0.12)
    both.invert_xaxis()
    _axes(both, "SSIM to the source (right: further away)", label, "Both, at each strength")
    domain, source = settings["domain"]["name"], settings["sets"]["source"]
    figure.suptitle(
        f"{domain}: {settings['kind']} from {source['images']} images of {source['label']}"
    )
    return _png(figure)


def ood_plot(domain: str, values: Arrays, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Energies of target images and of each other set, clean and attacked."""
    from matplotlib.colors import to_rgba

    figure = _figure(3.7 * max(len(rows), 1), 3.8)
    low = min(float(v.min()) for v in values.values())
    high = max(float(v.max()) for v in values.values())
    bins = [float(b) for b in np.linspace(low, high + 1e-6, BINS)]
    limit = np.quantile(values["target"], TPR, method="inverted_cdf")
    panels = figure.subplots(1, len(rows), squeeze=False, sharey=True)[0]
    for axes, row in zip(panels, rows, strict=True):
        found, title = [("target", BLUE, "target images")], f"{row['set']}\nAUROC "
        found.append((f"{row['set']}/clean", GREEN, "other images"))
        title += f"{row['auroc_clean']:.3f}"
        if "auroc_attacked" in row:
            found.append((f"{row['set']}/attacked", ORANGE, "other images, attacked"))
            title += f", attacked {row['auroc_attacked']:.3f}"
        for name, colour, label in found:
            weights = np.full(len(values[name]), 1 / len(values[name]))
            kind = "stepfilled" if name == "target" else "step"
            shade = to_rgba(colour, 0.35 if name == "target" else 1.0)
            axes.hist(
                *(values[name], bins),
                weights=weights,
                histtype=kind,
                color=shade,
                linewidth=1.4,
                label=label,
            )
        axes.axvline(limit, color=GREY, linestyle=":", label="95 % of the target images")
        _axes(axes, "energy", "share of images" if axes is panels[0] else "", title)
    handles, labels = panels[-1].get_legend_handles_labels()
    columns = min(len(labels), len(rows))
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=columns)
    figure.suptitle(f"{domain}: is an image of the domain? Energies, low for yes")
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
