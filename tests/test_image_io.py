"""Reading every kind of photo, refusing every kind of broken one, and writing whole files only."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from translate import image_io
from translate.errors import InputError, SettingsError
from translate.files import atomic_path
from translate.image_io import (
    DEFAULT_MAX_PIXELS,
    WRITABLE,
    Photo,
    read_photo,
    to_array,
    to_pil,
    to_tensor,
    write_image,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
ORIENTATION, ARTIST, EXIF_IFD, LENS = 0x0112, 0x013B, 0x8769, 0xA434


def picture(height: int = 24, width: int = 36, seed: int = 0) -> np.ndarray:
    """Smooth random colours, so that lossy formats keep them."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def icc(primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> bytes:
    """A matrix profile: xy of red, green and blue, adapted to D50 by scaling (enough to test)."""
    xyz = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.9642, 1.0, 0.8249])
    columns = (xyz * np.linalg.solve(xyz, white)).T

    def fixed(values: np.ndarray) -> bytes:
        return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)

    def xyz_tag(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(values)

    text = b"a wide test profile\0"
    blocks = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(79),
        b"wtpt": xyz_tag(white),
        **{name: xyz_tag(c) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)},
    }
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    blocks |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, offset = struct.pack(">I", len(blocks)), b"", 132 + 12 * len(blocks)
    for name, block in blocks.items():
        padded = block + bytes(-len(block) % 4)
        table += name + struct.pack(">II", offset + len(body), len(block))
        body += padded
    total = 128 + len(table) + len(body)
    header = struct.pack(">I4sI", total, b"test", 0x02100000) + b"mntrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + fixed(white)
    return header.ljust(128, b"\0") + table + body


SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
WIDE_PRIMARIES = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ARTIST] = "A. Person"
    exif[EXIF_IFD] = {LENS: "A lens"}
    return exif.tobytes()


def stored_as(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The array a camera stores, so that the EXIF standard's `orientation` shows `upright`."""
    transposed = upright.swapaxes(0, 1)
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: transposed,
        6: transposed[::-1],
        7: transposed[::-1, ::-1],
        8: transposed[:, ::-1],
    }[orientation]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(100)))
        + png_chunk(b"IEND", b"")
    )


# --- what can be read


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = picture()
    path = tmp_path / f"a{suffix}"
    stored = Image.fromarray(np.ascontiguousarray(stored_as(upright, orientation)))
    stored.save(path, exif=exif_with(orientation), quality=95)
    photo = read_photo(path)
    assert photo.size == (36, 24)
    assert np.abs(photo.rgb.astype(int) - upright).mean() < 4
    assert photo.exif is not None
    exif = Image.Exif()
    exif.load(photo.exif)
    assert exif[ORIENTATION] == 1
    assert exif[ARTIST] == "A. Person"
    assert exif.get_ifd(EXIF_IFD)[LENS] == "A lens"
    assert exif.keys() <= {ORIENTATION, ARTIST, EXIF_IFD}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_pillow_image_with_alpha(orientation: int) -> None:
    upright = np.dstack([picture(), picture(seed=1)[..., 0]])
    image = Image.fromarray(np.ascontiguousarray(stored_as(upright, orientation)))
    image.getexif()[ORIENTATION] = orientation
    before = image.tobytes(), image.size
    photo = read_photo(image)
    np.testing.assert_array_equal(photo.rgb, upright[..., :3])
    np.testing.assert_array_equal(photo.alpha, upright[..., 3])
    assert (image.tobytes(), image.size) == before
    assert image.getexif()[ORIENTATION] == orientation


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f junk")
    photo = read_photo(path)
    assert photo.size == (36, 24)


