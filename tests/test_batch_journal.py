"""The journal survives anything; locks and leftovers."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.test_batch import ORDINARY
from translate.batch import locks
from translate.batch.buckets import Buckets, Waiting
from translate.batch.journal import Journal, Record, Results, read
from translate.batch.lookahead import ahead
from translate.batch.report import Tally, duration
from translate.errors import InputError


def record(name: str, **others: object) -> Record:
    fields = {"source": f"/in/{name}", "status": "ok", "output": name, "settings": "s"}
    return Record(**{"input": name, "source_sha256": "h", "output_bytes": 3, **fields, **others})


def test_lines_come_back_as_they_went(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.jsonl"
    records = [
        record("a.jpg", window=(32, 48), note="é", energy_before=1.5, time=1.0),
        record(os.fsdecode(b"\xff.jpg"), status="failed", output=None, error="no\nway"),
    ]
    with closing(Journal(path)) as journal:
        for r in records:
            journal.append(r)
    assert list(read(path)) == records
    assert all(json.loads(line) for line in path.read_text().splitlines())
    bad = json.loads(record("n", energy_after=math.nan).line(), parse_constant=pytest.fail)
    assert bad["energy_after"] is None


def test_a_tear_at_any_byte_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines = [record(f"{i}.jpg").line() for i in range(3)]
    whole = b"".join(lines)
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        left = [r.input for r in read(path)]
        with closing(Journal(path)) as journal:
            journal.append(record("new.jpg"))
        assert [r.input for r in read(path)] == [*left, "new.jpg"]
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    odd = [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"input": 1, "window": [1]}', b"[" * 99999]
    path.write_bytes(b"\n".join([*odd, record("a.jpg").line()]))
    assert [r.input for r in read(path)] == ["a.jpg"]
    assert list(read(tmp_path / "missing")) == []


def test_only_one_run_writes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with closing(Journal(path)), pytest.raises(InputError, match="Another run"):
        Journal(path)
    Journal(path).close()
    with pytest.raises(InputError, match="Cannot write the journal"):
        Journal(tmp_path)


@pytest.mark.parametrize("content", [b"dear diary\nno end", b"\xff\xd8 a photo", b'{"in": 1}\n'])
def test_what_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no journal"):
        Journal(path)
    assert path.read_bytes() == content


def test_finished_means_same_source_same_settings_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(record("a.jpg").line())
    results = Results(tmp_path, [path])
    assert results.finished(["a.jpg"], "s", "h") is None  # the file is not there
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert results.finished(["x.png", "a.jpg"], "s", "h") is not None
    assert results.finished(["a.jpg"], "other", "h") is None
    assert results.finished(["a.jpg"], "s", "other") is None
    (tmp_path / "a.jpg").write_bytes(b"ab")
    assert results.finished(["a.jpg"], "s", "h") is None


def test_the_last_one_to_make_a_file_owns_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    one, two = tmp_path / "run-1-of-2.jsonl", tmp_path / "run-2-of-2.jsonl"
    one.write_bytes(record("a.jpg", settings="new", time=2.0).line())
    two.write_bytes(record("a.jpg", settings="old", time=1.0).line())
    results = Results(tmp_path, [one, two])
    assert results.finished(["a.jpg"], "new", "h") is not None
    assert results.finished(["a.jpg"], "old", "h") is None


def test_leftovers_go_unless_another_run_is_at_work(tmp_path: Path) -> None:
    stale = tmp_path / "s" / f".{'0f' * 8}.tmp"
    kept = [tmp_path / ".x.tmp", tmp_path / "s" / "a.tmp"]
    stale.parent.mkdir()
    for path in (stale, *kept):
        path.touch()
    with other_process_holding(tmp_path):
        with locks.results_folder(tmp_path):
            assert stale.exists()
        old = time.time() - 2 * locks.OLD_S
        os.utime(stale, (old, old))
        with locks.results_folder(tmp_path):
            assert not stale.exists()
    stale.touch()
    with locks.results_folder(tmp_path), locks.results_folder(tmp_path):
        assert not stale.exists()
    assert all(path.exists() for path in kept)
    with pytest.raises(InputError, match="Cannot write to"), locks.results_folder(kept[0]):
        pass


HOLD = """
import sys
from pathlib import Path
from translate.batch import locks
try:
    with locks.results_folder(Path(sys.argv[1])):
        print("held")
