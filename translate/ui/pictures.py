"""Pictures on their way out: PNG files with their settings inside, and data URIs for previews."""

from __future__ import annotations

import base64
import io
import json
import secrets
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from translate.domain import WEIGHTS_FILE
from translate.files import atomic_path
from translate.ui.limits import STREAM_SIDE
from translate.ui.walks import SQUARE, Walk


def temp_folder() -> Path:
    """The app's own temporary folder, the only one that files are served from."""
    from gradio.utils import get_upload_folder

    return Path(get_upload_folder())


def fresh_file(name: str) -> Path:
    """A path in a new folder of its own, with a name nobody can guess, below `temp_folder`."""
    folder = temp_folder() / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / name


def settings(walk: Walk, index: int) -> dict[str, Any]:
    """What made a state, as plain data."""
    options = walk.options
    size = walk.domain.network.size
    pgd = options.pgd(walk.domain, size, size)  # in the units of `Options`
    return {
        "domain": walk.domain.name,
        "weights": walk.domain.sha256[WEIGHTS_FILE][:16],
        "strength": options.how_far(walk.domain),
        "shown_strength": round(walk.strength(index), 4),
        "step": index,
        "steps": walk.total,
        "step_size": pgd.step_size,
        "decay": pgd.decay,
        "eps": options.eps,
        "seed": options.seed,
        "tone_lock": pgd.tone_lock,
        "colour_lock": pgd.colour_lock,
        "headroom": pgd.headroom,
        "footroom": pgd.footroom,
        "total_variation": pgd.total_variation,
        "framing": options.framing,
        "crop_only": walk.view == SQUARE,
        "faces": options.faces,
        "keep_glasses": options.keeps_glasses(walk.domain),
        "eyes": options.eye_size(walk.domain),
        "skin_lock": options.skin(walk.domain),
        "second": walk.second,
        "share": walk.share if walk.second else None,
        "masked": walk.mask is not None,
        "energy_before": round(walk.energies[0], 4),
        "energy": round(walk.energies[index], 4),
        "target": walk.domain.calibration.target,
    }


def save_png(walk: Walk, index: int) -> Path:
    """A state in full size as a PNG file; `Software` and `translate` say how it was made."""
    info = PngInfo()
    info.add_text("Software", "translate-ebm")
    info.add_text("translate", json.dumps(settings(walk, index)))
    picture = walk.picture(index)
    path = fresh_file(f"{walk.name}-{walk.domain.name}.png")
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=info)
    return path


def data_uri(picture: Image.Image, side: int = STREAM_SIDE) -> str:
    """A small JPEG (PNG where it is transparent) inside an address: no file is made."""
    picture = picture.copy()
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    kind = "png" if picture.mode == "RGBA" else "jpeg"
    picture.save(buffer, format=kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
