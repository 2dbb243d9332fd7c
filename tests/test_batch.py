"""The batch run: equal to one by one, nothing lost, whatever happens."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import Result, pixels
from translate import Options, Translator
from translate.batch.engine import Engine
from translate.batch.journal import Journal, Record, read
from translate.batch.pipeline import Pipeline
from translate.batch.session import Request, open_session
from translate.batch.settings import Settings
from translate.batch.workshop import Workshop
from translate.options import Strength
from translate.view import View

Cli = Callable[..., Result]


def picture(seed: int, width: int = 60, height: int = 44) -> Image.Image:
    k = np.random.default_rng(seed).integers(1, 6, 3)
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * k[0] + y, y * k[1], 255 - x * k[2]]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def fill(folder: Path, count: int, **size: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i:02d}.png" for i in range(count)]
    for seed, name in enumerate(names):
        picture(seed, **size).save(folder / name)
    return names


@pytest.fixture(scope="module")
def tiny(tiny_domain: Path) -> Translator:
    return Translator.load(str(tiny_domain), device="cpu", dtype="float32")


@pytest.fixture
def run(tiny: Translator, tmp_path: Path) -> Callable[..., list[Record]]:
    """Translate `in` into `out` without the command line."""

    def go(
        *,
        translator: Translator = tiny,
        options: Options | None = None,
        batch_size: int | None = None,
        said: list[str] | None = None,
        **others: Any,
    ) -> list[Record]:
        session = open_session(Request(sources=(str(tmp_path / "in"),), out=tmp_path / "out"))
        settings = Settings(options=options or Options())
        workshop = Workshop(translator, settings, session.results, overwrite=False)
        say = said.append if said is not None else pytest.fail
        engine = Engine(translator, settings.options, batch_size, say)
        journal = Journal(session.request.journal)
        try:
            pipeline = Pipeline(workshop, engine, journal, **{"workers": 2, **others})
            return list(pipeline.run(session.items))
        finally:
            journal.close()

    return go


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "run.jsonl").read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.suffix != ".jsonl")
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def test_a_domain_that_ends_early_is_another_setting(tiny: Translator) -> None:
    """What a card leaves out stays as it was hashed before cards could say it."""
    early = copy(tiny)
    early.domain = tiny.domain.model_copy(update={"auto": True})
    asked: tuple[Strength | None, ...] = (None, 1.0, "auto")
    hashes = [
        [Settings(options=Options(strength=strength)).digest(one) for strength in asked]
        for one in (tiny, early)
    ]
    for (own, whole, auto), expected in zip(hashes, ("whole", "auto"), strict=True):
        assert own == {"whole": whole, "auto": auto}[expected]
        assert whole != auto
    assert hashes[0][1:] == hashes[1][1:]


# The same as one by one


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(strength="auto", steps=12),
        Options(strength=0.5, seed=5),
        Options(strength=0.0),
        Options(eps=1.0, steps=3),
    ],
)
def test_results_equal_one_by_one(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path, options: Options
) -> None:
    names = fill(tmp_path / "in", 5)
    records = run(options=options, batch_size=3)
    assert sorted(r.input for r in records) == names
    for name in names:
        expected = np.array(tiny(tmp_path / "in" / name, options)).astype(int)
        assert np.abs(pixels(tmp_path / "out" / name) - expected).max() <= 1
    by_name = {r.input: r for r in records}
    *_, frame = tiny.frames(tmp_path / "in" / names[0], options)
    assert by_name[names[0]].energy_after == pytest.approx(frame.energy, abs=1e-3)
    assert by_name[names[0]].travel == pytest.approx(frame.distance, abs=1e-3)


def test_sizes_are_mixed_freely(cli: Cli, tiny_scene: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    sizes = [(40, 40), (80, 40), (40, 40), (33, 60), (80, 40), (200, 31)]
    for seed, (width, height) in enumerate(sizes):
        picture(seed, width, height).save(source / f"{seed}.png")
    done = cli("batch", source, out, "--domain", tiny_scene, "--batch-size", 2)
    assert done.code == 0, done.err
    translator = Translator.load(str(tiny_scene))
    for seed in range(len(sizes)):
        expected = np.array(translator(source / f"{seed}.png")).astype(int)
        assert np.abs(pixels(out / f"{seed}.png") - expected).max() <= 1


def test_decoding_translating_and_encoding_overlap(
    run: Callable[..., list[Record]],
    tiny: Translator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second batch ends only after a photo of the third is read and one of the first written,
    which both begin only after the second batch."""
    names = fill(tmp_path / "in", 6)
    began, decoded, written = threading.Event(), threading.Event(), threading.Event()
    decode, finish, batches = Workshop.decode, Workshop.finish, list[int]()

    def slow_decode(self: Workshop, item: Any) -> Any:
        if item.relative == names[4]:
            assert began.wait(60)
            decoded.set()
        return decode(self, item)

    def slow_finish(self: Workshop, job: Any, ends: Any) -> Record:
        if job.item.relative == names[0]:
            assert began.wait(60)
            written.set()
        return finish(self, job, ends)

    class Busy(Translator):
        def descend(self, seen: View, *others: Any, **more: Any) -> Any:
            batches.append(len(seen.x))
            if len(batches) == 2:
                began.set()
                assert decoded.wait(60)
                assert written.wait(60)
            return super().descend(seen, *others, **more)

    monkeypatch.setattr(Workshop, "decode", slow_decode)
    monkeypatch.setattr(Workshop, "finish", slow_finish)
    busy = Busy(tiny.domain, tiny.model, tiny.device, tiny.dtype)
    assert [r.status for r in run(translator=busy, batch_size=2)] == ["ok"] * 6
    assert batches == [2, 2, 2]


