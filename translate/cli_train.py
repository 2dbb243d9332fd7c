"""`translate recipe`, `train`, `export`, `eyes` and `closeup`: a domain of one's own. Flags and
words, no logic."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from translate.console import Device, Dtype, on_signals, say
from translate.errors import SettingsError

if TYPE_CHECKING:
    from translate.training.run import Session
    from translate.training.trainer import Trainer


def recipe(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="TOML file to write.")],
    target: Annotated[
        Path, typer.Option(help="Folder or zip of what photos shall become.", show_default=False)
    ],
    photos: Annotated[
        list[Path],
        typer.Option(
            help="Folder or zip of photos like those to be translated; again for any others.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        Literal["face", "drawing", "scene"],
        typer.Option(help="What the targets are: photographed faces, drawn ones, or scenes."),
    ] = "face",
    name: Annotated[str | None, typer.Option(help="Of the domain; default: that of OUT.")] = None,
    title: Annotated[str | None, typer.Option(help="The same for people.")] = None,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror/--no-mirror", help="Whether a mirrored target is one, too: writing is not."
        ),
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Write a recipe for pictures of your own."""
    from translate.files import atomic_path
    from translate.training.starting import start

    if out.exists() and not overwrite:
        raise SettingsError(f"{out} exists; pass --overwrite, or another name")
    if name is None:
        name = re.sub("[^a-z0-9_]+", "-", out.stem.lower()).strip("-_") or "mine"
    new = start(
        kind,
        name=name,
        title=title or name.replace("-", " ").replace("_", " ").capitalize(),
        target=target,
        photos=photos,
        mirror=mirror,
    )
    try:
        with atomic_path(out) as temporary:
            temporary.write_text(new.text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{out}: cannot be written ({error})") from None
    print(f"{out}: {new.targets} targets, {new.photos} photos; read it, it says what turns what")
    if kind == "scene":
        light = "targets {:.2f}, the first photos {:.2f}".format(*new.light)
        so = "walks set out from less light, and skies stay dark" if new.dark else "light stays"
        say(f"mean light of scenes: {light}: {so}")
    else:
        cut = "targets are cut around theirs" if new.aligned else "targets stay whole squares"
        say(f"faces were found in {100 * new.faces:.0f} % of the targets: {cut}")
    say(
        f"next: translate train {out} --dry-run, translate train {out}, then "
        f"translate export runs/{name} weights/{name}"
    )


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="TOML file or bundled name.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's paths start from.")] = Path(),
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last state.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings and the first batch, then stop.")
    ] = False,
    max_minutes: Annotated[float, typer.Option(min=0, help="Stop after; 0: no limit.")] = 0.0,
    checkpoint_minutes: Annotated[float, typer.Option(min=0.01)] = 5.0,
    keep: Annotated[int, typer.Option(min=1, help="Checkpoints kept.")] = 3,
    samples_every: Annotated[int, typer.Option(min=0, help="Updates; 0: never.")] = 100,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Train an energy model of a new domain."""
    from translate.device import pick_device, pick_dtype
    from translate.energy import EnergyModel
    from translate.training import checkpoint
    from translate.training.config import load_recipe
    from translate.training.run import Session
    from translate.training.trainer import Trainer

    settings = load_recipe(recipe)
    folder = out or Path("runs") / settings.name
    session = Session(
        out=folder,
        max_minutes=max_minutes,
        checkpoint_minutes=checkpoint_minutes,
        keep=keep,
        samples_every=samples_every,
    )
    saved = checkpoint.load(checkpoint.latest(folder)) if resume else None
    if not resume and not dry_run and checkpoint.exists(folder):
        raise SettingsError(f"{folder} holds a run already; pass --resume, or another --out")
    place = pick_device(device)
    trainer = Trainer(settings, data, folder / "cache", place, pick_dtype(dtype, place))
    if saved is not None:
        trainer.restore(saved)
    elif settings.start:
        trainer.set_out_from(EnergyModel.from_pretrained(settings.start).with_closeup(None))
    if dry_run:
        from translate.training.describe import describe_run

        print(describe_run(trainer))
        return
    _train(trainer, session)


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="File or run folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Domain folder, e.g. weights/NAME.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's paths start from.")] = Path(),
    recipe: Annotated[
        str | None, typer.Option(help="Recipe with newer texts or sampling settings.")
    ] = None,
    member: Annotated[
        str | None,
        typer.Option(help="Domain of the same shape whose networks become members, too."),
    ] = None,
    average: Annotated[
        str | None,
        typer.Option(help="Domain whose weights are averaged with these: earlier ones of the run."),
    ] = None,
    average_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of that domain's weights in the average.")
    ] = 0.5,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Turn a checkpoint into a domain folder, calibrated on held-out images."""
    from translate.device import pick_device, pick_dtype
    from translate.energy import EnergyModel
    from translate.training.config import load_recipe
    from translate.training.export import export as run

    def other(domain: str | None) -> EnergyModel | None:
        return None if domain is None else EnergyModel.from_pretrained(domain).with_closeup(None)

    place = pick_device(device)
    cache = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / "cache"
    domain = run(
        checkpoint,
        out,
        data_root=data,
        cache=cache,
        device=place,
        dtype=pick_dtype(dtype, place),
        recipe=None if recipe is None else load_recipe(recipe),
        joined=other(member),
        averaged=other(average),
        averaged_share=average_share,
    )
    share = domain.metrics["share_at_or_below_data_median"]
    print(f"{out}: strength 1.0 is {domain.pgd.steps} steps; {100 * share:.0f} % reach the target")