def test_thumbnail_is_left_out(tmp_path: Path) -> None:
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(thumbnail, "JPEG")
    data = thumbnail.getvalue()
    first = struct.pack("<H", 1) + struct.pack("<HHI4s", ORIENTATION, 3, 1, b"\x01\0\0\0")
    second_at = 8 + len(first) + 4
    entries = struct.pack("<HHII", 0x0201, 4, 1, second_at + 2 + 24 + 4)
    entries += struct.pack("<HHII", 0x0202, 4, 1, len(data))
    tiff = b"II*\0\x08\0\0\0" + first + struct.pack("<I", second_at)
    tiff += struct.pack("<H", 2) + entries + bytes(4) + data
    path = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(path, exif=b"Exif\0\0" + tiff)
    assert data in path.read_bytes()
    exif = read_photo(path).exif
    assert exif is not None
    assert b"\xff\xd8\xff" not in exif


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(path, icc_profile=profile)
    assert np.abs(read_photo(path).rgb.astype(int) - picture()).max() <= 1


def test_wide_profile_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    colours = np.array([[[200, 60, 60], [60, 200, 60], [128, 128, 128]]], dtype=np.uint8)
    Image.fromarray(colours).save(path, icc_profile=icc(WIDE_PRIMARIES))
    red, green, grey = read_photo(path).rgb[0].astype(int)
    assert red[0] >= 208
    assert green[1] >= 204
    assert green[0] < 40
    assert np.ptp(grey) <= 2
    assert abs(grey[0] - 128) <= 3


def test_linear_profile_is_converted_and_alpha_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.full((4, 4, 4), 55, dtype=np.uint8)
    Image.fromarray(values).save(path, icc_profile=icc(SRGB_PRIMARIES, gamma=1.0))
    photo = read_photo(path)
    assert np.abs(photo.rgb.astype(int) - 128).max() <= 3  # linear 0.2157 is sRGB 0.5
    assert photo.alpha is not None
    assert (photo.alpha == 55).all()


@pytest.mark.parametrize("profile", [b"junk" * 50, icc(SRGB_PRIMARIES)[:140]])
def test_broken_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path, icc_profile=profile)
    np.testing.assert_array_equal(read_photo(path).rgb, picture())


def test_profile_of_another_colour_space_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image.save(path, icc_profile=icc(SRGB_PRIMARIES), quality=100)
    red, green, blue = read_photo(path).rgb[4, 4].astype(int)
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896, 65535, 300]], dtype=np.uint16)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(values).save(path)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.rgb[0, :, 0], [0, 1, 128, 255, 1])
    assert photo.rgb.shape == (1, 5, 3)


def test_32_bit_grey_and_floats() -> None:
    whole = Image.fromarray(np.array([[0, 32896, 65535, 99999]], dtype=np.int32))
    assert read_photo(whole).rgb[0, :, 1].tolist() == [0, 128, 255, 255]
    unit = Image.fromarray(np.array([[-1.0, 0.0, 0.5, 1.0]], dtype=np.float32))
    assert read_photo(unit).rgb[0, :, 1].tolist() == [0, 0, 128, 255]
    byte = Image.fromarray(np.array([[0.0, 100.4, 255.0, 300.0]], dtype=np.float32))
    assert read_photo(byte).rgb[0, :, 1].tolist() == [0, 100, 255, 255]
    with pytest.raises(InputError, match="finite"):
        read_photo(Image.fromarray(np.array([[np.nan]], dtype=np.float32)))


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    one, many = tmp_path / "one.png", tmp_path / "many.png"
    image.save(one, transparency=1)
    image.save(many, transparency=bytes([255, 128, 0]))
    for path, alpha in ((one, [255, 0, 255]), (many, [255, 128, 0])):
        photo = read_photo(path)
        assert photo.rgb[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
        assert photo.alpha is not None
        assert photo.alpha[0].tolist() == alpha


@pytest.mark.parametrize(
    ("mode", "colour", "rgb", "alpha"),
    [
        ("1", 1, (255, 255, 255), None),
        ("L", 77, (77, 77, 77), None),
        ("LA", (77, 9), (77, 77, 77), 9),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30), 0),
        ("RGBa", (50, 25, 0, 128), (100, 50, 0), 128),
        ("La", (50, 128), (100, 100, 100), 128),
        ("RGBX", (10, 20, 30, 40), (10, 20, 30), None),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255), None),
        ("YCbCr", (128, 128, 128), (128, 128, 128), None),
        ("HSV", (0, 0, 90), (90, 90, 90), None),
        ("LAB", (136, 128, 128), (128, 128, 128), None),
    ],
)
def test_modes(mode: str, colour: object, rgb: tuple[int, ...], alpha: int | None) -> None:
    image = Image.new(mode, (2, 3), colour)  # type: ignore[arg-type]
    photo = read_photo(image)
    assert photo.rgb.shape == (3, 2, 3)
    assert np.abs(photo.rgb[0, 0].astype(int) - rgb).max() <= 2
    assert (photo.alpha is None) == (alpha is None)
    if photo.alpha is not None:
        assert (photo.alpha == alpha).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".gif", ".ppm", ".tif"])
