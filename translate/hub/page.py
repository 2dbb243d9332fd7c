"""The page of a published domain (`README.md`), from nothing but its card."""

from __future__ import annotations

from typing import Any, cast

from translate.card_parts import Calibration, Images
from translate.domain import Domain
from translate.hub.remote import TAG

STRIP_FILE = "sample.jpg"


def domain_page(domain: Domain, repo: str, strip: str = "") -> str:
    """Markdown with the front matter that the Hub reads.

    Args:
        domain: card.
        repo: `org/repo` that it is published under.
        strip: one line about the picture `sample.jpg` beside the page; empty without one.
    """
    picture = f"\n![{strip}]({STRIP_FILE})\n\n*{strip}*\n" if strip else ""
    network = domain.network
    return f"""---
license: other
license_name: see-below
pipeline_tag: image-to-image
tags: [{TAG}, energy-based-model]
---
# {_line(domain.title)}

{_line(domain.summary)} An energy model of {network.extent} at \
{network.size}×{network.size} pixels.
{picture}
```sh
translate image me.jpg out.png --domain {repo}
```

## Licence

{_line(domain.licence) or "Not stated; see the terms of the data."}

## Data

{_sources("Target images (p_data)", domain.p_data)}
{_sources("Start images of the attack (p_0)", domain.p_0)}{_closeup(domain)}
## Calibration

Strength 1.0 is {domain.pgd.in_words} (L2, pixels in [0,1]). \
Energies of held-out images:

{_energies(domain.calibration)}
## Metrics

{_metrics(domain.metrics)}{_remarks(domain.training)}"""


def _line(text: str) -> str:
    return " ".join(text.split())


def _sources(title: str, images: tuple[Images, ...]) -> str:
    lines = [f"- {_line(i.name)}: {_line(i.terms) or 'terms not stated'}" for i in images]
    return "\n".join([f"{title}:", "", *(lines or ["- not stated"]), ""])


def _closeup(domain: Domain) -> str:
    closeup, network = domain.closeup, domain.network.closeup
    if closeup is None or network is None:
        return ""
    return f"""
Eyes are drawn close up by a network of their own, of {network.extent} at \
{network.size}×{network.size} pixels.

{_sources("Its target images", closeup.p_data)}
{_sources("Start images of its attack", closeup.p_0)}"""


def _energies(calibration: Calibration) -> str:
    rows = ["| quantile | target images | photos |", "|---|---|---|"]
    for index in (0, 5, 10, 15, 20):
        data, source = calibration.data[index], calibration.source[index]
        rows.append(f"| {5 * index} % | {data:.2f} | {source:.2f} |")
    return "\n".join([*rows, ""])


def _metrics(metrics: dict[str, Any]) -> str:
    figures = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
    if not figures:
        return "None stated.\n"
    rows = [f"| {_line(name)} | {_figure(value)} |" for name, value in figures.items()]
    return "\n".join(["| figure | value |", "|---|---|", *rows, ""])


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"  # an int may exceed all floats


def _remarks(training: dict[str, Any]) -> str:
    recipe = training.get("recipe")
    remarks = cast("dict[str, Any]", recipe).get("remarks") if isinstance(recipe, dict) else None
    return f"\n## What it looks like\n\n{remarks.strip()}\n" if isinstance(remarks, str) else ""
