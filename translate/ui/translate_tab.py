"""The tab `Translate`: a photo in, watch it change, compare, choose how far, download."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
from PIL import Image

from translate.framing import Framing
from translate.masking import Mask
from translate.translator import Options
from translate.ui.charts import energy_curve
from translate.ui.limits import MAX_STEPS, STREAM_EVERY_S
from translate.ui.parts import MaskEditor, PhotoInput, open_photo, speaking, telling
from translate.ui.pictures import data_uri, save_png
from translate.ui.studio import Studio, Wish
from translate.ui.walks import Walk
from translate.ui.words import number, story

BRUSH_SIDE = 768  # long side of the picture to paint on
NO_SECOND = "none"
CLOSE, WHOLE = "Close up", "Whole photo"

TO_RESULT = """() => {
  const small = window.matchMedia("(max-width: 760px)").matches;
  if (small) document.getElementById("stage")?.scrollIntoView({behavior: "smooth"});
}"""

Update = Any  # what Gradio takes for an output

EMPTY = (
    '<div class="stage empty"><p>Your picture appears here.</p>'
    "<p>Give a photo and press <b>Translate</b>, or click an example.</p></div>"
)


def stage(walk: Walk) -> str:
    """The walk as it is now: picture, words, curve."""
    index = walk.last
    words = f"Step {index} of {walk.total}, energy {number(walk.energies[index])}"
    alt = f"The photo on its way into {walk.domain.title}. {words}."
    return (
        f'<figure class="stage"><img src="{data_uri(walk.shown(index))}" alt="{escape(alt)}">'
        f'<figcaption role="status">{words}</figcaption></figure>{curve(walk)}'
    )


def curve(walk: Walk, at: int | None = None) -> str:
    """Energy along the walk."""
    domain = walk.domain
    return energy_curve(walk.energies, walk.total, domain.calibration.target, domain.title, at)


def read_options(
    strength: float,
    auto: bool,
    steps: float | None,
    step_size: float | None,
    eps: float | None,
    seed: float | None,
    framing: str,
) -> Options:
    """Settings of the form. Raises `SettingsError`."""
    return Options(
        strength="auto" if auto else strength,
        steps=None if steps is None else int(steps),
        step_size=step_size or None,
        eps=eps or None,
        seed=None if seed is None else int(seed),
        framing=cast("Framing", framing),
    )


def results(walk: Walk, index: int, *, download: bool, strength: Update) -> tuple[Update, ...]:
    """Stage, comparison, words, view, strength and download for one state of a finished walk."""
    walk.at = index
    pair = (walk.shown(0), walk.shown(index))
    button = gr.DownloadButton(interactive=False)
    if download:
        button = gr.DownloadButton(value=str(save_png(walk, index)), interactive=True, visible=True)
    return (
        gr.HTML(curve(walk, index)),
        gr.ImageSlider(value=pair, visible=True),
        story(walk, index),
        gr.Radio(value=CLOSE if walk.close else WHOLE, visible=True),
        strength,
        button,
    )


def end() -> tuple[Update, ...]:
    """After a run, however it ended."""
    return gr.Button(interactive=True), gr.Button(interactive=False)


@speaking
def canvas(photo: str | None, painting: bool) -> Update:
    """The photo to paint on, in a size that a browser paints well."""
    if not painting:
        return gr.update(visible=False, value=None)
    if photo is None:
        raise gr.Error("Choose a photo first, then paint on it.", print_exception=False)
    picture = Image.fromarray(open_photo(photo).rgb)
    picture.thumbnail((BRUSH_SIDE, BRUSH_SIDE))
    value: dict[str, Any] = {"background": np.asarray(picture), "layers": [], "composite": None}
    return gr.update(visible=True, value=value)


def problem(words: str) -> tuple[Update, ...]:
    """Outputs of a run that came to nothing."""
    box = f'<div class="stage empty" role="alert"><p><b>{escape(words)}</b></p></div>'
    return gr.HTML(box), *(gr.skip(),) * 5


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the page's events do. Gradio hands each method the request by its annotation."""

    studio: Studio
    offered: Sequence[Path] = ()

    @telling(problem)
    def run(
        self,
        photo: str | None,
        domain: str,
        strength: float,
        auto: bool,
        steps: float | None,
        step_size: float | None,
        eps: float | None,
        seed: float | None,
        framing: str,
        second: str | None,
        share: float,
        mask: Mask | None,
        request: gr.Request,
    ) -> Iterator[tuple[Update, ...]]:
        """Stream stage, comparison, words, strength and download."""
        if photo is None:
            raise gr.Error("Choose a photo first.", print_exception=False)
        page = str(request.session_hash)
        stop = self.studio.stops.event(page)
        wish = Wish(
            photo=photo,
            domain=domain,
            options=read_options(strength, auto, steps, step_size, eps, seed, framing),
            second=None if second in (None, NO_SECOND) else second,
            share=share,
            mask=mask,
        )
        walk, shown = None, 0.0
        try:
            for walk in self.studio.walk(wish, stop):
                if time.monotonic() - shown >= STREAM_EVERY_S:
                    shown = time.monotonic()
                    yield gr.HTML(stage(walk)), *(gr.skip(),) * 5
        finally:
            self.studio.stops.end(page)
        assert walk is not None
        self.studio.shelf.put(page, walk)
        reached = gr.Slider(value=round(walk.reach, 2))
        yield results(walk, walk.last, download=True, strength=reached)

    @telling(lambda words: (*problem(words), gr.skip()))
    def scrub(self, strength: float, request: gr.Request) -> Iterator[tuple[Update, ...]]:
        """Show the kept state nearest to a strength: at once, then its file for the download."""
        walk = self.studio.shelf.get(str(request.session_hash))
        if walk is None:
            yield *(gr.skip(),) * 6, gr.Checkbox(value=False)
            return
        index = walk.index(strength)
        stay = gr.Checkbox(value=False)
        stage_, pair, words, *rest = results(walk, index, download=False, strength=gr.skip())
        if strength > walk.reach + 0.5 / max(walk.total, 1):
            words = (
                f"The walk ended at strength {walk.reach:.2f}; press **Translate** to go on to "
                f"{strength:.2f}. {words}"
            )
        yield stage_, pair, words, *rest, stay
        file = gr.DownloadButton(value=str(save_png(walk, index)), interactive=True)
        yield *(gr.skip(),) * 5, file, gr.skip()

    def look(self, view: str, request: gr.Request) -> tuple[Update, ...]:
        """Close up, or the whole photo."""
        walk = self.studio.shelf.get(str(request.session_hash))
        if walk is None:
            return cast("tuple[Update, ...]", (gr.skip(), gr.skip()))
        walk.close = view == CLOSE
        pair = gr.ImageSlider(value=(walk.shown(0), walk.shown(walk.at)))
        return pair, gr.HTML(curve(walk, walk.at))

    def begin(self, photo: str | None, request: gr.Request) -> tuple[Update, ...]:
        """At the click: Stop comes to life, the last result goes away."""
        page = str(request.session_hash)
        self.studio.stops.begin(page)
        self.studio.shelf.drop(page)
        waiting = EMPTY if photo is None else '<div class="stage empty"><p>Starting …</p></div>'
        return (
            gr.HTML(waiting),
            gr.ImageSlider(visible=False),
            "",
            gr.Radio(visible=False),
            gr.DownloadButton(visible=False),
            gr.Button(interactive=False),
            gr.Button(interactive=True),
        )

    def forget(self, request: gr.Request) -> tuple[Update, ...]:
        """Another photo: what is shown no longer belongs to it."""
        page = str(request.session_hash)
        self.studio.stops.stop(page)
        self.studio.shelf.drop(page)
        return (
            gr.HTML(EMPTY),
            gr.ImageSlider(visible=False),
            "",
            gr.Radio(visible=False),
            gr.DownloadButton(visible=False),
            gr.Checkbox(value=False),
            gr.update(visible=False, value=None),
        )

    def leave(self, request: gr.Request) -> None:
        """The page is closed: stop its run and forget its walk."""
        page = str(request.session_hash)
        self.studio.stops.stop(page)
        self.studio.stops.end(page)
        self.studio.shelf.drop(page)

    def halt(self, request: gr.Request) -> None:
        """Stop after the step that is being computed."""
        self.studio.stops.stop(str(request.session_hash))

    def pick(self, choice: gr.SelectData) -> str:
        """The example that was clicked."""
        return str(self.offered[int(cast("int", choice.index))])


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
                elem_id="photo",
            )
            gr.Markdown("Or click an example:", visible=bool(offered))
            examples = gr.Gallery(
                [(str(file), file.stem) for file in offered],
                label="Or click an example",
                show_label=False,
                columns=5,
                rows=1,
                height=112,
                object_fit="cover",
                allow_preview=False,
                interactive=False,
                buttons=[],
                visible=bool(offered),
                elem_id="examples",
            )
            domain = gr.Radio(
                [(f"{e.card.title}: {e.card.summary}", e.card.name) for e in catalog],
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
                max_height=560,
                elem_id="compare",
            )
            view = gr.Radio(
                [CLOSE, WHOLE],
                value=WHOLE,
                label="View",
                show_label=False,
                container=False,
                visible=False,
                elem_id="view",
            )
            show = gr.HTML(EMPTY, elem_id="stage")
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
                    True,
                    label="auto",
                    info="Stop once the photo belongs there.",
                    elem_id="auto",
                    scale=1,
                    min_width=130,
                )
            download = gr.DownloadButton(
                "Take this one (PNG, full size)", variant="primary", visible=False, elem_id="take"
            )
            words = gr.Markdown(elem_id="words")
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
        for after in (walked.then, walked.failure):
            after(end, None, buttons, queue=False, api_visibility="private")

    bind(go.click)
    chosen = examples.select(
        handle.pick, None, [photo], queue=False, show_progress="hidden", api_visibility="private"
    )
    bind(chosen.then)
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
        [compare, show],
        queue=False,
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
    """Painting, editor, steps, step size, eps, seed, framing, second domain and its share."""
    several = len(studio.catalog.entries) > 1
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        painting = gr.Checkbox(
            label="Change only a part", info="Paint over what may change; the rest stays."
        )
        editor = MaskEditor(
            label="Paint over what may change",
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
        share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second", visible=several)
        framing = gr.Radio(
            ["auto", "face", "crop", "scene"],
            value="auto",
            label="What is translated",
            info="The face, the centre square, or the whole scene; auto is the domain's own.",
        )
        with gr.Row():
            seed = gr.Number(
                None, label="Seed", precision=0, info="Each number gives another variant."
            )
            steps = gr.Number(
                None, label="Steps", precision=0, info=f"Empty: by strength. Up to {MAX_STEPS}."
            )
        with gr.Row():
            step_size = gr.Number(None, label="Step size", info="Empty: the domain's own.")
            eps = gr.Number(
                None, label="eps", info="Farthest distance from the photo; empty: no bound."
            )
    return [painting, editor, steps, step_size, eps, seed, framing, second, share]