def test_formats_are_told_by_content(tmp_path: Path, suffix: str) -> None:
    right, wrong = tmp_path / f"a{suffix}", tmp_path / "b.txt"
    Image.fromarray(picture()).save(right)
    right.rename(wrong)
    assert np.abs(read_photo(wrong).rgb.astype(int) - picture()).mean() < 12


def test_plugins_are_loaded_when_a_file_needs_them(tmp_path: Path) -> None:
    """A JPEG takes a few of Pillow's plugins; WebP and TIFF are read after it all the same."""
    names = ["a.jpg", "a.webp", "a.tif"]
    for name in names:
        Image.fromarray(picture()).save(tmp_path / name)
    program = (
        "import sys\n"
        "from translate.image_io import read_photo\n"
        "for name in sys.argv[1:]:\n"
        "    shape = read_photo(name).rgb.shape\n"
        "    print(shape, 'PIL.WebPImagePlugin' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    shape = picture().shape
    assert done.stdout.splitlines() == [f"{shape} {loaded}" for loaded in (False, True, True)]


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert read_photo(str(path)).rgb[0, 0].tolist() == [255, 0, 0]


def test_arrays_are_copied() -> None:
    array = np.dstack([picture(), picture(seed=1)[..., 0]])
    photo = read_photo(array[:, ::-1])
    kept = array.copy()
    array[:] = 0
    np.testing.assert_array_equal(photo.rgb, kept[:, ::-1, :3])
    np.testing.assert_array_equal(photo.alpha, kept[:, ::-1, 3])
    assert photo.exif is None


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_by_shape_and_dtype(array: np.ndarray) -> None:
    with pytest.raises(InputError) as error:
        read_photo(array)
    assert str(array.shape) in str(error.value)
    assert str(array.dtype) in str(error.value)


@pytest.mark.parametrize("source", [np.zeros((0, 4, 3), np.uint8), Image.new("RGB", (0, 4))])
def test_empty_pictures_are_refused(source: np.ndarray | Image.Image) -> None:
    with pytest.raises(InputError, match="0"):
        read_photo(source)


def test_many_threads_read_at_once() -> None:
    paths = [EXAMPLES / "astronaut.jpg", EXAMPLES / "cat.jpg"] * 4
    alone = [read_photo(p).rgb for p in paths[:2]]
    with ThreadPoolExecutor(4) as pool:
        for i, photo in enumerate(pool.map(read_photo, paths)):
            np.testing.assert_array_equal(photo.rgb, alone[i % 2])


# --- what cannot be read


def refusal(path: str | Path, **options: int) -> str:
    """The message of the error, which names the path and is one line."""
    with pytest.raises(InputError) as error:
        read_photo(path, **options)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_paths_without_an_image(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.png")
    assert "not a file" in refusal(tmp_path)
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    assert "empty" in refusal(empty)
    text.write_text("Dear diary, this is no photo.")
    assert "not an image" in refusal(text)
    refusal("a" * 5000)
    with pytest.raises(InputError):
        read_photo("null\0byte.png")


def test_a_pipe_is_refused_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(tmp_path / "pipe")


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)  # root may read everything: chmod is no test
    assert "permission" in refusal(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".gif", ".ppm", ".tif"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "cut short or damaged" in refusal(path)


def test_progressive_jpeg_cut_between_scans_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(200, 300)).save(path, progressive=True)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\xff\xda")])
    assert "cut short" in refusal(path)


def test_damaged_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 0xFF
    path.write_bytes(data)
    assert "damaged" in refusal(path)


def test_truncated_pillow_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(200, 300)).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with Image.open(path) as image, pytest.raises(InputError, match="the given image"):
        read_photo(image)