def eyes(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Whose eyes, of what it draws.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the sets.")],
    target: Annotated[
        Path, typer.Option(help="Folder or zip of its target images.", show_default=False)
    ],
    photos: Annotated[
        list[Path],
        typer.Option(
            help="Folder or zip of photos that it translates; again for others.",
            show_default=False,
        ),
    ],
    side: Annotated[
        float, typer.Option(min=0.1, max=2, help="Of a square, in widths of the face.")
    ] = 0.47,
    hold_out: Annotated[
        int, typer.Option(min=0, help="Last images of each set that no run trains on.")
    ] = 0,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="It draws eyes in places of its own, not the photo's.")
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Cut squares around eyes out of targets and photos, for a network that draws them close up."""
    from translate.training.eye_sets import check_set, write_starts, write_targets
    from translate.translator import Translator

    translator = Translator.load(domain, device=device, dtype=dtype)
    for path in photos:
        check_set(path)
    targets, template, usual = write_targets(target, out, hold_out=hold_out, beside=drawn)
    print(f"{out / 'eyes.zip'}: {targets.total} targets, the last {targets.held_out} held out")
    paths = [(path, hold_out) for path in photos]
    starts = targets
    like = template if drawn else None
    for starts in write_starts(translator, paths, out, side=side, drawn=like):
        if sys.stderr.isatty():
            print(f"\r{starts.total} eyes of photos", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        say("")
    for name in ("start", "walked", "graft"):
        file = out / f"{name}.zip"
        print(f"{file}: {starts.total} eyes of photos, the last {starts.held_out} held out")
    if drawn:
        print(f"usual place, for translate closeup: --drawn {' '.join(f'{v:.3f}' for v in usual)}")


def closeup(
    eyes: Annotated[str, typer.Argument(metavar="EYES", help="Domain that draws eyes.")],
    domain: Annotated[Path, typer.Argument(metavar="DOMAIN", help="Folder of the one to get it.")],
    side: Annotated[
        float, typer.Option(min=0.1, max=2, help="Of a square, in widths of the face.")
    ] = 0.47,
    drawn: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="X Y SIDE",
            help="Where it draws left eyes, if in places of its own: the square around most of "
            "them, in sides of the window; see what translate eyes --drawn says.",
            show_default=False,
        ),
    ] = None,
    graft: Annotated[
        bool, typer.Option(help="Put the photo's eyes into the drawing first.")
    ] = True,
) -> None:
    """Let a domain of faces draw eyes close up, with another domain's network."""
    from translate.training.attaching import attach

    card = attach(eyes, domain, side=side, drawn=drawn, graft=graft)
    assert card.closeup is not None
    print(f"{domain}: close-ups of {eyes}, {card.closeup.pgd.in_words}")


def _train(trainer: Trainer, session: Session) -> None:
    from translate.training.run import run
    from translate.training.scalars import tensorboard

    stop = threading.Event()

    def ask() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    say(f"{trainer.recipe.name}, {trainer.device}, {trainer.dtype}; {session.out}")
    with on_signals(ask), tensorboard(session.out) as scalars:
        if scalars is None:
            say("note: no TensorBoard log; install tensorboard for one (log.jsonl is written)")
        for report in run(trainer, session, stop, scalars):
            line = (
                f"{trainer.recipe.stages[report.stage].size} px "
                f"{report.update + 1}/{trainer.recipe.stages[report.stage].updates} "
                f"K {report.k} AUC {report.auc:.2f} loss {report.loss:.3f} "
                f"travel {report.travel:.2f} "
                f"{trainer.recipe.stages[report.stage].batch_size / report.seconds:.1f} images/s"
            )
            if sys.stderr.isatty():
                print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
            elif report.update % 20 == 0:
                say(line)
    if sys.stderr.isatty():
        say("")
    done = "finished" if trainer.done else "stopped; go on with --resume"
    print(f"{session.out}: {trainer.position.total_updates} updates, {done}")
