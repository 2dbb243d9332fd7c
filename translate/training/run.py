"""A training session: updates, checkpoints, samples and logs until done, stopped or out of time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TextIO

from translate.errors import TrainingError
from translate.framing import FaceSquare
from translate.training import checkpoint
from translate.training.data import first_images, load_images
from translate.training.report import Report
from translate.training.samples import write_samples
from translate.training.trainer import Trainer
from translate.view import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How to run, as opposed to what to learn.

    Attributes:
        out: folder of the run.
        max_minutes: stop after this time; 0 is no limit.
        checkpoint_minutes: between checkpoints.
        keep: checkpoints kept.
        samples_every: updates between sample grids; 0 is never.
        sample_count: photos in a grid.
    """

    out: Path
    max_minutes: float = 0.0
    checkpoint_minutes: float = 5.0
    keep: int = 3
    samples_every: int = 100
    sample_count: int = 12


class Scalars(Protocol):
    """The part of TensorBoard's SummaryWriter used here."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Log one number."""
        ...


def run(
    trainer: Trainer, session: Session, stop: threading.Event, scalars: Scalars | None = None
) -> Iterator[Report]:
    """Train, one report per update. However it ends, the last state is on disk.

    Args:
        trainer: fresh or restored.
        session: how to run.
        stop: set it to stop after the update in progress.
        scalars: TensorBoard writer, if any.

    Raises:
        TrainingError: the loss diverged; the last good checkpoint stays.
    """
    started = saved = time.monotonic()
    session.out.mkdir(parents=True, exist_ok=True)
    with (session.out / "log.jsonl").open("a", encoding="utf-8") as log:
        try:
            while not trainer.done and not stop.is_set():
                report = trainer.update()
                _record(report, trainer, log, scalars)
                if session.samples_every and _due(trainer, session.samples_every):
                    _sample(trainer, session)
                yield report
                now = time.monotonic()
                if now - saved > 60 * session.checkpoint_minutes:
                    _save(trainer, session)
                    saved = now
                if session.max_minutes and now - started > 60 * session.max_minutes:
                    break
        except (TrainingError, KeyboardInterrupt):
            raise  # in the middle of an update: the last checkpoint is the good one
        except BaseException:
            _save(trainer, session)
            raise
        _save(trainer, session)


def _due(trainer: Trainer, every: int) -> bool:
    last = trainer.position.update == trainer.stage.updates
    return last or trainer.position.total_updates % every == 0


def _record(report: Report, trainer: Trainer, log: TextIO, scalars: Scalars | None) -> None:
    values = asdict(report)
    line = {k: round(v, 5) if v == v else None for k, v in values.items()}
    log.write(json.dumps(line) + "\n")
    log.flush()
    if scalars is not None:
        for name, value in values.items():
            if value == value:
                scalars.add_scalar(name, value, trainer.position.total_updates)


def _sample(trainer: Trainer, session: Session) -> None:
    recipe, size = trainer.recipe, trainer.stage.size
    source = recipe.data.p_0[0].unlit
    images = load_images(
        source,
        trainer.data_root,
        size,
        trainer.cache,
        held_out=source.hold_out > 0,
        square=FaceSquare.of(recipe),
    )
    descent = recipe.descent_at(trainer.position.stage)
    write_samples(
        trainer.ema,
        first_images(images, session.sample_count),
        session.out / "samples" / f"{trainer.position.total_updates:07d}.png",
        descent=descent,
        dtype=trainer.dtype,
        asked=Asked.of(descent, relit=recipe.face_relit, eyes=recipe.face_eyes),
    )


def _save(trainer: Trainer, session: Session) -> None:
    name = f"checkpoint-{trainer.position.total_updates:07d}.safetensors"
    trainer.save(session.out / name)
    checkpoint.prune(session.out, session.keep)
