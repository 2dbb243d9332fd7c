"""What every report says about how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from translate.domain import WEIGHTS_FILE
from translate.evaluation.sets import ImageSet
from translate.imageset import RESIZE
from translate.translator import Translator

QUANTISATION = (
    "results are rounded to 8 bits per channel, as a written PNG is, before anything is measured; "
    "attacked images are not"
)


def provenance(
    translator: Translator, sets: Mapping[str, ImageSet], batch_size: int, seed: int
) -> dict[str, Any]:
    """Model, sets, preprocessing and machine, as JSON data.

    Args:
        translator: of the domain.
        sets: by their role.
        batch_size: decides the last bits of the numbers.
        seed: of all draws.
    """
    domain = translator.domain
    return {
        "domain": {
            "name": domain.name,
            "sha256": domain.sha256[WEIGHTS_FILE],
            "size": domain.network.size,
            "pgd": domain.pgd.model_dump(mode="json"),
            "closeup": domain.closeup and domain.closeup.moves,
            "target": domain.calibration.target,
            "p_data": sorted({images.name for images in domain.p_data}),
            "p_0": sorted({images.name for images in domain.p_0}),
        },
        "sets": {role: images.describe() for role, images in sets.items()},
        "resize": RESIZE,
        "quantisation": QUANTISATION,
        "device": translator.device.type,
        "dtype": str(translator.dtype).removeprefix("torch."),
        "batch_size": batch_size,
        "seed": seed,
    }
