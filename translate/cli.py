"""Commands, flags and exit codes (0 fine, 1 some failed, 2 usage or unusable input). No logic."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from translate.cli_batch import batch, batch_app
from translate.cli_convert import convert
from translate.cli_evaluate import evaluate_app
from translate.cli_hub import domains_app, fetched, push
from translate.cli_score import score
from translate.cli_serve import serve, serve_app
from translate.cli_train import closeup, export, eyes, recipe, train
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
    parse_strength,
    say,
)
from translate.errors import TranslateError
from translate.process import keep_freed_memory, wait_briefly

if TYPE_CHECKING:
    from translate.frame import Frame
    from translate.framing import Framing
    from translate.options import Options
    from translate.translator import Translator

app = typer.Typer(
    help="Move photos into another domain (anime faces, …) by descending an energy model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the start-up time
    pretty_exceptions_enable=False,
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]


def image(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Photo.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Picture: .png, .jpg, .webp, ….")],
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
    crop_only: Annotated[
        bool,
        typer.Option(
            "--crop-only", help="Only the square around the largest face, not pasted back."
        ),
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
    steps_dir: Annotated[
        Path | None, typer.Option(help="Folder for every state on the way, as PNG.")
    ] = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Translate one photo."""
    from translate.image_io import check_target, read_photo, write_image
    from translate.score import remark
    from translate.translator import Translator

    options = replace(
        _options(strength, steps, step_size, eps, seed, framing, crop_only, max_pixels),
        faces=faces,
        keep_glasses=keep_glasses,
        eyes=eyes,
        skin_lock=skin_lock,
        tone_lock=tone_lock,
        colour_lock=colour_lock,
        headroom=headroom,
        footroom=footroom,
        total_variation=total_variation,
    )
    check_target(out, overwrite=overwrite)
    photo = read_photo(source, max_pixels=options.max_pixels)
    translator = Translator.load(fetched(domain, revision, offline), device=device, dtype=dtype)
    say(f"{_place(translator)}; {source}")
    started = time.perf_counter()
    first = last = None
    size = translator.domain.network.size
    total = options.pgd(translator.domain, size, size).steps + 1
    frames = translator.frames(photo, options, measured=steps_dir is not None)
    for frame in _progress(frames, total):
        first, last = first or frame, frame
        if steps_dir is not None:
            state = steps_dir / f"{out.stem}-{frame.index:03d}.png"
            write_image(frame.image, state, overwrite=overwrite)
    assert first is not None
    assert last is not None
    write_image(last.image, out, exif=photo.exif, overwrite=overwrite)
    seconds = time.perf_counter() - started
    for words in (last.note, remark(translator.domain, first, last)):
        if words:
            say(f"note: {words}")
    print(
        f"{out}: energy {first.energy:.2f} -> {last.energy:.2f} "
        f"(target {translator.domain.calibration.target:.2f}), {last.index} steps, {seconds:.2f} s"
    )


def generate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the grid and images.")],
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1024)] = 16,
    start: Annotated[
        Path | None, typer.Option("--from", help="Folder of pictures; default: noise.")
    ] = None,
    strength: Strength = None,
    steps: Steps = None,
    step_size: StepSize = None,
    seed: Annotated[int, typer.Option(help="Of the noise, or of the choice of pictures.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Walk noise or any pictures into the domain: single images and a grid."""
    from translate.generate import generate as run
    from translate.generate import write_generated
    from translate.translator import Translator

    options = _options(strength, steps, step_size, None, None, "auto", True, None)
    translator = Translator.load(fetched(domain, revision, offline), device=device, dtype=dtype)
    say(_place(translator))
    images = run(translator, count, options, seed=seed, start=start)
    grid = write_generated(images, out, overwrite=overwrite)
    print(f"{grid}: {count} images")


for _command in (
    image,
    generate,
    batch,
    score,
    serve,
    recipe,
    train,
    export,
    eyes,
    closeup,
    convert,
    push,
):
    app.command()(_command)
app.add_typer(domains_app, name="domains")
app.add_typer(evaluate_app, name="evaluate")


def _options(
    strength: str | None,
    steps: int | None,
    step_size: float | None,
    eps: float | None,
    seed: int | None,
    framing: Framing,
    crop_only: bool,
    max_pixels: int | None,
) -> Options:
    from translate.image_io import DEFAULT_MAX_PIXELS
    from translate.options import Options

    return Options(
        strength=parse_strength(strength),
        steps=steps,
        step_size=step_size,
        eps=eps,
        seed=seed,
        framing=framing,
        crop_only=crop_only,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels,
    )


def _place(translator: Translator) -> str:
    dtype = str(translator.dtype).removeprefix("torch.")
    return f"domain {translator.domain.name}, {translator.device}, {dtype}"


def _progress(frames: Iterator[Frame], total: int) -> Iterable[Frame]:
    """The frames themselves, with a progress bar on a terminal."""
    if not sys.stderr.isatty():
        return frames
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(frames, description="steps", total=total, console=console, transient=True)


def main() -> None:
    """Entry point of `translate`."""
    _run(app)


def batch_main() -> None:
    """Entry point of `translate-batch`."""
    _run(batch_app)


def serve_main() -> None:
    """Entry point of `app.py`."""
    _run(serve_app)


def _run(command: typer.Typer) -> None:
    keep_freed_memory()
    wait_briefly()
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # a failure is told once, by us
    try:
        command()
    except TranslateError as error:
        say(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
