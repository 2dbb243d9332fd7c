"""The commands `batch` (also `translate-batch`) and `score`: flags, words, exit codes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from translate.cli_hub import fetched
from translate.console import (
    ColourLock,
    Device,
    DomainName,
    Dtype,
    Eps,
    Eyes,
    FacesFlag,
    Footroom,
    FramingFlag,
    Headroom,
    KeepGlasses,
    MaxPixels,
    Offline,
    Revision,
    Seed,
    SkinLock,
    Steps,
    StepSize,
    Strength,
    ToneLock,
    TotalVariation,
    end_at_once,
    on_signals,
    parse_strength,
    printable,
    say,
)
from translate.errors import SettingsError

if TYPE_CHECKING:
    from translate.batch.engine import Engine
    from translate.batch.inputs import Found, Selection
    from translate.batch.journal import Record
    from translate.batch.report import Tally
    from translate.batch.session import Session
    from translate.batch.workshop import Workshop
    from translate.translator import Translator

LINE_EVERY_S = 5.0  # between lines of progress where there is no terminal
STOPPED = 130  # exit code after a signal

batch_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

SOURCES = "Folder, files, pattern, or - for a list on standard input."
Sources = Annotated[list[str], typer.Argument(metavar="IN...", help=SOURCES)]
BatchSize = Annotated[
    str, typer.Option(help="Images on the device at a time, or auto: what its memory takes.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads that decode, and as many that encode.")
]
Recursive = Annotated[bool, typer.Option(help="Folders in folders, too.")]
Include = Annotated[
    list[str] | None, typer.Option(help="Only names or paths like this, e.g. '*.jpg'; repeatable.")
]
Exclude = Annotated[
    list[str] | None, typer.Option(help="No files or folders like this; repeatable.")
]
Limit = Annotated[int | None, typer.Option(min=0, help="Only the first so many.")]


@batch_app.command()
def batch(
    sources: Sources,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.")],
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    strength: Strength = None,
    steps: Steps = None,
    step_size: StepSize = None,
    eps: Eps = None,
    seed: Seed = None,
    tone_lock: ToneLock = None,
    colour_lock: ColourLock = None,
    headroom: Headroom = None,
    footroom: Footroom = None,
    total_variation: TotalVariation = None,
    framing: FramingFlag = "auto",
    faces: FacesFlag = "largest",
    keep_glasses: KeepGlasses = None,
    eyes: Eyes = None,
    skin_lock: SkinLock = None,
    file_format: Annotated[
        Literal["auto", "png", "jpg", "webp"],
        typer.Option("--format", help="Of results; auto keeps the input's where it can hold them."),
    ] = "auto",
    quality: Annotated[int, typer.Option(help="1 to 100, for JPEG and WebP.")] = 95,
    suffix: Annotated[str, typer.Option(help="Put before the dot of results' names.")] = "",
    max_size: Annotated[
        int | None, typer.Option(help="Scale photos down to this long side, in pixels.")
    ] = None,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata/--strip-metadata", help="Carry EXIF over.")
    ] = True,
    recursive: Recursive = True,
    include: Include = None,
    exclude: Exclude = None,
    limit: Limit = None,
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Only the I-th of N equal shares."),
    ] = "1/1",
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite/--skip-existing",
            help="Make everything anew, or skip what is finished with the same settings.",
        ),
    ] = False,
    batch_size: BatchSize = "auto",
    workers: Workers = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    log: Annotated[Path | None, typer.Option(help="Journal; default: run.jsonl in OUT.")] = None,
    max_pixels: MaxPixels = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at a failure.")] = False,
    runner: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="ray: actors of a Ray cluster.")
    ] = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
) -> None:
    """Translate a folder of photos into another folder; a stopped run goes on where it was."""
    from translate.batch.engine import Engine
    from translate.batch.lanes import default_lanes
    from translate.batch.plan import Shard
    from translate.batch.session import Request, open_session
    from translate.batch.settings import Settings
    from translate.batch.workshop import Workshop
    from translate.image_io import DEFAULT_MAX_PIXELS
    from translate.options import Options
    from translate.translator import Translator

    options = Options(
        strength=parse_strength(strength),
        steps=steps,
        step_size=step_size,
        eps=eps,
        seed=seed,
        tone_lock=tone_lock,
        colour_lock=colour_lock,
        headroom=headroom,
        footroom=footroom,
        total_variation=total_variation,
        framing=framing,
        faces=faces,
        keep_glasses=keep_glasses,
        eyes=eyes,
        skin_lock=skin_lock,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels,
    )
    settings = Settings(
        options=options,
        file_format=file_format,
        quality=quality,
        keep_metadata=keep_metadata,
        max_size=max_size,
    )
    request = Request(
        sources=tuple(sources),
        out=out,
        selection=read_selection(recursive, include, exclude),
        file_format=file_format,
        suffix=suffix,
        shard=Shard.parse(shard),
        limit=limit,
        log=log,
        overwrite=overwrite,
    )
    size = read_batch_size(batch_size)
    session = open_session(request, read_listed(sources))
    found = fetched(domain, revision, offline)
    load = partial(Translator.load, found, device=device, dtype=dtype)
    translator = load()
    engine = Engine(translator, options, size, say, default_lanes(translator.device))
    workshop = Workshop(translator, settings, session.results, overwrite=overwrite)
    say_start(engine, len(session.items), session.found)
    if dry_run:
        _print_plan(session, workshop)
    else:
        _run(session, workshop, engine, workers, fail_fast, load if runner == "ray" else None)


def read_batch_size(text: str) -> int | None:
    """`auto` is None; raises `SettingsError` for what is no size."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"batch size is {text!r}; use 1 or more, or auto")
    return int(text)