except locks.InputError as error:
    print(error)
"""


def test_a_folder_that_takes_nothing_is_refused_at_once(tmp_path: Path) -> None:
    """In a process for which permissions count, even if this one is root."""
    for mode, words in ((0o500, "Permission denied; use another OUT"), (0o700, "held")):
        tmp_path.chmod(mode)
        command = [sys.executable, "-c", ORDINARY, sys.executable, "-c", HOLD, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert words in done.stdout
        assert not any(tmp_path.iterdir())


@contextmanager
def other_process_holding(folder: Path) -> Iterator[None]:
    """It takes the folder alone and so removes what is there, which is put back."""
    files = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    code = (
        "import sys; from pathlib import Path; from translate.batch import locks\n"
        "with locks.results_folder(Path(sys.argv[1])): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for file, content in files.items():
            file.write_bytes(content)
        yield
        process.communicate("\n", timeout=20)


# Batches


def fill(shapes: list[tuple[int, int]], size: int, max_pixels: int = 10**9) -> list[list[int]]:
    buckets = Buckets[int](lambda shape: size, max_pixels)

    def batches() -> Iterator[list[int]]:
        for index, shape in enumerate(shapes):
            yield from buckets.add(Waiting(shape, 100, index))
        yield from buckets.rest()

    return list(batches())


def test_batches_hold_one_shape_each() -> None:
    a, b = (32, 32), (32, 48)
    assert fill([a, b, a, b, a, b, b], 2) == [[0, 2], [1, 3], [5, 6], [4]]
    assert fill([a, b, a, b], 9) == [[0, 2], [1, 3]]


def test_photos_that_wait_are_bounded() -> None:
    shapes = [(32, 8 * i) for i in range(1, 50)]
    assert fill(shapes, 4, max_pixels=500)[:3] == [[0], [1], [2]]


# Ahead


def work_ahead(weights: list[int], *, limit: int, most: int) -> tuple[list[int], list[int]]:
    """Results of two threads, and how many were begun whenever all that may begin had ended."""
    begun: list[int] = []
    counts: list[int] = []

    def function(weight: int) -> int:
        begun.append(weight)
        return weight

    results: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        for result in ahead(
            pool, function, weights, lambda: limit, workers=2, weight=lambda w: w, most=most
        ):
            results.append(result)
            count = -1
            while count != len(begun):
                count = len(begun)
                wait([pool.submit(time.sleep, 0.01) for _ in range(4)])
            counts.append(count)
    return results, counts


def test_work_ahead_keeps_order_and_limit() -> None:
    weights = list(range(30))
    results, counts = work_ahead(weights, limit=5, most=10**6)
    assert results == weights
    assert counts == [min(index + 6, 30) for index in range(30)]


def test_heavy_results_hold_back_what_is_begun() -> None:
    """A folder of small photos may go on with huge ones."""
    results, counts = work_ahead([1] * 4 + [100] * 30, limit=20, most=250)
    assert results == [1] * 4 + [100] * 30
    assert max(count - index for index, count in enumerate(counts, start=1)) <= 3 + 2 + 4
    assert max(count - index for index, count in enumerate(counts[4:], start=5)) <= 3 + 2


# Words


def test_tally() -> None:
    now = [0.0]
    tally = Tally(10, lambda: now[0])
    now[0] = 2.0
    for status in ("ok", "ok", "failed", "ok", "skipped"):
        tally.add(record("a", status=status, error="bad" if status == "failed" else None))
    assert tally.line() == "5/10, 1 failed, 1 skipped, 2.00 images/s, 2 s left"
    summary = "\n".join(tally.summary())
    for words in ("3 translated", "1 skipped", "1 failed", "5 not begun", "failed: bad"):
        assert words in summary
    assert [duration(s) for s in (0.4, 75, 7500)] == ["0 s", "1 min 15 s", "2 h 5 min"]
