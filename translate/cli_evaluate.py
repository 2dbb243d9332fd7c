"""The commands `evaluate translation|generation|ood|compare`: flags, progress, words."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from translate.cli_hub import fetched
from translate.console import Device, DomainName, Dtype, Offline, Revision, say
from translate.errors import SettingsError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from translate.evaluation.job import Progress
    from translate.evaluation.sets import ImageSet
    from translate.translator import Translator

evaluate_app = typer.Typer(
    help="Measure a domain: every figure on a model card with one command.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SET = (
    "folder or zip; PATH@-200: is its last 200 names, PATH@:-200 all but those, "
    "PATH@face squares around faces"
)
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results.")]
Target = Annotated[str, typer.Option(help=f"Real images of the domain, not trained on: {SET}.")]
Count = Annotated[
    int | None, typer.Option(min=2, help="Only so many images of each set, drawn by the seed.")
]
Strengths = Annotated[str, typer.Option(help="Measured on the way of one descent to 1.")]
FeaturesFlag = Annotated[
    str,
    typer.Option(
        help="inception (FID, KID), auto: if its weights are here, none, or a domain, whose "
        "energy network gives the features."
    ),
]
Sheet = Annotated[int, typer.Option(min=1, help="Pictures on a contact sheet.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images on the device at a time.")]
Seed = Annotated[int, typer.Option(min=0, max=1_000_000, help="Of all draws.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a measurement with other settings.")
]


@evaluate_app.command()
def translation(
    out: Out,
    source: Annotated[str, typer.Option(help=f"Photos to translate: {SET}.")],
    target: Target,
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    strengths: Strengths = "0,0.2,0.4,0.6,0.8,1",
    features: FeaturesFlag = "auto",
    count: Count = None,
    sheet: Sheet = 24,
    batch_size: BatchSize = 25,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Realism and structure of translated photos, over strength."""
    folder = fetched(domain, revision, offline)
    _walk("translation", out, source, target, None, folder, strengths, features, count, sheet,
          batch_size, seed, device, dtype, overwrite)  # fmt: skip


@evaluate_app.command()
def generation(
    out: Out,
    source: Annotated[str, typer.Option("--from", help=f"Images of p_0 to start from: {SET}.")],
    target: Target,
    training: Annotated[
        str | None, typer.Option(help=f"Images trained on, to look for memorised ones: {SET}.")
    ] = None,
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    strengths: Strengths = "0,0.2,0.4,0.6,0.8,1",
    features: FeaturesFlag = "auto",
    count: Count = None,
    sheet: Sheet = 64,
    batch_size: BatchSize = 25,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """The same for images made from any others, with their nearest training images."""
    folder = fetched(domain, revision, offline)
    _walk("generation", out, source, target, training, folder, strengths, features, count, sheet,
          batch_size, seed, device, dtype, overwrite)  # fmt: skip


@evaluate_app.command()
def ood(
    out: Out,
    target: Target,
    other: Annotated[list[str], typer.Option(help=f"Other images, repeatable: {SET}.")],
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    eps: Annotated[float, typer.Option(help="L2 radius of the attack at 256 px.")] = 7.0,
    iterations: Annotated[int, typer.Option(help="Moves of the attack.")] = 100,
    restarts: Annotated[int, typer.Option(help="Attacks per image; 0: clean only.")] = 5,
    count: Count = None,
    batch_size: BatchSize = 25,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """How well the energy tells the domain from other images, clean and under attack."""
    translator = _translator(fetched(domain, revision, offline), device, dtype)
    from translate.evaluation.apgd import Attack
    from translate.evaluation.ood import OodRequest, evaluate_ood

    request = OodRequest(
        out=out,
        target=_read(translator, target, count, seed),
        others=[_read(translator, spec, count, seed) for spec in other],
        attack=Attack(eps=eps, iterations=iterations, restarts=restarts),
        seed=seed,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    _finish(evaluate_ood(translator, request), out)


@evaluate_app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="results.json of a measurement.")],
    b: Annotated[Path, typer.Argument(metavar="B.json", help="The one to compare with it.")],
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap samples.")] = 500,
    seed: Seed = 0,
) -> None:
    """Two measurements side by side, with bootstrap intervals of the differences."""
    from translate.evaluation.compare import compare as run
    from translate.evaluation.compare import read_run

    with _bar() as bar:
        for found in run(read_run(a), read_run(b), resamples=resamples, seed=seed):
            if isinstance(found, str):
                print(found, end="")
            else:
                _advance(bar, found)


def _walk(
    kind: str,
    out: Path,
    source: str,
    target: str,
    training: str | None,
    domain: str,
    strengths: str,
    features: str,
    count: int | None,
    sheet: int,
    batch_size: int,
    seed: int,
    device: str,
    dtype: str,
    overwrite: bool,
) -> None:
    levels = _numbers(strengths)
    translator = _translator(domain, device, dtype)
    from translate.evaluation.neighbours import SIZE
    from translate.evaluation.sets import read_set
    from translate.evaluation.translation import WalkRequest, evaluate_walk

    request = WalkRequest(
        kind=kind,
        out=out,
        source=_read(translator, source, count, seed),
        target=_read(translator, target, count, seed),
        training=None if training is None else read_set(training, SIZE),
        strengths=levels,
        features=features,
        sheet=sheet,
        batch_size=batch_size,
        seed=seed,
        overwrite=overwrite,
    )
    _finish(evaluate_walk(translator, request), out)


def _translator(domain: str, device: str, dtype: str) -> Translator:
    from translate.evaluation.plots import check_plots
    from translate.translator import Translator as Loaded

    check_plots()
    translator = Loaded.load(domain, device=device, dtype=dtype)
    precision = str(translator.dtype).removeprefix("torch.")
    say(f"domain {translator.domain.name}, {translator.device}, {precision}")
    return translator


def _read(translator: Translator, spec: str, count: int | None, seed: int) -> ImageSet:
    from translate.evaluation.sets import read_set
    from translate.framing import FaceSquare

    card = translator.domain
    found = read_set(spec, card.network.size, count=count, seed=seed, square=FaceSquare.of(card))
    say(f"{len(found)} images of {spec}")
    return found


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"strengths is {text!r}; use numbers from 0 to 1, as 0,0.5,1") from None


def _finish(progress: Iterator[Progress], out: Path) -> None:
    from translate.evaluation.job import RESULTS, TABLE

    new = False
    with _bar() as bar:
        for state in progress:
            new = True
            _advance(bar, state)
    if not new:
        say("measured already with the same settings; nothing to do")
    for note in json.loads((out / RESULTS).read_text(encoding="utf-8"))["notes"]:
        say(f"note: {note}")
    print((out / TABLE).read_text(encoding="utf-8"), end="")
    say(f"results in {out}")


@contextmanager
def _bar() -> Generator[Bar | None]:
    """A progress bar where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as New

    with New(console=Console(stderr=True), transient=True) as bar:
        yield bar


def _advance(bar: Bar | None, state: Progress) -> None:
    if bar is None:
        return
    task = next((t.id for t in bar.tasks if t.description == state.what), None)
    if task is None:
        task = bar.add_task(state.what, total=state.total)
    bar.update(task, completed=state.done, total=state.total)
