"""The model card of a converted domain: what its `config.json` says, for people."""

from __future__ import annotations

from translate.card_parts import Images
from translate.domain import Domain

NETWORKS = {
    "stargan-v2": "the StarGAN v2 discriminator (Choi et al., CVPR 2020)",
    "resnet50": "a ResNet-50 for small pictures (He et al., CVPR 2016)",
}


def model_card(domain: Domain) -> str:
    """README.md of a domain folder, from nothing but its card."""
    network, origin, m = domain.network, domain.training["converted_from"], domain.metrics
    energies = "Stated by whoever converted the checkpoint, not measured by this program"
    if m:
        energies = (
            f"Measured by `translate convert` on {m['held_out_data']} pictures of the domain and "
            f"{m['held_out_sources']} photos"
        )
    return f"""---
license: other
tags: [image-to-image, energy-based-model]
---
# {domain.title}

{domain.summary} An energy model of {network.parameters / 1e6:.2f} million parameters at \
{network.size}×{network.size} pixels: {NETWORKS[network.arch]}, trained by binary adversarial \
training (Yin, Li, Rohde, ECCV 2022).

Converted from `{origin["file"]}` (sha256 `{origin["sha256"]}`), of whose {origin["outputs"]} \
outputs only the first, the logit, is kept.

## Data and terms

{_sources("Target images (p_data)", domain.p_data)}
{_sources("Start images of the attack (p_0)", domain.p_0)}

Terms of the weights: {domain.licence}

## Energies

{energies}. Strength 1.0 is {domain.pgd.in_words} (L2 in [0,1] \
pixels).

| median energy | value |
|---|---|
| photos | {domain.calibration.source[10]:.2f} |
| pictures of the domain | {domain.calibration.target:.2f} |
"""


def _sources(title: str, images: tuple[Images, ...]) -> str:
    lines = "".join(f"\n- {i.name}: {i.terms or 'terms not stated'}" for i in images)
    return f"{title}:\n{lines or chr(10) + '- not stated'}\n"