def test_vector_formats_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path, format="EPS")
    assert "not an image" in refusal(path)


@pytest.mark.parametrize("side", [10_000, 12_000, 60_000])  # Pillow warns from 9459, raises 13378
def test_header_that_claims_too_much(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(side, side))
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        message = refusal(path, max_pixels=90_000_000)
    assert not caught
    assert f"{side}x{side}" in message
    assert "90000000" in message
    assert limit == Image.MAX_IMAGE_PIXELS


def test_the_limit_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(24, 36)).save(path)
    assert read_photo(path, max_pixels=24 * 36).size == (36, 24)
    refusal(path, max_pixels=24 * 36 - 1)
    with pytest.raises(InputError, match="24"):
        read_photo(picture(), max_pixels=24 * 36 - 1)
    assert DEFAULT_MAX_PIXELS >= 108_000_000


def test_heic_without_its_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(image_io.importlib, "import_module", missing)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))
    assert "pillow-heif" in refusal(path)


# --- tensors


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_to_array_undoes_to_tensor(height: int, width: int, seed: int, flipped: bool) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if flipped:
        rgb = rgb[::-1, ::-1]
    rgb.flags.writeable = False
    tensor = to_tensor(rgb)
    assert tensor.shape == (1, 3, height, width)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(to_array(tensor)[0], rgb)


def test_every_level_survives() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    tensor = to_tensor(levels)
    assert tensor.min() == 0
    assert tensor.max() == 1
    np.testing.assert_array_equal(to_array(tensor)[0], levels)


def test_to_array_rounds_and_clamps() -> None:
    values = torch.tensor([-0.3, 0.4 / 255, 0.5 / 255, 1.5 / 255, 2.49 / 255, 1.7])
    got = to_array(values.view(1, 1, 1, -1).expand(2, 3, 1, -1).requires_grad_())
    assert got.shape == (2, 1, 6, 3)
    assert got[1, 0, :, 2].tolist() == [0, 0, 1, 2, 2, 255]


# --- writing


