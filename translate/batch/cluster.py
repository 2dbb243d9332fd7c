"""The same run on Ray Data: every actor has a model of its own; the plan and the journal stay here.

The rows that Ray moves are numbers of the plan going out and journal lines coming back. IN and OUT
must be the same folders on all machines; actors read photos and write results there, atomically.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from translate.batch.engine import Engine
from translate.batch.journal import Journal, Record, Results
from translate.batch.lanes import default_lanes
from translate.batch.noting import Noting
from translate.batch.pipeline import Pipeline
from translate.batch.plan import Item, source_of
from translate.batch.settings import Settings
from translate.batch.workshop import Workshop
from translate.errors import SettingsError
from translate.translator import Translator

BATCHES = 4
"""Device batches per share: while one is on the device, the next one is decoded."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything an actor needs, sent once.

    Attributes:
        load: makes the translator, on the actor's machine.
        settings: how results are made.
        results: of earlier runs.
        items: the plan.
        share: items per call of an actor.
        overwrite: make finished results anew.
        batch_size: images on a device at a time; None chooses.
        workers: threads that decode, and as many that encode; None chooses.
    """

    load: Callable[[], Translator]
    settings: Settings
    results: Results
    items: Sequence[Item]
    share: int
    overwrite: bool
    batch_size: int | None
    workers: int | None


def task_of(
    items: Sequence[Item],
    workshop: Workshop,
    engine: Engine,
    load: Callable[[], Translator],
    workers: int | None,
) -> Task:
    """What the plain run would do, for actors; paths become absolute, for they start elsewhere."""
    side = engine.translator.domain.network.size
    results = Results(Path(os.path.abspath(workshop.results.out)), ())  # noqa: PTH100
    results.made = workshop.results.made
    return Task(
        load=load,
        settings=workshop.settings,
        results=results,
        items=[replace(item, path=Path(source_of(item))) for item in items],
        share=BATCHES * engine.size((side, side)),
        overwrite=workshop.overwrite,
        batch_size=engine.batch_size,
        workers=workers,
    )


class Actor:
    """A model that stays, and the plain run over a few items at each call."""

    def __init__(self, task: Task) -> None:
        self.task = task
        translator = task.load()
        self.said: list[str] = []
        self.workshop = Workshop(translator, task.settings, task.results, overwrite=task.overwrite)
        self.engine = Engine(
            translator,
            task.settings.options,
            task.batch_size,
            self.said.append,
            default_lanes(translator.device),
        )

    def __call__(self, rows: Row) -> Row:
        """Number of a share in; out come its records, words for the user, why it cannot go on."""
        self.said.clear()
        pipeline = Pipeline(self.workshop, self.engine, _Nowhere(), workers=self.task.workers)
        (number,) = rows["id"]
        first = int(number) * self.task.share
        records = list(pipeline.run(self.task.items[first : first + self.task.share]))
        found = [("record", record.line().decode("ascii")) for record in records]
        found += [("said", text) for text in self.said]
        if pipeline.ended is not None:
            found.append(("ended", pipeline.ended))
        return {"kind": [kind for kind, _ in found], "text": [text for _, text in found]}


class _Nowhere:
    """Takes an actor's journal lines; the driver writes them."""

    path = Path(os.devnull)

    def append(self, record: Record) -> None:
        """The record is in the pipeline's output already."""


class Cluster(Noting):
    """A run like `Pipeline`'s, on the Ray that runs already (`RAY_ADDRESS`) or on this machine.

    When it is stopped, what the actors have in hand is written but not journaled, so the next run
    makes it again.

    Args:
        task: for the actors.
        journal: open; only this process writes to it.
        say: takes sentences of the engines.
        stop: set it to begin nothing more.
        fail_fast: stop at the first failure.
        actors: how many; None is one per GPU, or one per core where there is none.

    Attributes:
        ended: why the run stopped before its end by itself, or None.

    Raises:
        SettingsError: Ray is not installed.
    """

    def __init__(
        self,
        task: Task,
        journal: Journal,
        say: Callable[[str], None],
        *,
        stop: threading.Event | None = None,
        fail_fast: bool = False,
        actors: int | None = None,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray asks when it is imported
        try:
            self._ray: Any = importlib.import_module("ray")
            self._data: Any = importlib.import_module("ray.data")
        except ImportError:
            raise SettingsError(
                "engine 'ray' needs Ray Data; install the extra: pip install 'translate-ebm[ray]'"
            ) from None
        super().__init__(journal, stop, fail_fast=fail_fast)
        self.task = task
        self.say = say
        self.actors = actors

    def run(self, items: Sequence[Item], problems: Iterable[Record] = ()) -> Iterator[Record]:
        """One record for each item that was finished, failed or skipped; see `Pipeline.run`.

        Args:
            items: the task's.
            problems: failures known beforehand.
        """
        assert len(items) == len(self.task.items)
        yield from map(self.note, problems)
        started = self._start()
        try:
            for row in self._rows_back():
                if row["kind"] == "said":
                    self.say(row["text"])
                elif row["kind"] == "ended":
                    self.end(row["text"])
                else:
                    record = Record.parse(row["text"].encode("ascii"))
                    assert record is not None
                    yield self.note(record)
                if self.stop.is_set():
                    return
        finally:
            if started:
                self._ray.shutdown()

    def _start(self) -> bool:
        """Join a Ray that runs, else start one here that only this machine can reach."""
        if self._ray.is_initialized():
            return False
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if os.environ.get("RAY_ADDRESS"):
            self._ray.init(**quiet)
        else:
            self._ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        return True

    def _rows_back(self) -> Iterator[Row]:
        context = self._data.DataContext.get_current()
        context.enable_progress_bars = False
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        count = self.actors or max(1, gpus or int(resources.get("CPU", 1)))
        calls = max(1, -(-len(self.task.items) // self.task.share))
        numbers = [{"id": number} for number in range(calls)]  # here: a reading task needs a core
        data = self._data.from_items(numbers, override_num_blocks=calls).map_batches(
            Actor,
            fn_constructor_args=(self.task,),
            batch_size=1,  # number of a share: so a share's device batches are the plain run's
            concurrency=min(count, calls),
            num_gpus=1 if gpus else 0,
            num_cpus=0 if gpus else 1,
        )
        yield from data.iter_rows()
