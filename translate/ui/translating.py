"""What the tab `Translate` does: stream a walk, show kept states, stop, save."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
from PIL import Image

from translate.framing import Faces, Framing
from translate.masking import Mask
from translate.options import Options
from translate.ui.charts import energy_curve
from translate.ui.limits import STREAM_EVERY_S
from translate.ui.parts import SKIP, Update, open_photo, speaking, telling
from translate.ui.pictures import data_uri, save_png
from translate.ui.studio import Studio, Wish
from translate.ui.walks import SQUARE, Walk
from translate.ui.words import BUSY, number, story

BRUSH_SIDE = 768  # long side of the picture to paint on
NO_SECOND = "none"
TONES = {"auto": None, "free": 0.0, "half": 0.5, "firmly": 1.0}  # `Options.tone_lock`
GLASSES = {"auto": None, "keep": True, "dissolve": False}  # `Options.keep_glasses`
EYES = {"auto": None, "as they are": 1.0, "large": 2.0, "huge": 3.0}  # `Options.eyes`
SURFACES = {"auto": None, "grainy": 0.0, "smooth": 0.15, "flat": 0.4}  # `Options.total_variation`

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
    faces: str = "largest",
    glasses: str = "auto",
    eyes: str = "auto",
    tones: str = "auto",
    surface: str = "auto",
) -> Options:
    """Settings of the form, where 0 or nothing leaves it to the domain. Raises `SettingsError`."""
    return Options(
        strength="auto" if auto else strength,
        steps=int(steps) if steps else None,
        step_size=step_size or None,
        eps=eps or None,
        seed=int(seed) if seed else None,
        framing=cast("Framing", framing),
        faces=cast("Faces", faces),
        keep_glasses=GLASSES[glasses],
        eyes=EYES[eyes],
        tone_lock=TONES[tones],
        skin_lock=TONES[tones],
        total_variation=SURFACES[surface],
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
        gr.Radio(value=walk.view, visible=walk.partial),
        strength,
        button,
    )


def saved(walk: Walk) -> Update:
    """The download of what is shown; nothing where that is in another file by the time it is
    written: whoever changed it hands that over."""
    own, at = walk.until(walk.last), walk.at
    file = str(save_png(own, at))
    if (walk.view == SQUARE, walk.at) != (own.view == SQUARE, at):
        return SKIP
    return gr.DownloadButton(value=file, interactive=True)


def end() -> tuple[Update, ...]:
    """After a run, however it ended."""
    return gr.Button(interactive=True), gr.Button(interactive=False)


def busy() -> tuple[Update, ...]:
    """After a run that was not begun: the queue is full, or the server is gone."""
    return problem(BUSY)[0], *end()


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
    box = f'<div class="stage empty problem" role="alert"><p><b>{escape(words)}</b></p></div>'
    return gr.HTML(box), *(SKIP,) * 5


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the page's events do. Gradio hands each method the request by its annotation."""

    studio: Studio
    offered: Mapping[str, list[Path]] = field(default_factory=dict[str, list[Path]])

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
        faces: str,
        glasses: str,
        eyes: str,
        tones: str,
        surface: str,
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
            options=read_options(
                *(strength, auto, steps, step_size, eps, seed),
                *(framing, faces, glasses, eyes, tones, surface),
            ),
            second=None if second in (None, NO_SECOND) else second,
            share=share,
            mask=mask,
        )
        walk, shown = None, 0.0
        try:
            for walk in self.studio.walk(wish, stop):
                if time.monotonic() - shown >= STREAM_EVERY_S:
                    shown = time.monotonic()
                    yield gr.HTML(stage(walk)), *(SKIP,) * 5
        finally:
            self.studio.stops.end(page)
        assert walk is not None
        self.studio.shelf.put(page, walk)
        reached = gr.Slider(value=round(walk.reach, 2))
        yield results(walk, walk.last, download=True, strength=reached)

    @telling(lambda words: (*problem(words), SKIP))
    def scrub(self, strength: float, request: gr.Request) -> Iterator[tuple[Update, ...]]:
        """Show the kept state nearest to a strength: at once, then its file for the download."""
        walk = self.studio.shelf.get(str(request.session_hash))
        if walk is None:
            yield *(SKIP,) * 6, gr.Checkbox(value=False)
            return
        index = walk.index(strength)
        stay = gr.Checkbox(value=False)
        stage_, pair, words, *rest = results(walk, index, download=False, strength=SKIP)
        if strength > walk.reach + 0.5 / max(walk.total, 1):
            words = (
                f"The walk ended at strength {walk.reach:.2f}; press **Translate** to go on to "
                f"{strength:.2f}. {words}"
            )
        yield stage_, pair, words, *rest, stay
        yield *(SKIP,) * 5, saved(walk), SKIP

    @telling(lambda words: (*problem(words)[:2], SKIP, SKIP))
    def look(self, view: str, request: gr.Request) -> Iterator[tuple[Update, ...]]:
        """Another view at once, then the file for the download, if that is another one, too."""
        walk = self.studio.shelf.get(str(request.session_hash))
        if walk is None:
            yield (SKIP,) * 4
            return
        other = (view == SQUARE) != (walk.view == SQUARE)
        walk.view = view
        pair = gr.ImageSlider(value=(walk.shown(0), walk.shown(walk.at)))
        wait = gr.DownloadButton(interactive=False) if other else SKIP
        yield gr.HTML(curve(walk, walk.at)), pair, story(walk, walk.at), wait
        if other:
            yield *(SKIP,) * 3, saved(walk)

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

    def pick(self, domain: str, choice: gr.SelectData) -> str:
        """The example that was clicked."""
        return str(self.offered[domain][int(cast("int", choice.index))])

    def gallery(self, domain: str) -> list[tuple[str, str]]:
        """Examples that suit a domain, with their names."""
        return [(str(file), file.stem) for file in self.offered[domain]]

    def chosen(self, domain: str, auto: bool) -> tuple[list[tuple[str, str]], Update, bool]:
        """Examples for a domain, strength, and whether its walks end early.

        Beside `auto` the slider tells where the last walk ended, which is no wish for the next.
        """
        strength = gr.Slider(value=1) if auto else SKIP
        return self.gallery(domain), strength, self.studio.catalog.entry(domain).card.auto
