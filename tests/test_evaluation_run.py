"""Measurements as a whole: numbers, files, determinism, kills, mistakes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES
from translate import Options, Translator
from translate.evaluation import features as features_module
from translate.evaluation.compare import interval
from translate.evaluation.job import read_arrays
from translate.evaluation.metrics import auroc
from translate.evaluation.neighbours import nearest
from translate.evaluation.ood import _start
from translate.evaluation.sets import as_tensor, read_set
from translate.framing import extract, find_window
from translate.shaping import l2_norm
from translate.view import View

SIZE = 32


def write_set(path: Path, count: int, seed: int, *, level: int = 128) -> Path:
    """Pictures of coloured blocks, as a folder or as a zip."""
    random = np.random.default_rng(seed)
    folder = path if path.suffix != ".zip" else path.with_suffix("")
    folder.mkdir()
    for index in range(count):
        blocks = random.integers(level - 60, level + 60, (5, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(blocks).resize((48, 40), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index:02d}.png")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
    return path


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sets")
    write_set(root / "photos", 9, 0)
    write_set(root / "target.zip", 12, 1, level=150)
    write_set(root / "cats.zip", 7, 2, level=90)
    write_set(root / "night", 6, 3, level=70)
    return root


def load(out: Path) -> dict:
    return json.loads((out / "results.json").read_text())


@pytest.fixture
def translation(cli, sets, tiny_domain):
    """Run `translate evaluate translation`."""

    def run(out, *more):
        return cli(
            *("evaluate", "translation", out, "--domain", tiny_domain, "--device", "cpu"),
            *("--source", sets / "photos", "--target", f"{sets / 'target.zip'}@-8:"),
            *("--strengths", "0,0.5,1", "--batch-size", 4, "--sheet", 6, *more),
        )

    return run


@pytest.fixture
def generation(cli, sets, tiny_domain):
    """Run `translate evaluate generation`."""

    def run(out, *more):
        return cli(
            *("evaluate", "generation", out, "--domain", tiny_domain, "--device", "cpu"),
            *("--from", sets / "cats.zip", "--target", f"{sets / 'target.zip'}@-4:"),
            *("--training", f"{sets / 'target.zip'}@:-4", "--strengths", "1"),
            *("--batch-size", 2, *more),
        )

    return run


@pytest.fixture
def ood(cli, sets, tiny_domain):
    """Run `translate evaluate ood`."""

    def run(out, *more):
        return cli(
            *("evaluate", "ood", out, "--domain", tiny_domain, "--device", "cpu"),
            *("--target", sets / "target.zip", "--other", sets / "cats.zip"),
            *("--other", sets / "night", "--iterations", 6, "--restarts", 2, *more),
        )

    return run


def test_translation_measures_the_states_of_the_one_descent(
    translation, sets, tiny_domain, tmp_path
):
    out = tmp_path / "out"
    result = translation(out, "--features", tiny_domain)
    assert result.code == 0, result.err
    assert result.out == (out / "table.md").read_text()
    report, values = load(out), read_arrays(out / "values.npz")
    assert [row["strength"] for row in report["rows"]] == [0.0, 0.5, 1.0, "auto"]
    assert [row["steps"] for row in report["rows"]] == [0, 3, 6, None]
    assert report["settings"]["sets"]["target"]["part"] == "-8:"
    assert report["settings"]["sets"]["source"]["images"] == 9
    assert "Lanczos" in report["settings"]["resize"]
    assert "8 bits" in report["settings"]["quantisation"]
    translator = Translator.load(str(tiny_domain), device="cpu")
    source = read_set(str(sets / "photos"), SIZE)
    x = as_tensor(source.pixels, translator.device)
    for row, strength in ((1, 0.5), (2, 1.0), (3, "auto")):
        *_, (step, _) = translator.descend(View(x), Options(strength=strength))
        seen = (step.x * 255).round() / 255
        expected = translator.energy(seen).numpy()
        assert values["energy"][row] == pytest.approx(expected, abs=2e-3)
        distance = (seen - x).flatten(1).norm(dim=1).numpy()
        assert values["l2"][row] == pytest.approx(distance, abs=2e-2)
    first = report["rows"][0]
    assert first["ssim"] == pytest.approx(1)
    assert first["gradient_correlation"] == pytest.approx(1)
    assert first["l2"] == 0
    median = np.median(values["target_energy"])
    assert report["rows"][2]["share"] == pytest.approx((values["energy"][2] <= median).mean())
    for name in ("0.00", "0.50", "1.00", "auto"):
        with Image.open(out / "sheets" / f"strength-{name}.png") as sheet:
            assert sheet.size == (8 * (SIZE + 2) + 2, 2 * (SIZE + 2) + 2)
    with Image.open(out / "plot.png") as plot:
        plot.verify()
    assert not (out / "parts").exists()


def test_results_are_measured_as_a_png_holds_them(translation, tmp_path):
    assert translation(tmp_path / "out", "--strengths", "0.17", "--features", "none").code == 0
    moved = read_arrays(tmp_path / "out" / "values.npz")["l2"][0].astype(np.float64)
    assert (moved > 0.5).all()
    squares = (255 * moved) ** 2  # a sum of squares of whole 255ths
    assert squares == pytest.approx(squares.round(), abs=0.1)


def test_distances_in_an_energy_network_are_never_called_fid(translation, tiny_domain, tmp_path):
    result = translation(tmp_path / "out", "--features", tiny_domain)
    report = load(tmp_path / "out")
    name = tiny_domain.name
    assert report["distances"]["frechet"] == f"Fréchet distance in features of {name}"
    assert any("biased" in note for note in report["notes"])
    assert "FID" not in result.out.replace("no FID", "")
    assert "KID" not in result.out


def test_features_of_a_domain_are_what_its_last_layer_reads(
    translation, tiny_domain, tiny_scene, tmp_path
):
    translator, other = Translator.load(str(tiny_domain)), Translator.load(str(tiny_scene))
    found, word = features_module.find_features(str(tiny_scene), translator)
    assert found is not None
    assert word == ""
    x = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = other.model.head.linear(found.extract(x)).squeeze(1)
        assert -logits.numpy() == pytest.approx(other.energy(x).numpy(), abs=1e-5)
        whole = found.extract(torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest"))
    assert whole.shape == (3, 16)
    assert translation(tmp_path / "out", "--features", tiny_scene).code == 0
    report = load(tmp_path / "out")
    assert report["settings"]["features"][0] == "tiny-scene"
    assert not any("biased" in note for note in report["notes"])


def test_without_inception_weights_there_is_a_word_and_no_distance(
    translation, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    result = translation(tmp_path / "out")
    assert result.code == 0
    assert features_module.INCEPTION_FILE in result.err
    assert "LPIPS" in result.err
    assert "frechet" not in load(tmp_path / "out")["rows"][0]
    result = translation(tmp_path / "other", "--features", "inception")
    assert result.code == 2
    assert "--features DOMAIN" in result.err


def test_weights_that_are_not_what_their_name_says_are_not_loaded(
    translation, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "torch" / "hub" / "checkpoints" / features_module.INCEPTION_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"something else")
    result = translation(tmp_path / "out")
    assert result.code == 2
    assert "sha256" in result.err


def test_the_same_command_does_nothing_and_another_needs_overwrite(translation, tmp_path):
    out = tmp_path / "out"
    assert translation(out, "--features", "none").code == 0
    before = {f: f.stat().st_mtime_ns for f in out.rglob("*")}
    assert "nothing to do" in translation(out, "--features", "none").err
    assert {f: f.stat().st_mtime_ns for f in out.rglob("*")} == before
    refused = translation(out, "--features", "none", "--count", 5)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert translation(out, "--features", "none", "--count", 5, "--overwrite").code == 0
    assert load(out)["settings"]["sets"]["source"]["images"] == 5
    more = ("--features", "none", "--strengths", "1", "--overwrite")
    assert translation(out, *more).code == 0
    assert {f.stem for f in (out / "sheets").iterdir()} == {"strength-1.00", "strength-auto"}


def test_generation_makes_a_grid_and_finds_training_images(generation, tmp_path):
    out = tmp_path / "out"
    result = generation(out, "--features", "none")
    assert result.code == 0, result.err
    found = load(out)["neighbours"]
    assert 0 < found["nearest_rms_generated"] <= found["median_rms_generated"] < 1
    assert "nearest training image" in result.out.lower()
    with Image.open(out / "neighbours.png") as sheet:
        assert sheet.width == 3 * (1 + 3 + 1) * 66 + 2  # a picture, three neighbours and a gap
    with Image.open(out / "sheets" / "strength-1.00.png") as sheet:
        assert sheet.width == 7 * (SIZE + 2) + 2  # the 7 results alone


def test_memorised_images_are_found_mirrored_or_not():
    random = np.random.default_rng(0)
    training = random.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    made = np.stack([training[4], training[7][:, ::-1], 255 - training[3]])
    distance, index, mirrored = nearest(made, training)
    assert distance.shape == (3, 3)
    assert distance[:2, 0] == pytest.approx([0, 0], abs=1e-3)
    assert index[:2, 0].tolist() == [4, 7]
    assert mirrored[:2, 0].tolist() == [False, True]
    both = np.stack([training, training[:, :, ::-1]]).astype(float) / 255
    rms = np.sqrt(((both - made[2] / 255) ** 2).mean(axis=(2, 3, 4))).min(axis=0)
    assert distance[2] == pytest.approx(np.sort(rms)[:3], rel=1e-4)


def test_detection_is_measured_clean_and_attacked(ood, tmp_path):
    out = tmp_path / "out"
    result = ood(out)
    assert result.code == 0, result.err
    values = read_arrays(out / "values.npz")
    for row in load(out)["rows"]:
        clean, attacked = values[f"{row['set']}/clean"], values[f"{row['set']}/attacked"]
        assert (attacked < clean).all()
        assert row["auroc_attacked"] == auroc(values["target"], attacked) <= row["auroc_clean"]
    assert load(out)["settings"]["attack"]["radius"] == 7.0 * SIZE / 256
    assert "APGD, 6 iterations × 2 restarts" in result.out
    again = ood(tmp_path / "other", "--batch-size", 2)  # an image's attack is its own
    assert again.code == 0
    for name, value in read_arrays(tmp_path / "other" / "values.npz").items():
        assert value == pytest.approx(values[name], abs=1e-3)


def test_two_runs_are_compared_with_intervals(translation, ood, cli, tiny_domain, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    translation(a, "--features", tiny_domain)
    translation(b, "--features", tiny_domain, "--seed", 1)
    same = cli("evaluate", "compare", a / "results.json", b / "results.json", "--resamples", 8)
    assert same.code == 0, same.err
    lines = [line for line in same.out.splitlines() if line.startswith(("| 0", "| 1", "| auto"))]
    assert len(lines) == 4 * 7
    assert not any("*" in line for line in lines)  # the same pictures: no difference at all
    translation(b, "--features", "none", "--count", 6, "--overwrite")
    other = cli("evaluate", "compare", a / "results.json", b / "results.json", "--resamples", 8)
    assert "drawn apart" in other.out
    assert "different features" in other.out
    ood(tmp_path / "c")
    refused = cli("evaluate", "compare", a / "results.json", tmp_path / "c" / "results.json")
    assert refused.code == 2
    assert "cannot be compared" in refused.err
    same = tmp_path / "c" / "results.json"
    assert "AUROC attacked" in cli("evaluate", "compare", same, same, "--resamples", 5).out
    (b / "values.npz").unlink()
    assert "values.npz" in cli("evaluate", "compare", a / "results.json", b / "results.json").err


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        x = random.normal(0.3, 1, 60)
        means = x[random.integers(0, 60, (300, 60))].mean(axis=1)
        low, high = interval(float(x.mean()), means)
        hits += low <= 0.3 <= high
    assert 0.88 <= hits / 200 <= 0.99


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "nowhere"), "nowhere"),
        (("--strengths", "0,2"), "0 to 1"),
        (("--strengths", "much"), "much"),
        (("--features", "nothing"), "nothing"),
        (("--features", "anime", "--target", "{sets}/target.zip@:1"), "two images"),
    ],
)
def test_mistakes_get_one_sentence(translation, sets, tmp_path, arguments, words):
    result = translation(tmp_path / "out", *(a.format(sets=sets) for a in arguments))
    assert result.code == 2
    assert words in result.err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_slices_and_draws_of_a_set(sets):
    names = [f"{i:02d}.png" for i in range(12)]
    whole = read_set(str(sets / "target.zip"), 16)
    assert list(whole.names) == names
    assert list(read_set(f"{sets / 'target.zip'}@:-8", 16).names) == names[:-8]
    assert list(read_set(f"{sets / 'target.zip'}@3:5", 16).names) == names[3:5]
    drawn = read_set(str(sets / "target.zip"), 16, count=5, seed=1)
    assert list(drawn.names) == sorted(drawn.names)
    assert drawn.sha256 == read_set(str(sets / "target.zip"), 16, count=5, seed=1).sha256
    assert drawn.sha256 != read_set(str(sets / "target.zip"), 16, count=5, seed=2).sha256
    folder = read_set(str(sets / "target"), 16)
    assert folder.sha256 == whole.sha256  # a folder and a zip of it are the same set


def test_pictures_are_resized_as_written_down(sets):
    found = read_set(str(sets / "photos"), 16).pixels[0]
    with Image.open(sets / "photos" / "00.png") as picture:
        square = picture.resize((16, 16), Image.Resampling.LANCZOS, box=(4, 0, 44, 40))
    assert (found == np.asarray(square)).all()


def test_faces_are_framed_as_in_a_photo_where_the_set_says_so(cli, sets, tiny_domain, tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    shutil.copy(EXAMPLES / "astronaut.jpg", faces / "a.jpg")
    shutil.copy(sets / "photos" / "00.png", faces / "b.png")  # without a face: the centre square
    framed, plain = read_set(f"{faces}@-2:@face", SIZE), read_set(str(faces), SIZE)
    with Image.open(faces / "a.jpg") as photo:
        rgb = np.asarray(photo.convert("RGB"))
    seen = extract(rgb, find_window(rgb, framing="face", size=SIZE))
    assert (framed.pixels[0] == seen).all()
    assert (framed.pixels[0] != plain.pixels[0]).any()
    assert (framed.pixels[1] == plain.pixels[1]).mean() > 0.9
    assert (framed.framing, framed.part, plain.framing) == ("face", "-2:", "crop")
    named = tmp_path / "faces@face"
    faces.rename(named)
    assert read_set(str(named), SIZE).framing == "crop"  # a folder of that very name
    out = tmp_path / "out"
    result = cli(
        *("evaluate", "ood", out, "--domain", tiny_domain, "--device", "cpu", "--restarts", 0),
        *("--target", sets / "target.zip", "--other", f"{named}@face", "--other", sets / "night"),
    )
    assert result.code == 0, result.err
    framings = [other["framing"] for other in load(out)["settings"]["others"]]
    assert framings == ["face", "crop"]
    assert "faces@face (2 images, squares around faces); night (6 images)." in result.out


KILLED = """
import os, signal, sys
from translate.evaluation import job
write = job.write_arrays
what, value = sys.argv.pop(1).split()
def dying(file, arrays):
    global value
    write(file, arrays)
    if what == "part" and file.parent.parent.name == "parts":
        value = int(value) - 1
    if value == 0 or file.name == value:
        os.kill(os.getpid(), signal.SIGKILL)
