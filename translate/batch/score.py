"""How in-domain many files are, from the same pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from torch import Tensor

from translate.batch.buckets import Buckets, Waiting
from translate.batch.engine import End, Engine
from translate.batch.inputs import Input
from translate.batch.jobs import reason_of
from translate.batch.lookahead import ahead
from translate.batch.pipeline import default_workers
from translate.framing import extract
from translate.image_io import read_photo, to_tensor
from translate.options import DEFAULTS, Options
from translate.score import Score
from translate.view import View


@dataclass(frozen=True, slots=True)
class Scored:
    """An input with its score, or with the reason why it has none."""

    input: Input
    score: Score | str


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    index: int
    input: Input
    view: Tensor | str


def score_options(options: Options = DEFAULTS) -> Options:
    """The options of an engine that only measures."""
    return replace(options, strength=0.0, steps=None, seed=None)


def score_files(
    engine: Engine, inputs: Iterable[Input], *, workers: int | None = None
) -> Iterator[Scored]:
    """Score every input, in the order given; of a moving picture, its first frame.

    Args:
        engine: with `score_options`.
        inputs: what to score.
        workers: threads for decoding; None chooses.
    """
    count = workers or default_workers()
    buckets = Buckets[_View](engine.size)
    waiting: dict[int, Scored] = {}  # for those before them
    following = 0
    size = engine.translator.domain.network.size
    with ThreadPoolExecutor(count, "decode") as decoders:
        views = ahead(
            decoders,
            lambda numbered: _prepare(engine, *numbered),
            enumerate(inputs),
            lambda: engine.size((size, size)) + 2 * count,
            workers=count,
        )
        for batch in _batches(views, buckets):
            waiting |= zip((v.index for v in batch), _score(engine, batch), strict=True)
            while following in waiting:
                yield waiting.pop(following)
                following += 1


def _prepare(engine: Engine, index: int, source: Input) -> _View:
    options = engine.options
    try:
        photo = read_photo(source.path, max_pixels=options.max_pixels)
        window = engine.translator.windows(photo, options)[0]
        return _View(index, source, to_tensor(extract(photo.rgb, window)))
    except Exception as error:  # one bad image, whatever it does, never ends the run
        return _View(index, source, reason_of(error, source.path))


def _batches(views: Iterable[_View], buckets: Buckets[_View]) -> Iterator[list[_View]]:
    for view in views:
        if isinstance(view.view, str):
            yield [view]
        else:
            height, width = view.view.shape[2:]
            yield from buckets.add(Waiting((height, width), height * width, view))
    yield from buckets.rest()


def _score(engine: Engine, batch: Sequence[_View]) -> Iterator[Scored]:
    ends = engine.run([View(v.view) for v in batch if isinstance(v.view, Tensor)])
    remaining = iter(ends)
    for view in batch:
        end = view.view if isinstance(view.view, str) else next(remaining)
        if isinstance(end, End):
            yield Scored(view.input, Score.of(end.before, engine.translator.domain.calibration))
        else:
            yield Scored(view.input, end)
