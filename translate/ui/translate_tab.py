"""The tab `Translate`: a photo in, watch it change, compare, choose how far, download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from translate.ui.limits import MAX_STEPS
from translate.ui.parts import MaskEditor, PhotoInput
from translate.ui.studio import Studio
from translate.ui.translating import (
    EMPTY,
    EYES,
    GLASSES,
    NO_SECOND,
    SURFACES,
    TONES,
    Handlers,
    busy,
    canvas,
    end,
)
from translate.ui.walks import CLOSE, SQUARE, WHOLE

TO_RESULT = """() => {
  const small = window.matchMedia("(max-width: 760px)").matches;
  if (small) document.getElementById("stage")?.scrollIntoView({behavior: "smooth"});
}"""


def build(studio: Studio) -> gr.Image:
    """Lay the tab out and wire it; gives the photo, which other tabs look at."""
    catalog, offered = studio.catalog, studio.offered()
    handle = Handlers(studio, offered)
    with gr.Row(elem_classes="main"):
        with gr.Column(scale=5, min_width=320):
            photo = PhotoInput(
                label="Photo",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard", "webcam"],
                height=300,
                placeholder="Drop a photo here\n- or -\nclick to choose one",
                elem_id="photo",
            )
            examples = gr.Gallery(
                handle.gallery(catalog.default),
                label="Or click an example",
                columns=5,
                height="auto",
                object_fit="cover",
                allow_preview=False,
                interactive=False,
                buttons=[],
                visible=any(offered.values()),
                elem_id="examples",
            )
            domain = gr.Radio(
                [(f"{e.card.title}\n{e.card.summary}", e.card.name) for e in catalog],
                value=catalog.default,
                label="Into which world?",
                elem_id="domain",
            )
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Translate", variant="primary", elem_id="go", scale=3, min_width=120)
                stop = gr.Button("Stop", interactive=False, elem_id="stop", scale=1, min_width=80)
            advanced = _advanced(studio)
        with gr.Column(scale=6, min_width=320):
            compare = gr.ImageSlider(
                label="Before and after",
                format="png",
                interactive=False,
                visible=False,
                buttons=["fullscreen"],
                max_height=480,
                elem_id="compare",
            )
            view = gr.Radio(
                [CLOSE, WHOLE, SQUARE],
                value=WHOLE,
                label="View",
                show_label=False,
                container=False,
                visible=False,
                elem_id="view",
            )
            words = gr.Markdown(elem_id="words")
            show = gr.HTML(EMPTY, padding=False, elem_id="stage")
            with gr.Row(elem_classes="strength"):
                strength = gr.Slider(
                    0,
                    1,
                    1,
                    step=0.01,
                    label="Strength",
                    info="Drag it after a run: every state on the way is kept.",
                    buttons=[],
                    elem_id="strength",
                    scale=3,
                )
                auto = gr.Checkbox(
                    catalog.entry(catalog.default).card.auto,
                    label="auto",
                    info="Stop once the photo belongs there.",
                    elem_id="auto",
                    scale=1,
                    min_width=130,
                )
            download = gr.DownloadButton(
                "Take this one (PNG)", variant="primary", visible=False, elem_id="take"
            )
    painting, editor, *settings = advanced
    form = [photo, domain, strength, auto, *settings, editor]
    shown = [show, compare, words, view, strength, download]
    buttons = [go, stop]

    def bind(trigger: Callable[..., Any]) -> None:
        """Begin at once, then walk in the queue, then give the buttons back."""
        trigger(None, None, None, js=TO_RESULT, api_visibility="private")
        started = trigger(
            handle.begin,
            [photo],
            [show, compare, words, view, download, go, stop],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        walked = started.then(
            handle.run,
            form,
            shown,
            concurrency_id="engine",
            concurrency_limit=1,
            show_progress="hidden",
            api_visibility="private",
        )
        walked.then(end, None, buttons, queue=False, api_visibility="private")
        walked.failure(busy, None, [show, *buttons], queue=False, api_visibility="private")

    bind(go.click)
    chosen = examples.select(
        handle.pick,
        [domain],
        [photo],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    bind(chosen.then)
    domain.input(
        handle.chosen,
        [domain, auto],
        [examples, strength, auto],
        queue=False,
        api_visibility="private",
    )
    stop.click(handle.halt, queue=False, api_visibility="private")
    strength.input(
        handle.scrub,
        [strength],
        [*shown, auto],
        concurrency_id="scrub",
        concurrency_limit=8,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
    )
    view.input(
        handle.look,
        [view],
        [show, compare, words, download],
        concurrency_id="scrub",
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
    )
    gr.on(
        [photo.upload, photo.clear],
        handle.forget,
        None,
        [show, compare, words, view, download, painting, editor],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    painting.input(canvas, [photo, painting], [editor], queue=False, api_visibility="private")
    return photo


def _advanced(studio: Studio) -> list[Any]:
    """Painting, editor, lengths, seed, bends, second domain and share, see `Handlers.run`."""
    several = len(studio.catalog.entries) > 1
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        painting = gr.Checkbox(
            label="Change only a part", info="Paint over what may change; the rest stays."
        )
        editor = MaskEditor(
            label="Paint",
            image_mode="RGBA",
            sources=[],
            transforms=[],
            layers=False,
            brush=gr.Brush(colors=["#ff2d7e"], default_size=40, color_mode="fixed"),
            format="png",
            visible=False,
            elem_id="brush",
        )
        second = gr.Dropdown(
            [("none", NO_SECOND), *((e.card.title, e.card.name) for e in studio.catalog)],
            value=NO_SECOND,
            label="Blend with a second domain",
            visible=several,
        )
        share = gr.Slider(
            0, 1, 0.5, step=0.05, label="Share of the second", buttons=[], visible=several
        )
        framing = gr.Radio(
            ["auto", "face", "crop", "scene"],
            value="auto",
            label="What is translated",
            info="The face, the centre square, or the whole scene; auto is the domain's own.",
        )
        faces = gr.Radio(
            ["largest", "all"],
            value="largest",
            label="Faces",
            info="Where faces are translated: the largest one, or all of them.",
        )
        glasses = gr.Radio(
            list(GLASSES),
            value="auto",
            label="Glasses",
            info="They stay as they are, or dissolve; auto is the domain's own.",
        )
        eyes = gr.Radio(
            list(EYES),
            value="auto",
            label="Eyes",
            info="How large the eyes are that the walk begins with; auto is the domain's own.",
        )
        tones = gr.Radio(
            list(TONES),
            value="auto",
            label="Keep light and colour",
            info="How far skin, hair, clothes and sky keep their tones; auto is the domain's own.",
        )
        surface = gr.Radio(
            list(SURFACES),
            value="auto",
            label="Surface",
            info="From fine grain to flat areas with clear edges; auto is the domain's own.",
        )
        with gr.Row():
            seed = gr.Number(
                0,
                label="Seed",
                precision=0,
                info="0: none; else a variant each.",
            )
            steps = gr.Number(
                0, label="Steps", precision=0, info=f"0: by strength. Up to {MAX_STEPS}."
            )
        with gr.Row():
            step_size = gr.Number(0, label="Step size", info="0: the domain's own.")
            eps = gr.Number(0, label="eps", info="Longest way; 0: no bound.")
    bends = [framing, faces, glasses, eyes, tones, surface]
    return [painting, editor, steps, step_size, eps, seed, *bends, second, share]
