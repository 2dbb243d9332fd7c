"""What the commands share: flags spelled once, words on standard error, signals. No torch."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Literal, NoReturn

import typer

from translate.errors import SettingsError

_SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"
DomainName = Annotated[
    str, typer.Option("--domain", "-d", help="Bundled name, folder, or org/repo on the Hub.")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit on the Hub.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use the Hub's cache, ask nobody.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Steps = Annotated[int | None, typer.Option(help="PGD moves; default: the domain's.")]
StepSize = Annotated[float | None, typer.Option(help="L2 length of a move, pixels in [0,1].")]
Eps = Annotated[float | None, typer.Option(help="L2 radius around the photo; default: no bound.")]
Strength = Annotated[
    str | None,
    typer.Option(help="0 to 1, or auto: each photo until it belongs there; default: domain's."),
]
Seed = Annotated[int | None, typer.Option(help="Another variant of the result for each number.")]
ToneLock = Annotated[
    float | None,
    typer.Option(help="0 to 1: keep broad light and colour, as skin and hair; default: domain's."),
]
ColourLock = Annotated[
    float | None, typer.Option(help="0 to 1: keep all colour, 1 changes brightness only.")
]
Headroom = Annotated[
    float | None, typer.Option(help="0 to 1: avoid plain black and white; default: domain's.")
]
Footroom = Annotated[
    float | None, typer.Option(help="0 to 1: keep what is in the shadows; default: domain's.")
]
TotalVariation = Annotated[
    float | None, typer.Option(help="0 to below 1: flatter areas, less grain; default: domain's.")
]
FramingFlag = Annotated[
    Literal["auto", "face", "scene", "crop"], typer.Option(help="What the network looks at.")
]
FacesFlag = Annotated[
    Literal["all", "largest"], typer.Option(help="Which faces, with face framing.")
]
KeepGlasses = Annotated[
    bool | None,
    typer.Option(
        "--keep-glasses/--no-glasses", help="Glasses stay, or dissolve; default: domain's."
    ),
]
Eyes = Annotated[
    float | None,
    typer.Option(help="1 to 4: how many times as large eyes get; default: domain's."),
]
SkinLock = Annotated[
    float | None,
    typer.Option(
        help="0 to 1: skin, and drawn hair and clothes, keep the photo's tones; default: domain's."
    ),
]
MaxPixels = Annotated[int | None, typer.Option(help="Largest photo taken.")]


def parse_strength(text: str | None) -> float | Literal["auto"] | None:
    """`auto` or a number; nothing is the domain's own.

    Raises:
        SettingsError: it is neither.
    """
    try:
        return "auto" if text == "auto" else float(text) if text else None
    except ValueError:
        raise SettingsError(f"strength is {text!r}; use 0 to 1, or auto") from None


def say(text: str) -> None:
    """One line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """File names may hold bytes that are no text, and anything else."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")


@contextmanager
def on_signals(handler: Callable[[], None]) -> Generator[None]:
    """Call `handler` at SIGINT and SIGTERM while the block runs."""

    def call(*_: object) -> None:
        handler()

    old = {number: signal.signal(number, call) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


def end_at_once(code: int) -> NoReturn:
    """As after a kill; but a terminal gets its cursor back, which a progress bar has hidden."""
    try:
        if sys.stderr.isatty():
            terminal = os.dup(2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the bar's thread draws on
            os.write(terminal, _SHOW_CURSOR)
    finally:
        os._exit(code)
