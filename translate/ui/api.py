"""The endpoints `/translate`, `/score` and `/domains`, and the hidden inputs they are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import gradio as gr
import numpy as np

from translate.console import parse_strength
from translate.errors import SettingsError
from translate.framing import Faces, Framing
from translate.masking import Mask
from translate.options import Options
from translate.ui.parts import PhotoInput, open_photo, speaking
from translate.ui.pictures import save_png, settings
from translate.ui.studio import Studio, Wish
from translate.ui.translating import GLASSES
from translate.ui.words import story

FRAMINGS = ["auto", "face", "scene", "crop"]
BRIGHT = 127  # a mask's pixels above this may change


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the endpoints do; parameter names are those that clients use."""

    studio: Studio

    @speaking
    def translate(
        self,
        photo: str | None,
        domain: str = "",
        strength: str = "",
        steps: float | None = None,
        step_size: float | None = None,
        eps: float | None = None,
        seed: float | None = None,
        framing: str = "auto",
        second: str = "",
        share: float = 0.5,
        mask: str | None = None,
        faces: str = "largest",
        tone_lock: float | None = None,
        colour_lock: float | None = None,
        headroom: float | None = None,
        total_variation: float | None = None,
        footroom: float | None = None,
        glasses: str = "auto",
        skin_lock: float | None = None,
        eyes: float | None = None,
        crop_only: bool = False,
    ) -> tuple[str, dict[str, Any]]:
        """Translate one photo: a PNG of its own size, or of the window, and what happened."""
        if photo is None:
            raise gr.Error("Give a photo.", print_exception=False)
        options = Options(
            strength=parse_strength(str(strength)),
            steps=None if steps is None else int(steps),
            step_size=step_size,
            eps=eps,
            seed=None if seed is None else int(seed),
            framing=cast("Framing", framing),
            crop_only=crop_only,
            faces=cast("Faces", faces),
            keep_glasses=_glasses(glasses),
            eyes=eyes,
            skin_lock=skin_lock,
            tone_lock=tone_lock,
            colour_lock=colour_lock,
            headroom=headroom,
            footroom=footroom,
            total_variation=total_variation,
        )
        wish = Wish(
            photo=photo,
            domain=domain or self.studio.catalog.default,
            options=options,
            second=second or None,
            share=share if second else 0.0,
            mask=_mask(mask),
        )
        *_, walk = self.studio.walk(wish)
        index = walk.last
        return str(save_png(walk, index)), {**settings(walk, index), "words": story(walk, index)}

    @speaking
    def score(
        self, photo: str | None, domain: str = "", framing: str = "auto"
    ) -> dict[str, float | str]:
        """How in-domain a photo is: energy, probability, percentile among target images."""
        if photo is None:
            raise gr.Error("Give a photo.", print_exception=False)
        translator = self.studio.catalog.translator(domain or self.studio.catalog.default)
        options = Options(framing=cast("Framing", framing))
        score = asdict(translator.score(open_photo(photo), options))
        return {"domain": translator.domain.name, **score}

    def domains(self) -> list[dict[str, Any]]:
        """The domains on offer."""
        return [
            {
                "name": card.name,
                "title": card.title,
                "summary": card.summary,
                "size": card.network.size,
                "framing": card.framing,
                "steps": card.pgd.steps,
                "auto": card.auto,
                "energy_photos": card.calibration.source[10],
                "energy_target": card.calibration.target,
                "licence": card.licence,
            }
            for card in (entry.card for entry in self.studio.catalog)
        ]


def _glasses(wish: str) -> bool | None:
    if wish not in GLASSES:
        raise SettingsError(f"glasses is {wish!r}; use {', '.join(GLASSES)}")
    return GLASSES[wish]


def _mask(path: str | None) -> Mask | None:
    if path is None:
        return None
    return np.asarray(open_photo(path).rgb).max(axis=2) > BRIGHT


def build(studio: Studio) -> None:
    """Add the endpoints to the page; nothing of them is seen."""
    ends = Endpoints(studio)
    default = studio.catalog.default
    with gr.Column(visible=False):
        photo = PhotoInput(type="filepath", image_mode=None, label="photo")
        mask = PhotoInput(type="filepath", image_mode=None, label="mask: bright may change")
        domain = gr.Textbox(default, label="domain")
        strength = gr.Textbox("", label="strength: 0 to 1, or auto; empty is the domain's")
        steps = gr.Number(None, label="steps")
        step_size = gr.Number(None, label="step size")
        eps = gr.Number(None, label="eps")
        seed = gr.Number(None, label="seed")
        framing = gr.Textbox("auto", label=f"framing: {', '.join(FRAMINGS)}")
        faces = gr.Textbox("largest", label="faces: largest or all")
        tone_lock = gr.Number(None, label="tone lock: 0 to 1")
        colour_lock = gr.Number(None, label="colour lock: 0 to 1")
        headroom = gr.Number(None, label="headroom: 0 to 1")
        variation = gr.Number(None, label="total variation: 0 to below 1")
        footroom = gr.Number(None, label="footroom: 0 to 1")
        glasses = gr.Textbox("auto", label=f"glasses: {', '.join(GLASSES)}")
        skin_lock = gr.Number(None, label="skin lock: 0 to 1")
        eyes = gr.Number(None, label="eyes: 1 to 4 times as large")
        crop_only = gr.Checkbox(False, label="crop only: the window without the rest of the photo")
        second = gr.Textbox("", label="second domain")
        share = gr.Number(0.5, label="share of the second domain")
        file = gr.File(label="result")
        info = gr.JSON(label="what happened")
    on = gr.Button(visible=False)
    lengths, blend = [steps, step_size, eps], [second, share]
    bends = [tone_lock, colour_lock, headroom, variation, footroom, glasses, skin_lock, eyes]
    on.click(
        ends.translate,
        [photo, domain, strength, *lengths, seed, framing, *blend, mask, faces, *bends, crop_only],
        [file, info],
        api_name="translate",
        concurrency_id="engine",
        concurrency_limit=1,
    )
    on.click(
        ends.score,
        [photo, domain, framing],
        [info],
        api_name="score",
        concurrency_id="engine",
        concurrency_limit=1,
    )
    on.click(ends.domains, None, [info], api_name="domains", concurrency_limit=8)
