"""The model card: what a domain's `config.json` says, for people."""

from __future__ import annotations

from typing import Any

from translate.card_parts import Images
from translate.domain import Domain


def model_card(domain: Domain) -> str:
    """README.md of a domain folder, from nothing but its card."""
    m, t, size = domain.metrics, domain.training, domain.network.size
    return f"""---
license: other
tags: [image-to-image, energy-based-model]
---
# {domain.title}

{domain.summary} An energy model of {domain.network.extent} at \
{size}×{size} pixels{_bend(domain.network.swish)}, trained by binary adversarial training \
(Yin, Li, Rohde, ECCV 2022).

## Data and terms

{_sources("Target images (p_data)", domain.p_data)}
{_sources("Start images of the attack (p_0)", domain.p_0)}

Terms of the weights: {domain.licence or "see the data's terms above."}

## Training

{t["updates"]} updates, {t["images"]:,} target images seen, {t["hours"]} hours on \
{t["hardware"] or "an accelerator"}; PGD of up to {t["k"]} steps at the end\
{_start(t["recipe"].get("start", ""))}. Step sizes and R1 weights are for \
{t["recipe"]["reference_size"]} px and scale with the size.

{_stages(t)}

## Measured

On {m["held_out_sources"]} photos and {m["held_out_data"]} target images kept out of training, at \
strength 1.0 ({domain.pgd.in_words}, L2 in [0,1] pixels):

| figure | value |
|---|---|
| translations at or below the median energy of real target images | \
{100 * m["share_at_or_below_data_median"]:.0f} % |
| mean energy of photos | {m["energy_source_mean"]:.2f} |
| mean energy of translations | {m["energy_translated_mean"]:.2f} |
| mean energy of real target images | {m["energy_data_mean"]:.2f} |
| mean L2 distance travelled | {m["l2_distance_mean"]:.1f} |
| SSIM of translation and photo | {m["ssim_to_source"]:.2f} |

Measured by `translate export`, which wrote this page.
{_closeup(domain)}{_remarks(domain)}"""


def _stages(training: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {s['size']} | {s['updates']} | {s['batch_size']} | {s['learning_rate']:g} | "
        f"{s['k_start']}–{s['k_max']} | {s['step_size']:g} | {s['r1']:g} | {s.get('r2', 0):g} | "
        f"{s.get('translated', 0):.0%} | {s.get('spoilt', 0):.0%} | {s.get('noise', 0):g} |"
        for s in training["recipe"]["stages"]
    )
    return f"""\
| px | updates | batch | learning rate | K | step size | R1 | R2 | translated | spoilt | noise |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}"""


def _closeup(domain: Domain) -> str:
    closeup, network = domain.closeup, domain.network.closeup
    if closeup is None or network is None:
        return ""
    m, t = closeup.metrics, closeup.training
    squares = f"the squares around both eyes, {closeup.side:g} of the face wide, walk"
    if closeup.drawn:
        x, y, side = closeup.drawn
        what = "what is drawn there as it is"
        if closeup.graft:
            what = f"with the irises of squares of {closeup.side:g} of the face put into them"
        squares = (
            f"two squares, {side:.2f} of the window wide, {what}, walk "
            f"where the drawing is most like an eye to their network, near {x:.2f}, {y:.2f} and, "
            f"mirrored, {1 - x:.2f}, {y:.2f},"
        )
    return f"""
## Close-ups of eyes

After that walk {squares} \
{closeup.pgd.in_words} on a network of {network.extent} at {network.size}×{network.size} \
pixels (`translate/closeups.py`). {t["updates"]} updates, {t["images"]:,} target images seen, \
{t["hours"]} hours on {t["hardware"] or "an accelerator"}.

{_sources("Its target images", closeup.p_data)}
{_sources("Start images of its attack", closeup.p_0)}
{_stages(t)}

Of {m["held_out_sources"]} eyes of photos kept out of training {m["energy_source_mean"]:.2f} is \
the mean energy, {m["energy_translated_mean"]:.2f} after its walk, {m["energy_data_mean"]:.2f} of \
{m["held_out_data"]} eyes of target images; \
{100 * m["share_at_or_below_data_median"]:.0f} % end at or below the median of those.
"""


def _bend(swish: float) -> str:
    return f", smooth (Swish with β = {swish:g})" if swish else ""


def _start(domain: str) -> str:
    return f"; begun with the weights of {domain!r}" if domain else ""


def _sources(title: str, images: tuple[Images, ...]) -> str:
    lines = "".join(f"\n- {i.name}: {i.terms or 'terms not stated'}" for i in images)
    return f"{title}:\n{lines}\n"


def _remarks(domain: Domain) -> str:
    remarks = domain.training["recipe"].get("remarks", "")
    return f"\n## What it looks like\n\n{remarks}\n" if remarks else ""
