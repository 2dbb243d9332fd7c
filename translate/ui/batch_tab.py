"""The tab `Batch`: several photos or zips in, one zip out, with a list of what failed."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from translate.batch.engine import Engine
from translate.batch.inputs import Selection
from translate.batch.journal import Journal, Record
from translate.batch.pipeline import Pipeline
from translate.batch.session import Request, open_session
from translate.batch.settings import Settings
from translate.batch.workshop import Workshop
from translate.options import Options
from translate.ui.archive import gather, pack
from translate.ui.limits import MAX_BATCH_MB, MAX_FILES, MAX_PIXELS
from translate.ui.parts import SKIP, FilesInput, Update, telling
from translate.ui.pictures import fresh_file, temp_folder
from translate.ui.studio import Studio
from translate.ui.words import BUSY, empty, failures


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the tab's events do."""

    studio: Studio

    @telling(lambda words: (words, SKIP, SKIP))
    def run(
        self, files: list[str], domain: str, strength: float, auto: bool, request: gr.Request
    ) -> Iterator[tuple[Update, ...]]:
        """Stream words, then words, failures and the zip."""
        if not files:
            raise gr.Error("Choose photos or a zip first.", print_exception=False)
        page = f"batch {request.session_hash}"
        stop = self.studio.stops.event(page)
        options = Options(strength="auto" if auto else strength, max_pixels=MAX_PIXELS)
        work = Path(tempfile.mkdtemp(prefix="batch-", dir=temp_folder()))
        try:
            gathered = gather(files, work / "in")
            failed, done = list(gathered.failed), 0
            for record in self._translate(work, domain, options, stop) if gathered.count else ():
                done += record.status == "ok"
                if record.error:
                    failed.append(f"{record.input}: {_short(record, work)}")
                handled = done + len(failed) - len(gathered.failed)
                yield (f"{handled} of {gathered.count} …", SKIP, SKIP)
            words = f"{done} translated, {len(failed)} failed."
            if stop.is_set():
                words += " Stopped: the rest was not begun."
            box = gr.HTML(failures(failed), visible=bool(failed))
            if not done:
                yield words, box, SKIP
                return
            out = fresh_file(f"{domain}.zip")
            pack(work / "out", out)
            yield words, box, gr.DownloadButton(value=str(out), visible=True)
        finally:
            self.studio.stops.end(page)
            shutil.rmtree(work, ignore_errors=True)

    def _translate(
        self, work: Path, domain: str, options: Options, stop: threading.Event
    ) -> Iterator[Record]:
        """The batch run of the command line, in a folder of its own."""
        out = work / "out"
        out.mkdir()
        translator = self.studio.catalog.translator(domain)
        everything = Selection(include=("*",))
        asked = Request(sources=(str(work / "in"),), out=out, selection=everything)
        session = open_session(asked)
        settings = Settings(options=options, keep_metadata=False)
        workshop = Workshop(translator, settings, session.results, overwrite=False)
        engine = Engine(translator, options, None, lambda _: None)
        with closing(Journal(asked.journal)) as journal:
            pipeline = Pipeline(workshop, engine, journal, workers=2, stop=stop)
            yield from pipeline.run(session.items)

    def begin(self, request: gr.Request) -> tuple[Update, ...]:
        """At the click."""
        self.studio.stops.begin(f"batch {request.session_hash}")
        hidden = gr.DownloadButton(visible=False)
        return "Unpacking …", gr.HTML(visible=False), hidden, *_buttons(running=True)

    def halt(self, request: gr.Request) -> None:
        """Begin no further photo."""
        self.studio.stops.stop(f"batch {request.session_hash}")

    def end(self) -> tuple[Update, ...]:
        """After a run."""
        return _buttons(running=False)

    def busy(self) -> tuple[Update, ...]:
        """After a run that was not begun: the queue is full, or the server is gone."""
        return BUSY, *self.end()


def _buttons(*, running: bool) -> tuple[Update, Update]:
    return gr.Button(interactive=not running), gr.Button(interactive=running)


def _ends_early(studio: Studio, domain: str) -> bool:
    """Whether the domain's walks do, unless another strength is asked for."""
    return studio.catalog.entry(domain).card.auto


def _short(record: Record, work: Path) -> str:
    """The reason without the server's folders."""
    return (record.error or "").replace(f"{work / 'in'}/", "")


def build(studio: Studio) -> None:
    """Lay the tab out and wire it."""
    handle = Handlers(studio)
    gr.Markdown(
        f"Several photos, or zips of them: up to {MAX_FILES} files and {MAX_BATCH_MB} MB. "
        "A zip comes back; a file that fails never stops the others."
    )
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            files = FilesInput(
                label="Photos or a zip", file_count="multiple", type="filepath", elem_id="files"
            )
            domain = gr.Dropdown(
                [(e.card.title, e.card.name) for e in studio.catalog],
                value=studio.catalog.default,
                label="Domain",
            )
            with gr.Row():
                strength = gr.Slider(0, 1, 1, step=0.01, label="Strength", buttons=[], scale=3)
                ends_early = _ends_early(studio, studio.catalog.default)
                auto = gr.Checkbox(ends_early, label="auto", min_width=100, scale=1)
            with gr.Row(elem_classes="actions"):
                go = gr.Button("Translate all", variant="primary", elem_id="batch-go", scale=3)
                stop = gr.Button("Stop", interactive=False, scale=1)
        with gr.Column(scale=6, min_width=320):
            words = gr.Markdown(elem_id="batch-words")
            download = gr.DownloadButton(
                "Download the zip", variant="primary", visible=False, elem_id="batch-take"
            )
            failed = gr.HTML(empty("The zip appears here."), padding=False, elem_id="batch-failed")
    started = go.click(
        handle.begin,
        None,
        [words, failed, download, go, stop],
        queue=False,
        api_visibility="private",
    )
    walked = started.then(
        handle.run,
        [files, domain, strength, auto],
        [words, failed, download],
        concurrency_id="batch",
        concurrency_limit=1,
        api_visibility="private",
    )
    walked.then(handle.end, None, [go, stop], queue=False, api_visibility="private")
    walked.failure(handle.busy, None, [words, go, stop], queue=False, api_visibility="private")
    domain.input(
        partial(_ends_early, studio), [domain], [auto], queue=False, api_visibility="private"
    )
    strength.input(lambda: False, None, [auto], queue=False, api_visibility="private")
    stop.click(handle.halt, queue=False, api_visibility="private")