# Memory


def failing_above(translator: Translator, most: int) -> tuple[Translator, list[int]]:
    """A translator whose device takes batches of at most `most`."""
    seen: list[int] = []

    class Small(Translator):
        def energy(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            if len(x) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return super().energy(x)

    return Small(translator.domain, translator.model, translator.device, translator.dtype), seen


def test_auto_halves_until_it_fits(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 14)
    small, seen = failing_above(tiny, 3)
    said: list[str] = []
    records = run(translator=small, said=said)
    assert [r.status for r in records] == ["ok"] * 14
    assert max(n for n in seen[5:]) <= 7
    assert [s.split()[3] for s in said] == ["14", "7"]
    assert "Going on with 3" in said[-1]


def test_own_batch_size_is_not_overridden_silently(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 4)
    said: list[str] = []
    assert len(run(translator=failing_above(tiny, 2)[0], batch_size=4, said=said)) == 4
    assert len(said) == 1
    assert "--batch-size 4 failed" in said[0]
    again, seen = failing_above(tiny, 2)
    run(translator=again, batch_size=2, options=Options(steps=2))
    assert set(seen) == {2}


def test_a_window_that_never_fits_fails_alone(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 2)
    records = run(translator=failing_above(tiny, 0)[0], said=[])
    assert [r.status for r in records] == ["failed"] * 2
    assert "do not fit into the device's memory" in str(records[0].error)
    assert contents(tmp_path / "out") == {}


# Going on


def test_second_run_skips_exactly_what_is_finished(
    cli: Cli, tiny_domain: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 4)
    flags = ("--domain", tiny_domain)
    assert cli("batch", source, out, *flags).code == 0
    before = contents(out)
    stamps = {n: (out / n).stat().st_mtime_ns for n in before}
    picture(77).save(source / "00.png")  # another source
    (out / "01.png").unlink()  # no result
    (out / "02.png").write_bytes(before["02.png"][:50])  # a broken result
    done = cli("batch", source, out, *flags)
    assert "3 translated, 1 skipped" in done.out
    after = contents(out)
    assert after["01.png"] == before["01.png"]
    assert after["02.png"] == before["02.png"]
    assert after["00.png"] != before["00.png"]
    assert (out / "03.png").stat().st_mtime_ns == stamps["03.png"]
    assert "0 translated, 4 skipped" in cli("batch", source, out, *flags).out
    assert "4 translated, 0 skipped" in cli("batch", source, out, *flags, "--steps", 2).out
    assert "4 translated, 0 skipped" in cli("batch", source, out, *flags, "--overwrite").out
    assert len(lines(out)) == 4 + 3 + 4 + 4


def test_what_is_left_is_computed_in_the_company_it_had(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path
) -> None:
    """A batch of another size may round differently; the result must not depend on the restart."""
    fill(tmp_path / "in", 9)
    run(batch_size=4)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "05.png").unlink()
    watched, seen = failing_above(tiny, 99)
    records = run(translator=watched, batch_size=4)
    assert [r.input for r in records if r.status == "ok"] == ["05.png"]
    assert set(seen) == {4}
    assert contents(tmp_path / "out") == before