def read_selection(
    recursive: bool, include: list[str] | None, exclude: list[str] | None
) -> Selection:
    """The flags of which files to take, as one thing."""
    from translate.batch.inputs import Selection as Chosen

    return Chosen(recursive=recursive, include=tuple(include or ()), exclude=tuple(exclude or ()))


def read_listed(sources: Sequence[str]) -> bytes:
    """The list on standard input, where `-` asks for it."""
    return sys.stdin.buffer.read() if "-" in sources else b""


def say_start(engine: Engine, total: int, found: Found) -> None:
    """Domain, device, dtype, batch size, inputs, and what was left out."""
    translator = engine.translator
    dtype = str(translator.dtype).removeprefix("torch.")
    side = translator.domain.network.size
    size = engine.size((side, side))
    own = "" if engine.batch_size else " (auto)"
    say(
        f"domain {translator.domain.name}, {translator.device}, {dtype}, batch size {size}{own}, "
        f"{total} inputs"
    )
    if found.left_out:
        say(
            f"note: {found.left_out} files or links of folders are no inputs (hidden, excluded, "
            "not named like an image, or a folder that is in already)"
        )


def _print_plan(session: Session, workshop: Workshop) -> None:
    done = 0
    for item in session.items:
        try:
            finished = workshop.finished(item) is not None
        except OSError:
            finished = False  # the run itself will say what is wrong with it
        done += finished
        names = " or ".join(str(session.request.out / name) for name in item.outputs.values())
        print(printable(f"{'done' if finished else 'todo'}  {item.path} -> {names}"))
    for _, reason in session.found.unreadable:
        print(printable(f"fail  {reason}"))
    print(f"{len(session.items) - done} to do, {done} finished; nothing was written (--dry-run)")


def _run(
    session: Session,
    workshop: Workshop,
    engine: Engine,
    workers: int | None,
    fail_fast: bool,
    spread: Callable[[], Translator] | None,
) -> None:
    """Run here, or `spread` over actors; report, and exit by what came of it."""
    from translate.batch.cluster import Cluster, task_of
    from translate.batch.journal import Journal
    from translate.batch.locks import results_folder
    from translate.batch.pipeline import Pipeline
    from translate.batch.report import Tally

    request, stop = session.request, threading.Event()

    def ask() -> None:
        if stop.is_set():
            end_at_once(STOPPED)
        stop.set()
        say("stopping: images in flight are finished; once more to stop at once")

    problems = session.problems(workshop.digest)
    tally = Tally(len(session.items) + len(problems))
    with (
        results_folder(request.out),
        closing(Journal(request.journal)) as journal,
        on_signals(ask),
    ):
        if spread is None:
            pipeline = Pipeline(
                workshop, engine, journal, workers=workers, stop=stop, fail_fast=fail_fast
            )
        else:
            task = task_of(session.items, workshop, engine, spread, workers)
            pipeline = Cluster(task, journal, say, stop=stop, fail_fast=fail_fast)
        with _progress(tally) as show:
            for record in pipeline.run(session.items, problems):
                tally.add(record)
                show(record)
    first, *others = map(printable, tally.summary())
    print("\n".join([f"{printable(str(request.out))}: {first}", *others]))
    if pipeline.ended:
        print(f"stopped: {printable(pipeline.ended)}")
    print(f"journal: {printable(str(request.journal))}")
    if stop.is_set() and not pipeline.ended:
        raise typer.Exit(STOPPED)
    if tally.counts["failed"] or pipeline.ended:
        raise typer.Exit(1)


@contextmanager
def _progress(tally: Tally) -> Generator[Callable[[Record], None]]:
    """A bar on a terminal, else a line every few seconds. Failures are told as they come."""
    if not sys.stderr.isatty():
        over = threading.Event()

        def tell() -> None:  # also while one batch takes long
            while not over.wait(LINE_EVERY_S):
                say(tally.line())

        def show(record: Record) -> None:
            if record.error:
                say(f"failed: {record.error}")

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield show
        finally:
            over.set()
            teller.join()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=tally.total)

        def advance(record: Record) -> None:
            if record.error:
                bar.console.print(f"failed: {printable(record.error)}", markup=False)
            bar.update(task, completed=tally.handled, description=tally.pace())

        yield advance