@pytest.mark.parametrize("suffix", WRITABLE)
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / "folder" / f"a{suffix.upper()}"
    write_image(to_pil(picture()), path, overwrite=False)
    photo = read_photo(path)
    error = np.abs(photo.rgb.astype(int) - picture())
    assert error.max() == 0 if suffix in LOSSLESS else error.mean() < 4
    assert photo.alpha is None
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_written(tmp_path: Path, suffix: str) -> None:
    alpha = np.linspace(0, 255, 24 * 36).astype(np.uint8).reshape(24, 36)
    path = tmp_path / f"a{suffix}"
    write_image(to_pil(picture(), alpha), path, overwrite=False)
    np.testing.assert_array_equal(read_photo(path).alpha, alpha)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparent_parts_become_white_where_alpha_has_no_place(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    black = np.zeros((8, 16, 3), np.uint8)
    alpha = np.zeros((8, 16), np.uint8)
    alpha[:, 8:] = 255
    write_image(to_pil(black, alpha), path, overwrite=False)
    rgb = read_photo(path).rgb
    assert rgb[:, :8].min() > 250
    assert rgb[:, 8:].max() < 5


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_exif_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(to_pil(picture()), path, exif=exif_with(1), overwrite=False)
    if suffix == ".bmp":
        return
    with Image.open(path) as image:
        assert image.getexif()[ARTIST] == "A. Person"
    write_image(to_pil(picture()), path, exif=None, overwrite=True)
    with Image.open(path) as image:
        assert ARTIST not in image.getexif()


def test_quality_counts(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in (".jpg", ".webp"):
        low, high = tmp_path / f"low{suffix}", tmp_path / f"high{suffix}"
        write_image(to_pil(noise), low, quality=20, overwrite=False)
        write_image(to_pil(noise), high, quality=95, overwrite=False)
        assert low.stat().st_size * 2 < high.stat().st_size


@pytest.mark.parametrize("mode", ["P", "CMYK", "I;16", "1", "LA"])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_other_modes_are_written(tmp_path: Path, mode: str, suffix: str) -> None:
    write_image(Image.new(mode, (8, 8)), tmp_path / f"a{suffix}", overwrite=False)
    assert read_photo(tmp_path / f"a{suffix}").size == (8, 8)


def test_settings_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.png.*\.webp"):
        write_image(to_pil(picture()), tmp_path / "a.xyz", overwrite=False)
    for quality in (0, 101):
        with pytest.raises(SettingsError, match=str(quality)):
            write_image(to_pil(picture()), tmp_path / "a.jpg", quality=quality, overwrite=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="--overwrite"):
        write_image(to_pil(picture()), path, overwrite=False)
    assert path.read_bytes() == b"old"
    write_image(to_pil(picture()), path, overwrite=True)
    assert read_photo(path).size == (36, 24)


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_nothing_half_done(
    tmp_path: Path, old: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    if old:
        path.write_bytes(old)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left") as error:
        write_image(to_pil(picture()), path, overwrite=True)
    assert str(path) in str(error.value)
    left = [(p.name, p.read_bytes()) for p in tmp_path.iterdir()]
    assert left == ([("a.png", old)] if old else [])


SMALL_FILES = """
import resource, signal, sys
from PIL import Image
from translate.errors import InputError
from translate.image_io import write_image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    write_image(Image.effect_noise((200, 200), 60), sys.argv[1], overwrite=True)
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_no_picture_is_cut_short_where_files_must_be_small(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    command = [sys.executable, "-c", SMALL_FILES, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot write {path}: ")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_a_format_cannot_hold_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    with pytest.raises(InputError, match=r"a\.webp"):
        write_image(Image.new("RGB", (20_000, 1)), path, overwrite=False)
    with pytest.raises(InputError, match=r"a\.jpg"):
        write_image(
            to_pil(picture()), tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(70_000), overwrite=False
        )
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "a.png", tmp_path / "file" / "a.png"):
        with pytest.raises(InputError):
            write_image(to_pil(picture()), path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "file"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_image(to_pil(picture()), tmp_path / "a.png", overwrite=False)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o644


def test_photo_is_frozen() -> None:
    photo = read_photo(picture())
    with pytest.raises(AttributeError):
        photo.exif = b""  # type: ignore[misc]
    assert isinstance(photo, Photo)


# --- atomic_path


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_atomic_path_cleans_up(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "card.json"
    target.write_text("old")

    def fail_midway() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            assert target.read_text() == "old"
            assert temporary.parent == tmp_path
            assert temporary.name.startswith(".")
            raise failure

    with pytest.raises(failure):
        fail_midway()
    assert [p.name for p in tmp_path.iterdir()] == ["card.json"]
    assert target.read_text() == "old"


def test_atomic_path_with_a_long_name_and_a_link(tmp_path: Path) -> None:
    long = tmp_path / ("写" * 83 + ".json")  # 254 bytes of the 255 a name may have
    with atomic_path(long) as temporary:
        temporary.write_text("new")
    assert long.read_text() == "new"
    link = tmp_path / "link.json"
    link.symlink_to(long)
    with atomic_path(link) as temporary:
        temporary.write_text("newer")
    assert link.is_symlink()
    assert long.read_text() == "newer"
