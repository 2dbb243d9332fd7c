"""Reports as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from translate.evaluation.figures import OOD, row_name

OOD_TITLES = {"auroc": "AUROC", "aupr": "AUPR", "fpr95": "FPR95"}
WALK_TITLES = {
    "share": "at or below the target median",
    "energy": "median energy",
    "ssim": "SSIM",
    "gradient_correlation": "gradient correlation",
    "lpips": "LPIPS",
    "l2_share": "L2 / √(3HW)",
}


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of a Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def number(name: str, value: object) -> str:
    """A figure with the digits that are worth printing."""
    if not isinstance(value, (int, float)):
        return "–"
    if name == "share" or name.startswith("fpr95"):
        return f"{100 * value:.1f} %"
    return f"{value:.4f}" if name == "kernel" else f"{value:.3f}"


def walk_table(settings: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Translation or generation: a row per strength, then what must be known about it."""
    titles = dict(WALK_TITLES)
    if "distances" in report:
        titles = dict(report["distances"]) | titles
    names = [name for name in titles if name in report["rows"][0]]
    head = ["strength", "moves", *(titles[name] for name in names)]
    rows = [
        [
            row_name(row),
            "–" if row["steps"] is None else str(row["steps"]),
            *(number(name, row[name]) for name in names),
        ]
        for row in report["rows"]
    ]
    text = markdown_table(head, rows) + "\n" + _about(settings)
    text += (
        "- `auto` stops an image as soon as its energy is at the card's target "
        f"({settings['domain']['target']:.3f}), so rounding alone can put it on either side of the "
        "target median.\n"
    )
    if "neighbours" in report:
        found = report["neighbours"]
        text += (
            f"- Nearest training image (or its mirror image) at {found['size']} px, root mean "
            f"square difference: median {found['median_rms_generated']:.3f} for generated, "
            f"{found['median_rms_held_out']:.3f} for real unseen images; "
            f"{100 * found['share_close']:.1f} % of the generated are nearer than all but 1 % of "
            f"the real unseen ones ({found['close_limit']:.3f}).\n"
        )
    return text + "".join(f"- {note}\n" for note in report["notes"])


def ood_table(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Out-of-distribution detection: a row per set, then what must be known about it."""
    names = [
        f"{n}_{kind}" for kind in ("clean", "attacked") for n in OOD if f"{n}_{kind}" in rows[0]
    ]
    head = ["other images", "images"]
    for name in names:
        metric, kind = name.split("_")
        head.append(f"{OOD_TITLES[metric]} {kind}")
    body = [
        [row_name(row), str(row["images"]), *(number(name, row[name]) for name in names)]
        for row in rows
    ]
    attack = settings["attack"]
    text = markdown_table(head, body) + "\n" + _about(settings)
    if attack["restarts"]:
        text += (
            f"- Attack: APGD, {attack['iterations']} iterations × {attack['restarts']} restarts in "
            f"an L2 ball of {attack['radius']:g} ({attack['eps']:g} at 256 px), on the other "
            "images only.\n"
        )
    text += f"- Other images: {'; '.join(map(_described, settings['others']))}.\n"
    known = [str(row["set"]) for row in rows if row["set"] in settings["domain"]["p_0"]]
    return text + (
        f"- Going by their names, p_0 of the training: {', '.join(known) or 'none of them'}; "
        "the rest is of kinds that the network never saw.\n"
    )


def _about(settings: Mapping[str, Any]) -> str:
    domain = settings["domain"]
    sets = [f"{role} {_described(images)}" for role, images in settings["sets"].items()]
    return (
        f"- Domain {domain['name']} ({domain['sha256'][:12]}…), {domain['size']} px; "
        f"{'; '.join(sets)}.\n"
        f"- {settings['device']}, {settings['dtype']}, seed {settings['seed']}. "
        f"Pictures: {settings['resize']}; {settings['quantisation']}.\n"
    )


def _described(images: Mapping[str, Any]) -> str:
    part = f"[{images['part']}]" if images["part"] else ""
    framing = ", squares around faces" if images["framing"] == "face" else ""
    return f"{images['label']}{part} ({images['images']} images{framing})"