def test_dry_run_writes_nothing(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 2)
    done = cli("batch", source, out, "--domain", tiny_domain, "--dry-run")
    assert done.code == 0
    assert f"todo  {source}/00.png -> {out}/00.png" in done.out
    assert "2 to do, 0 finished" in done.out
    assert not out.exists()


def test_shards_make_the_whole(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    names = fill(source, 9)
    for k in (1, 2, 3):
        assert cli("batch", source, out, "-d", tiny_domain, "--shard", f"{k}/3").code == 0
    assert sorted(contents(out)) == names
    assert len(list(out.glob("run-*-of-3.jsonl"))) == 3
    assert "9 skipped" in cli("batch", source, out, "-d", tiny_domain).out


def test_files_of_others_are_not_replaced(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    fill(one, 2)
    fill(two, 3)
    out.mkdir()
    (out / "01.png").write_bytes(b"precious")
    refused = cli("batch", one, out, "-d", tiny_domain)
    assert refused.code == 2
    assert "01.png is in the way" in refused.err
    assert cli("batch", one, out, "-d", tiny_domain, "--overwrite").code == 0
    refused = cli("batch", two, out, "-d", tiny_domain)
    assert refused.code == 2
    assert str(one / "00.png") in refused.err
    one.rename(tmp_path / "moved")
    assert "2 skipped" in cli("batch", tmp_path / "moved", out, "-d", tiny_domain).out
    picture(9).save(tmp_path / "moved" / "new.png")
    (out / "new.png").write_bytes(b"precious")
    os.utime(out / "new.png", (1e9, 1e9))  # it was there before any run
    refused = cli("batch", tmp_path / "moved", out, "-d", tiny_domain)
    assert refused.code == 2
    assert "new.png is in the way" in refused.err
    assert (out / "new.png").read_bytes() == b"precious"
    os.utime(out / "new.png")  # it may be what a killed run left
    assert "1 translated" in cli("batch", tmp_path / "moved", out, "-d", tiny_domain).out


# Failures


def bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (2000, 2000)).save(buffer, "PNG")
    return buffer.getvalue()


def test_bad_images_never_end_the_run(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 3)
    good = (source / "00.png").read_bytes()
    bad = {
        "cut.png": (good[: len(good) // 2], "cut short or damaged"),
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"hello world, this is no image", "not an image"),
        "bomb.png": (bomb(), "more than the limit"),
        "cut.gif": (b"GIF89a" + bytes(20), "damaged"),
    }
    for name, (content, _) in bad.items():
        (source / name).write_bytes(content)
    (source / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(source / "pipe.jpg")
    done = cli("batch", source, out, "-d", tiny_domain, "--max-pixels", 1_000_000)
    assert done.code == 1
    assert "3 translated, 0 skipped (finished before), 7 failed" in done.out
    records = {line["input"]: line for line in lines(out)}
    assert len(records) == 10
    for name, (_, words) in bad.items():
        assert words in records[name]["error"], records[name]
        assert words in done.out
    assert "no such file" in records["gone.png"]["error"]
    assert "not a file" in records["pipe.jpg"]["error"]
    assert sorted(contents(out)) == ["00.png", "01.png", "02.png"]
    fast = cli("batch", source, tmp_path / "fast", "-d", tiny_domain, "--fail-fast")
    assert fast.code == 1
    assert "stopped: the first failure" in fast.out


def test_files_that_vanish(
    cli: Cli, tiny: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    names = fill(source, 3)

    def load(*_: object, **__: object) -> Translator:
        (source / names[1]).unlink()  # after the plan was made
        return tiny

    monkeypatch.setattr(Translator, "load", load)
    done = cli("batch", source, out)
    assert done.code == 1
    assert f"failed: Cannot read {source}/01.png: there is no such file" in done.out
    assert sorted(contents(out)) == ["00.png", "02.png"]


ORDINARY = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read anything
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; fails where not needed
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_files_that_may_not_be_read(tiny_domain: Path, tmp_path: Path) -> None:
    """In a process for which permissions count, even if this one is root."""
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 2)
    fill(source / "closed", 1)
    (source / "00.png").chmod(0)
    (source / "closed").chmod(0)
    script = Path(sys.executable).with_name("translate-batch")
    command = [sys.executable, "-c", ORDINARY, script, source, out, "-d", tiny_domain]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (source / "closed").chmod(0o700)
    assert done.returncode == 1, done.stderr
    errors = {line["input"]: line["error"] for line in lines(out)}
    assert "permission denied" in errors["00.png"]
    assert "Permission denied" in errors["closed"]
    assert errors["01.png"] is None


SMALL_DISK = """
mount -t tmpfs -o size=200k none "$OUT" || exit 99
"$@"; echo $? > "$KEPT.code"
cp -a "$OUT" "$KEPT" && df "$OUT" > "$KEPT.df"
"""
SMALL_FILES = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_on_a_full_disk(command: list[str], out: Path) -> tuple[int, str]:
    """Exit code and output; `out` then holds what the small disk held.

    The disk is a file system of 200 KB in a mount namespace of its own, or, where the system lets
    nobody make one, a limit on the size of files, which fails in the same call.
    """
    out.mkdir()
    kept = out.with_name("kept")
    environment = {**os.environ, "OUT": str(out), "KEPT": str(kept)}
    for space in (["unshare", "-rm"], ["unshare", "-m"]):
        probe = subprocess.run(
            [*space, "mount", "-t", "tmpfs", "none", out], capture_output=True, check=False
        )
        if probe.returncode == 0:
            done = subprocess.run(
                [*space, "sh", "-c", SMALL_DISK, "sh", *command],
                capture_output=True, text=True, check=False, env=environment,
            )  # fmt: skip
            assert not any(out.iterdir())  # it was another disk
            out.rmdir()
            kept.rename(out)
            return int(kept.with_name("kept.code").read_text()), done.stdout
    limited = [sys.executable, "-c", SMALL_FILES, *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(
    cli: Cli, tiny_domain: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    names = fill(source, 4)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for name in ("05.bmp", "06.bmp"):
        Image.fromarray(noise).save(source / name)
    fill(source / "later", 6)
    script = "from translate.cli import batch_main; batch_main()"
    command = [sys.executable, "-c", script, str(source), str(out), "-d", str(tiny_domain)]
    code, printed = run_on_a_full_disk([*command, "--batch-size", "2", "--workers", "1"], out)
    assert code == 1
    assert "stopped: the disk of OUT is full" in printed
    assert set(names) <= set(contents(out))
    assert not any(name.endswith((".bmp", ".tmp")) for name in contents(out))
    records = list(read(out / "run.jsonl"))
    assert {r.output for r in records if r.status == "ok"} == set(contents(out))
    assert cli("batch", source, out, "-d", tiny_domain).code == 0
    assert len(contents(out)) == 12


# Stopping


def test_stop_finishes_what_is_in_flight(
    run: Callable[..., list[Record]], tiny: Translator, tmp_path: Path
) -> None:
    names = fill(tmp_path / "in", 12)
    stop = threading.Event()

    class Stopping(Translator):
        def energy(self, x: torch.Tensor) -> torch.Tensor:
            stop.set()
            return super().energy(x)

    stopping = Stopping(tiny.domain, tiny.model, tiny.device, tiny.dtype)
    records = run(translator=stopping, batch_size=2, stop=stop)
    assert [r.input for r in records] == names[:2]
    assert sorted(contents(tmp_path / "out")) == names[:2]
    assert len(run(batch_size=2)) == 12
    assert sorted(contents(tmp_path / "out")) == names


SLOW = """
import sys, time
from translate import Translator, cli
energy = Translator.energy
def slow(self, x):
    print("busy", flush=True)
    time.sleep(0.2)
    return energy(self, x)
Translator.energy = slow
cli.batch_main()
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_signals(tiny_domain: Path, tmp_path: Path, signals: int) -> None:
    """The first one ends the batch at hand, the second ends the process."""
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 9)
    command = [sys.executable, "-c", SLOW, str(source), str(out), "-d", str(tiny_domain)]
    with subprocess.Popen(
        [*command, "--batch-size", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        while "stopping:" not in process.stderr.readline():
            pass
        if signals == 2:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(contents(out)) == (3 if signals == 1 else 0)
    assert len(list(read(out / "run.jsonl"))) == len(contents(out))


LINGERING = """
import os, time
write = os.write
def linger(number, data):  # long enough for the bar to be drawn again
    write(number, data)
    time.sleep(0.5)
os.write = linger
"""


def test_the_second_signal_leaves_the_terminal_as_it_was(tiny_domain: Path, tmp_path: Path) -> None:
    fill(tmp_path / "in", 9)
    program = LINGERING + SLOW
    command = [sys.executable, "-c", program, tmp_path / "in", tmp_path / "out", "-d", tiny_domain]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    seen = b""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        for words in (b"busy", b"stopping:"):  # a bar takes standard output along
            while words not in seen:
                seen += os.read(ours, 4096)
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the other side is closed
            while piece := os.read(ours, 4096):
                seen += piece
    os.close(ours)
    assert process.returncode == 130
    assert b"\x1b[?25l" in seen
    assert seen.endswith(b"\x1b[?25h")


# Formats


def test_metadata_orientation_and_profile(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    for name in ("a.jpg", "b.webp", "c.png", "d.tiff"):
        picture(1, 80, 40).save(source / name, exif=exif)
    assert cli("batch", source, out, "-d", tiny_domain).code == 0
    for name in ("a.jpg", "b.webp", "c.png", "d.tiff"):
        with Image.open(out / name) as result:
            assert result.size == (40, 80)
            assert result.getexif()[0x010F] == "Maker"
            assert result.getexif().get(0x0112, 1) == 1
    bare = tmp_path / "bare"
    assert cli("batch", source, bare, "-d", tiny_domain, "--strip-metadata").code == 0
    with Image.open(bare / "a.jpg") as result:
        assert not result.getexif()


def test_formats_follow_content_and_flags(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 1)
    clear = picture(1)
    clear.putalpha(99)
    for name in ("clear.png", "clear.webp", "misnamed.jpg"):
        clear.save(source / name, Path(name).suffix[1:].replace("jpg", "png"))
    picture(2).save(source / "flat.gif")
    picture(3, 200, 100).save(source / "big.jpg", quality=95)
    assert cli("batch", source, out, "-d", tiny_domain, "--max-size", 50).code == 0
    assert sorted(contents(out)) == [
        *("00.png", "big.jpg", "clear.png", "clear.webp", "flat.png", "misnamed.png")
    ]
    assert pixels(out / "big.jpg").shape == (25, 50, 3)
    assert pixels(out / "clear.webp").shape[2] == 4
    webp = tmp_path / "webp"
    flags = ("--format", "webp", "--quality", 5, "--suffix", "_x")
    assert cli("batch", source, webp, "-d", tiny_domain, *flags).code == 0
    assert {Path(n).suffix for n in contents(webp)} == {".webp"}
    assert "big_x.webp" in contents(webp)
    assert "clear.png_x.webp" in contents(webp)


@pytest.mark.parametrize(
    ("name", "more"), [("m.gif", ()), ("m.webp", ()), ("m.png", ()), ("m.gif", ("webp",))]
)
def test_moving_pictures_keep_frames_and_timing(
    cli: Cli, tiny: Translator, tiny_domain: Path, tmp_path: Path, name: str, more: tuple[str, ...]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    frames = [picture(seed) for seed in range(5)]
    times = [50, 100, 150, 200, 250]
    frames[0].save(
        source / name,
        save_all=True,
        append_images=frames[1:],
        duration=times,
        loop=2,
        lossless=True,
    )
    flags = ("--format", *more) if more else ()
    done = cli("batch", source, out, "-d", tiny_domain, "--batch-size", 2, "--quality", 100, *flags)
    assert done.code == 0, done.err
    result = out / (f"m.{more[0]}" if more else name)
    with Image.open(result) as movie, Image.open(source / name) as original:
        assert movie.n_frames == 5
        assert movie.info["loop"] == 2
        for index, time_ms in enumerate(times):
            movie.seek(index)
            movie.load()
            assert movie.info["duration"] == time_ms
            original.seek(index)
            expected = np.array(tiny(original.convert("RGB"))).astype(int)
            error = np.abs(np.array(movie.convert("RGB")) - expected)
            assert error.mean() < 6  # lossy formats
    if name == "m.png":
        refused = cli("batch", source, tmp_path / "j", "-d", tiny_domain, "--format", "jpg")
        assert refused.code == 1
        assert "5 frames do not fit into one .jpg" in refused.out


@pytest.mark.parametrize("name", ["m.gif", "m.webp", "m.png"])
def test_moving_pictures_stay_transparent(
    cli: Cli, tiny_domain: Path, tmp_path: Path, name: str
) -> None:
    """A bar that moves over nothing: an encoder may crop frames to it and forget the nothing."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    frames: list[Image.Image] = []
    for index in range(4):
        pixels_ = np.zeros((40, 40, 4), dtype=np.uint8)
        pixels_[..., :3] = np.array(picture(index, 40, 40))
        pixels_[:, index * 8 : index * 8 + 16, 3] = 255
        frames.append(Image.fromarray(pixels_))
    times = [40, 60, 80, 100]
    more = {"disposal": 2} if name == "m.gif" else {"lossless": True}
    frames[0].save(
        source / name, save_all=True, append_images=frames[1:], duration=times, loop=0, **more
    )
    assert cli("batch", source, out, "-d", tiny_domain).code == 0
    with Image.open(out / name) as movie:
        assert movie.n_frames == 4
        for index, frame in enumerate(frames):
            movie.seek(index)
            movie.load()
            assert movie.info["duration"] == times[index]
            alpha = np.array(movie.convert("RGBA").getchannel("A"))
            assert np.array_equal(alpha, np.array(frame.getchannel("A")))


def test_frames_that_are_alike_keep_the_time(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    """Encoders store equal frames once; what is seen, and for how long, stays."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    frames = [picture(seed) for seed in (1, 1, 2, 2)]
    for index, frame in enumerate(frames):
        frame.putpixel((0, 0), (index, 0, 0))  # so that they are four in the source
    for name in ("m.webp", "m.png"):
        frames[0].save(
            source / name, save_all=True, append_images=frames[1:], duration=80, lossless=True
        )
        with Image.open(source / name) as original:
            assert original.n_frames == 4
    assert cli("batch", source, out, "-d", tiny_domain, "--strength", 0).code == 0
    for name in ("m.webp", "m.png"):
        total = 0
        with Image.open(out / name) as movie:
            for index in range(movie.n_frames):
                movie.seek(index)
                movie.load()
                total += movie.info["duration"]
        assert total == 320


def test_moving_avif_becomes_moving_png(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    frames = [picture(seed) for seed in range(3)]
    frames[0].save(source / "m.avif", save_all=True, append_images=frames[1:], duration=50)
    frames[0].save(source / "still.avif")
    assert cli("batch", source, out, "-d", tiny_domain).code == 0
    assert sorted(contents(out)) == ["m.png", "still.jpg"]
    with Image.open(out / "m.png") as movie:
        assert movie.n_frames == 3
        movie.load()
        assert movie.info["duration"] == 50


def test_every_page_of_a_tiff(
    cli: Cli, tiny: Translator, tiny_domain: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pages = [picture(seed) for seed in range(3)]
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    pages[0].save(source / "p.tif", save_all=True, append_images=pages[1:], exif=exif)
    pages[0].save(source / "q.tiff", save_all=True, append_images=[picture(9, 20, 10)])
    assert cli("batch", source, out, "-d", tiny_domain, "--dtype", "float32").code == 0
    with Image.open(out / "p.tif") as result:
        assert result.n_frames == 3
        assert result.getexif()[0x010F] == "Maker"
        for index, page in enumerate(pages):
            result.seek(index)
            error = np.array(result).astype(int) - np.array(tiny(page))
            assert np.abs(error).max() <= 1
    with Image.open(out / "q.tiff") as result:
        assert result.n_frames == 1
        assert result.size == (60, 44)
    records = {line["input"]: line for line in lines(out)}
    assert records["p.tif"]["frames"] == 3
    assert "only the first was translated" in records["q.tiff"]["note"]
    refused = cli("batch", source / "p.tif", tmp_path / "j", "-d", tiny_domain, "--format", "webp")
    assert refused.code == 1
    assert "3 pages do not fit into one .webp" in refused.out


def test_heic(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    import pillow_heif

    source = tmp_path / "in"
    source.mkdir()
    pillow_heif.from_pillow(picture(1)).save(source / "p.heic", quality=90)
    assert cli("batch", source, tmp_path / "out", "-d", tiny_domain).code == 0
    assert pixels(tmp_path / "out" / "p.jpg").shape == (44, 60, 3)


# Words


def test_start_line_and_usage_errors(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 2)
    flags = ("-d", tiny_domain, "--device", "cpu", "--dtype", "float32")
    done = cli("batch", source, out, *flags, "--batch-size", 7)
    assert "domain tiny, cpu, float32, batch size 7, 2 inputs" in done.err
    assert "2 translated" in done.out
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (
        ((empty, out), "No images in"),
        ((source, source), "same folder"),
        ((source, out, "--batch-size", "0"), "batch size is '0'"),
        ((source, out, "--shard", "5/4"), "shard is '5/4'"),
        ((source, out, "--framing", "scene"), "use framing face or crop"),
        ((source, out, "--quality", "0"), "quality is 0"),
        ((source, out, "--quality", "101"), "quality is 101"),
        ((source, out, "--max-pixels", "0"), "max_pixels is 0"),
        ((source, out, "--log", source / "00.png"), "00.png is no journal"),
        ((source, out, "--max-size", "0"), "max_size is 0"),
        ((source, out, "--device", "cuda:99"), "cuda:99"),
    ):
        refused = cli("batch", *arguments, "-d", tiny_domain)
        assert refused.code == 2
        assert refused.err.splitlines()[-1].startswith("error: ")
        assert words in refused.err


def test_lines_while_the_device_and_the_disk_are_busy(
    cli: Cli, tiny: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 2)
    none, one = threading.Event(), threading.Event()

    def hear(text: str) -> None:
        if text == "0/2":
            none.set()
        if re.fullmatch(r"1/2, \d+\.\d\d images/s, \d+ s left", text):
            one.set()

    class Busy(Translator):
        def energy(self, *arguments: Any) -> torch.Tensor:
            assert none.wait(60)
            return super().energy(*arguments)

    append, lines_ = Journal.append, list[Record]()

    def slow_append(self: Journal, record: Record) -> None:
        assert not lines_ or one.wait(60)
        lines_.append(record)
        append(self, record)

    busy = Busy(tiny.domain, tiny.model, tiny.device, tiny.dtype)
    monkeypatch.setattr(Translator, "load", lambda *_, **__: busy)
    monkeypatch.setattr(Journal, "append", slow_append)
    monkeypatch.setattr("translate.cli_batch.LINE_EVERY_S", 0.01)
    monkeypatch.setattr("translate.cli_batch.say", hear)
    assert cli("batch", tmp_path / "in", tmp_path / "out").code == 0
    assert len(lines_) == 2


def test_bar_on_a_terminal(
    cli: Cli, tiny_domain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    fill(source, 3)
    (source / "bad.png").write_bytes(b"no image")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    ours, theirs = pty.openpty()
    seen = bytearray()

    def look() -> None:
        with contextlib.suppress(OSError):  # what a terminal answers once its other side is closed
            while piece := os.read(ours, 4096):
                seen.extend(piece)

    reader = threading.Thread(target=look)
    reader.start()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        done = cli("batch", source, out, "-d", tiny_domain)
    reader.join()
    os.close(ours)
    text = seen.decode()
    assert done.code == 1
    assert "4/4" in text
    assert re.search(r"\d images/s, \d+ s left", text)
    assert "failed: Cannot read" in text
    show, hide, clear = "\x1b[?25h", "\x1b[?25l", "\x1b[2K"
    assert text.rindex(show) > text.rindex(hide)  # the cursor is back
    assert clear in text[text.rindex("images/s") :]  # and the bar is gone
    assert "3 translated" in done.out


def test_list_on_standard_input(
    cli: Cli, tiny_domain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"in/00.png\nin/02.png\n" + b"x" * 5000))
    )
    done = cli("batch", "-", "out", "-d", tiny_domain)
    assert "2 translated, 0 skipped (finished before), 1 failed" in done.out
    assert "File name too long" in done.out
    assert sorted(contents(tmp_path / "out")) == ["in/00.png", "in/02.png"]