job.write_arrays = dying
from translate.cli import main
main()
"""


def files_of(out: Path) -> dict[Path, bytes]:
    return {f.relative_to(out): f.read_bytes() for f in out.rglob("*") if f.is_file()}


@pytest.mark.parametrize("kind", ["translation", "generation", "ood"])
def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(kind, request, tmp_path):
    run = request.getfixturevalue(kind)
    more = ("--batch-size", 4) if kind == "ood" else ("--features", "none")
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    assert run(undisturbed, *more).code == 0
    arguments = [str(out) if a == str(undisturbed) else a for a in sys.argv[1:]]

    def killed(left):
        child = subprocess.run(
            [sys.executable, "-c", KILLED, left, *arguments], capture_output=True, check=False
        )
        assert child.returncode == -signal.SIGKILL, child.stderr
        assert not (out / "results.json").exists()

    killed("part 1")
    parts = {f: f.stat().st_mtime_ns for f in (out / "parts").rglob("*.npz")}
    assert len(parts) == 1
    killed("file values.npz")  # this time between two files of the results
    later = {f: f.stat().st_mtime_ns for f in (out / "parts").rglob("*.npz")}
    assert later.items() > parts.items()  # what was finished is not done again
    assert run(out, *more).code == 0
    assert files_of(out) == files_of(undisturbed)


def test_the_seed_decides_every_draw(ood, tmp_path):
    def energies(name, *more):
        assert ood(tmp_path / name, "--count", 4, "--dtype", "float32", *more).code == 0
        return read_arrays(tmp_path / name / "values.npz")

    first, again = energies("first"), energies("again")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "again")
    assert all((first[name] == again[name]).all() for name in first)
    other = energies("other", "--seed", 1)
    assert (first["night/clean"] != other["night/clean"]).any()
    x, whole = torch.rand(6, 3, 8, 8), slice(0, 6)
    starts = _start(x, whole, 1, 0.5, 0)
    assert _start(x, whole, 0, 0.5, 0) is None
    assert l2_norm(starts - x).tolist() == pytest.approx([0.5] * 6, rel=1e-4)
    assert torch.equal(starts[4:], _start(x[4:], slice(4, 6), 1, 0.5, 0))  # in any batch
    for restart, seed in ((1, 1), (2, 0)):
        assert not torch.allclose(starts, _start(x, whole, restart, 0.5, seed), atol=1e-3)


def test_help_needs_no_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from translate.cli import app;"
        "shown = CliRunner().invoke(app, ['evaluate', '--help']); assert 'compare' in shown.output;"
        "assert not {'torch', 'matplotlib', 'torchmetrics', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


def test_inception_features_come_from_the_local_file(translation, tmp_path, monkeypatch):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "torch" / "hub" / "checkpoints" / features_module.INCEPTION_FILE
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(
        FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None, raising=False
    )
    torch.save({}, file)  # the network keeps its random weights
    monkeypatch.setattr(features_module, "check_weights", lambda _: "0" * 64)
    result = translation(tmp_path / "out", "--count", 3)
    assert result.code == 0, result.err
    assert load(tmp_path / "out")["distances"] == {"frechet": "FID", "kernel": "KID"}
    values = read_arrays(tmp_path / "out" / "values.npz")
    assert values["features"].shape == (4, 3, 2048)


def test_lpips_is_measured_where_its_weights_are(tmp_path, monkeypatch):
    from torchmetrics.functional.image import lpips as lpips_module

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / features_module.ALEXNET_FILE
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setattr(features_module, "check_weights", lambda _: "0" * 64)
    untrained = lpips_module._get_tv_model_features
    monkeypatch.setattr(
        lpips_module, "_get_tv_model_features", lambda net, pretrained: untrained(net)
    )
    lpips, missing = features_module.find_lpips(torch.device("cpu"))
    assert lpips is not None
    assert missing == ""
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert lpips(x, x).tolist() == [0, 0]
    far, near = lpips(x, 1 - x), lpips(x, 0.9 * x)
    assert (far > near).all()
    assert (near > 0).all()


def test_progress_is_shown_on_a_terminal(ood, tmp_path, monkeypatch):
    assert "attack" not in ood(tmp_path / "piped").err
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = ood(tmp_path / "terminal").err
    assert "attack cats" in shown
    assert "attack night" in shown
    assert "100%" in shown
