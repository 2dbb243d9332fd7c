"""The tab `Explore`: where an image lies between photos and a domain, and samples of the domain."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from translate.generate import generate
from translate.image_io import to_array, to_pil
from translate.options import Options
from translate.ui.charts import histogram
from translate.ui.limits import MAX_PIXELS, MAX_SAMPLES
from translate.ui.parts import FilesInput, PhotoInput, open_photo, speaking
from translate.ui.pictures import temp_folder
from translate.ui.studio import Studio
from translate.ui.words import BUSY, empty, verdict


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the tab's events do."""

    studio: Studio

    @speaking
    def place(self, photo: str | None, domain: str) -> tuple[str, str]:
        """Histogram and words."""
        if photo is None:
            return empty("Give an image to see where it lies."), ""
        translator = self.studio.catalog.translator(domain)
        score = translator.score(open_photo(photo))
        card = translator.domain
        return histogram(card.calibration, score.energy, card.title), verdict(card, score)

    @speaking
    def samples(self, domain: str, count: float, seed: float | None, files: list[str]) -> list[Any]:
        """Pictures with their captions."""
        translator = self.studio.catalog.translator(domain)
        number = int(seed or 0)
        options = Options(strength=1.0, max_pixels=MAX_PIXELS)
        work = Path(tempfile.mkdtemp(prefix="start-", dir=temp_folder()))
        try:
            for index, file in enumerate(files):
                open_photo(file)  # says what is wrong, in the page's words
                shutil.copyfile(file, work / f"{index:03d}{Path(file).suffix or '.png'}")
            start = work if files else None
            images = generate(translator, int(count), options, seed=number, start=start)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        origin = "your photos" if files else "noise"
        return [
            (to_pil(pixels), f"{i + 1} from {origin}") for i, pixels in enumerate(to_array(images))
        ]


def build(studio: Studio) -> None:
    """Lay the tab out and wire it."""
    handle = Handlers(studio)
    choices = [(e.card.title, e.card.name) for e in studio.catalog]
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            gr.Markdown("### Where does an image lie?\nThe model gives every image one number.")
            photo = PhotoInput(
                label="Any image",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                height=240,
                elem_id="explore-photo",
            )
            domain = gr.Dropdown(choices, value=studio.catalog.default, label="Domain")
            look = gr.Button("Look", variant="primary", elem_id="look")
        with gr.Column(scale=6, min_width=320):
            chart = gr.HTML(empty("The chart appears here."), padding=False, elem_id="histogram")
            words = gr.Markdown(elem_id="verdict")
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            gr.Markdown(
                "### Pictures out of nothing\nThe same steps, begun at smooth noise or at your "
                "own pictures, show what the model takes for its domain."
            )
            world = gr.Dropdown(choices, value=studio.catalog.default, label="Domain")
            with gr.Row():
                count = gr.Slider(1, MAX_SAMPLES, 4, step=1, label="How many", buttons=[])
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31)
            files = FilesInput(
                label="Start pictures (else: noise)",
                file_count="multiple",
                type="filepath",
                height=180,
            )
            make = gr.Button("Make pictures", variant="primary", elem_id="make")
        with gr.Column(scale=6, min_width=320):
            gallery = gr.Gallery(
                label="Samples", columns=3, format="png", object_fit="contain", elem_id="samples"
            )
    settings: dict[str, Any] = {
        "concurrency_id": "engine",
        "concurrency_limit": 1,
        "api_visibility": "private",
    }
    looked = gr.on(
        [look.click, photo.upload], handle.place, [photo, domain], [chart, words], **settings
    )
    made = make.click(handle.samples, [world, count, seed, files], [gallery], **settings)
    for asked in (looked, made):
        asked.failure(lambda: BUSY, None, [words], queue=False, api_visibility="private")
