"""The command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Result, pixels
from translate import Options, Translator

Cli = Callable[..., Result]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['translate', '--help']\n"
        "from translate.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'PIL', 'cv2', 'gradio', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "generate" in done.stdout


def test_image_equals_the_python_api(
    cli: Cli, tiny_domain: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out.png"
    done = cli(
        "image", photo, out, "--domain", tiny_domain, "--device", "cpu", "--dtype", "float32"
    )
    assert done.code == 0
    assert "domain tiny, cpu, float32" in done.err
    assert "6 steps" in done.out
    expected = Translator.load(str(tiny_domain), device="cpu", dtype="float32")(photo)
    np.testing.assert_array_equal(pixels(out), np.array(expected))


def test_every_flag_of_image_reaches_the_engine(
    cli: Cli, tiny_domain: Path, photo: Path, tmp_path: Path
) -> None:
    out, steps = tmp_path / "out.png", tmp_path / "steps"
    flags = {
        "--domain": tiny_domain,
        "--steps": 4,
        "--step-size": 0.5,
        "--eps": 1.0,
        "--seed": 7,
        "--framing": "crop",
        "--device": "cpu",
        "--dtype": "float32",
        "--steps-dir": steps,
        "--max-pixels": 6000,
    }
    arguments = [part for pair in flags.items() for part in pair]
    done = cli("image", photo, out, *arguments, "--crop-only")
    assert done.code == 0, done.err
    options = Options(steps=4, step_size=0.5, eps=1.0, seed=7, framing="crop", crop_only=True)
    translator = Translator.load(str(tiny_domain), device="cpu", dtype="float32")
    frames = list(translator.frames(photo, options))
    files = sorted(steps.iterdir())
    assert [f.name for f in files] == [f"out-{i:03d}.png" for i in range(5)]
    for file, frame in zip(files, frames, strict=True):
        np.testing.assert_array_equal(pixels(file), np.array(frame.image))
    np.testing.assert_array_equal(pixels(out), np.array(frames[-1].image))


def test_existing_output_is_kept_unless_told(
    cli: Cli, tiny_domain: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    refused = cli("image", photo, out, "--domain", tiny_domain)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_bytes() == b"precious"
    assert cli("image", photo, out, "--domain", tiny_domain, "--overwrite").code == 0
    assert pixels(out).shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("hello"), "not an image"),
        (lambda p: p.mkdir(), "not a file"),
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(_png()[:300]), "cut short or damaged"),
        (lambda p: Image.new("RGB", (600, 600)).save(p), "limit of 100000 pixels"),
    ],
)
def test_unusable_input_is_one_line_and_writes_nothing(
    cli: Cli, tiny_domain: Path, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out" / "out.png"
    make(source)
    arguments = ("--domain", tiny_domain, "--max-pixels", 100_000)
    done = cli("image", source, out, *arguments)
    assert done.code == 2
    line = done.err.strip()
    assert line.count("\n") == 0
    assert line.startswith("error: ")
    assert str(source) in line
    assert words in line
    assert not out.parent.exists()


def _png() -> bytes:
    import io

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--domain", "nowhere"], "nowhere"),
        (["--strength", "2"], "strength is 2"),
        (["--strength", "much"], "strength is 'much'"),
        (["--steps", "-3"], "steps is -3"),
        (["--device", "cuda:77"], "cuda:77"),
        (["--dtype", "int8"], "int8"),
        (["--framing", "scene"], "use framing face or crop"),
    ],
)
def test_wrong_settings_are_one_line(
    cli: Cli, tiny_domain: Path, photo: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = cli("image", photo, tmp_path / "out.png", "--domain", tiny_domain, *arguments)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert words in done.err.splitlines()[-1]
    assert not (tmp_path / "out.png").exists()


def test_a_suffix_that_cannot_be_written_is_refused_before_any_work(
    cli: Cli, photo: Path, tmp_path: Path
) -> None:
    done = cli("image", photo, tmp_path / "out.docx", "--domain", "not even looked for")
    assert done.code == 2
    assert ".png" in done.err


def test_exif_orientation_and_metadata(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.new("RGB", (80, 40), "teal").save(source, exif=exif)
    assert cli("image", source, out, "--domain", tiny_domain).code == 0
    with Image.open(out) as result:
        assert result.size == (40, 80)
        assert result.getexif()[0x0112] == 1
        assert result.getexif()[0x010F] == "Maker"


def test_generate_writes_images_and_a_grid(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    done = cli("generate", out, "--domain", tiny_domain, "-n", 5, "--seed", 3)
    assert done.code == 0, done.err
    names = sorted(p.name for p in out.iterdir())
    assert names == [*(f"{i:03d}.png" for i in range(5)), "grid.png"]
    assert pixels(out / "000.png").shape == (32, 32, 3)
    again = tmp_path / "again"
    cli("generate", again, "--domain", tiny_domain, "-n", 5, "--seed", 3)
    assert (out / "grid.png").read_bytes() == (again / "grid.png").read_bytes()


def test_generate_from_pictures(cli: Cli, tiny_domain: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    done = cli("generate", out, "--domain", tiny_domain, "-n", 2, "--from", photo.parent)
    assert done.code == 0, done.err
    expected = Translator.load(str(tiny_domain))(photo, Options(crop_only=True))
    difference = np.abs(pixels(out / "000.png").astype(int) - np.array(expected))
    assert difference.max() <= 1
    empty = tmp_path / "empty"
    empty.mkdir()
    failed = cli("generate", tmp_path / "b", "--domain", tiny_domain, "--from", empty)
    assert failed.code == 2
    assert str(empty) in failed.err


def test_domains_lists_and_explains(cli: Cli, tiny_domain: Path, tmp_path: Path) -> None:
    assert "anime" in cli("domains").out
    explained = cli("domains", "anime").out
    for words in ("p_data", "p_0", "licence", "strength", "energy"):
        assert words in explained
    assert "auto by default" not in explained
    auto = shutil.copytree(tiny_domain, tmp_path / "auto")
    card = json.loads((auto / "config.json").read_text())
    (auto / "config.json").write_text(json.dumps(card | {"auto": True}))
    assert "auto by default" in cli("domains", auto).out
    assert "Tiny" in cli("domains", tiny_domain).out


def test_a_full_disk_leaves_nothing_behind(tiny_domain: Path, photo: Path, tmp_path: Path) -> None:
    """A real process that may write 4 kB at most."""
    out = tmp_path / "out" / "big.bmp"
    code = (
        "import resource, signal, sys\n"
        "import torch\n"
        "from translate.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"sys.argv = ['translate', 'image', {str(photo)!r}, {str(out)!r},"
        f" '--domain', {str(tiny_domain)!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: Cannot write")
    assert list(out.parent.iterdir()) == []


def test_console_script_and_closed_pipe(tiny_domain: Path) -> None:
    script = Path(sys.executable).with_name("translate")
    done = subprocess.run(f"{script} domains | head -0", shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    ("own", "spins"),
    [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "0")],
)
def test_threads_leave_a_core_soon_unless_the_environment_says_otherwise(
    tiny_domain: Path, photo: Path, tmp_path: Path, own: dict[str, str], spins: str
) -> None:
    """What torch's own OpenMP read when it was loaded, by its own word."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_WAIT", "GOMP_"))}
    script = Path(sys.executable).with_name("translate")
    done = subprocess.run(
        [script, "image", photo, tmp_path / "out.png", "--domain", tiny_domain],
        env={**kept, **own, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr
