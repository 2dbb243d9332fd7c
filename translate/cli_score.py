"""`translate score`: flags and words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from translate.cli_batch import (
    BatchSize,
    Exclude,
    Include,
    Limit,
    Recursive,
    Sources,
    Workers,
    read_batch_size,
    read_listed,
    read_selection,
    say_start,
)
from translate.cli_hub import fetched
from translate.console import (
    Device,
    DomainName,
    Dtype,
    FramingFlag,
    MaxPixels,
    Offline,
    Revision,
    printable,
    say,
)


def score(
    sources: Sources,
    domain: DomainName = "anime",
    revision: Revision = None,
    offline: Offline = False,
    framing: FramingFlag = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    recursive: Recursive = True,
    include: Include = None,
    exclude: Exclude = None,
    limit: Limit = None,
    batch_size: BatchSize = "auto",
    workers: Workers = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    max_pixels: MaxPixels = None,
) -> None:
    """Tell how in-domain photos are: energy, probability, percentile among real target images."""
    from translate.batch.engine import Engine
    from translate.batch.inputs import find_inputs
    from translate.batch.score import score_files, score_options
    from translate.image_io import DEFAULT_MAX_PIXELS
    from translate.options import Options
    from translate.translator import Translator

    limit_pixels = DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels
    options = Options(framing=framing, max_pixels=limit_pixels)
    size = read_batch_size(batch_size)
    selection = read_selection(recursive, include, exclude)
    found = find_inputs(sources, selection, listed=read_listed(sources))
    inputs = found.inputs[:limit]
    translator = Translator.load(fetched(domain, revision, offline), device=device, dtype=dtype)
    engine = Engine(translator, score_options(options), size, say)
    say_start(engine, len(inputs), found)
    if not as_json:
        print("    energy  probability  percentile  file")
    failed = len(found.unreadable)
    for _, reason in found.unreadable:
        say(f"failed: {reason}")
    for scored in score_files(engine, inputs, workers=workers):
        name, result = str(scored.input.path), scored.score
        if isinstance(result, str):
            failed += 1
            say(f"failed: {result}")
            if as_json:
                print(json.dumps({"file": name, "error": result}), flush=True)
        elif as_json:
            print(json.dumps({"file": name, **asdict(result)}), flush=True)
        else:
            print(
                f"{result.energy:10.3f}  {result.probability:11.4f}  {result.percentile:9.1f}%  "
                f"{printable(name)}",
                flush=True,
            )
    if failed:
        raise typer.Exit(1)
